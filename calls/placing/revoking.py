"""Revoking keys of programs together with the calls that they have ordered and that nobody has answered yet."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count

from calls.concurrency.locks import ORDERS, locked
from calls.models import Call
from calls.placing.cancelling import call_cancel, unanswered_of
from tools.access.keys import keys_revoke
from tools.models import ApiKey


@dataclass(frozen=True, slots=True)
class Revoked:
    """What came of revoking: keys, calls that are off, and calls that were answered before they could be."""

    keys_n: int
    off: tuple[uuid.UUID, ...] = ()
    answered_n: int = 0


def calls_ordered(key_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How many calls each of these keys has ordered that would still be made, or that ring."""
    rows = unanswered_of(key_ids).order_by().values_list("placing__request__key")
    return dict(rows.annotate(n=Count("pk")))


def keys_revoke_for_good(
    *, key_ids: Collection[uuid.UUID], by: User, call_off: bool, now: datetime
) -> Revoked:
    """Revoke the keys and, where that is wanted, call off what they have ordered. What was done stands in the history.

    An order that is being taken meanwhile is either seen here or refused: it is written under the same lock, and looks there
    whether its key is open (calls.placing.services).
    """
    keys = ApiKey.objects.filter(pk__in=list(key_ids))
    with transaction.atomic():
        open_keys = list(keys.filter(revoked_at=None).select_for_update())
        n = keys_revoke(ApiKey.objects.filter(pk__in=[one.pk for one in open_keys]))
        if open_keys:
            LogEntry.objects.log_actions(by.pk, open_keys, CHANGE, "Revoked for good.")
    if not call_off:
        return Revoked(n)
    with transaction.atomic():
        locked(ORDERS)
        waiting = list(unanswered_of(key_ids).values_list("pk", flat=True))
    off = tuple(pk for pk in waiting if call_cancel(pk, now=now))
    if off:
        text = f"Called off {len(off)} of the calls that it had ordered."
        LogEntry.objects.log_actions(by.pk, list(keys), CHANGE, text)
        LogEntry.objects.log_actions(
            by.pk, Call.objects.filter(pk__in=off), CHANGE, "Called off with its key."
        )
    return Revoked(n, off, len(waiting) - len(off))
