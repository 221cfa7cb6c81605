"""Calls that break what expects the usual: for tests of reports and pages, and beside the many of a benchmark."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from assistants.models import AssistantVersion
from calls.models import (
    Call,
    CallAnalysis,
    CallProblem,
    CallTransfer,
    CutoverEvent,
    FallbackCall,
    LiveOrder,
    PhoneNumber,
    SmokePair,
    SmokeRun,
    VapiCall,
)
from calls.reporting.seeding import SAID, seeded_version
from tools.models import ToolAttempt, ToolCall
from transcripts.models import Transcript, Utterance


def odd_calls_seed() -> dict[str, Call]:
    """Calls that break what expects the usual: long, empty, right to left, broken, at Vapi with nonsense; by name."""
    version, now = seeded_version(0), timezone.now()
    usual: dict[str, Any] = {
        "assistant": version.assistant,
        "version": version,
        "status": Call.Status.ENDED,
        "did": "+12025550000",
        "caller": "+13125550177",
        "started_at": now - timedelta(minutes=5),
        "ended_at": now - timedelta(minutes=1),
        "ended_reason": "customer-ended-call",
        "first_sound_ms": 640,
    }
    made = {
        name: Call.objects.create(call_sid=f"CAodd{name}", **{**usual, **fields})
        for name, fields in _ODD.items()
    }
    _say(made["long"], [("caller" if n % 2 else "assistant", f"{n}: " + "words " * 400) for n in range(400)])
    _say(made["right_to_left"], [("assistant", SAID[4]), ("caller", SAID[5] + " \u202e\u2066abc")])
    _say(made["broken"], [("assistant", ""), ("caller", "'; DROP TABLE calls_call; -- | <script>\n\t% %s")])
    _say(made["at_vapi"], [("assistant", "Hello."), ("caller", "Hello?")])
    VapiCall.objects.create(
        call=made["at_vapi"],
        vapi_id="odd",
        source=VapiCall.Source.FILES,
        cost=Decimal("0.000001"),
        cost_breakdown={"llm": "much", "stt": None, "tts": {"a": 1}, "total": 0.000001},
        imported_at=now,
        analysis={"summary": ["no text"], "structuredData": "no object", "successEvaluation": "TRUE"},
    )
    _say(made["smoke_test"], [("assistant", "Nobody hears this.")])
    _cut_short(made["cut_short"])
    Transcript.objects.create(call_id=uuid.uuid4(), started_at=now)  # its call's row never came
    _beside_calls(made, version, now)
    return made


_ODD: Final[Mapping[str, Mapping[str, Any]]] = {
    "long": {},
    "empty": {},
    "right_to_left": {},
    "broken": {"ended_reason": "call.in-progress.error-vapifault-worker-died", "caller": "", "did": ""},
    "at_vapi": {"stack": Call.Stack.VAPI, "version": None},
    "smoke_test": {"smoke_test": True},
    "cut_short": {},
    "running": {"status": Call.Status.IN_PROGRESS, "ended_at": None, "ended_reason": ""},
    "ringing": {
        "status": Call.Status.RINGING,
        "started_at": None,
        "ended_at": None,
        "ended_reason": "",
        "first_sound_ms": None,
    },
    "refused": {
        "status": Call.Status.REFUSED,
        "assistant": None,
        "version": None,
        "started_at": None,
        "refused_because": "The number has no assistant.",
        "ended_reason": "",
    },
    "of_nobody": {"assistant": None, "version": None, "ended_reason": "something-new-of-vapi"},
}


def _say(call: Call, said: list[tuple[str, str]]) -> None:
    transcript = Transcript.objects.create(
        call_id=call.pk, started_at=call.started_at or call.created_at, closed_at=call.ended_at
    )
    Utterance.objects.bulk_create(
        Utterance(
            transcript=transcript,
            item_id=f"item_{n}",
            speaker=speaker,
            text=text,
            heard_text=text,
            began_ms=n * 2000,
            ended_ms=n * 2000 + 1500,
            generated_ms=1500 if speaker == "assistant" else 0,
            heard_ms=1500 if speaker == "assistant" else 0,
            latency_ms=800 if speaker == "assistant" and n else None,
        )
        for n, (speaker, text) in enumerate(said)
    )


def _cut_short(call: Call) -> None:
    """An answer with a price that the caller talked over, after a tool call; and one that the end of the call cut."""
    _say(
        call,
        [
            ("caller", "What does it cost?"),
            ("assistant", SAID[2]),
            ("caller", "Wait."),
            ("assistant", SAID[3]),
        ],
    )
    turns = Utterance.objects.filter(transcript__call_id=call.pk)
    cut = {"interrupted": True, "heard_ms": 700}
    turns.filter(item_id="item_1").update(
        **cut, began_ms=3000, ended_ms=3700, heard_text="It should be ready", latency_ms=1400
    )
    turns.filter(item_id="item_2").update(began_ms=3600, ended_ms=4200)
    turns.filter(item_id="item_3").update(**cut, heard_text="")
    assert call.started_at is not None
    asked = call.started_at + timedelta(milliseconds=2200)
    x = ToolCall.objects.create(
        call_id=call.pk,
        item_id="call_1",
        name="get_repair_status",
        status=ToolCall.Status.ANSWERED,
        arguments={"ticket": "hidden-argument"},
        answer="hidden-answer",
        requested_at=asked,
        sent_at=asked,
        answered_at=asked + timedelta(milliseconds=300),
        told_at=asked + timedelta(milliseconds=320),
        attempts_begun=1,
    )
    ToolAttempt.objects.create(
        tool_call=x,
        n=1,
        started_at=asked,
        finished_at=asked + timedelta(milliseconds=300),
        sent=True,
        whole_ms=300,
    )
    ToolCall.objects.create(
        call_id=call.pk,
        item_id="call_2",
        name="book_appointment",
        status=ToolCall.Status.TIMED_OUT,
        error="No answer came within 20 s.",
        requested_at=asked + timedelta(seconds=1),
    )


def _beside_calls(made: Mapping[str, Call], version: AssistantVersion, now: datetime) -> None:
    for name, kind in (("running", "say"), ("of_nobody", "transfer")):
        LiveOrder.objects.create(
            call=made[name],
            order_id=f"odd_{name}",
            kind=kind,
            words=SAID[5],
            destination="sip:" + "x" * 900,
            by="address",
            by_label="<b>\u202e",
            asked_at=now,
            result="unknown",
        )
    LiveOrder.objects.create(
        call=made["broken"],
        order_id="odd_added",
        kind="add-message",
        role="system",
        words=SAID[5],
        by="key",
        by_label="x" * 150,
        asked_at=now,
        result="taken",
        taken_at=now,
        done_at=now,
    )
    CallProblem.objects.create(
        call=made["broken"],
        key="worker",
        source=CallProblem.Source.TANDEM,
        code="worker_died",
        at=now,
    )
    CallTransfer.objects.create(
        call=made["long"],
        tool_call_id="t",
        address="+13125550142",
        mode="",
        requested_at=now,
        dial_status="busy",
    )
    CallAnalysis.objects.create(
        call=made["long"],
        state="done",
        success=False,
        success_evaluation="false",
        rubric="PassFail",
        parts=["odd"],
    )
    CallAnalysis.objects.create(
        call=made["right_to_left"], state="partly", summary=SAID[4], score_percent=Decimal("66.67")
    )
    number, _ = PhoneNumber.objects.get_or_create(did="+12025550000", defaults={"label": "Line 0"})
    FallbackCall.objects.create(
        kind=FallbackCall.Kind.ERROR,
        number=number,
        did=number.did,
        call_sid="CAaway",
        error_code="11200",
        at=now,
    )
    CutoverEvent.objects.create(
        number=number,
        kind=CutoverEvent.Kind.CUTOVER,
        from_state=PhoneNumber.State.ON_VAPI,
        to_state=PhoneNumber.State.OURS,
        actor_label="command line",
        before={"voice_url": "https://hooks.example/?secret=hidden-secret"},
        differences=[{"field": "voice_url", "before": "hidden-secret", "after": ""}],
        overrides=[{"gate": "doctor", "reason": "known"}],
        at=now,
    )
    run = SmokeRun.objects.create(
        assistant=version.assistant,
        assistant_version=version,
        did=number.did,
        snapshot={},
        fingerprint="0",
        status=SmokeRun.Status.DONE,
        outcome=SmokeRun.Outcome.FAIL,
        verdict={"rate": 0.25, "lower": 0.1, "upper": None, "sentence": "Failed: 1 of 4 differs."},
        finished_at=now,
    )
    SmokeRun.objects.create(assistant=version.assistant, snapshot={}, fingerprint="1", verdict={})
    SmokePair.objects.create(
        run=run,
        position=1,
        title="Books a haircut",
        reference=made["at_vapi"],
        call=made["smoke_test"],
        status=SmokePair.Status.JUDGED,
        outcome=SmokePair.Outcome.DRIFTED,
        causes=[{"kind": "skipped", "tool": "book_appointment"}, {"kind": "extra", "tool": "end_call"}],
        judged_at=now,
    )
