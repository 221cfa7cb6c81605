"""Tools that need a telephone and no server of anybody's: text messages, messages on a voicemail."""

from simulator import scenario as scenarios
from simulator.rest import Failure
from simulator.scenario import Request, Rule
from tests.integration.outside import CALLER
from tests.integration.rows import GREETING, in_trouble
from tests.integration.stack import Stack
from tests.integration.stories import GOODBYE, Told, story
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


@story(sends_a_text(), desk={"other": SMS})
def test_a_text_message_goes_to_the_caller(told: Told, stack: Stack) -> None:
    messages = stack.outside.simulator.rest.messages
    assert [one for one in messages if one["from"] == told.desk.did] == [
        {"to": CALLER, "from": told.desk.did, "body": TEXT}
    ]
    assert told.heard() == [GREETING, SENT, GOODBYE]
    sent = next(one for one in told.rows.tool_calls if one.name == "send_text")
    assert (sent.status, sent.http_status) == (ToolCall.Status.ANSWERED, 201)
    assert told.rows.codes() == []
    assert TEXT not in "".join(stack.log(name) for name in stack.names())


@story(sends_a_text(), makes=in_trouble(Failure(400, 21211), other=SMS))
def test_a_text_message_that_twilio_refuses_is_not_said_to_be_sent(told: Told, stack: Stack) -> None:
    messages = stack.outside.simulator.rest.messages
    assert [one for one in messages if one["from"] == told.desk.did] == []
    assert told.heard() == [GREETING, UNSENT, GOODBYE]
    refused = next(one for one in told.rows.tool_calls if one.name == "send_text")
    assert (refused.status, refused.http_status) == (ToolCall.Status.FAILED, 400)


LEFT = "This is the bike shop. Your bike is ready."


VOICEMAIL = {"kind": Tool.Kind.VOICEMAIL, "name": "voicemail", "parameters": {}}


def reaches_a_machine() -> scenarios.Scenario:
    """The assistant finds that a machine has answered."""
    story = scenarios.load("greeting")
    machine = scenarios.Step(scenarios.When(quiet_ms=600), say="Please leave a message.")
    leaves = Rule(caller="leave a message", call=(Request(("voicemail",)),))
    return story.but(caller=(machine,), assistant=(leaves, *story.assistant))


@story(
    reaches_a_machine(), desk={"other": VOICEMAIL, "voicemail_message": LEFT, "end_call_message": "Goodbye."}
)
def test_a_message_is_left_on_a_voicemail(told: Told) -> None:
    heard = [(line.text, line.complete) for line in told.report.heard]
    assert heard == [(GREETING, True), (LEFT, True)]
    assert told.rows.call.ended_reason == "voicemail"
    assert told.report.reason == "completed by REST"
    assert told.rows.codes() == []
