"""The recorded GA call, replayed whole through the core."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from calls.bridge import realtime, twilio
from calls.bridge.audio import MULAW
from calls.bridge.commands import Ended, RunTool, Spoken, UtteranceEnded
from calls.bridge.conversation import Conversation
from calls.bridge.plan import Plan, ToolSpec
from calls.bridge.toolcalls import ToolResult
from calls.tests.bridge.telephone import Telephone

FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures" / "openai"
EXPECTED = [orjson.loads(line) for line in (FIXTURES / "client-events-ga.jsonl").read_bytes().splitlines()]
INTERRUPTED = "resp_QisFfs9ETBdbyp4T6LT5t"
REPAIR = {"status": "waiting_for_parts", "ready_on": "2026-11-24", "price_usd": 86.5}


def plan(voice: str = "marin") -> Plan:
    session = EXPECTED[0]["session"]
    tool = session["tools"][0]
    return Plan(
        instructions=session["instructions"],
        tools=(ToolSpec(tool["name"], tool["description"], tool["parameters"]),),
        first_message="Alder Street Bike Repair, how can I help?",
        first_message_interruptible=True,
        voice=voice,
    )


def without_ids(event: dict[str, Any]) -> dict[str, Any]:
    """The event with every id taken out that its sender makes up."""
    event = orjson.loads(orjson.dumps(event))
    event.pop("event_id", None)
    event.get("response", {}).get("metadata", {}).pop("client_event_id", None)
    return event


def replay(name: str, voice: str = "marin") -> Telephone:
    """Play the recording by its own clock: speech when its events say so, audio as fast as it is played."""
    phone = Telephone(Conversation(plan(voice)))
    appends = [event["audio"] for event in EXPECTED if event["type"] == "input_audio_buffer.append"]
    phone.start()
    zero = phone.now
    for line in (FIXTURES / name).read_bytes().splitlines():
        event = realtime.parse(line)
        if isinstance(event, realtime.ResponseCreated) and event.asked_by:
            # The recorded client numbered its events differently.
            event = realtime.ResponseCreated(event.response_id, phone.sent("response.create")[-1]["event_id"])
        phone.wait(zero + starts_at_s(event, phone.now - zero) - phone.now)
        phone.take(phone.conversation.receive_realtime(event, now=phone.now))
        if isinstance(event, realtime.SessionUpdated):
            for payload in appends[:6]:
                phone.speak(payload)
        elif isinstance(event, realtime.ResponseDone):
            answer_tool(phone, event)
            for payload in appends[6:] if event.status == "cancelled" else []:
                phone.speak(payload)
    phone.wait(8)
    phone.take(phone.conversation.receive_twilio(twilio.Stop(), now=phone.now))
    return phone


def starts_at_s(event: realtime.Event, now_s: float) -> float:
    """When an event of the recording happens, in seconds of the call."""
    if isinstance(event, realtime.SpeechStarted):
        return event.audio_start_ms / 1000
    if isinstance(event, realtime.SpeechStopped):
        return event.audio_end_ms / 1000
    if isinstance(event, realtime.ResponseCreated) and event.response_id == INTERRUPTED:
        # This answer is interrupted 1,360 ms after it began to play, at 9,640 ms.
        return 8.28
    return now_s


def answer_tool(phone: Telephone, event: realtime.ResponseDone) -> None:
    for call in event.calls:
        phone.wait(1)
        output = orjson.dumps(REPAIR).decode()
        phone.take(phone.conversation.receive_tool_result(call.call_id, ToolResult(output), now=phone.now))


def test_the_recorded_call_gets_the_client_events_of_a_correct_client() -> None:
    phone = replay("ga-call.jsonl")

    # The recording's one `response.cancel` is there to show the error it earns: with voice detection
    # interrupting by itself a correct client sends none.
    expected = [without_ids(event) for event in EXPECTED if event["type"] != "response.cancel"]
    # The recording holds nine of the call's frames; the silence that stands in for the missing ones is not in it.
    sent = [event for event in phone.to_realtime if event.get("audio") != MULAW.silence(8000)]
    assert [without_ids(event) for event in sent] == expected


@pytest.mark.parametrize(
    ("response", "received_ms", "heard_ms"),
    [(0, 2400, 2400), (1, 1200, 1200), (2, 4000, 1360), (3, 2000, 2000)],
)
def test_the_caller_heard_what_the_marks_say(response: int, received_ms: int, heard_ms: int) -> None:
    phone = replay("ga-call.jsonl")

    said = [s for s in final(phone) if s.speaker == "assistant"]
    assert (said[response].generated_ms, said[response].heard_ms) == (received_ms, heard_ms)


def test_only_heard_audio_and_no_late_delta_reached_the_caller() -> None:
    phone = replay("ga-call.jsonl")

    assert phone.played_bytes == (2400 + 1200 + 1360 + 2000) * 8
    assert [m["event"] for m in phone.to_twilio].count("clear") == 1


def test_the_transcript_has_both_sides_in_the_order_in_which_they_began() -> None:
    phone = replay("ga-call.jsonl")

    assert [(s.speaker.value, s.interrupted) for s in final(phone)] == [
        ("assistant", False), ("caller", False), ("assistant", False), ("assistant", True), ("caller", False), ("assistant", False),
    ]  # fmt: skip
    interrupted = final(phone)[3]
    assert interrupted.text.startswith(interrupted.heard_text)
    assert len(interrupted.heard_text) < len(interrupted.text)


def test_each_utterance_was_recorded_as_soon_as_it_was_over_and_not_twice() -> None:
    phone = replay("ga-call.jsonl")

    early = [command.spoken for command in phone.commands if isinstance(command, UtteranceEnded)]
    assert sorted(s.item_id for s in early) == sorted(s.item_id for s in final(phone))


def test_the_tool_was_asked_for_once_though_three_events_carry_the_call() -> None:
    phone = replay("ga-call.jsonl")

    assert [dict(c.arguments) for c in phone.commands if isinstance(c, RunTool)] == [
        {"ticket": "481", "include_price": True}
    ]


def test_a_server_that_still_speaks_the_beta_events_is_heard_all_the_same() -> None:
    phone = replay("beta-call.jsonl", voice="shimmer")

    assert [s.heard_ms for s in final(phone) if s.speaker == "assistant"] == [2400, 1200, 1360, 2000]


def final(phone: Telephone) -> tuple[Spoken, ...]:
    (ended,) = [command for command in phone.commands if isinstance(command, Ended)]
    return ended.spoken
