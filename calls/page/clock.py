"""The clock of a call's page, which begins with its first sound."""

from datetime import datetime


def ms_since(zero: datetime, at: datetime) -> int:
    """How many milliseconds after the beginning something happened; below nothing, if before."""
    return round((at - zero).total_seconds() * 1000)
