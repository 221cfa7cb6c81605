"""Tools that need a telephone and no server of anybody's: text messages, messages on a voicemail."""

from simulator import scenario as scenarios
from simulator.rest import Failure
from simulator.scenario import Request, Rule
from tests.integration.outside import CALLER
from tests.integration.rows import GREETING, make_desk, written
from tests.integration.stack import Stack
from tests.integration.stories import GOODBYE
from tools.models import Tool, ToolCall

ASKS = "Can you send me that?"
SENT = "I have sent it."
UNSENT = "I could not send it."
TEXT = "Your ticket is 481."
SMS = {
    "kind": Tool.Kind.SMS,
    "name": "send_text",
    "parameters": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
}


def sends_a_text() -> scenarios.Scenario:
    """The caller asks for a text message, and says goodbye when the assistant has spoken of it."""
    story = scenarios.load("transfer_busy")
    asks, _, leaves = story.caller
    rules = (
        Rule(caller="send me that", call=(Request(("send_text",), {"message": TEXT}),)),
        Rule(tool="send_text", output="handed over", say=(SENT,)),
        Rule(tool="send_text", say=(UNSENT,)),
    )
    return story.but(
        assistant=(*rules, *story.assistant),
        caller=(
            scenarios.Step(asks.when, say=ASKS),
            scenarios.Step(scenarios.When(quiet_ms=700), say=leaves.say),
        ),
    )


def test_a_text_message_goes_to_the_caller(alone: Stack) -> None:
    desk = make_desk(alone, other=SMS)
    rest = alone.outside.simulator.switchboard.rest
    rest.messages.clear()

    report = alone.call(sends_a_text(), desk.did).report()

    rows = written(report.call_sid)
    assert list(rest.messages) == [{"to": CALLER, "from": desk.did, "body": TEXT}]
    assert [line.text for line in report.heard] == [GREETING, SENT, GOODBYE]
    sent = next(one for one in rows.tool_calls if one.name == "send_text")
    assert (sent.status, sent.http_status) == (ToolCall.Status.ANSWERED, 201)
    assert rows.codes() == []
    assert TEXT not in "".join(alone.log(name) for name in alone.names())


def test_a_text_message_that_twilio_refuses_is_not_said_to_be_sent(alone: Stack) -> None:
    desk = make_desk(alone, other=SMS)
    rest = alone.outside.simulator.switchboard.rest
    rest.messages.clear()
    rest.failures.append(Failure(400, 21211))

    report = alone.call(sends_a_text(), desk.did).report()

    rows = written(report.call_sid)
    assert list(rest.messages) == []
    assert [line.text for line in report.heard] == [GREETING, UNSENT, GOODBYE]
    refused = next(one for one in rows.tool_calls if one.name == "send_text")
    assert (refused.status, refused.http_status) == (ToolCall.Status.FAILED, 400)


LEFT = "This is the bike shop. Your bike is ready."


def test_a_message_is_left_on_a_voicemail(stack: Stack) -> None:
    voicemail = {"kind": Tool.Kind.VOICEMAIL, "name": "voicemail", "parameters": {}}
    desk = make_desk(stack, other=voicemail, voicemail_message=LEFT, end_call_message="Goodbye.")
    story = scenarios.load("greeting")
    machine = scenarios.Step(scenarios.When(quiet_ms=600), say="Please leave a message.")
    leaves = Rule(caller="leave a message", call=(Request(("voicemail",)),))

    report = stack.call(story.but(caller=(machine,), assistant=(leaves, *story.assistant)), desk.did).report()

    rows = written(report.call_sid)
    assert [(line.text, line.complete) for line in report.heard] == [(GREETING, True), (LEFT, True)]
    assert rows.call.ended_reason == "voicemail"
    assert report.reason == "completed by REST"
    assert rows.codes() == []
