"""TwiML, read strictly: what Twilio would only warn about is an error here, with Twilio's code.

Codes: 11750 too long, 12100 not XML, 12200 unknown verb, attribute or value, 12300 wrong content type,
13212 timeout, 13221 method, 13223 nobody to dial, 13224 no number, 13225 and 13325 keys, 13226 SIP address, 13420 nothing to play, 13520 nothing to say, 15004 relative URL in a document sent by REST, 31922 and 31923
stream URL, 31941 track, 32018 document sent by REST too long.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

_MAX_BYTES: Final = 64 * 1024
_MAX_INLINE: Final = 4000
_MAX_PARAMETER: Final = 500


class TwimlError(ValueError):
    """A document that Twilio would refuse; `code` is Twilio's."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@dataclass(frozen=True, slots=True)
class Stream:
    """A bidirectional stream. URLs are absolute."""

    url: str
    name: str | None = None
    status_callback: str | None = None
    status_method: str = "POST"
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connect:
    """Blocks until its stream has ended; then `action`, if given, replaces what follows."""

    stream: Stream
    action: str | None = None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Say:
    """Text that Twilio speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Play:
    """A sound file, or keys."""

    url: str | None
    digits: str | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence, in seconds."""

    length_s: float


@dataclass(frozen=True, slots=True)
class Redirect:
    """Goes on with the document at that absolute URL."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Callee:
    """Somebody to be dialled: a number, or with `sip` an address. `url` is the document that only they hear."""

    to: str
    sip: bool = False
    url: str | None = None
    method: str = "POST"
    digits: str = ""


@dataclass(frozen=True, slots=True)
class Dial:
    """Connects the caller to others; `numbers` are numbers or SIP addresses."""

    callees: tuple[Callee, ...]
    action: str | None = None
    method: str = "POST"
    timeout_s: float = 30.0
    caller_id: str | None = None
    answer_on_bridge: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """Who is dialled."""
        return tuple(callee.to for callee in self.callees)


@dataclass(frozen=True, slots=True)
class Hangup:
    """Ends the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuses the call without answering."""

    reason: str = "rejected"


Verb = Connect | Say | Play | Pause | Redirect | Dial | Hangup | Reject

_ATTRIBUTES: Final[dict[str, frozenset[str]]] = {
    "Response": frozenset(),
    "Connect": frozenset({"action", "method"}),
    "Stream": frozenset({"url", "name", "track", "statusCallback", "statusCallbackMethod"}),
    "Parameter": frozenset({"name", "value"}),
    "Say": frozenset({"voice", "language", "loop"}),
    "Play": frozenset({"digits", "loop"}),
    "Pause": frozenset({"length"}),
    "Redirect": frozenset({"method"}),
    "Dial": frozenset(
        {
            "action",
            "method",
            "timeout",
            "timeLimit",
            "callerId",
            "answerOnBridge",
            "sequential",
            "hangupOnStar",
        }
        | {"ringTone", "record", "referUrl", "recordingStatusCallback"}
    ),
    "Number": frozenset(
        {
            "url",
            "method",
            "sendDigits",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "byoc",
        }
    ),
    "Sip": frozenset({"url", "method", "username", "password", "statusCallback", "statusCallbackEvent"}),
    "Hangup": frozenset(),
    "Reject": frozenset({"reason"}),
}


def parse(body: bytes, *, content_type: str, base_url: str) -> list[Verb]:
    """The verbs of a fetched document; relative URLs are taken relative to `base_url`.

    Raises TwimlError when Twilio would refuse it.
    """
    if content_type.partition(";")[0].strip().lower() not in {"text/xml", "application/xml"}:
        raise TwimlError("12300", f"content type is {content_type or 'missing'}, not text/xml")
    if len(body) > _MAX_BYTES:
        raise TwimlError("11750", f"document of {len(body)} bytes")
    return _verbs(body, base_url)


def parse_inline(document: str) -> list[Verb]:
    """The verbs of a document that was sent by REST. Raises TwimlError when Twilio would refuse it."""
    if len(document) > _MAX_INLINE:
        raise TwimlError("32018", f"inline document of {len(document)} characters")
    return _verbs(document.encode(), None)


def _verbs(body: bytes, base_url: str | None) -> list[Verb]:
    if not body.startswith(b"<"):
        raise TwimlError("12100", "something stands before the first tag")
    try:
        root = ET.fromstring(body)  # noqa: S314 - the document of the server under test, on loopback
    except ET.ParseError as error:
        raise TwimlError("12100", str(error)) from error
    if root.tag != "Response":
        raise TwimlError("12100", f"the root is <{root.tag}>, not <Response>")
    _check(root)
    return [_verb(element, base_url) for element in root]


def _check(element: ET.Element) -> None:
    allowed = _ATTRIBUTES.get(element.tag)
    if allowed is None:
        raise TwimlError("12200", f"<{element.tag}> is not known here")
    unknown = set(element.attrib) - allowed
    if unknown:
        raise TwimlError("12200", f"<{element.tag}> has no attribute {sorted(unknown)}")


def _verb(element: ET.Element, base_url: str | None) -> Verb:
    _check(element)
    text = (element.text or "").strip()
    match element.tag:
        case "Connect":
            return _connect(element, base_url)
        case "Say":
            return Say(_said(text))
        case "Play":
            return _played(text, element, base_url)
        case "Pause":
            return Pause(_seconds(element.get("length", "1")))
        case "Redirect":
            return Redirect(_absolute(text, base_url), _method(element))
        case "Dial":
            return _dial(element, text, base_url)
        case "Hangup":
            return Hangup()
        case "Reject":
            return Reject(element.get("reason", "rejected"))
        case _:
            raise TwimlError("12200", f"<{element.tag}> may not stand in <Response>")


def _connect(element: ET.Element, base_url: str | None) -> Connect:
    children = list(element)
    if [child.tag for child in children] != ["Stream"]:
        raise TwimlError("12200", "<Connect> must hold exactly one <Stream>")
    action = element.get("action")
    return Connect(
        stream=_stream(children[0]),
        action=_absolute(action, base_url) if action else None,
        method=_method(element),
    )


def _stream(element: ET.Element) -> Stream:
    _check(element)
    if element.get("track", "inbound_track") != "inbound_track":
        raise TwimlError("31941", "only inbound_track is allowed under <Connect>")
    url = _stream_url(element.get("url", ""))
    callback = element.get("statusCallback")
    if callback is not None and urlsplit(callback).scheme not in {"http", "https"}:
        raise TwimlError("12200", "statusCallback must be absolute")
    parameters: dict[str, str] = {}
    for child in element:
        _check(child)
        if child.tag != "Parameter":
            raise TwimlError("12200", f"<{child.tag}> may not stand in <Stream>")
        name, value = child.get("name", ""), child.get("value", "")
        if not name or len(name) + len(value) >= _MAX_PARAMETER:
            raise TwimlError(
                "12200", f"parameter {name!r} is nameless or {_MAX_PARAMETER} characters or longer"
            )
        parameters[name] = value
    return Stream(
        url=url,
        name=element.get("name"),
        status_callback=callback,
        status_method=element.get("statusCallbackMethod", "POST"),
        parameters=parameters,
    )


def _stream_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise TwimlError("31923", f"stream URL {url!r}: {error}") from error
    if url != url.strip() or parts.scheme not in {"wss", "ws"}:
        raise TwimlError("31922", f"stream URL {url!r} is not wss")
    if parts.scheme == "ws" and not is_loopback(parts.hostname or ""):
        raise TwimlError("31922", f"{url!r}: ws is allowed on loopback only")
    if not parts.hostname:
        raise TwimlError("31923", f"stream URL {url!r} has no host")
    if "?" in url or "#" in url:
        raise TwimlError("31923", "Twilio strips the query from a stream URL; use <Parameter>")
    return url


def _dial(element: ET.Element, text: str, base_url: str | None) -> Dial:
    callees = [_callee(ET.Element("Number"), text, base_url)] if text else []
    for child in element:
        _check(child)
        if child.tag not in {"Number", "Sip"}:
            raise TwimlError("12200", f"<{child.tag}> may not stand in <Dial>")
        callees.append(_callee(child, (child.text or "").strip(), base_url))
    if not callees:
        raise TwimlError("13223", "nobody to dial")
    action = element.get("action")
    timeout_s = _seconds(element.get("timeout", "30"))
    if not 1 <= timeout_s <= 600:
        raise TwimlError("13212", f"a timeout of {timeout_s:g} seconds")
    return Dial(
        tuple(callees),
        _absolute(action, base_url) if action else None,
        _method(element),
        timeout_s=timeout_s,
        caller_id=element.get("callerId"),
        answer_on_bridge=_flag(element.get("answerOnBridge", "false")),
    )


def _callee(element: ET.Element, to: str, base_url: str | None) -> Callee:
    sip = element.tag == "Sip"
    if not to:
        raise TwimlError("13224", f"an empty <{element.tag}>")
    if sip and not _SIP.fullmatch(to):
        raise TwimlError("13226", f"{to!r} is no SIP address")
    digits = element.get("sendDigits", "")
    if not _KEYS.fullmatch(digits):
        raise TwimlError("13225", f"keys {digits!r}")
    url = element.get("url")
    return Callee(to, sip, _absolute(url, base_url) if url else None, _method(element), digits)


_SIP: Final = re.compile(r"sips?:[^\s@]+@[^\s@?]+(\?[^\s]*)?", re.ASCII)
_KEYS: Final = re.compile(r"[0-9*#A-DwW]*", re.ASCII)


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise TwimlError("12200", f"{text!r} is neither true nor false")
    return text == "true"


def _said(text: str) -> str:
    if not text:
        raise TwimlError("13520", "nothing to say")
    return text


def _played(text: str, element: ET.Element, base_url: str | None) -> Play:
    digits = element.get("digits")
    if digits is not None and (not digits or not _KEYS.fullmatch(digits)):
        raise TwimlError("13325", f"keys {digits!r}")
    if digits is None and not text:
        raise TwimlError("13420", "nothing to play")
    return Play(url=_absolute(text, base_url) if text else None, digits=digits)


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise TwimlError("12200", f"{text!r} is no number of seconds")
    return float(text)


def _method(element: ET.Element) -> str:
    method = element.get("method", "POST")
    if method not in {"GET", "POST"}:
        raise TwimlError("12200", f"method {method!r} is neither GET nor POST")
    return method


def _absolute(url: str, base_url: str | None) -> str:
    if urlsplit(url).scheme in {"http", "https"}:
        return url
    if base_url is None:
        raise TwimlError("15004", f"{url!r} is relative in a document sent by REST")
    return urljoin(base_url, url)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
