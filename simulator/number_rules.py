"""What an update of a telephone number may say, and what becomes of the number: Twilio's rules, and nothing else.

An empty text clears, a missing parameter leaves, an unknown one is refused. A trunk takes the application away and the other
way round; the URLs that neither uses stay as they are. Loopback servers count as public here.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from simulator import overrides
from simulator.refusals import Complaints, Refusal
from simulator.twiml import is_loopback

JSON = dict[str, Any]

_LONGEST_URL: Final = 4000
_LONGEST_NAME: Final = 64
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_LABEL: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?")

# Parameters whose values are URLs, with the error that a bad one gets.
URLS: Final = {
    "VoiceUrl": 21402,
    "VoiceFallbackUrl": 21402,
    "StatusCallback": 21609,
    "SmsUrl": 21402,
    "SmsFallbackUrl": 21402,
}
METHODS: Final = (
    "VoiceMethod",
    "VoiceFallbackMethod",
    "StatusCallbackMethod",
    "SmsMethod",
    "SmsFallbackMethod",
)
_SIDS: Final = {"AddressSid": "AD", "BundleSid": "BU", "EmergencyAddressSid": "AD", "IdentitySid": "RI"}
_CHOICES: Final = {"VoiceReceiveMode": ("voice", "fax"), "EmergencyStatus": ("Active", "Inactive")}
# What a cleared field shows: some say null, some say "".
_CLEARED: Final[dict[str, object]] = {
    "trunk_sid": None,
    "voice_application_sid": "",
    "sms_application_sid": "",
    "address_sid": None,
    "bundle_sid": None,
    "identity_sid": None,
    "emergency_address_sid": None,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a number may be given to: the sids of its account's applications, and of its trunks."""

    applications: Collection[str]
    trunks: Collection[str]


def field_of(parameter: str) -> str:
    """The field of the resource that a parameter sets: `VoiceUrl` is `voice_url`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).lower()


def changes_of(
    pairs: Iterable[tuple[str, str]], number: JSON, *, known: Known, complaints: Complaints
) -> JSON:
    """The fields that an update changes, without the account. Raises Refusal as Twilio does."""
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            complaints.note("repeated", f"{name} is given twice")
        form[name] = value
    if unknown := sorted(set(form) - set(_READERS)):
        complaints.note("unknown", f"unknown parameters {unknown}")
        raise Refusal(400, 20001, f"Unknown parameters {unknown}")
    changes: JSON = {}
    for name, text in form.items():
        changes[field_of(name)] = _READERS[name](name, text, known)
    if form.get("TrunkSid") and form.get("VoiceApplicationSid"):
        complaints.note("trunk-and-application", "an update sets both a trunk and an application")
    if form.get("TrunkSid"):
        changes["voice_application_sid"] = None
    elif form.get("VoiceApplicationSid"):
        changes["trunk_sid"] = None
    _check_fallbacks({**number, **changes})
    return changes


def _check_fallbacks(number: JSON) -> None:
    if number["voice_fallback_url"] and not number["voice_url"]:
        raise Refusal(400, 21405)
    if number["sms_fallback_url"] and not number["sms_url"]:
        raise Refusal(400, 21406)


def check_url(name: str, url: str) -> None:
    """Nothing for a URL that Twilio takes. Raises Refusal for a bad one, its connection overrides included."""
    code = URLS.get(name, 21402)
    if len(url) > _LONGEST_URL:
        raise Refusal(400, code, f"{name} is longer than {_LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Refusal(400, code, f"{name} is not valid: {error}") from error
    if url != url.strip() or " " in url or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refusal(400, code, f"{name} is not a valid URL: {url}")
    host = parts.hostname
    if not is_loopback(host) and (
        "." not in host or not all(_LABEL.fullmatch(label) for label in host.split("."))
    ):
        raise Refusal(400, code, f"{name} has no public host: {url}")
    if "#" in url:
        try:
            overrides.parse(parts.fragment)
        except overrides.OverrideError as error:
            raise Refusal(400, error.code, f"{name}: {error.why}") from error


def _url(name: str, text: str, _: Known) -> str:
    if text:
        check_url(name, text)
    return text


def _method(name: str, text: str, _: Known) -> str:
    if text and text not in {"GET", "POST"}:
        raise Refusal(400, 21403, f"{name} is {text!r}, neither GET nor POST")
    return text or "POST"


def _application(name: str, text: str, known: Known) -> object:
    if text and text not in known.applications:
        raise Refusal(400, 21420, f"{name} {text} is not an application of this account")
    return text or _CLEARED[field_of(name)]


def _trunk(name: str, text: str, known: Known) -> object:
    if text and text not in known.trunks:
        raise Refusal(400, 20001, f"{name} {text} is not a trunk of this account")
    return text or None


def _sid(name: str, text: str, _: Known) -> object:
    if text and not (_SID.fullmatch(text) and text.startswith(_SIDS[name])):
        raise Refusal(400, 20001, f"{name} is not valid")
    return text or _CLEARED[field_of(name)]


def _choice(name: str, text: str, _: Known) -> str:
    if text not in _CHOICES[name]:
        raise Refusal(400, 20001, f"{name} is not one of {', '.join(_CHOICES[name])}")
    return text


def _boolean(name: str, text: str, _: Known) -> bool:
    if text.lower() not in {"true", "false"}:
        raise Refusal(400, 20001, f"{name} is neither true nor false")
    return text.lower() == "true"


def _name(name: str, text: str, _: Known) -> str:
    if len(text) > _LONGEST_NAME:
        raise Refusal(400, 20001, f"{name} is longer than {_LONGEST_NAME} characters")
    return text


def _account(name: str, text: str, _: Known) -> str:
    if not (_SID.fullmatch(text) and text.startswith("AC")):
        raise Refusal(400, 20001, f"{name} is not valid")
    return text


def _version(name: str, text: str, _: Known) -> str:
    if text not in {"2010-04-01", "2008-08-01"}:
        raise Refusal(400, 20001, f"{name} is not a version")
    return text


_READERS: Final[dict[str, Callable[[str, str, Known], object]]] = {
    **dict.fromkeys(URLS, _url),
    **dict.fromkeys(METHODS, _method),
    **dict.fromkeys(_SIDS, _sid),
    **dict.fromkeys(_CHOICES, _choice),
    "VoiceApplicationSid": _application,
    "SmsApplicationSid": _application,
    "TrunkSid": _trunk,
    "VoiceCallerIdLookup": _boolean,
    "FriendlyName": _name,
    "AccountSid": _account,
    "ApiVersion": _version,
}
