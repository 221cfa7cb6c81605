"""Calls that are handed on to a person: what everybody hears, what becomes of the call, and what is written down."""

from dataclasses import replace
from typing import Any

from calls.models import Call, CallTransfer
from simulator import scenario as scenarios
from simulator.rest import Failure
from simulator.scenario import Rule, ToolAnswer
from tests.integration.outside import CALLER
from tests.integration.rows import GREETING, SECRET, Desk, in_trouble, make_desk, written
from tests.integration.stack import Stack
from tests.integration.stories import (
    GOODBYE,
    HOURS,
    Story,
    Told,
    assert_nobody_complained,
    assert_written_as_heard,
    assert_written_as_said,
    stories,
    story,
)
from tools.models import ToolCall

MECHANIC = "+12025550111"
ASKS_PERSON = "Can I talk to a mechanic, please?"
CONNECTING = "I will connect you with the workshop."
WHISPER = "A caller from the front desk."
BUSY = "The workshop is busy right now."


def to_mechanic(number: dict[str, Any] | None = None, **plan: Any) -> dict[str, Any]:
    """A tool that transfers to the mechanic."""
    destination: dict[str, Any] = {
        "type": "number",
        "number": MECHANIC,
        "message": CONNECTING,
        **(number or {}),
    }
    if plan:
        destination["transferPlan"] = plan
    schema = {"type": "object", "properties": {"destination": {"type": "string", "enum": [MECHANIC]}}}
    return {"parameters": schema, "settings": {"destinations": [destination]}}


BACK = {"message": BUSY, "endCallEnabled": False}


def transfer_of(told: Told) -> CallTransfer:
    return CallTransfer.objects.get(call=told.rows.call)


@story("transfer", desk={"transfer": to_mechanic()})
def test_a_caller_who_wants_a_person_is_connected(told: Told) -> None:
    assert told.heard() == [GREETING, CONNECTING]
    (leg,) = told.report.legs
    assert (leg.to, leg.caller_id, leg.status, leg.whispered) == (MECHANIC, CALLER, "completed", [])
    transfer = transfer_of(told)
    assert (transfer.dial_status, transfer.child_sid) == ("completed", leg.child_sid)
    assert transfer.dialled_at is not None
    assert transfer.history == []
    assert told.rows.call.ended_reason == "assistant-forwarded-call"
    assert told.report.reason == "hung up by TwiML"
    (asked,) = told.rows.tool_calls
    assert (asked.name, asked.status) == ("transfer_call", ToolCall.Status.ANSWERED)
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_as_said(told)


NOT_OURS = "+12025550999"


@story("transfer", desk={"transfer": to_mechanic(number={"callerId": NOT_OURS})})
def test_a_number_that_twilio_does_not_show_keeps_nobody_from_the_person(told: Told) -> None:
    assert told.report.violations == {"13214": 1}
    assert [(leg.caller_id, leg.status) for leg in told.report.legs] == [
        (NOT_OURS, "failed"),
        (told.desk.did, "completed"),
    ]
    assert told.rows.call.ended_reason == "assistant-forwarded-call"
    assert [one.code for one in told.rows.problems] == ["transfer_caller_id"]


@story("transfer", desk={"transfer": to_mechanic(mode="warm-transfer-say-message", message=WHISPER)})
def test_the_person_alone_is_told_who_comes(told: Told) -> None:
    (leg,) = told.report.legs
    assert leg.whispered == [WHISPER]
    assert leg.connected
    assert told.report.spoken_by_twilio == []
    assert transfer_of(told).whispered_at is not None
    assert_nobody_complained(told)


@story("transfer_busy", desk={"transfer": to_mechanic(fallbackPlan=BACK)})
def test_a_caller_whose_person_is_busy_has_the_assistant_again_who_remembers(told: Told) -> None:
    assert told.heard() == [GREETING, CONNECTING, BUSY, HOURS, GOODBYE]
    assert [leg.status for leg in told.report.legs] == ["busy"]
    assert len(set(told.report.stream_sids)) == 2
    assert told.report.realtime_sessions == 2
    transfer = transfer_of(told)
    assert transfer.dial_status == "busy"
    assert transfer.resumed_at is not None
    assert remembered(told) == [("assistant", GREETING), ("user", ASKS_PERSON), ("assistant", CONNECTING)]
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert told.rows.call.stream_sid == told.report.stream_sids[1]
    assert told.rows.call.frames_in == told.report.frames_sent
    assert_nobody_complained(told)
    assert_written_as_heard(told)
    assert_written_as_said(told)


def remembered(told: Told) -> list[tuple[str, str]]:
    """What the second session was told of the first."""
    items = [
        event["item"] for event in told.report.realtime_events if event["type"] == "conversation.item.create"
    ]
    messages = [item for item in items if item["type"] == "message" and item["role"] != "system"]
    return [(item["role"], item["content"][0]["text"]) for item in messages]


@story("transfer_busy", desk={"transfer": to_mechanic(fallbackPlan=BACK)})
def test_the_second_part_of_a_call_lies_behind_the_first_on_one_clock(told: Told) -> None:
    rows = told.rows
    assert rows.transcript is not None
    began = [one.began_ms for one in rows.utterances]
    assert began == sorted(began)
    back = next(one for one in rows.utterances if one.text == BUSY)
    asked = next(one for one in rows.utterances if one.text == CONNECTING)
    assert back.began_ms - asked.ended_ms >= 800  # it rang for so long
    heard = {line.line: line.from_ms for line in told.report.heard}
    assert (
        abs((back.began_ms - asked.began_ms) - (heard[BUSY] - heard[CONNECTING])) < 300 + told.report.late_ms
    )


@story(
    "transfer_busy",
    desk={"transfer": to_mechanic()},
    caller=[
        {"when": {"quiet_ms": 600}, "say": ASKS_PERSON},
        {"when": {"quiet_ms": 700, "heard": "still there"}, "say": "Okay, thank you, goodbye."},
    ],
)
def test_without_a_plan_the_model_says_itself_that_nobody_was_reached(told: Told) -> None:
    items = [
        event["item"] for event in told.report.realtime_events if event["type"] == "conversation.item.create"
    ]
    notes = [item["content"][0]["text"] for item in items if item.get("role") == "system"]
    assert any("their line was busy" in note for note in notes)
    assert told.heard()[2:] == ["Are you still there?", GOODBYE]
    assert told.rows.call.ended_reason == "assistant-ended-call"
    assert_nobody_complained(told)


@stories(
    busy=Story("transfer_busy", desk={"transfer": to_mechanic(fallbackPlan={"message": BUSY})}),
    unanswered=Story(
        "transfer_busy",
        {"operators": {"*": {"outcome": "no-answer", "after_ms": 1000}}},
        {"transfer": to_mechanic(fallbackPlan={"message": BUSY})},
    ),
    failed=Story(
        "transfer_busy",
        {"operators": {"*": {"outcome": "failed", "after_ms": 100}}},
        {"transfer": to_mechanic(fallbackPlan={"message": BUSY})},
    ),
)
def test_a_fallback_that_ends_the_call_is_spoken_first(told: Told) -> None:
    (leg,) = told.report.legs
    assert told.report.spoken_by_twilio == [BUSY]
    assert transfer_of(told).dial_status == leg.status
    assert (
        told.rows.call.ended_reason
        == {
            "busy": "call.forwarding.operator-busy",
            "no-answer": "call.forwarding.operator-no-answer",
            "failed": "call.in-progress.error-transfer-failed",
        }[leg.status]
    )
    assert [one.code for one in told.rows.problems] == ["transfer_not_answered"]
    assert told.report.realtime_sessions == 1


@story(
    "transfer", desk={"transfer": to_mechanic()}, operators={"*": {"after_ms": 6000, "caller_leaves_ms": 900}}
)
def test_a_caller_who_leaves_while_it_rings(told: Told) -> None:
    assert told.report.reason == "caller hung up"
    assert transfer_of(told).dial_status == "no-answer"
    assert told.rows.call.ended_reason == "customer-ended-call-during-transfer"
    assert told.rows.call.status == Call.Status.ENDED
    assert_nobody_complained(told)


@story(
    "transfer",
    desk={"transfer": to_mechanic()},
    caller=[
        {"when": {"quiet_ms": 600}, "say": ASKS_PERSON},
        {"when": {"line": "connect you", "into_ms": 700}, "say": "Wait, stop."},
    ],
)
def test_a_caller_who_speaks_over_the_announcement_is_connected_all_the_same(told: Told) -> None:
    assert [leg.status for leg in told.report.legs] == ["completed"]
    assert told.rows.call.ended_reason == "assistant-forwarded-call"


UNCONNECTED = "I could not connect you. How else can I help?"


def told_honestly(output: str) -> scenarios.Scenario:
    """The caller is told that nobody was reached, and says goodbye."""
    story = scenarios.load("transfer_busy")
    asks, _, leaves = story.caller
    honest = Rule(tool="transfer_call", output=output, say=(UNCONNECTED,))
    return story.but(
        assistant=(honest, *story.assistant),
        caller=(asks, replace(leaves, when=replace(leaves.when, heard="how else"))),
    )


@story(
    told_honestly("could not be transferred"),
    makes=in_trouble(Failure(400, 20001), transfer=to_mechanic()),
)
def test_a_transfer_that_twilio_refuses_is_told_to_the_model_and_the_talk_goes_on(told: Told) -> None:
    assert told.heard() == [GREETING, CONNECTING, UNCONNECTED, GOODBYE]
    assert told.report.legs == []
    assert told.report.realtime_sessions == 1
    transfer = transfer_of(told)
    assert (transfer.error, transfer.dialled_at) == ("Twilio answered 400, error 20001.", None)
    assert {"transfer_refused", "transfer_failed"} == set(told.rows.codes())
    by_name = {one.name: one for one in told.rows.tool_calls}
    assert by_name["transfer_call"].status == ToolCall.Status.REFUSED
    assert "could not be transferred" in by_name["transfer_call"].outcome
    assert told.rows.call.ended_reason == "assistant-ended-call"


@story(
    "transfer_busy",
    makes=in_trouble(Failure(503, 20001, execute=True), transfer=to_mechanic(fallbackPlan=BACK)),
)
def test_an_order_that_was_carried_out_although_its_answer_was_lost(told: Told) -> None:
    assert told.heard() == [GREETING, CONNECTING, BUSY, HOURS, GOODBYE]
    transfer = transfer_of(told)
    assert (transfer.dial_status, transfer.error) == ("busy", "")
    assert told.rows.codes() == []


SUMMARY = "Somebody asks for a mechanic."


def test_the_person_hears_what_the_call_was_about(alone: Stack) -> None:
    plan = {"messages": [{"role": "system", "content": "Write a note for the mechanic."}]}
    desk = make_desk(alone, transfer=to_mechanic(mode="warm-transfer-say-summary", summaryPlan=plan))
    story = scenarios.load("transfer")
    writes = Rule(instructions="note for the mechanic", say=(SUMMARY,))

    report = alone.call(story.but(assistant=(writes, *story.assistant)), desk.did).report()

    rows = written(report.call_sid)
    (leg,) = report.legs
    assert leg.whispered == [SUMMARY]
    assert CallTransfer.objects.get(call=rows.call).summary == SUMMARY
    assert [line.text for line in report.heard] == [GREETING, CONNECTING]
    (asked,) = [one for one in report.realtime_events if _purpose(one) == "summary"]
    (note,) = [item["content"][0]["text"] for item in asked["response"]["input"]]
    assert f"AI: {GREETING}\nUser: {ASKS_PERSON}\nAI: {CONNECTING}\n" in note
    assert report.realtime_warnings == []
    assert report.realtime_errors == []
    assert rows.codes() == []


def _purpose(event: dict[str, Any]) -> object:
    return event.get("response", {}).get("metadata", {}).get("purpose")


def asks_its_server(stack: Stack) -> Desk:
    """A tool that asks its server where to transfer."""
    tool = {
        "server_url": stack.outside.tool_url("transfer_call"),
        "server_secret": SECRET,
        "parameters": {"type": "object", "properties": {}},
    }
    return make_desk(stack, transfer=tool)


CHOSEN = {"destination": {"type": "number", "number": "+12025550122"}, "message": CONNECTING}


@story("transfer", makes=asks_its_server, tools={"transfer_call": {"result": CHOSEN}})
def test_a_server_may_choose_where_the_call_goes(told: Told) -> None:
    assert [leg.to for leg in told.report.legs] == ["+12025550122"]
    assert told.heard() == [GREETING, CONNECTING]
    (request,) = told.report.tool_requests
    assert request["problems"] == []
    message = request["body"]["message"]
    assert message["type"] == "transfer-destination-request"
    assert message["call"]["id"] == str(told.rows.call.id)
    assert message["customer"] == {"number": CALLER}
    assert request["headers"]["x-vapi-secret"] == SECRET
    assert told.rows.call.ended_reason == "assistant-forwarded-call"
    assert told.rows.codes() == []


def names_nobody(answer: dict[str, Any]) -> Story:
    """The server's answer is of no use."""
    scenario = told_honestly("not transferred").but(tools={"transfer_call": ToolAnswer(result=answer)})
    return Story(scenario, makes=asks_its_server)


@stories(
    error=names_nobody({"error": "Nobody is in today."}),
    undiallable=names_nobody({"destination": {"type": "number", "number": "the boss"}}),
    other=names_nobody({"results": []}),
)
def test_a_server_that_names_nobody_is_told_to_the_model(told: Told) -> None:
    assert told.heard() == [GREETING, UNCONNECTED, GOODBYE]
    assert told.report.legs == []
    assert told.rows.call.ended_reason == "assistant-ended-call"
