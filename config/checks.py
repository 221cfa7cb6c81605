"""System checks: each setting that can be wrong, with an id and a hint that says what to write instead."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from config.database import EXAMPLE, database_from_url
from config.origins import host_is_loopback, host_is_private, origin_host

TELEPHONE = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_ANSWER_MS = 14_000
ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
REDIS_SCHEMES = ("redis", "rediss", "unix")
Check = Callable[..., Sequence[CheckMessage]]


def public_origin_check(**_: Any) -> list[CheckMessage]:
    """E001: not an origin. E002: plain http where others must reach us."""
    origin: str = settings.PUBLIC_ORIGIN
    hint = "Write scheme, host and perhaps a port, and nothing after them: PUBLIC_ORIGIN=https://voice.example.com"
    if not _is_origin(origin, ("https", "http")):
        return [Error("PUBLIC_ORIGIN is not an origin.", hint=hint, id="tandem.E001")]
    if origin.startswith("http://") and not host_is_loopback(origin_host(origin)):
        return [
            Error(
                "PUBLIC_ORIGIN is not https. Calls and tokens would be readable on the way.",
                hint=hint,
                id="tandem.E002",
            )
        ]
    return []


def media_origin_check(**_: Any) -> list[CheckMessage]:
    """E003: not a WebSocket origin. E004: plain ws where others must reach us."""
    origin: str = settings.MEDIA_ORIGIN
    hint = (
        "Leave MEDIA_ORIGIN unset to use PUBLIC_ORIGIN's host, or write MEDIA_ORIGIN=wss://media.example.com"
    )
    if not _is_origin(origin, ("wss", "ws")):
        return [Error("MEDIA_ORIGIN is not a WebSocket origin.", hint=hint, id="tandem.E003")]
    if origin.startswith("ws://") and not host_is_loopback(origin_host(origin)):
        return [
            Error(
                "MEDIA_ORIGIN is not wss. Twilio opens media streams only over TLS.",
                hint=hint,
                id="tandem.E004",
            )
        ]
    return []


def openai_check(**_: Any) -> list[CheckMessage]:
    """E005: no key. E006: a Realtime URL that cannot be one. E007: an unencrypted one to a public host."""
    found: list[CheckMessage] = []
    # While developing, only what needs the key has to have it.
    if not settings.OPENAI_API_KEY and not settings.DEBUG:
        found.append(
            Error(
                "OPENAI_API_KEY is missing: no call can be answered.",
                hint="Set OPENAI_API_KEY, or OPENAI_API_KEY_FILE to the path of a file that holds it.",
                id="tandem.E005",
            )
        )
    url: str = settings.OPENAI_REALTIME_URL
    parts = _split(url)
    if parts is None or parts.scheme not in ("wss", "ws") or not parts.hostname:
        found.append(
            Error(
                "OPENAI_REALTIME_URL is not a WebSocket URL.",
                hint="Leave it unset for OpenAI, or write wss://host/v1/realtime",
                id="tandem.E006",
            )
        )
    elif parts.scheme == "ws" and not host_is_private(parts.hostname):
        found.append(
            Error(
                "OPENAI_REALTIME_URL is unencrypted and leads to a public host.",
                hint="Write wss://; ws:// is only for this machine and private networks.",
                id="tandem.E007",
            )
        )
    return found


def twilio_check(**_: Any) -> list[CheckMessage]:
    """E008: no token. E009: an account SID that is none. E010: an API URL that is none."""
    found: list[CheckMessage] = []
    if not settings.TWILIO_AUTH_TOKENS and not settings.DEBUG:
        found.append(
            Error(
                "TWILIO_AUTH_TOKEN is missing: no webhook's signature can be checked, so all are refused.",
                hint="Set TWILIO_AUTH_TOKEN, or TWILIO_AUTH_TOKEN_FILE to the path of a file that holds it.",
                id="tandem.E008",
            )
        )
    sid: str = settings.TWILIO_ACCOUNT_SID
    if (sid or not settings.DEBUG) and not ACCOUNT_SID.fullmatch(sid):
        found.append(
            Error(
                "TWILIO_ACCOUNT_SID is missing or malformed.",
                hint="It is AC followed by 32 hexadecimal digits; the Twilio console shows it. An API key (SK…) is not it.",
                id="tandem.E009",
            )
        )
    found += _api_url("TWILIO_API_URL", "https://api.twilio.com", "tandem.E010")
    return found


def vapi_check(**_: Any) -> list[CheckMessage]:
    """E011: an API URL that is none."""
    return _api_url("VAPI_API_URL", "https://api.vapi.ai", "tandem.E011")


def encryption_check(**_: Any) -> list[CheckMessage]:
    """E012: no key. E013: one that is no Fernet key."""
    hint = (
        "Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'. "
        "To rotate, put the new one before the old ones, separated by commas."
    )
    if not settings.FIELD_ENCRYPTION_KEYS:
        return [Error("FIELD_ENCRYPTION_KEY is missing.", hint=hint, id="tandem.E012")]
    for position, key in enumerate(settings.FIELD_ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            return [
                Error(
                    f"Key {position} of FIELD_ENCRYPTION_KEY is not a Fernet key.",
                    hint=hint,
                    id="tandem.E013",
                )
            ]
    return []


def exposure_check(**_: Any) -> list[CheckMessage]:
    """W001: debug pages where the public can see them. W002: any Host header is accepted."""
    found: list[CheckMessage] = []
    if settings.DEBUG and not host_is_private(origin_host(settings.PUBLIC_ORIGIN)):
        found.append(
            CheckWarning(
                "DEBUG is on while PUBLIC_ORIGIN is public: error pages show settings and local variables to anybody.",
                hint="Set DEBUG=false.",
                id="tandem.W001",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            CheckWarning(
                "ALLOWED_HOSTS accepts every Host header.",
                hint="Name the hosts, separated by commas. PUBLIC_ORIGIN's is always allowed.",
                id="tandem.W002",
            )
        )
    return found


def stores_check(**_: Any) -> list[CheckMessage]:
    """E014: DATABASE_URL. E015: REDIS_URL. Neither is connected to."""
    found: list[CheckMessage] = []
    try:
        database_from_url(settings.DATABASE_URL, pool=False)
    except ImproperlyConfigured as exc:
        found.append(Error(str(exc), hint=f"Write DATABASE_URL={EXAMPLE}", id="tandem.E014"))
    parts = _split(settings.REDIS_URL)
    if parts is None or parts.scheme not in REDIS_SCHEMES or not (parts.hostname or parts.path):
        found.append(
            Error(
                "REDIS_URL cannot be read.",
                hint="Write REDIS_URL=redis://:password@host:6379/0, or rediss:// for TLS.",
                id="tandem.E015",
            )
        )
    return found


def spool_check(**_: Any) -> list[CheckMessage]:
    """E016: the folder where records wait while the database is away cannot be written."""
    folder = Path(settings.SPOOL_DIR)
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            "SPOOL_DIR cannot be written: what callers say would be lost while the database is away.",
            hint="Set SPOOL_DIR to a folder that survives a restart and that this user may write.",
            id="tandem.E016",
        )
    ]


def telemetry_check(**_: Any) -> list[CheckMessage]:
    """E017: an endpoint for traces that is no URL."""
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return []
    return _api_url("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", "tandem.E017")


def voice_fallback_check(**_: Any) -> list[CheckMessage]:
    """E018: a way back that is neither a URL nor a telephone number, or leads to ourselves. E019: a limit that Twilio does not take."""
    found: list[CheckMessage] = []
    chosen: str = settings.VOICE_FALLBACK
    if chosen and not TELEPHONE.fullmatch(chosen):
        found += _api_url(
            "VOICE_FALLBACK", "https://handler.twilio.com/twiml/EH…, or +14155550100", "tandem.E018"
        )
    if _same_place(chosen, settings.PUBLIC_ORIGIN):
        found.append(
            Error(
                "VOICE_FALLBACK points to this installation.",
                hint="Callers are taken there when this installation is down: name a place that is somewhere else.",
                id="tandem.E018",
            )
        )
    if not 500 <= settings.VOICE_ANSWER_WITHIN_MS <= LONGEST_ANSWER_MS:
        found.append(
            Error(
                "VOICE_ANSWER_WITHIN_MS is out of range.",
                hint=f"Write a number from 500 to {LONGEST_ANSWER_MS}. Twilio itself gives up after 15 s.",
                id="tandem.E019",
            )
        )
    return found


def _same_place(one: str, other: str) -> bool:
    first, second = _split(one), _split(other)
    return (
        first is not None
        and second is not None
        and bool(first.hostname)
        and first.hostname == second.hostname
    )


def _api_url(name: str, example: str, check_id: str) -> list[CheckMessage]:
    parts = _split(getattr(settings, name))
    fine = (
        parts is not None
        and bool(parts.hostname)
        and (parts.scheme == "https" or (parts.scheme == "http" and host_is_private(parts.hostname or "")))
    )
    if fine:
        return []
    hint = f"Write {name}={example}; http:// is only for this machine and private networks."
    return [Error(f"{name} is not an https URL.", hint=hint, id=check_id)]


def _is_origin(text: str, schemes: tuple[str, ...]) -> bool:
    parts = _split(text)
    if parts is None or parts.scheme not in schemes or not parts.hostname or parts.username:
        return False
    return text == f"{parts.scheme}://{parts.netloc}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return None
    return parts


CHECKS: tuple[Check, ...] = (
    public_origin_check,
    media_origin_check,
    openai_check,
    twilio_check,
    vapi_check,
    encryption_check,
    exposure_check,
    stores_check,
    spool_check,
    telemetry_check,
    voice_fallback_check,
)
