"""Who opened which call. Every place that shows what was said, or a tool's arguments, writes a row before it shows them."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from calls.models import CallOpened
from tools.models import ApiKey

_LABEL_MAX = 150


def call_opened(
    *, call_id: uuid.UUID | str, user: Any = None, key: ApiKey | None = None, what: str = "page"
) -> None:
    """Write down that somebody opens the record of a call: a person, or a program by its key.

    ``what`` is one of ``CallOpened.What``. Raises ValueError for anything else, and where nobody is named.
    """
    calls_opened(call_ids=[call_id], user=user, key=key, what=what)


def calls_opened(
    *, call_ids: Iterable[uuid.UUID | str], user: Any = None, key: ApiKey | None = None, what: str
) -> None:
    """The same for several calls at once, each in a row of its own."""
    person = user if user is not None and user.pk is not None else None
    if person is None and key is None:
        raise ValueError("A call is opened by a person or by a key.")
    label = f"{person.get_username()}" if person is not None else f"API key {key}"
    # One statement of the database's own: a list shows a thousand calls.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO calls_callopened (call_id, what, actor_id, key_id, actor_label, at) "
            "SELECT unnest(%s::uuid[]), %s, %s, %s, %s, %s",
            [
                f"{{{','.join(map(str, call_ids))}}}",
                CallOpened.What(what).value,
                person.pk if person is not None else None,
                key.pk if key is not None else None,
                label[:_LABEL_MAX],
                timezone.now(),
            ],
        )


def call_opened_within(seconds: float, *, call_id: uuid.UUID | str, key: ApiKey, what: str) -> bool:
    """Whether it is written down already that this key opened a call, so short a time ago."""
    since = timezone.now() - timedelta(seconds=seconds)
    return CallOpened.objects.filter(call_id=call_id, key=key, what=what, at__gte=since).exists()


def opened_keep(*, call_id: uuid.UUID, user: Any, what: str, **_: Any) -> None:
    """The same for pages of the apps below, which tell of it by ``tools.opened``."""
    call_opened(call_id=call_id, user=user, what=what)
