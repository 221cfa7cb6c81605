"""What a call's templates see, and what becomes of the texts."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from calls import consumers, recorder, selectors
from calls.recorder import Recorder
from calls.selectors import StreamCall, call_for_stream
from calls.tests.test_consumers import CALL, CALL_ID, SID, SNAPSHOT, FakeOutbox
from calls.tests.test_services import answered
from calls.tool_context import tool_context
from calls.variables import call_rendered, call_variables, moment_variables

NOW = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC)


def ringing(**texts: Any) -> StreamCall:
    """A call whose assistant has these texts."""
    return replace(
        CALL, snapshot=replace(SNAPSHOT, **texts), phone_number_id="pn-1", phone_number_label="Main line"
    )


def test_the_moment_is_written_in_utc_whatever_the_clocks_zone() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=-6)))

    assert moment_variables(here) == {
        "now": "Nov 22, 2026, 6:05 PM UTC",
        "currentDateTime": "Nov 22, 2026, 6:05 PM UTC",
        "date": "Nov 22, 2026",
        "time": "6:05 PM",
        "month": "November",
        "day": "22",
        "year": "2026",
    }


def test_a_call_has_vapis_variables() -> None:
    variables = call_variables(ringing(), now=NOW)

    assert variables["customer"] == {"number": "+13125550177"}
    assert variables["phoneNumber"] == {"id": "pn-1", "number": "+14155550123", "name": "Main line"}
    assert variables["call"] == {
        "id": str(CALL_ID),
        "type": "inboundPhoneCall",
        "status": "ringing",
        "startedAt": "2026-11-22T00:00:00.000Z",
        "assistantId": SNAPSHOT.assistant_id,
    }
    assert variables["assistant"] == {"id": SNAPSHOT.assistant_id, "name": "Front desk"}
    assert variables["transport"] == {"provider": "twilio", "callSid": SID, "conversationType": "voice"}


def test_given_values_win_and_an_object_is_completed_not_replaced() -> None:
    variables = call_variables(
        ringing(), now=NOW, given={"date": "today", "customer": {"name": "Ann"}, "x": 1}
    )

    assert (variables["date"], variables["x"]) == ("today", 1)
    assert variables["customer"] == {"number": "+13125550177", "name": "Ann"}


def test_every_text_of_the_assistant_is_rendered_and_the_apology_is_not() -> None:
    call = ringing(
        instructions="You are {{ assistant.name }}. {{ clinic }}",
        first_message="Welcome to {{ clinic }}.",
        end_call_message="Bye, {{ customer.name | default: 'caller' }}.",
        voicemail_message="Call {{ phoneNumber.number }}.",
        idle_messages=("Still there at {{ clinic }}?",),
        history=[{"role": "user", "content": "{{ clinic }}?"}, {"role": "user", "content": None}],
        apology="Sorry, {{ clinic }}.",
        variables={"clinic": "Riverbend"},
    )

    snapshot = call_rendered(call, now=NOW).snapshot

    assert snapshot.instructions == "You are Front desk. Riverbend"
    assert snapshot.first_message == "Welcome to Riverbend."
    assert snapshot.end_call_message == "Bye, caller."
    assert snapshot.voicemail_message == "Call +14155550123."
    assert snapshot.idle_messages == ("Still there at Riverbend?",)
    assert snapshot.history == [{"role": "user", "content": "Riverbend?"}, {"role": "user", "content": None}]
    assert snapshot.apology == "Sorry, {{ clinic }}."


def test_values_of_the_call_win_over_those_of_the_assistant() -> None:
    call = ringing(instructions="{{ a }}{{ b }}", variables={"a": "1", "b": "1"})

    assert call_rendered(call, now=NOW, given={"b": "2"}).snapshot.instructions == "12"


def test_history_and_variables_of_an_odd_shape_do_not_lose_the_call() -> None:
    odd: Any = ["x", {"role": "user"}]
    call = ringing(instructions="{{ assistant.name }}", history=odd, variables=odd)

    done = call_rendered(call, now=NOW)

    assert (done.snapshot.instructions, done.snapshot.history) == ("Front desk", odd)


def test_missing_names_and_faulty_templates_are_remembered_and_no_value_is() -> None:
    call = ringing(
        instructions="{{ clinic }}{{ customer.name }}",
        first_message="{{ clinic }}\n{{ oh no }}",
        idle_messages=("{{",),
    )

    done = call_rendered(call, now=NOW)

    assert done.undefined == ("clinic", "customer.name")
    assert done.template_errors == (
        "First message: Line 2: “no” does not belong here.",
        "Idle message: Line 1: “{{” is never closed by “}}”.",
    )
    assert done.snapshot.first_message == "{{ clinic }}\n{{ oh no }}"


def test_a_tool_server_is_told_the_variables() -> None:
    call = call_rendered(ringing(variables={"clinic": "Riverbend"}), now=NOW)

    context = tool_context(
        call, public_origin="https://voice.example", org_id="o-1", messages=[], learnt={"slot": "Thursday"}
    )

    assert context["variableValues"]["clinic"] == "Riverbend"
    assert context["variableValues"]["slot"] == "Thursday"
    assert context["variableValues"]["customer"] == {"number": "+13125550177"}


def test_what_templates_lacked_becomes_problems_of_the_call_once_its_stream_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outbox = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: outbox)
    call = call_rendered(ringing(instructions="{{ clinic }}{{ a.b }}", first_message="{{"), now=NOW)

    one = Recorder(call)
    before = outbox.of("problem_write")
    one.started()

    assert before == []
    undefined, faulty = outbox.of("problem_write")
    assert (undefined["source"], undefined["code"], undefined["benign"]) == (
        "tandem",
        "undefined_variables",
        True,
    )
    assert undefined["message"] == "No value, so left empty: clinic, a.b"
    assert (faulty["code"], faulty["benign"]) == ("template_error", True)
    assert faulty["message"] == "First message: Line 1: “{{” is never closed by “}}”."
    assert undefined["key"] != faulty["key"]


async def test_a_call_is_rendered_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        selectors,
        "call_for_stream",
        lambda _: ringing(instructions="You are {{ assistant.name }}."),
    )
    monkeypatch.setattr(consumers, "in_database_thread", asyncio.to_thread)

    call = await consumers._load(CALL_ID)

    assert isinstance(call, StreamCall)
    assert call.snapshot.instructions == "You are Front desk."
    assert call.variables["call"]["id"] == str(CALL_ID)


@pytest.mark.django_db
def test_a_stored_call_is_rendered_with_the_numbers_label() -> None:
    decision = answered()
    assert decision.call.phone_number is not None
    decision.call.phone_number.label = "Harbour line"
    decision.call.phone_number.save()

    call = call_for_stream(decision.call.id)

    assert call is not None
    assert call_variables(call, now=NOW)["phoneNumber"]["name"] == "Harbour line"
