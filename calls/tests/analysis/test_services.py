"""Finished calls, analysed by the simulator's Responses API: orders, outcomes, retries, costs."""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from assistants.models import Assistant
from assistants.services import assistant_publish
from assistants.tests.factories import make_assistant
from calls.analysis.asking import responses_url
from calls.analysis.selectors import analysis_as_vapi, analysis_for
from calls.analysis.services import (
    MOST_TRIES,
    analyses_due,
    analyses_order,
    analysis_again,
    analysis_run,
)
from calls.models import Call, CallAnalysis, CallUsage
from calls.tests.costs.factories import placed
from calls.tests.factories import make_call
from simulator.harness import Simulator
from simulator.listening import listening as listening_aside
from transcripts.models import Transcript, Utterance

pytestmark = pytest.mark.django_db
State = CallAnalysis.State
CLINIC: dict[str, Any] = {
    "summaryPlan": {"messages": [{"role": "system", "content": "Sum up."}, {"role": "user", "content": "{{transcript}}"}]},
    "structuredDataPlan": {
        "enabled": True,
        "schema": {"type": "object", "properties": {"outcome": {"type": "string", "enum": ["booked", "other"]}}, "required": ["outcome"]},
    },
    "structuredDataMultiPlan": [{"key": "mood", "plan": {"schema": {"type": "string"}}}],
    "successEvaluationPlan": {"rubric": "NumericScale"},
}  # fmt: skip


@pytest.fixture(scope="module")
def listening() -> Iterator[Simulator]:
    """The simulator, listening for all tests of this module."""
    with listening_aside(Simulator(account_sid="AC1", auth_token="secret")) as simulator:
        yield simulator


@pytest.fixture
def openai(listening: Simulator, settings: Any) -> Iterator[Simulator]:
    listening.responses.reset()
    settings.OPENAI_REALTIME_URL = listening.http_url.replace("http", "ws") + "/v1/realtime"
    settings.ANALYSIS_MODEL = "gpt-5.4-mini"
    yield listening
    assert not listening.responses.violations


def make_analysed(plan: dict[str, Any], *, said: int = 2, **fields: Any) -> Call:
    """A call that ended just now, of an assistant that wants calls analysed."""
    assistant: Assistant = make_assistant(
        name=f"Desk {uuid.uuid4().hex[:6]}", instructions="Book visits for {{ phoneNumber.number }}."
    )
    Assistant.objects.filter(pk=assistant.pk).update(
        analysis_plan=plan, **{"analysis_enabled": True, **fields.pop("of_assistant", {})}
    )
    assistant.refresh_from_db()
    version = assistant_publish(assistant=assistant, note="")
    call = make_call(assistant=assistant, version=version, **fields)
    now = timezone.now()
    transcript = Transcript.objects.create(call_id=call.pk, started_at=now, closed_at=now)
    for n in range(said):
        text = f"Sentence {n}."
        Utterance.objects.create(
            transcript=transcript, item_id=f"i{n}", speaker=("caller", "assistant")[n % 2], text=text, heard_text=text,
            began_ms=n * 1000, ended_ms=n * 1000 + 900,
        )  # fmt: skip
    return call


def run(call: Call, *, after: timedelta = timedelta(), begun_at: datetime | None = None) -> CallAnalysis:
    now = (begun_at or timezone.now()) + after
    analyses_order(now=now)
    for call_id in analyses_due(now=now + timedelta(seconds=1)):
        analysis_run(call_id, now=now)
    found = analysis_for(call.pk)
    assert found is not None
    return found


def test_a_finished_call_is_summed_up_put_into_a_form_and_judged(openai: Simulator) -> None:
    call = make_analysed(CLINIC)

    row = run(call)

    assert (row.state, row.why) == (State.DONE, "")
    assert row.summary.startswith("A simulated answer")
    assert row.structured_data == {"outcome": "booked"}
    assert row.structured_data_multi == [{"key": "mood", "result": "simulated"}]
    assert (row.success_evaluation, row.rubric, row.score_percent) == ("1", "NumericScale", Decimal(10))
    assert analysis_as_vapi(row) == {
        "summary": row.summary,
        "structuredData": {"outcome": "booked"},
        "structuredDataMulti": [{"key": "mood", "result": "simulated"}],
        "successEvaluation": "1",
    }


def test_the_model_gets_transcript_prompt_and_reason_and_openai_keeps_nothing(openai: Simulator) -> None:
    run(make_analysed(CLINIC))

    asked = list(openai.responses.requests)
    texts = "\n".join(one["content"] for body in asked for one in body["input"])
    assert "User: Sentence 0.\nAI: Sentence 1.\n" in texts
    assert "Book visits for +14155550100." in texts
    assert "customer-ended-call" in texts
    assert {body["store"] for body in asked} == {False}
    assert {body["model"] for body in asked} == {"gpt-5.4-mini"}
    kinds = [body["text"]["format"]["type"] for body in asked]
    assert kinds == ["text", "json_schema", "json_schema", "json_schema"]


def test_every_answer_is_kept_with_its_use_for_the_bill(openai: Simulator) -> None:
    call = make_analysed(CLINIC)

    row = run(call)

    used = CallUsage.objects.filter(call=call, kind="analysis")
    assert used.count() == row.requests_n == 4
    assert sum(one.usage["input_tokens"] for one in used) == row.input_tokens > 0
    assert all(one.usage["input_token_details"]["text_tokens"] == one.usage["input_tokens"] for one in used)


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"said": 1}, "The call has 1 messages"), ({"of_assistant": {"hipaa": True}}, "health information")],
)  # fmt: skip
def test_what_is_not_to_be_analysed_says_so_and_asks_nothing(
    openai: Simulator, fields: dict[str, Any], why: str
) -> None:
    row = run(make_analysed(CLINIC, **fields))

    assert row.state == State.SKIPPED
    assert why in row.why
    assert not openai.responses.requests


@pytest.mark.parametrize(
    "fields",
    [{"smoke_test": True}, {"of_assistant": {"analysis_enabled": False}}, {"stack": "vapi"},
     {"status": "in-progress", "ended_at": None}],
)  # fmt: skip
def test_no_other_calls_are_ordered(openai: Simulator, fields: dict[str, Any]) -> None:
    call = make_analysed({}, **fields)

    assert analyses_order(now=timezone.now()) == 0
    assert analysis_for(call.pk) is None
    assert not analysis_again(call) or fields.get("of_assistant")


def test_a_call_that_was_scheduled_days_before_is_analysed_when_it_has_run(openai: Simulator) -> None:
    now = timezone.now()
    call = make_analysed({})
    Call.objects.filter(pk=call.pk).update(created_at=now - timedelta(days=3))
    assert analyses_order(now=now) == 0  # of another day

    placed(call, earliest_at=now, claimed_at=now)

    assert analyses_order(now=now) == 1


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (503, ""), (500, "server_error")])
def test_what_fails_for_now_is_asked_again_and_what_is_done_is_not(
    openai: Simulator, status: int, code: str
) -> None:
    openai.responses.failures.append((status, code, "90"))
    call, now = make_analysed({}), timezone.now()

    first = run(call, begun_at=now)
    too_soon = run(call, begun_at=now, after=timedelta(seconds=80))
    then = run(call, begun_at=now, after=timedelta(seconds=95))

    assert first.state == too_soon.state == State.WAITING
    assert first.parts["summary"]["why"].startswith(f"OpenAI answered {status}")
    assert (then.state, then.parts["summary"]["tries"], then.parts["successEvaluation"]["tries"]) == (
        State.DONE,
        2,
        1,
    )
    assert len(openai.responses.requests) == 3


def test_after_a_few_tries_a_part_has_failed_and_the_others_stand(openai: Simulator) -> None:
    call = make_analysed({"summaryPlan": {"timeoutSeconds": 5}})
    for n in range(MOST_TRIES):
        openai.responses.failures.append((503, "", ""))
        run(call, after=timedelta(hours=n))

    row = CallAnalysis.objects.get(call=call)
    assert (row.state, row.why) == (State.PARTLY, "summary: OpenAI answered 503 (server_error).")
    assert row.success_evaluation == "true"


def test_a_quota_that_is_used_up_is_not_asked_again(openai: Simulator) -> None:
    openai.responses.failures.extend([(429, "insufficient_quota", "")] * 2)

    row = run(make_analysed({}))

    assert row.state == State.FAILED
    assert "insufficient_quota" in row.why


def test_an_answer_that_does_not_fit_fails_its_part_and_is_paid_for(openai: Simulator) -> None:
    openai.responses.answers.append('{"result": {"outcome": "stolen"}}')
    plan = {**CLINIC, "summaryPlan": {"enabled": False}, "structuredDataMultiPlan": []}
    call = make_analysed(plan)

    row = run(call)

    assert (row.state, row.structured_data, row.success_evaluation) == (State.PARTLY, None, "1")
    assert row.why == "structuredData: The model's answer does not fit the schema: outcome fails “enum”."
    assert CallUsage.objects.filter(call=call, kind="analysis", status="failed").count() == 1


def test_a_call_whose_transcript_is_open_waits_for_it(openai: Simulator) -> None:
    call = make_analysed({})
    Transcript.objects.filter(call_id=call.pk).update(closed_at=None)

    assert run(call).state == State.WAITING
    Transcript.objects.filter(call_id=call.pk).update(closed_at=timezone.now())

    assert run(call, after=timedelta(minutes=1)).state == State.DONE


def test_two_workers_never_take_up_the_same_call(openai: Simulator) -> None:
    call = make_analysed({})
    now = timezone.now()
    analyses_order(now=now)
    assert analyses_order(now=now) == 0

    assert analyses_due(now=now) == [call.pk]
    assert analyses_due(now=now) == []


def test_a_call_can_be_analysed_again_from_the_start(openai: Simulator) -> None:
    call = make_analysed({})
    run(call)

    assert analysis_again(call)
    again = run(call)

    assert (again.state, again.requests_n) == (State.DONE, 4)
    assert CallAnalysis.objects.count() == 1


def test_nobody_there_is_told_and_tried_again(openai: Simulator, settings: Any) -> None:
    settings.OPENAI_RESPONSES_URL = "http://127.0.0.1:9/v1/responses"

    row = run(make_analysed({}))

    assert row.state == State.WAITING
    assert row.parts["summary"]["why"] == "OpenAI could not be reached (ConnectionError)."


def test_the_responses_api_stands_beside_the_realtime_api(settings: Any) -> None:
    settings.OPENAI_REALTIME_URL = "wss://api.openai.com/v1/realtime"
    assert responses_url() == "https://api.openai.com/v1/responses"
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:8002/v1/realtime"
    assert responses_url() == "http://127.0.0.1:8002/v1/responses"
