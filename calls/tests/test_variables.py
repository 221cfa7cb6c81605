"""What a call's templates see, and what becomes of the texts."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calls import recorder, selectors
from calls.bridge import commands as do
from calls.lines import opening
from calls.recorder import Recorder
from calls.resumptions import Resumption
from calls.selectors import StreamCall, call_for_stream
from calls.tests.stage import CALL, CALL_ID, LOOKUP, SID, SNAPSHOT, FakeOutbox
from calls.tests.test_services import answered
from calls.tool_context import tool_context
from calls.variables import call_learns, call_rendered, call_variables
from tools.models import ToolCall
from tools.selectors import variables_taught

NOW = datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC)


def ringing(**texts: Any) -> StreamCall:
    """A call whose assistant has these texts."""
    return replace(
        CALL, snapshot=replace(SNAPSHOT, **texts), phone_number_id="pn-1", phone_number_label="Main line"
    )


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
    monkeypatch.setattr(opening, "in_database_thread", asyncio.to_thread)

    call = await opening.stream_call_load(CALL_ID)

    assert isinstance(call, StreamCall)
    assert call.snapshot.instructions == "You are Front desk."
    assert call.variables["call"]["id"] == str(CALL_ID)


SAID: list[dict[str, Any]] = [
    {"type": "request-start", "content": "Looking for {{ clinic }}."},
    {
        "type": "request-complete",
        "contents": [
            {"type": "text", "language": "en", "text": "It is {{ slot.day }}, {{ clinic }}."},
            "nonsense",
        ],
    },
]
TAUGHT = {"aliases": [{"key": "slot", "value": "{{ $.slot }}"}]}
DIALS: dict[str, Any] = {
    "destinations": [
        {
            "type": "number",
            "number": "+13125550199",
            "message": {"type": "request-start", "content": "{{ clinic }}: {{ slot.day }}."},
            "transferPlan": {
                "mode": "blind-transfer",
                "fallbackPlan": {"message": "{{ clinic }} is closed."},
            },
        }
    ]
}


def with_tools() -> StreamCall:
    finds = replace(LOOKUP, messages=SAID, variable_extraction=TAUGHT)
    dials = replace(LOOKUP, name="dial", kind="transferCall", settings=DIALS)
    return ringing(tools=(finds, dials), variables={"clinic": "Riverbend"})


def test_what_is_said_of_tools_is_rendered_and_names_that_a_tool_teaches_are_not_missed() -> None:
    done = call_rendered(with_tools(), now=NOW)

    finds, dials = done.snapshot.tools
    assert finds.messages[0]["content"] == "Looking for Riverbend."
    assert finds.messages[1]["contents"] == [
        {"type": "text", "language": "en", "text": "It is , Riverbend."},
        "nonsense",
    ]
    (place,) = dials.settings["destinations"]
    assert place["message"]["content"] == "Riverbend: ."
    assert place["transferPlan"]["fallbackPlan"]["message"] == "Riverbend is closed."
    assert (done.undefined, done.template_errors) == ((), ())
    assert DIALS["destinations"][0]["message"] == {
        "type": "request-start",
        "content": "{{ clinic }}: {{ slot.day }}.",
    }


def test_a_name_that_nobody_gives_is_missed_in_a_tools_message_too() -> None:
    tool = replace(LOOKUP, messages=[{"type": "request-start", "content": "{{ oops }} {{ a.b c }"}])

    done = call_rendered(ringing(tools=(tool, replace(tool, messages=[{"content": "{{ oops }}"}]))), now=NOW)

    assert done.undefined == ("oops",)
    assert [error.partition(":")[0] for error in done.template_errors] == ["get_repair_status"]


def test_what_a_tool_teaches_is_in_what_is_said_of_tools_afterwards() -> None:
    begun = call_rendered(with_tools(), now=NOW)

    later = call_learns(begun, {"slot": {"day": "Monday"}}, now=NOW)

    finds, dials = later.snapshot.tools
    assert finds.messages[1]["contents"][0]["text"] == "It is Monday, Riverbend."
    assert dials.settings["destinations"][0]["message"]["content"] == "Riverbend: Monday."
    assert call_learns(begun, {"elsewhere": 1}, now=NOW) is begun
    assert later.tools_written == begun.tools_written == with_tools().snapshot.tools


def test_a_tool_server_sees_the_tool_as_its_author_wrote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: outbox)

    one = Recorder(call_rendered(with_tools(), now=NOW))
    one.tool_forward(do.RunTool("call_1", LOOKUP.name, {}, 20.0), reply_channel="c")

    assert outbox.of("tool_call_forward")[0]["order"]["tool"]["messages"] == SAID


@pytest.mark.django_db
def test_a_call_that_comes_back_knows_what_its_tools_have_taught() -> None:
    call = ringing(instructions="{{ slot }}", first_message="{{ site }}", variables={"slot": "none"})
    for item_id, answered_at, variables in (
        ("c2", NOW + timedelta(seconds=2), {"slot": "nine"}),
        ("c1", NOW, {"slot": "eight", "site": "north"}),
        ("c3", None, {"slot": "never"}),
    ):
        ToolCall.objects.create(
            call_id=CALL_ID,
            item_id=item_id,
            name="x",
            requested_at=NOW,
            answered_at=answered_at,
            variables=variables,
        )
    learnt = variables_taught(call_id=CALL_ID)
    back = Resumption(NOW, 1, "busy", learnt=learnt)

    done = call_rendered(replace(call, resumption=back), now=NOW)

    assert learnt == {"slot": "nine", "site": "north"}
    assert done.snapshot.instructions == "nine"


@pytest.mark.django_db
def test_a_stored_call_is_rendered_with_the_numbers_label() -> None:
    decision = answered()
    assert decision.call.phone_number is not None
    decision.call.phone_number.label = "Harbour line"
    decision.call.phone_number.save()

    call = call_for_stream(decision.call.id)

    assert call is not None
    assert call_variables(call, now=NOW)["phoneNumber"]["name"] == "Harbour line"
