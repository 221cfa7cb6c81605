"""What programs have changed by our API, row by row: whoever asks later who did it is answered by the database, not by a log."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from tools.models import ApiKey, ApiWrite

logger = logging.getLogger(__name__)

KEPT: Final = timedelta(days=400)
_AT_ONCE: Final = 10_000
_ABOUT_MAX: Final = 64
_ROUTE_MAX: Final = 60


def write_note(key: ApiKey, *, method: str, route: str, changed: Collection[str], status: int) -> None:
    """Write down that a key has changed something, a row for each of these ids."""
    now, told = timezone.now(), {"method": method, "route": route[:_ROUTE_MAX], "status": status}
    try:
        ApiWrite.objects.bulk_create(
            ApiWrite(key=key, about=one[:_ABOUT_MAX], at=now, **told) for one in changed
        )
    except DatabaseError:
        # It is done. Who is told of an error does it once more, and somebody is called twice.
        logger.exception(
            "a change by a program could not be written down",
            extra={"api_key": key.prefix, "changed": list(changed), **told},
        )


def writes_expire(*, now: datetime) -> int:
    """Delete what is too old to be asked for; how many rows those were, some ten thousand at once."""
    old = ApiWrite.objects.filter(at__lt=now - KEPT).order_by("pk").values("pk")[:_AT_ONCE]
    return ApiWrite.objects.filter(pk__in=old).delete()[0]
