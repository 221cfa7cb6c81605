"""What of a transfer's destination, in Vapi's words, can be dialled, and which ways of transferring there are. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

BLIND: Final = "blind-transfer"
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_DIALLABLE: Final = re.compile(r"\+?[0-9*#]{3,40}", re.ASCII)
_SIP_URI: Final = re.compile(r"sips?:[^\s@<>\"?]+@[^\s@<>\"?]+", re.ASCII)
_EXTENSION: Final = re.compile(r"[0-9*#wW]{1,20}", re.ASCII)
_WARM: Final = r"warm-transfer-(?:wait-for-operator-to-speak-first-and-then-)?(?:say|with)-"
_SAYS_MESSAGE: Final = re.compile(f"{_WARM}message")
_SAYS_SUMMARY: Final = re.compile(f"{_WARM}summary")


def is_e164(number: str) -> bool:
    """Whether it is a full number with + and country code, without anything else."""
    return _E164.fullmatch(number) is not None


def number_dialled(destination: Mapping[str, Any]) -> str:
    """The number of a destination as it is dialled; empty where it cannot be."""
    number = re.sub(r"[\s().-]", "", text_at(destination, "number"))
    loose = destination.get("numberE164CheckEnabled") is False
    return number if (_DIALLABLE if loose else _E164).fullmatch(number) else ""


def sip_uri_dialled(destination: Mapping[str, Any]) -> str:
    """The SIP address of a destination; empty where it cannot be called."""
    uri = text_at(destination, "sipUri")
    return uri if _SIP_URI.fullmatch(uri) else ""


def is_extension(text: str) -> bool:
    """Whether a telephone has keys for all of it."""
    return _EXTENSION.fullmatch(text) is not None


def says_message(mode: str) -> bool:
    """Whether this way of transferring has a message said to whoever answers."""
    return _SAYS_MESSAGE.fullmatch(mode) is not None


def says_summary(mode: str) -> bool:
    """Whether this way of transferring has whoever answers told what the call was about."""
    return _SAYS_SUMMARY.fullmatch(mode) is not None


def is_mode(mode: str) -> bool:
    """Whether calls are transferred in this way."""
    return mode == BLIND or says_message(mode) or says_summary(mode)


def text_at(stored: Mapping[str, Any], key: str) -> str:
    """The text there without blanks around it; empty for anything else."""
    value = stored.get(key)
    return value.strip() if isinstance(value, str) else ""
