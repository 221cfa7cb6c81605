"""Figures of calls as programs ask for them: through Django's client, against the real database."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.models import Transient, VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.analytics import answering
from calls.analytics.asking import COLUMNS, GROUPS, OPERATIONS, STEPS, QueryProblemsError, queries_read
from calls.analytics.columns import COLUMNS as EXPRESSIONS
from calls.analytics.columns import GROUPS as GROUP_EXPRESSIONS
from calls.models import (
    Call,
    CallAnalysis,
    CallCost,
    CallRequest,
    CallVariables,
    CostLine,
    Placing,
    SocketCall,
    VapiCall,
)
from calls.tests.factories import make_call, make_refused_call
from tools.access.keys import key_create
from tools.models import ToolCall
from tools.tests.vapi_schema import complaints

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 11, 20, tzinfo=UTC)
ALL = {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}


def ask(query: dict[str, Any], status: int = 200, **key: Any) -> Any:
    """The rows of one query; what is wrong with it, where it is refused."""
    client = Client(headers={"Authorization": f"Bearer {key_create(name='program', **key)[1]}"})
    body = {"queries": [{"table": "call", "name": "q", "timeRange": ALL, **query}]}
    assert status != 200 or complaints("AnalyticsQueryDTO", body) == []
    response = client.post("/analytics", json.dumps(body), content_type="application/json")
    assert response.status_code == status, response.content
    if status != 200:
        return response.json()["message"]
    (found,) = response.json()
    assert complaints("AnalyticsQueryResult", found) == []
    return found["result"]


def figure(operation: str, column: str, **more: Any) -> dict[str, Any]:
    return {"operations": [{"operation": operation, "column": column}], **more}


def talked(at: datetime, minutes: float = 1, **fields: Any) -> Call:
    """A call that came in then and went on so long."""
    call = make_call(started_at=at, ended_at=at + timedelta(minutes=minutes), **fields)
    Call.objects.filter(pk=call.pk).update(created_at=at)
    return call


def at_vapi(at: datetime, minutes: float = 1, **told: Any) -> Call:
    call = talked(at, minutes, stack=Call.Stack.VAPI)
    VapiCall.objects.create(
        call=call, vapi_id=str(call.pk), source="api", imported_at=at, **{"assistant_id": "theirs", **told}
    )
    return call


def priced(call: Call, **usd: str) -> None:
    """Cost lines by what they were for, and their sum."""
    for kind, amount in usd.items():
        CostLine.objects.create(
            call=call, provider="openai", kind=kind, item="m", part="text_in", quantity=100, written_at=DAY,
            amount_usd=amount,
        )  # fmt: skip
    total = sum((Decimal(one) for one in usd.values()), Decimal(0))
    CallCost.objects.create(call=call, day=DAY.date(), total_usd=total)


def test_calls_of_both_stacks_are_counted_by_the_assistants_id_at_vapi() -> None:
    assistant = make_assistant()
    run = VapiImport.objects.create(source="file")
    VapiObject.objects.create(
        kind="assistant", key="theirs", assistant=assistant, imported_at=DAY, raw={}, last_import=run
    )
    own = make_assistant(name="Made here")
    talked(DAY, assistant=assistant)
    at_vapi(DAY)
    talked(DAY, assistant=own)
    make_call(smoke_test=True)

    rows = ask(figure("count", "id", groupBy=["assistantId"]))

    assert {row["assistantId"]: row["countId"] for row in rows} == {"theirs": 2, str(own.pk): 1}


def test_money_is_told_as_the_call_itself_tells_it() -> None:
    ours = talked(DAY)
    priced(ours, response="0.30", summary="0.01", transcription="0.02", line="0.05", analysis="0.04")
    at_vapi(DAY, cost="0.5", cost_breakdown={"llm": 0.2, "stt": "0.1", "vapi": 0.1, "analysisCostBreakdown": {"summary": 0.03}, "tts": "much"})  # fmt: skip
    at_vapi(DAY, cost=None)
    columns = {
        "cost": 0.92,
        "costBreakdown.llm": 0.51,
        "costBreakdown.stt": 0.12,
        "costBreakdown.transcriber": 0.12,
        "costBreakdown.transport": 0.05,
        "costBreakdown.analysisBreakdown.summary": 0.07,
        "costBreakdown.vapi": 0.1,
        "costBreakdown.tts": 0,
        "costBreakdown.llmPromptTokens": 100,
    }

    (row,) = ask({"operations": [{"operation": "sum", "column": name, "alias": name} for name in columns]})

    assert row == columns
    told = (
        Client(headers={"Authorization": f"Bearer {key_create(name='x')[1]}"}).get(f"/call/{ours.pk}").json()
    )
    assert told["costBreakdown"]["llm"] == 0.31
    assert told["costBreakdown"]["transport"] == 0.05


def test_figures_are_told_by_step_in_a_time_zone() -> None:
    talked(datetime(2026, 11, 19, 23, 30, tzinfo=UTC), minutes=2)
    talked(datetime(2026, 11, 20, 10, 0, tzinfo=UTC), minutes=4)

    span = {**ALL, "step": "day", "timezone": "Europe/Berlin"}
    operations = [{"operation": one, "column": "duration"} for one in ("sum", "avg", "min", "max")]
    berlin = ask({"operations": operations, "timeRange": span})
    utc = ask(figure("sum", "duration", timeRange={**span, "timezone": "UTC"}))

    assert berlin == [
        {
            "date": "2026-11-19T23:00:00.000Z",
            "sumDuration": 6,
            "avgDuration": 3,
            "minDuration": 2,
            "maxDuration": 4,
        }
    ]
    assert [row["sumDuration"] for row in utc] == [2, 4]


def test_calls_outside_of_the_time_are_not_counted() -> None:
    for at in (DAY - timedelta(milliseconds=1), DAY, DAY + timedelta(days=1)):
        talked(at)

    span = {"start": "2026-11-20", "end": "2026-11-21T00:00:00Z"}
    assert ask(figure("count", "id", timeRange=span)) == [{"countId": 1}]


def test_what_is_not_said_is_the_last_week_in_utc() -> None:
    make_call()
    client = Client(headers={"Authorization": f"Bearer {key_create(name='program')[1]}"})
    body = {"queries": [{"table": "call", "name": "Mine", **figure("count", "id")}]}

    (found,) = client.post("/analytics", json.dumps(body), content_type="application/json").json()

    assert (found["name"], found["result"], found["timeRange"]["timezone"]) == (
        "Mine",
        [{"countId": 1}],
        "UTC",
    )
    start, end = (datetime.fromisoformat(found["timeRange"][name]) for name in ("start", "end"))
    assert end - start == timedelta(days=7)
    assert abs(timezone.now() - end) < timedelta(minutes=5)


def test_calls_are_grouped_by_how_they_ended_and_what_was_found_of_them() -> None:
    good = talked(DAY)
    CallAnalysis.objects.create(call=good, success_evaluation="true")
    at_vapi(DAY, analysis={"successEvaluation": "true"}, call_type="webCall")
    refused = make_refused_call()
    Call.objects.filter(pk=refused.pk).update(created_at=DAY, ended_reason="")

    def told(group: str) -> dict[Any, int]:
        return {row[group]: row["countId"] for row in ask(figure("count", "id", groupBy=[group]))}

    assert told("analysis.successEvaluation") == {"true": 2, None: 1}
    assert told("endedReason") == {"customer-ended-call": 2, None: 1}
    assert told("status") == {"ended": 3}
    assert told("type") == {"inboundPhoneCall": 2, "webCall": 1}


def test_a_call_on_a_programs_socket_is_of_its_own_kind_and_one_on_what_came_with_it_of_no_assistant() -> (
    None
):
    made_of = Transient.objects.create(kind="assistant", document={}, used_at=DAY)
    call = talked(DAY, assistant=make_assistant(name="Sent along", transient=made_of))
    SocketCall.objects.create(call=call, kind=SocketCall.Kind.WEBSOCKET)

    (row,) = ask(figure("count", "id", groupBy=["type", "assistantId"]))

    assert row == {"type": "vapi.websocketCall", "assistantId": None, "countId": 1}


def test_calls_are_grouped_by_what_a_variable_was_in_the_end() -> None:
    calls = [talked(DAY) for _ in range(3)]
    for n, (call, city) in enumerate([(calls[0], "Bonn"), (calls[0], "Köln"), (calls[1], "Köln")]):
        ToolCall.objects.create(
            call_id=call.pk, item_id=f"call_{n}", name="find", arguments={}, variables={"city": city},
            requested_at=DAY + timedelta(seconds=n),
        )  # fmt: skip

    rows = ask(figure("count", "id", groupByVariableValue=[{"key": "city"}]))

    assert {row["city"]: row["countId"] for row in rows} == {"Köln": 2, None: 1}
    tricky = ask(figure("count", "id", groupByVariableValue=[{"key": "x' OR 1=1 --%s\""}]))
    assert tricky == [{"x' OR 1=1 --%s\"": None, "countId": 3}]


def test_how_many_ran_at_a_time_is_told_for_all_together() -> None:
    talked(DAY, minutes=10)
    talked(DAY + timedelta(minutes=5), minutes=10)
    talked(DAY + timedelta(minutes=15), minutes=1)  # begins as the other ends
    talked(DAY + timedelta(days=1))

    span = {**ALL, "step": "day"}
    both = [{"operation": "max", "column": "concurrency"}, {"operation": "count", "column": "id"}]
    assert ask({"operations": both, "timeRange": span}) == [
        {"date": "2026-11-20T00:00:00.000Z", "maxConcurrency": 2, "countId": 3},
        {"date": "2026-11-21T00:00:00.000Z", "maxConcurrency": 1, "countId": 1},
    ]
    assert ask(figure("avg", "concurrency")) == [{"avgConcurrency": 1.25}]
    changes = ask(figure("history", "concurrency", timeRange={**ALL, "end": "2026-11-20T12:00:00Z"}))
    assert [row["historyConcurrency"] for row in changes] == [1, 2, 1, 0, 1, 0]


def test_a_history_tells_each_call() -> None:
    talked(DAY + timedelta(hours=1), minutes=2)
    talked(DAY, minutes=1)

    assert ask(figure("history", "duration")) == [
        {"date": "2026-11-20T00:00:00.000Z", "historyDuration": 1},
        {"date": "2026-11-20T01:00:00.000Z", "historyDuration": 2},
    ]


def test_every_word_of_vapis_is_understood() -> None:
    talked(DAY)
    assert set(COLUMNS) - {"concurrency"} == set(EXPRESSIONS)
    assert set(GROUPS) == set(GROUP_EXPRESSIONS)
    every = [
        {"operation": operation, "column": column}
        for operation in OPERATIONS[:5]
        for column in COLUMNS
        if column != "concurrency" and (column != "id" or operation == "count")
    ]
    for begin in range(0, len(every), 20):
        assert len(ask({"operations": every[begin : begin + 20], "groupBy": list(GROUPS)})) == 1
    for step in STEPS:
        assert len(ask(figure("count", "id", timeRange={**ALL, "step": step}))) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"table": "subscription"}, "queries.0.table subscription: Tandem has no subscriptions. Ask the table call for the columns concurrency and minutesUsed"),
        ({"table": "auth_user"}, "queries.0.table must be one of the following values: call, subscription"),
        ({"operations": []}, "queries.0.operations should not be empty"),
        ({"operations": "count"}, "queries.0.operations must be an array"),
        (figure("drop", "id"), "queries.0.operations.0.operation must be one of the following values: sum, avg, count, min, max, history"),
        (figure("sum", "id"), "queries.0.operations.0.operation sum: of the column id there is only the count"),
        ({"groupBy": ["caller"]}, "queries.0.groupBy.0 must be one of the following values: type, assistantId, endedReason, analysis.successEvaluation, status"),
        ({"name": "x" * 41}, "queries.0.name must be shorter than or equal to 40 characters"),
        ({"where": 1}, "queries.0.property where should not exist"),
        ({"timeRange": {"start": "soon"}}, "queries.0.timeRange.start must be a valid ISO 8601 date string"),
        ({"timeRange": {"start": "2026-11-02", "end": "2026-11-01"}}, "queries.0.timeRange.start must be before queries.0.timeRange.end"),
        ({"timeRange": {"timezone": "../../etc/passwd"}}, "queries.0.timeRange.timezone must be a time zone such as Europe/Berlin"),
        ({"timeRange": {"step": "day'; DROP TABLE calls_call"}}, f"queries.0.timeRange.step must be one of the following values: {', '.join(STEPS)}"),
        ({"groupByVariableValue": [{"key": "x" * 101}]}, "queries.0.groupByVariableValue.0.key must be shorter than or equal to 100 characters"),
        ({"groupByVariableValue": [{"key": "countId"}]}, "queries.0: countId would stand twice in each row of the answer; give an operation another alias"),
        (figure("max", "concurrency", groupBy=["type"]), "queries.0: concurrency is that of all calls together, and cannot be grouped"),
        (figure("history", "cost", groupBy=["type"]), "queries.0: history gives single values; ask for it in a query without groups and other operations"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_name(query: dict[str, Any], message: str) -> None:
    assert message in ask({**figure("count", "id"), **query}, status=400)


@pytest.mark.parametrize(
    "body", [{}, {"queries": []}, {"queries": {}}, {"queries": [7]}, {"queries": [{}] * 51}]
)
def test_bodies_that_ask_nothing_are_refused(body: Any) -> None:
    client = Client(headers={"Authorization": f"Bearer {key_create(name='program')[1]}"})
    response = client.post("/analytics", json.dumps(body), content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (400, "Bad Request")


def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "ROWS_MAX", 2)
    for n in range(3):
        talked(DAY + timedelta(hours=n))

    step = {**ALL, "step": "hour"}
    for query in (
        figure("count", "id", timeRange=step),
        figure("history", "id"),
        figure("max", "concurrency", timeRange=step),
    ):
        assert "more than 2 rows" in ask(query, status=400)


def test_an_answer_that_takes_too_long_is_refused_and_the_connection_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talked(DAY)
    slow = "SELECT now() AS at, 1 AS n, 1 AS d FROM pg_sleep(1)"
    monkeypatch.setattr(answering, "_RUNNING", slow)
    monkeypatch.setattr(answering, "TIMEOUT_MS", 30)

    assert "takes longer" in ask(figure("max", "concurrency"), status=400)

    monkeypatch.undo()
    assert ask(figure("count", "id")) == [{"countId": 1}]


def test_many_questions_together_take_no_longer_than_two_of_the_slowest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talked(DAY)
    monkeypatch.setattr(answering, "_RUNNING", "SELECT now() AS at, 1 AS n, 1 AS d FROM pg_sleep(0.02)")
    seconds = itertools.count(
        0, answering.TOGETHER_MS / 2500
    )  # the clock, two fifths of that time at each look
    monkeypatch.setattr(answering, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    client = Client(headers={"Authorization": f"Bearer {key_create(name='program')[1]}"})
    one = {"table": "call", "name": "q", **figure("max", "concurrency")}

    answers = [
        client.post("/analytics", json.dumps({"queries": [one] * n}), content_type="application/json")
        for n in (1, 4)
    ]

    assert [each.status_code for each in answers] == [200, 400]
    assert "or for less at once" in answers[1].json()["message"]


def test_a_call_that_was_scheduled_long_before_counts_among_those_that_ran() -> None:
    talked(DAY, 10)
    scheduled = talked(DAY + timedelta(minutes=5), 10, direction=Call.Direction.OUTBOUND)
    Call.objects.filter(pk=scheduled.pk).update(created_at=DAY - timedelta(days=60))
    at = DAY + timedelta(minutes=4)
    request = CallRequest.objects.create(digest="d")
    Placing.objects.create(
        call=scheduled, request=request, earliest_at=at, due_at=at, give_up_at=at, claimed_at=at
    )

    assert ask(figure("max", "concurrency")) == [{"maxConcurrency": 2}]


def test_what_a_call_was_given_counts_until_a_tool_says_otherwise() -> None:
    told, learnt = talked(DAY), talked(DAY)
    for call in (told, learnt):
        CallVariables.objects.create(call=call, values={"city": "Ulm", "0": 7})
    ToolCall.objects.create(
        call_id=learnt.pk, item_id="call_1", name="find", arguments={}, variables={"city": "Bonn"}, requested_at=DAY
    )  # fmt: skip
    talked(DAY)

    found = ask(figure("count", "id", groupByVariableValue=[{"key": "city"}]))

    assert sorted(found, key=str) == [
        {"city": "Bonn", "countId": 1}, {"city": "Ulm", "countId": 1}, {"city": None, "countId": 1},
    ]  # fmt: skip
    assert len(ask(figure("count", "id", groupByVariableValue=[{"key": "0"}]))) == 2
    for key in ("99999999999", "-1", "a'b", '%s"', "{a}"):
        assert ask(figure("count", "id", groupByVariableValue=[{"key": key}])) == [{key: None, "countId": 3}]


def test_a_key_needs_the_scope_for_analytics() -> None:
    assert "analytics:read" in ask(figure("count", "id"), status=403, scopes=["call:read"])
    assert ask(figure("count", "id"), scopes=["analytics:read"]) == [{"countId": 0}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["queries", "table", "name", "timeRange", "start", "step", "timezone", "operations", "column", "key"]), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["table", "name", "timeRange", "operations", "groupBy", "groupByVariableValue"]), JSON
    )
)
def test_whatever_is_asked_is_read_or_refused(query: dict[str, Any]) -> None:
    try:
        read = queries_read({"queries": [query]}, now=DAY)
    except QueryProblemsError as exc:
        told = exc.problems
    else:
        told = [one.name for one in read]
    assert told
