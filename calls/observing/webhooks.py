"""Twilio's questions, as they are counted and traced."""

from calls.models import Call
from calls.observing.whole import call_span_write
from tools.observing import metrics
from tools.observing.context import call_observed


def voice_decided(decision: object) -> None:
    """It was decided what to do with an inbound call; the answer is one of a few classes, most of which know the call."""
    metrics.VOICE_WEBHOOKS.labels(type(decision).__name__.lower()).inc()
    call = getattr(decision, "call", None)
    if isinstance(call, Call):
        call_observed(call.id)
        if call.status == Call.Status.REFUSED:
            call_span_write(call)  # nothing follows


def voice_undecided() -> None:
    """It could not be decided: the database is away."""
    metrics.VOICE_WEBHOOKS.labels("database_away").inc()
