import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import clips, ulaw
from simulator.speech.make import LINES

ASK = "Hi, is my bike ready? The ticket is four eight one."
NOISE = bytes([0xFF, 0x7F, 0xFE, 0x7E]) * 500


def test_every_line_is_recorded_and_small() -> None:
    recorded = clips.recorded()

    assert {(voice, clips.plain(text)) for voice, lines in LINES.items() for text in lines} == set(recorded)
    assert sum(len(clip.audio) for clip in recorded.values()) < 1_500_000


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_clip_is_found_at_any_offset(before: int, after: int) -> None:
    audio = NOISE[:before] + clips.clip_of(ASK, "caller").audio + NOISE[:after]

    (found,) = clips.library("caller").find(audio)

    assert (found.at, found.words) == (before, ASK)


@given(st.integers(0, 20_000), st.integers(800, 24_480))
def test_a_part_yields_its_share_of_the_words(start: int, length: int) -> None:
    clip = clips.clip_of(ASK, "caller")
    part = clip.audio[start : start + length]

    words = clips.library("caller").words(NOISE + part + NOISE).split()

    share = len(part) / len(clip.audio)
    assert abs(len(words) - share * len(ASK.split())) <= 3
    assert " ".join(words) in ASK


def test_two_clips_are_found_in_order() -> None:
    audio = b"".join(clips.clip_of(text, "caller").audio + NOISE for text in ("Wait, stop.", ASK))

    assert clips.library("caller").words(audio) == f"Wait, stop. {ASK}"


def test_noise_and_the_other_voice_are_not_recognised() -> None:
    other = clips.clip_of("Let me check that ticket.", "assistant").audio

    assert clips.library("caller").words(NOISE + other) == ""


TEXTS = [
    "Your bicycle stands in the cellar.",
    "Your bicycle stands in the cellar!?",
    "Another bicycle stands in the cellar.",
    "x",
    "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen.",
]


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_has_audio_that_is_recognised(text: str) -> None:
    clip = clips.clip_of(text, "assistant")

    assert clips.recogniser_of(TEXTS, "assistant").words(clip.audio) in {text, *TEXTS[:2]}
    assert clips.plain(clips.recogniser_of([text], "assistant").words(clip.audio)) == clips.plain(text)
    assert ulaw.loudness(clip.audio) > 500


def test_mumbles_are_deterministic_and_grow_with_the_text() -> None:
    short, long = clips._mumble("One two.", "caller"), clips._mumble("One two three four.", "caller")

    assert clips._mumble("One two.", "caller") == short
    assert len(short) < len(long)


@pytest.mark.parametrize("code", range(256))
def test_mu_law_survives_decoding_and_encoding(code: int) -> None:
    encoded = ulaw.encode([ulaw.DECODED[code]])[0]

    assert encoded == (0xFF if code == 0x7F else code)  # the two zeros are one


def test_pcm_survives_the_way_there_and_back() -> None:
    audio = clips.clip_of(ASK, "caller").audio

    assert ulaw.from_pcm_24k(ulaw.to_pcm_24k(audio)) == audio.replace(b"\x7f", b"\xff")
