"""How long what programs sent along with calls is kept: as long as a call needs it, and no longer than what was said in that."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet

from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from assistants.snapshots import snapshot_read
from calls.models import Call, CallStripped
from tools.models import Tool

# Nobody asks twice for what was not asked for in so long.
UNUSED: Final = timedelta(days=30)
# How a call leads to a document that it ran on, or could have been handed over to. Each way has an index.
_WAYS: Final = ("version__assistant__transient", "squad__transient", "members__version__assistant__transient")
_BATCH: Final = 500
# Of one run: what is left comes in the next one.
_MOST_BATCHES: Final = 40
_BLANK: Final[dict[str, Any]] = {
    "instructions": "",
    "first_message": "",
    "end_call_message": "",
    "voicemail_message": "",
    "server_url": "",
    "history": [],
    "variables": {},
    "metadata": {},
    "analysis_plan": {},
    "monitor_plan": {},
}
_COLUMNS: Final[dict[str, Any]] = {
    "idle_messages": "",
    "end_call_phrases": "",
    "keywords": "",
    "server_secret": "",
    "server_headers": "",
    "plans": {},
}

_TOOL: Final[dict[str, Any]] = {
    "description": "",
    "parameters": {"type": "object", "properties": {}},
    "static_parameters": [],
    "messages": [],
    "variable_extraction": {},
    "rejection_plan": {},
    "settings": {},
    "server_url": "",
    "server_secret": "",
    "server_headers": "",
}


def transients_expire(*, now: datetime) -> tuple[int, int]:
    """Delete what no call ever ran on, and empty what only calls ran on whose words are deleted; how many of each."""
    never = _rows(now - UNUSED).filter(~_ran(Call.objects.all())).order_by("used_at")
    over = _whole().filter(_ran(Call.objects.all()), ~_ran(_telling())).order_by("used_at")
    gone = _in_batches(never, lambda one: _delete(one, now - UNUSED))
    return gone, _in_batches(over, _empty)


def transients_empty(call_ids: Collection[uuid.UUID]) -> int:
    """Empty what these calls ran on and no other does whose words are kept; how many documents that were.

    In the transaction that has written that their words are deleted.
    """
    calls = Call.objects.filter(pk__in=call_ids)
    every = [calls.exclude(**{way: None}).values_list(way, flat=True) for way in _WAYS]
    mine = _whole().filter(pk__in={pk for one in every for pk in one})
    return sum(_empty(one) for one in mine.order_by("pk"))


def transients_hold(ids: Collection[uuid.UUID]) -> bool:
    """Whether these documents are as they were sent, which they stay until the transaction ends."""
    if not ids:
        return True
    with connection.cursor() as cursor:
        # Shared: calls of one document do not wait for each other. In the order in which they are emptied, a squad's own
        # members after it, or the two could wait for each other.
        cursor.execute(
            "SELECT id FROM assistants_transient WHERE id = ANY(%s) AND kind <> %s ORDER BY kind = %s, id FOR SHARE",
            [list(ids), Transient.Kind.EMPTIED, Transient.Kind.MEMBER],
        )
        return len(cursor.fetchall()) == len(ids)


def _in_batches(rows: QuerySet[Transient], done: Callable[[Transient], bool]) -> int:
    """How many of the rows that is done to. One that it cannot be done to comes again, so a batch of them ends it."""
    total = 0
    for _ in range(_MOST_BATCHES):
        n = sum(done(one) for one in rows[:_BATCH])
        total += n
        if n < _BATCH:
            break
    return total


def _whole() -> QuerySet[Transient]:
    """Those that were not emptied yet; a squad's own members go with it."""
    return Transient.objects.exclude(kind__in=(Transient.Kind.MEMBER, Transient.Kind.EMPTIED))


def _telling() -> QuerySet[Call]:
    """The calls whose words are kept."""
    return Call.objects.filter(~Exists(CallStripped.objects.filter(call_id=OuterRef("pk"))))


def _rows(unused_since: datetime) -> QuerySet[Transient]:
    """Those that nobody asked for lately; a squad's own members go with it."""
    return Transient.objects.filter(used_at__lt=unused_since).exclude(kind=Transient.Kind.MEMBER)


def _ran(calls: QuerySet[Call]) -> Q:
    """Of documents: one of these calls ran on it, or could have been handed over to it."""
    first, *others = (Q(Exists(calls.filter(**{way: OuterRef("pk")}))) for way in _WAYS)
    for other in others:
        first |= other
    return first


def _assistants(transient: Transient) -> list[Assistant]:
    """The assistants that were made of a document: itself, or the members of the squad that are its own, and those in
    destinations."""
    own = (
        Q(transient=transient)
        | Q(transient__part_of=transient)
        | Q(
            squadmember__squad__transient=transient,
            transient__kind__in=(Transient.Kind.MEMBER, Transient.Kind.EMPTIED),
        )
    )
    return list(Assistant.every.filter(own).defer("server_secret", "server_headers"))


def _delete(transient: Transient, unused_since: datetime) -> bool:
    rows = _assistants(transient)
    documents = _documents(transient, rows)
    try:
        with transaction.atomic():
            # Somebody may have asked for it meanwhile.
            if not _rows(unused_since).select_for_update().filter(pk=transient.pk):
                return False
            SquadMember.objects.filter(squad__transient=transient).delete()
            Squad.every.filter(transient=transient).delete()
            Assistant.every.filter(pk__in=[one.pk for one in rows]).update(live_version=None)
            AssistantVersion.objects.filter(assistant__in=rows).delete()
            Tool.every.filter(transient__in=documents).delete()
            Assistant.every.filter(pk__in=[one.pk for one in rows]).delete()
            Transient.objects.filter(pk__in=documents).delete()
    except (IntegrityError, ProtectedError):
        # Something else than a call holds it, a run of a test, say. It stays.
        return False
    return True


def _documents(transient: Transient, rows: list[Assistant]) -> set[uuid.UUID]:
    return {transient.pk, *(one.transient_id for one in rows if one.transient_id is not None)}


def _empty(transient: Transient) -> bool:
    """Take the words out: of its calls only times, counts and costs are left, and the names that those are told by."""
    with transaction.atomic():
        # Whoever pins a call to it holds it until that call is written; then it is kept.
        held = _whole().select_for_update().filter(pk=transient.pk).first()
        if held is None or Transient.objects.filter(_ran(_telling()), pk=transient.pk).exists():
            return False
        rows = _assistants(transient)
        documents = _documents(transient, rows)
        Assistant.every.filter(pk__in=[one.pk for one in rows]).update(**_BLANK, **_COLUMNS)
        for version in AssistantVersion.objects.filter(assistant__in=rows):
            AssistantVersion.objects.filter(pk=version.pk).update(snapshot=_emptied(version.snapshot))
        Tool.every.filter(transient__in=documents).update(**_TOOL)
        Transient.objects.filter(pk__in=documents).update(kind=Transient.Kind.EMPTIED, document={}, notes=[])
    return True


def _emptied(stored: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "idle_messages": (),
        "end_call_phrases": (),
        "keywords": (),
        "placing": {},
        "tools": (),
    }
    return replace(snapshot_read(stored), **_BLANK, **empty).to_json()
