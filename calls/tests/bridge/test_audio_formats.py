"""A conversation in samples instead of mu-law: the same milliseconds, other bytes."""

from base64 import b64decode, b64encode
from dataclasses import replace

from calls.bridge import realtime, twilio
from calls.bridge.audio import PCM
from calls.bridge.commands import Clear, Play, ToRealtime
from calls.bridge.plan import session_faults, session_payload
from calls.tests.bridge.call import WAITING, Call

PLAN = replace(WAITING, audio=PCM)
FRAME = b64encode(bytes(960)).decode()  # 20 ms


def heard(call: Call) -> list[bytes]:
    """What was appended, in its order."""
    return [b64decode(event["audio"]) for event in call.sent("input_audio_buffer.append")]


def test_the_session_is_asked_for_samples_both_ways_and_one_in_mu_law_is_not_ours() -> None:
    session = session_payload(PLAN, floor_open=True)

    formats = [session["audio"][side]["format"] for side in ("input", "output")]
    assert formats == [{"type": "audio/pcm", "rate": 24000}] * 2
    assert session_faults(PLAN, session) == []
    assert session_faults(PLAN, session_payload(WAITING, floor_open=True)) == [
        "input format",
        "output format",
    ]


def test_what_a_client_leaves_out_is_filled_with_silence_of_the_same_length() -> None:
    call = Call(PLAN, frames=False)
    call.take(call.conversation.receive_twilio(twilio.Media(FRAME, 0), now=call.now))
    call.take(call.conversation.receive_twilio(twilio.Media(FRAME, 1020), now=call.now + 1))

    first, filled, second = heard(call)
    assert (len(first), len(filled), len(second)) == (960, 48_000, 960)
    assert filled == bytes(48_000)


def test_an_interruption_is_counted_in_the_same_milliseconds() -> None:
    call = Call(PLAN, frames=False)
    call.created("r1")
    sound = b64encode(bytes(48 * 2000)).decode()
    call.hear(realtime.AudioDelta("r1", "r1-i", sound, 48 * 2000))
    conversation, now = call.conversation, call.now
    (mark,) = [name for kind, name in call.queue if kind == "mark"]

    commands = conversation.receive_realtime(realtime.SpeechStarted("u1", 0), now=now + 0.7)

    assert mark == "g1:1"
    assert any(isinstance(one, Clear) for one in commands)
    cut = [one for one in commands if isinstance(one, ToRealtime) and "truncate" in one.text]
    assert '"audio_end_ms":700' in cut[0].text
    assert [one.payload for one in call.all(Play)] == [sound]
