"""Calling off calls that nobody has answered yet."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from calls.models import AHEAD, Call, Placing
from calls.placing.endings import CANCELED, call_close

# Vapi's words for what DELETE does to a call that has not begun.
DELETED: Final = {Call.Status.SCHEDULED: "scheduled-call-deleted"}
_DELETED_OTHERWISE: Final = "call-deleted"
_UNANSWERED: Final = Q(status__in=AHEAD) | Q(status=Call.Status.RINGING, placing__answered_at__isnull=True)


def calls_cancellable(call_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the calls that we place and that nobody has answered yet."""
    found = Call.objects.filter(_UNANSWERED, pk__in=call_ids, placing__isnull=False, started_at__isnull=True)
    return set(found.values_list("pk", flat=True))


def unanswered_of(key_ids: Collection[uuid.UUID]) -> QuerySet[Call]:
    """The calls that programs with these keys have ordered, and that nobody has answered yet."""
    return Call.objects.filter(_UNANSWERED, placing__request__key__in=list(key_ids), started_at__isnull=True)


def call_cancel(call_id: uuid.UUID, *, now: datetime, reason: str = CANCELED) -> bool:
    """Whether the call was called off: it is over, and the telephone is hung up by whoever knows its SID."""
    with transaction.atomic():
        placing = Placing.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
        call = Call.objects.select_for_update(of=("self",)).filter(pk=call_id).first()
        if placing is None or call is None or placing.answered_at is not None:
            return False
        if not call_close(call, reason, at=now, among=(*AHEAD, Call.Status.RINGING)):
            return False
        if placing.state == Placing.State.WAITING:
            Placing.objects.filter(pk=call_id).update(state=Placing.State.OVER)
        else:
            Placing.objects.filter(pk=call_id).update(hang_up=True)
        return True


def call_delete(call_id: uuid.UUID, *, now: datetime) -> bool:
    """The same as a program asks for it by DELETE."""
    status = Call.objects.filter(pk=call_id).values_list("status", flat=True).first()
    reason = DELETED.get(Call.Status(status), _DELETED_OTHERWISE) if status else _DELETED_OTHERWISE
    return call_cancel(call_id, now=now, reason=reason)
