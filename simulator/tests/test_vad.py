import pytest

from simulator import clips
from simulator.media_stream import _NOISE
from simulator.vad import SpeechStarted, SpeechStopped, Vad

IDLE = b"".join(_NOISE) * 10  # 3.2 s of an idle line
CALLER = [clip for (voice, _), clip in clips.recorded().items() if voice == "caller"]


@pytest.mark.parametrize("clip", CALLER, ids=[clip.text for clip in CALLER])
@pytest.mark.parametrize("silence_ms", [200, 320, 500])
def test_one_line_is_one_turn(clip: clips.Clip, silence_ms: int) -> None:
    vad = Vad(silence_duration_ms=silence_ms, prefix_padding_ms=300)

    started, stopped = vad.feed(IDLE + clip.audio + IDLE)

    begins_ms, ends_ms = len(IDLE) / 8, (len(IDLE) + len(clip.audio)) / 8
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert begins_ms - 300 - 20 <= started.audio_start_ms <= begins_ms - 300 + 120
    assert ends_ms + silence_ms - 160 <= stopped.audio_end_ms <= ends_ms + silence_ms + 40


def test_an_idle_line_is_no_speech() -> None:
    assert Vad(threshold=0.1).feed(IDLE * 10) == []


def test_a_click_is_no_speech() -> None:
    assert Vad().feed(IDLE + b"\x00" * 320 + IDLE) == []


def test_the_portions_do_not_matter() -> None:
    audio = IDLE + CALLER[0].audio + IDLE
    vad = Vad()

    detected = [found for at in range(0, len(audio), 37) for found in vad.feed(audio[at : at + 37])]

    assert detected == Vad().feed(audio)


def test_a_high_threshold_hears_less() -> None:
    audio = IDLE + CALLER[0].audio + IDLE

    assert Vad(threshold=0.99).feed(audio) == []


def test_a_long_silence_setting_joins_two_lines() -> None:
    audio = CALLER[0].audio + IDLE[: 600 * 8] + CALLER[1].audio + IDLE

    assert len(Vad(silence_duration_ms=400).feed(audio)) == 4
    assert len(Vad(silence_duration_ms=900).feed(audio)) == 2
