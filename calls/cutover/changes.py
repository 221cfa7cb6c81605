"""What is written to a number at Twilio, and how two of its configurations differ. Pure.

A configuration is the number's resource as Twilio gives it. Only the fields of `VOICE_FIELDS` are ever written: never
those for text messages, never the account, nothing about emergencies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

Config: TypeAlias = Mapping[str, Any]
AnsweredBy = Literal["unknown", "vapi", "tandem", "url", "trunk", "application", "nobody"]

VOICE_PATH: Final = "/twilio/voice"
STATUS_PATH: Final = "/twilio/status"
TRUNK: Final = "trunk_sid"
APPLICATION: Final = "voice_application_sid"
METHODS: Final = ("voice_method", "voice_fallback_method", "status_callback_method")
VOICE_FIELDS: Final = (
    TRUNK,
    APPLICATION,
    "voice_url",
    "voice_method",
    "voice_fallback_url",
    "voice_fallback_method",
    "status_callback",
    "status_callback_method",
)
# Read before a write, and kept apart from it: they decide whether the number can be moved at all.
CONDITIONS: Final = ("account_sid", "status", "voice_receive_mode")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, as it is and as it is to be; or as it should be and as it is. Empty means not set."""

    field: str
    before: str
    after: str

    def as_json(self) -> dict[str, str]:
        """For a JSON column, or a script."""
        return {"field": self.field, "before": self.before, "after": self.after}


def value_of(config: Config, field: str) -> str:
    """The field as Twilio means it.

    Twilio shows a URL or a SID that is not set as null, as an empty text, or not at all, and an unset method is POST.
    Nothing else is alike: not the case of a URL, not its fragment, not a blank.
    """
    value = config.get(field)
    text = "" if value is None else str(value)
    if field in METHODS:
        return text or "POST"
    return text


def voice_config(config: Config) -> dict[str, str]:
    """All fields that decide what happens to a call, each as `value_of` gives it."""
    return {field: value_of(config, field) for field in VOICE_FIELDS}


def differences(wanted: Config, actual: Config) -> tuple[FieldChange, ...]:
    """The voice fields in which ``actual`` is not as ``wanted``; fields that ``wanted`` does not name do not count."""
    return tuple(
        FieldChange(field, value_of(wanted, field), value_of(actual, field))
        for field in (*VOICE_FIELDS, *CONDITIONS)
        if field in wanted and value_of(wanted, field) != value_of(actual, field)
    )


def compared(config: Config) -> dict[str, str]:
    """The part of a configuration in which two looks at a number are compared before a write: more than is written."""
    return {field: value_of(config, field) for field in (*VOICE_FIELDS, *CONDITIONS)}


def wanted_fields(
    *, voice_url: str, status_url: str, fallback_url: str, fallback_method: str
) -> dict[str, str]:
    """All voice fields of a number that is ours; the same for a canary, whose share is decided call by call.

    A trunk would beat an application, and both would beat the URL: neither may stay.
    """
    return {
        TRUNK: "",
        APPLICATION: "",
        "voice_url": voice_url,
        "voice_method": "POST",
        "voice_fallback_url": fallback_url,
        "voice_fallback_method": fallback_method or "POST",
        "status_callback": status_url,
        "status_callback_method": "POST",
    }


def fields_to_send(wanted: Config, config: Config) -> dict[str, str]:
    """The parameters of the one POST that brings ``config`` to ``wanted``; an empty text clears, nothing is left out.

    Twilio takes the application away when it gets a trunk, and the other way round, so that the one that goes is not
    named beside the one that comes.
    """
    fields = {
        field: value_of(wanted, field)
        for field in VOICE_FIELDS
        if value_of(wanted, field) != value_of(config, field)
    }
    if fields.get(TRUNK):
        fields.pop(APPLICATION, None)
    elif fields.get(APPLICATION):
        fields.pop(TRUNK, None)
    return fields


def restoring_fields(snapshot: Config, config: Config) -> dict[str, str]:
    """The parameters of the POST that brings ``config`` back to ``snapshot`` in all voice fields."""
    return fields_to_send(voice_config(snapshot), config)


def why_not_restorable(config: Config) -> str:
    """Why Twilio would not take this configuration back, in plain words; empty when it would."""
    if value_of(config, "voice_fallback_url") and not value_of(config, "voice_url"):
        return (
            "It has a fallback URL but no voice URL. Twilio would refuse that combination when it is put back (error 21405), so a "
            "rollback could not restore it. Remove the fallback URL at Twilio, or set a voice URL, and read the numbers again."
        )
    if value_of(config, TRUNK) and value_of(config, APPLICATION):
        return (
            "It has a SIP trunk and a TwiML application. Twilio takes one away when the other is set, so a rollback could not "
            "restore both. Remove the application at Twilio (calls go to the trunk anyway), and read the numbers again."
        )
    return ""


def answered_by(config: Config, *, origin: str, vapi_origins: tuple[str, ...] = ()) -> AnsweredBy:
    """Who gets a call by this configuration: a trunk before an application, an application before the URL."""
    if not config:
        return "unknown"
    if value_of(config, TRUNK):
        return "trunk"
    if value_of(config, APPLICATION):
        return "application"
    url = value_of(config, "voice_url")
    if not url:
        return "nobody"
    if is_ours(url, origin=origin):
        return "tandem"
    return "vapi" if _is_vapis(url, vapi_origins) else "url"


def is_ours(url: str, *, origin: str) -> bool:
    """Whether this is our voice webhook under that public origin, whatever its fragment says."""
    return _origin(url) == _origin(origin) and _path(url) == VOICE_PATH


def _is_vapis(url: str, origins: tuple[str, ...]) -> bool:
    host = _origin(url)[1].partition(":")[0]
    return host == "vapi.ai" or host.endswith(".vapi.ai") or _origin(url) in {_origin(one) for one in origins}


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return "", ""
    scheme = parts.scheme.lower()
    default = {"https": 443, "http": 80}.get(scheme)
    host = (parts.hostname or "").lower()
    return scheme, f"{host}:{port}" if port not in (None, default) else host


def _path(url: str) -> str:
    try:
        return urlsplit(url.strip()).path
    except ValueError:
        return ""
