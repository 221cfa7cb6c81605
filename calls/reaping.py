"""Calls that have been live for suspiciously long: Twilio is asked about them, and those that are over are closed.

A call ends by the bridge's word, by Twilio's status callback or by the end of its dialling. Where all of these were
lost, nobody would ever close it. What is written here is the least that is known: the bridge's own word overrides it.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from assistants.models import AssistantVersion
from calls import clients, services
from calls.models import Call, CallProblem
from calls.services import CARRIER_COMPLETED

# A stream begins within a second or two of the answer; one that has not by now never will.
RINGING_FOR = timedelta(minutes=2)
# From the longest that an assistant lets a call last: the goodbye, and what Twilio still has to say of it.
MARGIN = timedelta(minutes=3)
LONGEST_S = 3600  # more than any assistant may let a call last; asked about then, whatever its version says
# People who were connected may talk for hours, so this says only when asking begins.
FORWARDING_FOR = timedelta(minutes=10)
ASK_AGAIN_AFTER = timedelta(minutes=5)
# No call lasts longer at Twilio; one that it does not know then is not to be waited for.
NEVER_LONGER = timedelta(hours=24)
MOST_ASKED = 50
ASK_FOR_S = 40.0  # of one run; the next one goes on where it ended

# Twilio's last words on a call, in Vapi's.
_ENDED = {
    "completed": CARRIER_COMPLETED,
    "busy": "customer-busy",
    "no-answer": "customer-did-not-answer",
    "canceled": "customer-ended-call",
    "failed": "twilio-failed-to-connect-call",
}
_UNKNOWN = "unknown-error"
Asks = Callable[..., clients.CallState | None]


def suspicious_calls(*, now: datetime) -> QuerySet[Call]:
    """Live calls that should be over by now and that Twilio was not asked about of late; those longest left alone first."""
    too_long = Q(started_at__lt=now - timedelta(seconds=LONGEST_S) - MARGIN)
    for longest_s, versions in _lasting().items():
        too_long |= Q(version__in=versions, started_at__lt=now - timedelta(seconds=longest_s) - MARGIN)
    hanging = (
        # Calls that we place may wait for days before they ring, and are looked after by calls.placing until somebody talks.
        Q(status=Call.Status.RINGING, created_at__lt=now - RINGING_FOR, placing__isnull=True)
        | (Q(status=Call.Status.IN_PROGRESS) & too_long)
        | Q(status=Call.Status.FORWARDING, started_at__lt=now - FORWARDING_FOR)
    )
    left_alone = Q(asked_at__isnull=True) | Q(asked_at__lt=now - ASK_AGAIN_AFTER)
    return (
        Call.objects.filter(hanging, left_alone)
        .exclude(call_sid="")
        .order_by(F("asked_at").asc(nulls_first=True), "created_at")
    )


def _lasting() -> dict[int, list[int]]:
    """The versions on which calls run, by how many seconds those let a call last at the most."""
    running = Call.objects.filter(status=Call.Status.IN_PROGRESS).values("version")
    versions = AssistantVersion.objects.filter(pk__in=running)
    lasting: dict[int, list[int]] = defaultdict(list)
    for pk, longest_s in versions.values_list("pk", "snapshot__max_duration_s"):
        if isinstance(longest_s, int):
            lasting[min(longest_s, LONGEST_S)].append(pk)
    return lasting


def calls_reap(*, now: datetime, ask: Asks = clients.call_state) -> list[tuple[Call, str]]:
    """Close the calls that Twilio says are over; return them, each with its reason. Without Twilio nothing changes.

    Asking stops where Twilio cannot be reached, or takes too long: the next run goes on.
    """
    closed: list[tuple[Call, str]] = []
    stop_at = time.monotonic() + ASK_FOR_S
    for call in suspicious_calls(now=now)[:MOST_ASKED]:
        if time.monotonic() >= stop_at:
            break
        try:
            state = ask(call_sid=call.call_sid, account_sid=call.account_sid)
        except clients.TwilioRefusedError as exc:
            if exc.unsure:
                break
            state = clients.CallState(
                "refused", None
            )  # an account that is not ours any more: nothing is known
        Call.objects.filter(pk=call.pk).update(asked_at=now)
        reason = _reason(call, state, now)
        if reason:
            _close(call, state, reason, now)
            closed.append((call, reason))
    return closed


def _reason(call: Call, state: clients.CallState | None, now: datetime) -> str:
    """Why the call is over, in Vapi's words; empty where it is not, or nobody knows."""
    if state is not None:
        return _ENDED.get(state.status, "")
    return _UNKNOWN if call.created_at < now - NEVER_LONGER else ""


def _close(call: Call, state: clients.CallState | None, reason: str, now: datetime) -> None:
    ended_at = state.ended_at if state is not None and state.ended_at is not None else now
    services.call_over(call_sid=call.call_sid, ended_reason=reason, ended_at=min(ended_at, now))
    said = f"is {state.status}" if state is not None else "is unknown to it"
    services.problem_write(
        call_id=call.id,
        key="reaped",
        source=CallProblem.Source.TWILIO,
        code="end_not_reported",
        message=f"Nothing told of the end of this call. Twilio, when asked, said that it {said}.",
        benign=False,
        at=now,
    )
