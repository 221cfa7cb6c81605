"""What the caller says lies on the same clock as what the assistant says, whatever the clock of their frames does."""

import pytest

from calls.bridge import realtime
from calls.bridge.commands import Speaker
from calls.tests.bridge.call import Call, sound


class Behind(Call):
    """A call whose frames bear times that are so far behind; the model counts the audio that it gets."""

    behind_ms = 0

    def frame(self) -> None:
        """20 ms of the caller's sound, with its time."""
        self.now += 0.02
        self.timestamp_ms = max(0, self.call_ms - 20 - self.behind_ms)
        self.speak(sound(20))

    def sounds(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.frame()

    def turn(self, item_id: str, text: str) -> None:
        heard_ms = self.appended_ms
        self.hear(realtime.SpeechStarted(item_id, heard_ms))
        self.sounds(1)
        self.hear(realtime.SpeechStopped(item_id, heard_ms + 1000), realtime.Committed(item_id))
        self.hear(realtime.CallerText(item_id, text))

    @property
    def appended_ms(self) -> int:
        """How much the model has heard."""
        frames: list[str] = [event["audio"] for event in self.sent("input_audio_buffer.append")]
        return sum(len(one) * 3 // 4 - one.count("=") for one in frames) // 8

    def order(self) -> list[str]:
        self.stop()
        return [one.text for one in self.ended.spoken]


def talk(call: Behind) -> list[str]:
    """A question, its answer, and another question, which is asked when the answer was heard."""
    call.turn("u1", "When do you open?")
    call.answers("r1", "At nine.", ms=1000)
    call.sounds(1.5)
    call.wait(0)
    call.turn("u2", "And on Sundays?")
    return call.order()


@pytest.mark.parametrize("behind_ms", [0, 40, 400, 3000])
def test_a_clock_that_is_behind_for_good_changes_no_order(behind_ms: int) -> None:
    call = Behind(frames=False)
    call.sounds(1)
    call.behind_ms = behind_ms
    call.sounds(5)

    assert talk(call) == ["When do you open?", "At nine.", "And on Sundays?"]
    began = {one.item_id: one.began_ms for one in call.ended.spoken}
    assert abs(began["u2"] - (began["r1-i"] + 1500)) <= 600


def test_a_clock_that_falls_behind_in_the_middle_is_known_for_it_soon() -> None:
    call = Behind(frames=False)
    call.sounds(10)
    call.behind_ms = 4000
    call.sounds(5)

    assert talk(call) == ["When do you open?", "At nine.", "And on Sundays?"]


def test_sound_that_was_held_up_keeps_the_time_at_which_it_was_said() -> None:
    call = Behind(frames=False)
    call.sounds(5)
    said_ms, heard_ms = call.call_ms, call.appended_ms
    call.now += 3
    for n in range(150):  # all at once, each with its own time
        call.timestamp_ms = said_ms + n * 20
        call.speak(sound(20))
    call.hear(realtime.SpeechStarted("u1", heard_ms + 200), realtime.SpeechStopped("u1", heard_ms + 1700))
    call.hear(realtime.Committed("u1"), realtime.CallerText("u1", "Hello?"))
    call.stop()

    (said,) = [one for one in call.ended.spoken if one.speaker is Speaker.CALLER]
    assert abs(said.began_ms - (said_ms + 200)) <= 40
