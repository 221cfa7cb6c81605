"""Calls as programs read them: through Django's client, against the real database."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from assistants.models import VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.api.selectors import heads_page, records_of
from calls.api.views import call_told
from calls.models import Call, CallOpened, CostLine, Erasure, LiveOrder, VapiCall
from calls.tests.factories import make_call
from tools.access.lists import list_query, moment_text
from tools.jsontext import json_text
from tools.models import ApiWrite, ToolCall
from tools.tests.access.program import Program
from tools.tests.vapi_schema import complaints
from transcripts.models import Transcript, Utterance

pytestmark = pytest.mark.django_db

BEGAN = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    return Program()


def talked(**fields: Any) -> Call:
    """A finished call of a minute: a greeting, a question, a tool and a word that was not heard."""
    call = make_call(
        status=Call.Status.ENDED,
        started_at=BEGAN,
        ended_at=BEGAN + timedelta(seconds=60),
        ended_reason="customer-ended-call",
        **fields,
    )
    transcript = Transcript.objects.create(call_id=call.pk, started_at=BEGAN)
    said = [
        ("assistant", "Hello there.", "Hello there.", 0, None),
        ("caller", "Is it ready?", "", 2000, None),
        ("assistant", "It is ready on Tuesday.", "It is ready", 5000, 700),
        ("assistant", "Anything else?", "", 9000, None),
    ]
    for n, (speaker, text, heard, at, latency) in enumerate(said):
        Utterance.objects.create(
            transcript=transcript, item_id=f"item{n}", speaker=speaker, text=text, heard_text=heard, began_ms=at,
            ended_ms=at + 900, latency_ms=latency,
        )  # fmt: skip
    ToolCall.objects.create(
        call_id=call.pk, item_id="call_1", name="lookup", arguments={"ticket": "481"}, status="answered",
        outcome="Tuesday", requested_at=BEGAN + timedelta(seconds=3), told_at=BEGAN + timedelta(seconds=4),
        variables={"day": "Tuesday"},
    )  # fmt: skip
    return call


def test_a_call_is_told_with_what_was_said_and_done_in_its_order(program: Program) -> None:
    call = talked()
    told = program.ask("GET", f"/call/{call.pk}")
    assert told["id"] == str(call.pk)
    assert (told["type"], told["status"], told["endedReason"]) == (
        "inboundPhoneCall",
        "ended",
        "customer-ended-call",
    )
    assert told["startedAt"] == "2026-11-20T09:30:00.123Z"
    assert told["customer"] == {"number": call.caller}
    artifact = told["artifact"]
    assert [one["role"] for one in artifact["messages"]] == [
        "bot",
        "user",
        "tool_calls",
        "tool_call_result",
        "bot",
    ]
    asked_at = round((BEGAN + timedelta(seconds=2)).timestamp() * 1000)
    assert artifact["messages"][1] == {
        "role": "user",
        "message": "Is it ready?",
        "time": asked_at,
        "endTime": asked_at + 900,
        "secondsFromStart": 2.0,
        "duration": 900,
    }
    assert artifact["messages"][2]["toolCalls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"ticket":"481"}'}}
    ]
    assert artifact["transcript"] == "AI: Hello there.\nUser: Is it ready?\nAI: It is ready\n"
    assert [one["role"] for one in artifact["messagesOpenAIFormatted"]] == [
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert artifact["variableValues"] == {"day": "Tuesday"}
    assert artifact["performanceMetrics"]["turnLatencyAverage"] == 700
    assert told["messages"] == artifact["messages"]
    assert "monitor" not in told
    assert "recordingUrl" not in told


def test_messages_that_were_added_while_it_ran_are_told_as_what_they_are(program: Program) -> None:
    call = talked()
    for n, (role, words) in enumerate((("system", "A regular."), ("user", "I have paid."))):
        at = BEGAN + timedelta(seconds=30 + n)
        common = {"call": call, "kind": "add-message", "by": "key", "asked_at": at, "result": "taken"}
        LiveOrder.objects.create(order_id=f"o{n}", role=role, words=words, done_at=at, **common)
        LiveOrder.objects.create(order_id=f"not{n}", role=role, words="Not added.", **common)

    told = program.ask("GET", f"/call/{call.pk}")

    system, user = (one for one in told["artifact"]["messages"] if one.get("source") == "control")
    assert (system["role"], system["message"], system["secondsFromStart"]) == ("system", "A regular.", 30)
    assert (user["role"], user["message"], user["duration"], user["endTime"]) == (
        "user",
        "I have paid.",
        0,
        user["time"],
    )
    assert {"role": "system", "content": "A regular."} in told["artifact"]["messagesOpenAIFormatted"]
    assert "I have paid." not in told["transcript"], "nobody has said it"
    assert "Not added." not in json.dumps(told)
    assert complaints("SystemMessage", system) == complaints("UserMessage", user) == []


def test_a_page_is_spelled_as_each_of_its_calls(program: Program) -> None:
    call = talked()
    CostLine.objects.create(
        call=call, provider="openai", kind="response", item="m", part="audio_out", quantity=3, written_at=BEGAN,
        amount_usd="0.000012",
    )  # fmt: skip
    told = [call_told(record) for record in records_of(list(heads_page({})))]
    assert told[0]["cost"] == 0.000012
    page = program.http.get("/call").content
    assert page.decode() == json_text(told)
    assert (json.loads(page), program.ask("GET", "/call?limit=0")) == (told, [])


def test_reading_a_call_is_written_down(program: Program) -> None:
    one, other = talked(), make_call()
    program.ask("GET", f"/call/{one.pk}")
    program.ask("GET", "/call")
    opened = CallOpened.objects.filter(key=program.key, what="api")
    assert sorted(str(row.call_id) for row in opened) == sorted([str(one.pk), str(one.pk), str(other.pk)])


def test_a_running_call_tells_where_it_is_listened_to(program: Program) -> None:
    call = make_call(status=Call.Status.IN_PROGRESS)
    monitor = program.ask("GET", f"/call/{call.pk}")["monitor"]
    assert f"/call/{call.pk}/listen" in monitor["listenUrl"]
    assert f"/call/{call.pk}/control" in monitor["controlUrl"]


def test_a_refused_call_has_ended_and_says_why(program: Program) -> None:
    call = make_call(status=Call.Status.REFUSED, refused_because="No assistant answers this number.")
    told = program.ask("GET", f"/call/{call.pk}")
    assert (told["status"], told["endedMessage"]) == ("ended", "No assistant answers this number.")


def test_a_call_that_ran_at_vapi_keeps_vapis_id_and_money(program: Program) -> None:
    call = talked(stack=Call.Stack.VAPI)
    VapiCall.objects.create(
        call=call, vapi_id="vapi-7", source="api", assistant_id="their-assistant", cost="0.1234", imported_at=BEGAN,
        costs=[{"type": "vapi", "cost": 0.05}], cost_breakdown={"total": 0.1234}, analysis={"summary": "Fine."},
    )  # fmt: skip
    told = program.ask("GET", "/call/vapi-7")
    assert (told["id"], told["assistantId"], told["cost"]) == ("vapi-7", "their-assistant", 0.1234)
    assert told["summary"] == told["analysis"]["summary"] == "Fine."
    assert [one["id"] for one in program.ask("GET", "/call?assistantId=their-assistant")] == ["vapi-7"]


def test_a_list_is_bounded_filtered_and_newest_first(program: Program) -> None:
    assistant = make_assistant()
    VapiObject.objects.create(
        kind="assistant",
        key="known-at-vapi",
        assistant=assistant,
        imported_at=BEGAN,
        raw={},
        last_import=VapiImport.objects.create(source="a file"),
    )
    calls = [make_call(assistant=assistant if n % 2 else None) for n in range(4)]
    for n, call in enumerate(calls):
        Call.objects.filter(pk=call.pk).update(created_at=BEGAN + timedelta(milliseconds=n))
    newest_first = [str(call.pk) for call in reversed(calls)]
    assert [one["id"] for one in program.ask("GET", "/call")] == newest_first
    assert [one["id"] for one in program.ask("GET", "/call?limit=1.0")] == newest_first[:1]
    for name in ("known-at-vapi", str(assistant.pk)):
        assert [one["id"] for one in program.ask("GET", f"/call?assistantId={name}")] == newest_first[::2]
    assert program.ask("GET", "/call?assistantId=nobody") == []
    assert program.ask("GET", f"/call?id={newest_first[2]}")[0]["id"] == newest_first[2]
    # A program that reads on takes the last moment that it saw.
    last = program.ask("GET", "/call?limit=2")[-1]["createdAt"]
    assert [one["id"] for one in program.ask("GET", f"/call?createdAtLt={last}")] == newest_first[2:]
    assert [one["id"] for one in program.ask("GET", f"/call?createdAtGe={last}")] == newest_first[:2]
    assert [one["id"] for one in program.ask("GET", f"/call?createdAtGt={last}")] == newest_first[:1]
    assert [one["id"] for one in program.ask("GET", f"/call?createdAtLe={last}")] == newest_first[1:]


def test_a_smoke_test_is_no_call_of_anybody(program: Program) -> None:
    call = make_call(smoke_test=True)
    assert program.ask("GET", "/call") == []
    program.ask("GET", f"/call/{call.pk}", status=404)


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=1001", "limit=-1", "createdAtGt=yesterday", "phone=1", "createdAtLt=9999-99-99"],
)
def test_a_list_that_makes_no_sense_is_refused_by_name(program: Program, query: str) -> None:
    told = program.ask("GET", f"/call?{query}", status=400)
    assert query.partition("=")[0] in told["message"][0]


@pytest.mark.parametrize("given", ["4f3c2b1a-0000-4000-8000-000000000000", "x", "é" * 300, "1"])
def test_an_unknown_call_is_told_as_vapi_does(program: Program, given: str) -> None:
    told = program.ask("GET", f"/call/{given}", status=404)
    assert told["message"].startswith("Couldn't Get Call. `id` ")


@pytest.mark.parametrize(
    "path", ["/call/%00", "/call/../x", "/calls", "/campaign", "/call/", "/assistant/%00"]
)
def test_what_is_nowhere_is_told_as_an_error_of_the_api(program: Program, path: str) -> None:
    assert program.ask("GET", path, status=404)["error"] == "Not Found"
    assert program.ask("POST", path, {}, status=405 if "%00" in path else 404)["message"]
    program.ask("GET", "/call?assistantId=%00", status=400)


def test_a_program_names_a_call_and_changes_nothing_else(program: Program) -> None:
    call = talked()
    assert program.ask("PATCH", f"/call/{call.pk}", {"name": "Bike 481"})["name"] == "Bike 481"
    assert program.ask("GET", f"/call/{call.pk}")["name"] == "Bike 481"
    assert "name" not in program.ask("PATCH", f"/call/{call.pk}", {"name": None})
    told = program.ask("PATCH", f"/call/{call.pk}", {"name": "x" * 41, "status": "ended"}, status=400)
    assert told["message"] == [
        "property status should not exist",
        "name must be shorter than or equal to 40 characters",
    ]
    program.ask("PATCH", f"/call/{call.pk}", {"name": 7}, status=400)
    program.ask("PATCH", f"/call/{uuid4()}", {"name": "x"}, status=404)


def test_a_deleted_call_is_erased_and_told_of_no_more(program: Program) -> None:
    call, other, stays = talked(), talked(), talked()
    told = program.ask("DELETE", f"/call/{call.pk}", {"ids": [str(other.pk)]})
    assert told["artifact"]["transcript"].startswith("AI: Hello")
    for gone in (call, other):
        program.ask("GET", f"/call/{gone.pk}", status=404)
        assert not Utterance.objects.filter(transcript__call_id=gone.pk).exclude(text="").exists()
    assert [one["id"] for one in program.ask("GET", "/call")] == [str(stays.pk)]
    assert set(Erasure.objects.values_list("actor_label", flat=True)) == {f"API key {program.key}"}
    assert set(ApiWrite.objects.values_list("about", flat=True)) == {str(call.pk), str(other.pk)}
    program.ask("DELETE", f"/call/{call.pk}", {}, status=404)


def test_of_a_list_that_holds_a_running_call_none_is_erased(program: Program) -> None:
    call, running = talked(), make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    told = program.ask("DELETE", f"/call/{call.pk}", {"ids": [str(running.pk)]}, status=400)
    assert str(running.pk) in told["message"]
    program.ask("DELETE", f"/call/{call.pk}", {"ids": [str(uuid4())]}, status=404)
    program.ask("DELETE", f"/call/{call.pk}", {"ids": ["x"] * 101}, status=400)
    program.ask("DELETE", f"/call/{call.pk}", {"ids": [7]}, status=400)
    assert program.ask("GET", f"/call/{call.pk}")["artifact"]["transcript"]


def test_a_key_needs_the_scope_for_calls() -> None:
    call = make_call()
    reader = Program(scopes=["call:read"])
    reader.ask("GET", "/call")
    reader.ask("PATCH", f"/call/{call.pk}", {"name": "x"}, status=403)
    Program(scopes=["assistant:read"]).ask("GET", "/call", status=403)
    assert Client().get("/call").status_code == 401


def test_a_hundred_calls_take_as_many_queries_as_one(program: Program) -> None:
    talked()
    program.ask("GET", "/call")  # the key's use is written down once a minute
    with CaptureQueriesContext(connection) as few:
        program.ask("GET", "/call")
    for _ in range(4):
        talked(assistant=make_assistant())
    with CaptureQueriesContext(connection) as many:
        assert len(program.ask("GET", "/call")) == 5
    # Assistants and what was imported of them are looked up where there are any, once each.
    assert len(many) - len(few) <= 3
    with CaptureQueriesContext(connection) as more:
        talked(assistant=make_assistant())
        begin = len(more)
        program.ask("GET", "/call")
    assert len(more) - begin == len(many)


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis wants them naive
def test_a_moment_that_was_told_is_read_as_the_same(moment: datetime) -> None:
    (bound,) = list_query({"createdAtLt": moment_text(moment)}).bounds
    assert bound.at == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
