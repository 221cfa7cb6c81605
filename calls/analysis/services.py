"""Having finished calls analysed: which ones, what was asked, and one honest outcome for each part."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from assistants.analysis_plan import Kind, Part, Plan, plan_read
from assistants.models import AssistantVersion
from calls.analysis.answers import AnswerError, data_read, form_of, verdict_read
from calls.analysis.asking import Answer, AskError, Usage, ask
from calls.analysis.material import Material, material_of, messages_for
from calls.costs.tasks import usage_write
from calls.models import Call, CallAnalysis, CallUsage
from calls.selectors import calls_written, came_since
from calls.warehouse.outbox import call_changed
from tools.jsontext import json_clean, text_clean

State = CallAnalysis.State
Asks = Callable[..., Answer]
# A call that ended longer ago was not missed by a moment: nobody expects to pay for it all of a sudden.
NOTICED_FOR: Final = timedelta(hours=2)
TRANSCRIPT_WITHIN: Final = timedelta(minutes=10)
LEASE: Final = timedelta(minutes=25)  # above the sum of all timeouts of a plan
LOOK_AGAIN: Final = timedelta(seconds=15)
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=30)
MOST_TRIES: Final = 5
MOST_AT_ONCE: Final = 20
_WHY_MAX: Final = 300
_NOTHING_KEPT: Final = "The assistant handles health information (HIPAA), of which nothing is kept."


@dataclass(slots=True)
class _Outcome:
    """What became of one part, as the row keeps it."""

    state: str
    why: str = ""
    tries: int = 1
    again_at: datetime | None = None
    usage: Usage | None = None

    def as_json(self) -> dict[str, Any]:
        usage = {} if self.usage is None else {"usage": self.usage.as_realtime(), "model": self.usage.model}
        return {"state": self.state, "why": self.why[:_WHY_MAX], "tries": self.tries, **usage}


# --- Which calls ---------------------------------------------------------------------------------------------


def analyses_order(*, now: datetime) -> int:
    """Order the analysis of calls that ended lately on versions that want one; how many. Never of smoke tests."""
    # Snapshots keep the order of their keys, and such JSON has no equality but that of its texts.
    wants = KeyTextTransform("analysis_enabled", "snapshot")
    wanting = AssistantVersion.objects.alias(wants=wants).filter(wants="true").values("pk")
    calls = Call.objects.filter(
        came_since(now - NOTICED_FOR),
        status=Call.Status.ENDED,
        stack=Call.Stack.DIRECT,
        smoke_test=False,
        version__in=wanting,
        analysis__isnull=True,
    )
    rows = [CallAnalysis(call_id=call_id, due_at=now) for call_id in calls.values_list("pk", flat=True)]
    return len(CallAnalysis.objects.bulk_create(rows, ignore_conflicts=True))


def analyses_due(*, now: datetime) -> list[uuid.UUID]:
    """The calls whose analysis is due, ours for a while: others who ask meanwhile get others."""
    with transaction.atomic():
        due = CallAnalysis.objects.select_for_update(skip_locked=True).filter(due_at__lte=now)
        rows = list(due.order_by("due_at").only("pk", "call_id")[:MOST_AT_ONCE])
        CallAnalysis.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=now + LEASE)
    return [row.call_id for row in rows]


def analysis_again(call: Call) -> bool:
    """Have a call analysed again from the start, by the plan of the version that it ran on; whether it can be."""
    if (
        call.smoke_test
        or call.stack != Call.Stack.DIRECT
        or call.status != Call.Status.ENDED
        or not call.version_id
    ):
        return False
    CallAnalysis.objects.update_or_create(
        call=call,
        defaults={
            **_EMPTY,
            "state": State.WAITING,
            "why": "",
            "parts": {},
            "due_at": timezone.now(),
            "finished_at": None,
        },
    )
    return True


_EMPTY: Final[dict[str, Any]] = {
    "summary": "",
    "structured_data": None,
    "structured_data_multi": [],
    "success_evaluation": "",
    "rubric": "",
    "success": None,
    "score_percent": None,
}


# --- One call ------------------------------------------------------------------------------------------------


def analysis_run(call_id: uuid.UUID, *, now: datetime, asks: Asks = ask) -> CallAnalysis | None:
    """The analysis of a call, as far as it comes now; None where none was ordered.

    Parts that are done stay done, so that a second run asks only for the rest.
    """
    row = (
        CallAnalysis.objects.select_related("call__version")
        .filter(call_id=call_id, state=State.WAITING)
        .first()
    )
    if row is None:
        return None
    call = row.call
    snapshot: Mapping[str, Any] = call.version.snapshot if call.version is not None else {}
    if call.smoke_test or snapshot.get("hipaa") is True:
        return _over(row, State.SKIPPED, _NOTHING_KEPT if not call.smoke_test else "A smoke test.", now)
    if not _is_written(call, now):
        CallAnalysis.objects.filter(pk=row.pk).update(due_at=now + LOOK_AGAIN)
        return row
    plan = plan_read(snapshot.get("analysis_plan"))
    material = material_of(call, snapshot)
    if material.messages_n < max(plan.min_messages, 1):
        told = f"The call has {material.messages_n} messages, and the plan asks for at least {max(plan.min_messages, 1)}."
        return _over(row, State.SKIPPED, told, now)
    if not plan.parts:
        return _over(row, State.SKIPPED, "The plan has every part switched off.", now)
    row.runs_n += 1
    row.model = settings.ANALYSIS_MODEL
    retries = [
        again for part in plan.parts if (again := _part_run(row, part, material, asks, now)) is not None
    ]
    return _written(row, plan, min(retries, default=None), now)


def _is_written(call: Call, now: datetime) -> bool:
    return call.ended_at is None or bool(calls_written([call.pk])) or now - call.ended_at > TRANSCRIPT_WITHIN


def _part_run(
    row: CallAnalysis, part: Part, material: Material, asks: Asks, now: datetime
) -> datetime | None:
    """Ask for one part unless it is settled; when to ask again, or None. Each part is written down as it is done."""
    before = row.parts.get(part.key, {})
    if before.get("state") in (State.DONE, State.FAILED):
        return None
    outcome = _asked(row, part, material, asks, tries=int(before.get("tries", 0)) + 1, now=now)
    row.parts[part.key] = outcome.as_json()
    fields = ["parts", "model", "runs_n", *_EMPTY]
    if outcome.usage is not None:
        row.requests_n += 1
        row.input_tokens += outcome.usage.input_tokens
        row.cached_tokens += outcome.usage.cached_tokens
        row.output_tokens += outcome.usage.output_tokens
        fields += ["requests_n", "input_tokens", "cached_tokens", "output_tokens"]
    row.save(update_fields=fields)
    if outcome.usage is not None:
        _used(row, part, outcome, now)
    return outcome.again_at


def _asked(
    row: CallAnalysis, part: Part, material: Material, asks: Asks, *, tries: int, now: datetime
) -> _Outcome:
    form = form_of(part)
    try:
        answer = asks(messages_for(part, material), form, model=row.model, within_s=part.timeout_s)
    except AskError as exc:
        if not exc.again or tries >= MOST_TRIES:
            return _Outcome(State.FAILED, str(exc), tries, usage=exc.usage)
        pause = max(min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE), timedelta(seconds=exc.after_s))
        return _Outcome(State.WAITING, str(exc), tries, now + pause, exc.usage)
    try:
        _take(row, part, answer.text)
    except AnswerError as exc:
        return _Outcome(State.FAILED, str(exc), tries, usage=answer.usage)
    return _Outcome(State.DONE, "", tries, usage=answer.usage)


def _take(row: CallAnalysis, part: Part, text: str) -> None:
    """Put an answer into the row. Raises AnswerError."""
    form = form_of(part)
    match part.kind:
        case Kind.SUMMARY:
            row.summary = text_clean(text)
        case Kind.DATA:
            assert form is not None
            row.structured_data = _storable(data_read(part, form, text))
        case Kind.DATA_MULTI:
            assert form is not None
            key = part.key.partition(".")[2]
            others = [one for one in row.structured_data_multi if one.get("key") != key]
            row.structured_data_multi = [
                *others,
                {"key": key, "result": _storable(data_read(part, form, text))},
            ]
        case Kind.SUCCESS:
            verdict = verdict_read(part, text)
            row.success_evaluation, row.rubric = text_clean(verdict.text), part.rubric
            row.success, row.score_percent = verdict.success, verdict.score_percent


def _storable(value: Any) -> Any:
    try:
        return json_clean(value)
    except ValueError as exc:
        raise AnswerError("The model's answer is nested too deeply.") from exc


def _used(row: CallAnalysis, part: Part, outcome: _Outcome, now: datetime) -> None:
    assert outcome.usage is not None
    usage_write(
        call_id=str(row.call_id),
        kind=CallUsage.Kind.ANALYSIS,
        session="analysis",
        item=outcome.usage.response_id or f"{part.key[:60]}:{outcome.tries}",
        model=outcome.usage.model,
        status="completed" if outcome.state == State.DONE else "failed",
        usage=outcome.usage.as_realtime(),
        at=now.isoformat(),
    )


def _written(row: CallAnalysis, plan: Plan, again_at: datetime | None, now: datetime) -> CallAnalysis:
    states = {row.parts[part.key]["state"] for part in plan.parts}
    if again_at is not None:
        CallAnalysis.objects.filter(pk=row.pk).update(due_at=again_at)
        row.due_at = again_at
        return row
    if states == {State.DONE}:
        return _over(row, State.DONE, "", now)
    whys = [f"{key}: {one['why']}" for key, one in row.parts.items() if one["state"] == State.FAILED]
    return _over(row, State.PARTLY if State.DONE in states else State.FAILED, " ".join(whys), now)


def _over(row: CallAnalysis, state: str, why: str, now: datetime) -> CallAnalysis:
    row.state, row.why, row.due_at, row.finished_at = state, why[:_WHY_MAX], None, now
    with transaction.atomic():
        row.save(update_fields=["state", "why", "due_at", "finished_at", "runs_n"])
        call_changed(row.call_id)
    return row
