"""The span of a whole call, which everything else of it hangs below; written by whoever ends the call."""

import uuid

from django.utils import timezone

from calls.models import Call
from tools.observing import metrics, tracing


def call_traced(call_id: uuid.UUID) -> None:
    """Write the span of a call that is over, if traces are wanted and the call is known."""
    if not tracing.on():
        return
    call = Call.objects.select_related("version").filter(pk=call_id).first()
    if call is not None and call.status == Call.Status.ENDED:
        call_span_write(call)


def call_span_write(call: Call) -> None:
    """Write the span of this call, from its webhook to its end."""
    if not tracing.on():
        return
    word = metrics.reason_class(call.ended_reason)
    bad = word in ("error", "model_failed", "line_dead", "lost") or call.status == Call.Status.REFUSED
    tracing.span_write(
        call.id,
        key=tracing.ROOT,
        name="call",
        began=call.created_at,
        ended=call.ended_at or timezone.now(),
        kind=tracing.Kind.SERVER,
        error=word if bad else "",
        facts={
            "stack": call.stack,
            "direction": call.direction,
            "status": call.status,
            "smoke": call.smoke_test,
            "ended_reason": call.ended_reason,
            "assistant_id": str(call.assistant_id) if call.assistant_id else None,
            "version": call.version.number if call.version else None,
            "first_sound_ms": call.first_sound_ms,
            "barge_ins": call.barge_ins,
            "frames_in": call.frames_in,
            "frames_dropped": call.frames_dropped,
            "duration_s": call.duration_s,
        },
    )
