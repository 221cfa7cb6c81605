"""Pairs judged when their call is over, and the verdict on what is judged."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from django.utils import timezone

from assistants.snapshots import snapshot_read
from calls.bridge.ending import SILENCE, TOO_LONG
from calls.models import Call, Scenario, SmokePair, SmokeRun
from calls.smoke.causes import Cause, Evidence
from calls.smoke.comparison import Comparison, compare
from calls.smoke.model_caller import CallerEnd
from calls.smoke.naming import naming
from calls.smoke.orders import orders_read
from calls.smoke.reading import call_facts
from calls.smoke.scripts import script_read
from calls.smoke.sequences import ToolStep
from calls.smoke.verdict import Counted, PairResult, Verdict, verdict_of

_LATE_S: Final = 1.0  # less than any patience of an assistant's may be wrong by


def pair_judge(
    pair: SmokePair,
    call: Call,
    *,
    caller: CallerEnd | None = None,
    at_vapi: Call | None = None,
    late_s: float = 0.0,
) -> Comparison:
    """The comparison of a pair whose call is over and written down; written down too.

    ``caller`` is how it went for a caller who was played by a model, ``at_vapi`` the same scenario played to Vapi just now, ``late_s``
    how long the caller was kept from going on.
    """
    script = script_read(pair.script)
    snapshot = snapshot_read(pair.run.snapshot)
    name_of = naming(snapshot.tools)
    facts = call_facts(call, name_of=name_of)
    reference = _reference(at_vapi, name_of)
    theirs = [ToolStep.from_json(one) for one in reference.get("expected", pair.expected)]
    broke = _broke(call) or (caller.broke if caller is not None else "")
    found = compare(
        theirs,
        facts.steps,
        orders=orders_read(pair.run.orders),
        evidence=Evidence(facts.said, script.claims),
        unanswered=facts.unanswered,
    )
    if found.outcome == "drifted":
        broke = broke or _waited_in_vain(call, late_s)
    if broke and found.outcome != "errored":
        found = replace(found, outcome="errored", why=broke)
    SmokePair.objects.filter(pk=pair.pk, attempts=pair.attempts).update(
        status=SmokePair.Status.JUDGED,
        outcome=found.outcome,
        strictly_same=found.strictly_same,
        steps=[step.to_json() for step in facts.steps],
        edits=[edit.to_json() for edit in found.edits],
        causes=[cause.to_json() for cause in found.causes],
        why=found.why,
        judged_at=timezone.now(),
        seconds=_seconds(call),
        # A simulated model answers when it was told to, and faster than life.
        latency_ms=None if pair.run.simulated_model else facts.latency_ms,
        caller_note=caller.sentence[:300] if caller is not None else "",
        **reference,
    )
    return found


def _reference(at_vapi: Call | None, name_of: Callable[[str], str]) -> dict[str, Any]:
    """The columns of a pair whose scenario was played to Vapi too: what was called there is what is expected."""
    if at_vapi is None:
        return {}
    facts = call_facts(at_vapi, name_of=name_of)
    return {
        "reference": at_vapi,
        "expected": [step.to_json() for step in facts.steps],
        "reference_latency_ms": facts.latency_ms,
        "reference_usd": facts.usd,
    }


def _broke(call: Call) -> str:
    """Why a call is no evidence of what the assistant does, empty where it is."""
    if call.started_at is None:
        return "The call was never connected to the assistant. See its problems."
    if "fault" in call.ended_reason or call.ended_reason == "worker-shutdown":
        return f"The call broke off: {call.ended_reason}. See its problems."
    return ""


def _waited_in_vain(call: Call, late_s: float) -> str:
    """Why a call whose caller was late says nothing, empty where it does: only the assistant's patience goes by our clock."""
    if late_s <= _LATE_S or call.ended_reason not in (SILENCE, TOO_LONG):
        return ""
    return (
        f"The caller was {late_s:.0f} s late, and meanwhile the call came to its end: {call.ended_reason}. A machine that is too "
        "busy to play sound in time does that: try fewer side by side."
    )


def _seconds(call: Call) -> float | None:
    if call.started_at is None or call.ended_at is None:
        return None
    return max(0.0, (call.ended_at - call.started_at).total_seconds())


def run_verdict(run: SmokeRun) -> Verdict:
    """What the pairs that are compared so far show."""
    judged = run.pairs.filter(status=SmokePair.Status.JUDGED)
    is_check = run.purpose == SmokeRun.Purpose.PUBLISHING
    return verdict_of(
        [_result(pair) for pair in judged],
        baseline=baseline(run),
        reference="what was called before" if is_check else "Vapi",
    )


def _result(pair: SmokePair) -> PairResult:
    try:
        causes = [Cause.from_json(one) for one in pair.causes]
    except (TypeError, KeyError, ValueError):  # of a shape that no release ever wrote
        causes = []
    return PairResult(
        outcome=pair.outcome,
        strictly_same=bool(pair.strictly_same),
        causes=tuple((cause.kind, cause.tool) for cause in causes),
        latency_ms=pair.latency_ms,
        reference_latency_ms=pair.reference_latency_ms,
    )


def _calls_at_vapi(run: SmokeRun, scenario: Scenario) -> Iterable[Call]:
    """The calls at Vapi of a scenario: those of the past, or, where this run has placed some there, those alone."""
    if not run.vapi_number:
        return scenario.references.all()
    played = run.pairs.filter(scenario_version__scenario=scenario, reference__isnull=False)
    return [pair.reference for pair in played.select_related("reference") if pair.reference is not None]


def baseline(run: SmokeRun) -> Counted:
    """How often two calls at Vapi of one scenario of this run differ, each call in one comparison at most.

    Comparing every call with every other would count one odd call again and again.
    """
    orders = orders_read(run.orders)
    name_of = naming(snapshot_read(run.snapshot).tools)
    scenarios = Scenario.objects.filter(versions__pairs__run=run).distinct().prefetch_related("references")
    compared = differing = 0
    seen: set[frozenset[uuid.UUID]] = set()  # scenarios may share their calls
    for scenario in scenarios:
        calls = sorted(
            {call for call in _calls_at_vapi(run, scenario) if call.stack == Call.Stack.VAPI},
            key=lambda one: (one.created_at, one.pk),
        )
        for one, other in zip(calls[::2], calls[1::2], strict=False):
            if frozenset((one.pk, other.pk)) in seen:
                continue
            seen.add(frozenset((one.pk, other.pk)))
            first, second = call_facts(one, name_of=name_of), call_facts(other, name_of=name_of)
            found = compare(first.steps, second.steps, orders=orders, evidence=Evidence())
            compared += 1
            differing += found.outcome == "drifted"
    return Counted(differing, compared)
