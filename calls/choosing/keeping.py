"""How long what programs sent along with calls is kept: as long as a call needs it, and no longer than what was said in that."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet

from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from assistants.snapshots import snapshot_read
from calls.models import Call, CallStripped
from tools.models import Tool

# Nobody asks twice for what was not asked for in so long.
UNUSED: Final = timedelta(days=30)
# A call that is about to be made may need it.
_SETTLED: Final = timedelta(days=2)
_BATCH: Final = 500
_BLANK: Final[dict[str, Any]] = {
    "instructions": "",
    "first_message": "",
    "end_call_message": "",
    "voicemail_message": "",
    "history": [],
    "variables": {},
    "metadata": {},
}

_TOOL: Final[dict[str, Any]] = {
    "description": "",
    "parameters": {"type": "object", "properties": {}},
    "static_parameters": [],
    "messages": [],
    "variable_extraction": {},
    "rejection_plan": {},
    "settings": {},
    "server_secret": "",
    "server_headers": "",
}


def transients_expire(*, now: datetime) -> tuple[int, int]:
    """Delete what no call ever ran on, and empty what only calls ran on whose words are deleted; how many of each."""
    every = Call.objects.all()
    never = _rows(now - UNUSED).filter(~_ran(every))
    gone = sum(_delete(one, now - UNUSED) for one in never.order_by("used_at")[:_BATCH])
    telling = every.filter(~Exists(CallStripped.objects.filter(call_id=OuterRef("pk"))))
    over = _rows(now - _SETTLED).filter(_ran(every), ~_ran(telling)).exclude(kind=Transient.Kind.EMPTIED)
    return gone, sum(_empty(one) for one in over.order_by("used_at")[:_BATCH])


def _rows(unused_since: datetime) -> QuerySet[Transient]:
    """Those that nobody asked for lately; a squad's own members go with it."""
    return Transient.objects.filter(used_at__lt=unused_since).exclude(kind=Transient.Kind.MEMBER)


def _ran(calls: QuerySet[Call]) -> Q:
    """Of documents: one of these calls ran on it, or could have been handed over to it. Each way has an index."""
    ways = ("version__assistant__transient", "squad__transient", "members__version__assistant__transient")
    first, *others = (Q(Exists(calls.filter(**{way: OuterRef("pk")}))) for way in ways)
    for other in others:
        first |= other
    return first


def _assistants(transient: Transient) -> list[Assistant]:
    """The assistants that were made of a document: itself, or the members of the squad that are its own."""
    own = Q(transient=transient) | Q(
        squadmember__squad__transient=transient,
        transient__kind__in=(Transient.Kind.MEMBER, Transient.Kind.EMPTIED),
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
    rows = _assistants(transient)
    documents = _documents(transient, rows)
    with transaction.atomic():
        Assistant.every.filter(pk__in=[one.pk for one in rows]).update(
            **_BLANK,
            idle_messages="",
            server_secret="",
            server_headers="",
            keywords="",
            analysis_plan={},
            plans={},
        )
        for version in AssistantVersion.objects.filter(assistant__in=rows):
            AssistantVersion.objects.filter(pk=version.pk).update(snapshot=_emptied(version.snapshot))
        Tool.every.filter(transient__in=documents).update(**_TOOL)
        Transient.objects.filter(pk__in=documents).update(kind=Transient.Kind.EMPTIED, document={}, notes=[])
    return True


def _emptied(stored: dict[str, Any]) -> dict[str, Any]:
    snapshot = snapshot_read(stored)
    return replace(snapshot, **_BLANK, idle_messages=(), keywords=(), analysis_plan={}, tools=()).to_json()
