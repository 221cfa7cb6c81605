"""What tells a call of a smoke test from any other: a signed mark in the address that its line asks first.

The mark names one placing of one pair, is good for minutes, and opens one call. Twilio's signature covers the address,
so a mark that is known is of no use to anybody who could not sign as Twilio.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.core import signing

# From the order to place a call until somebody's exchange asks what to do with it.
LIVES: Final = timedelta(minutes=3)
_SALT: Final = "calls.smoke.marker"
# Twilio tells of the end of a call by the same mark, however long that took.
LEG_LIVES: Final = timedelta(hours=1)
_LEG_SALT: Final = "calls.smoke.leg"


@dataclass(frozen=True, slots=True)
class Placing:
    """One attempt to play a pair."""

    pair_id: uuid.UUID
    attempt: int


def marker_make(placing: Placing) -> str:
    """The mark of a placing, fit for a path."""
    return signing.TimestampSigner(salt=_SALT).sign(f"{placing.pair_id.hex}.{placing.attempt}")


def marker_read(marker: str) -> Placing | None:
    """The placing behind a mark, or None for one that is not ours, or is too old."""
    try:
        plain = signing.TimestampSigner(salt=_SALT).unsign(marker, max_age=LIVES)
        pair_id, _, attempt = plain.partition(".")
        return Placing(uuid.UUID(pair_id), int(attempt))
    except (signing.BadSignature, ValueError):
        return None


def leg_marker_make(leg_id: uuid.UUID) -> str:
    """The mark of a telephone call that we have placed, fit for a path."""
    return signing.TimestampSigner(salt=_LEG_SALT).sign(leg_id.hex)


def leg_marker_read(marker: str) -> uuid.UUID | None:
    """The leg behind a mark, or None for one that is not ours, or is too old."""
    try:
        return uuid.UUID(signing.TimestampSigner(salt=_LEG_SALT).unsign(marker, max_age=LEG_LIVES))
    except (signing.BadSignature, ValueError):
        return None
