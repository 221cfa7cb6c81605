"""What follows when a media stream has ended and the line is still open."""

import uuid
from dataclasses import dataclass, field

from django.utils import timezone

from calls import services
from calls.draining.registry import was_turned_away
from calls.lines.breaks import RECONNECT_FOR, lost_begin, stream_awaited
from calls.models import LIVE, STREAM_LOST, Call, CallTransfer
from calls.services import Refused, token_awaited

Status = Call.Status


@dataclass(frozen=True, slots=True)
class GoesOn:
    """The call goes on in another stream, which ``token`` opens once."""

    call_id: uuid.UUID
    token: str = field(repr=False)


def call_after_stream(*, call_sid: str) -> Refused | CallTransfer | GoesOn | None:
    """What to say when a stream has ended and the line is still open; None: nothing, just hang up.

    A call that is being transferred is to be dialled: whether Twilio has had the order is not known here.

    A call whose next stream has not come yet is given that one again, for a little while.

    A call that nobody has declared over is one whose bridge died in the middle of it. It goes on in another stream,
    once; so does one whose stream was closed under its bridge.
    """
    call = Call.objects.select_related("assistant").filter(call_sid=call_sid).first()
    if call is None:
        return None
    if call.status == Status.FORWARDING and call.token_used_at is not None:
        return call.transfers.filter(ended_at__isnull=True).last()
    awaited = stream_awaited(call=call) or _turned_away(call)
    if awaited:
        return GoesOn(call.id, awaited)
    if _was_lost(call):
        begun = lost_begin(call=call)
        if begun is not None:
            return GoesOn(call.id, begun.token)
    if not call.ended_reason:
        # The bridge's own word may still be on its way; it overrides this.
        live = Call.objects.filter(pk=call.pk, status__in=LIVE)
        live.update(status=Status.ENDED, ended_at=timezone.now(), ended_reason=services.WORKER_DIED)
        return services.refused(call)
    broke_off = "fault" in call.ended_reason or call.ended_reason in STREAM_LOST
    return services.refused(call) if broke_off else None


def _turned_away(call: Call) -> str:
    """The token for a call whose first stream met a process that was about to end; empty for any other."""
    if call.status != Status.RINGING or call.version_id is None or not was_turned_away(call.id):
        return ""
    return token_awaited(call, within=RECONNECT_FOR)


def _was_lost(call: Call) -> bool:
    """Whether a conversation had begun, and nobody who had a say in it has ended it."""
    if call.started_at is None or call.version_id is None or call.smoke_test:
        return False
    if call.status == Status.IN_PROGRESS:
        return not call.ended_reason and call.token_used_at is not None
    return call.status == Status.ENDED and call.ended_reason in STREAM_LOST
