"""One spoken sentence, from the strict simulator and from servers that misbehave."""

import base64
import time
from typing import Any

import pytest
from pytest_django import Settings

from assistants.tests.realtime_server import scripted
from assistants.voices.recording import ClipRefusedError, Line, Patience, refusal_text, speak
from simulator.clips import clip_of
from simulator.harness import Faults, Simulator

TEXT = "Alder Street Bike Repair, how can I help?"
QUICK = Patience(open_s=60, answer_s=60, total_s=300, pause_s=0.01)
BRIEF = Patience(answer_s=1.0, pause_s=0.01)  # for who never answers


def a_line(**changes: Any) -> Line:
    return Line(**{"text": TEXT, "model": "gpt-realtime-2.1", "voice": "cedar", **changes})


def refused(line: Line, patience: Patience = QUICK) -> ClipRefusedError:
    with pytest.raises(ClipRefusedError) as caught:
        speak(line, patience=patience)
    return caught.value


# --- The simulator


def test_the_sentence_comes_as_the_telephone_would_hear_it(outside: Simulator) -> None:
    spoken = speak(a_line(), patience=QUICK)

    assert spoken.mulaw == clip_of(TEXT, "assistant").audio
    assert spoken.words == TEXT


def test_the_strict_server_has_nothing_to_complain_about_and_knows_the_voice(outside: Simulator) -> None:
    speak(a_line(voice="coral", speed=1.25), patience=QUICK)

    session = outside.realtime.sessions[-1]
    output = session.settings["audio"]["output"]
    assert output == {"format": {"type": "audio/pcmu"}, "voice": "coral", "speed": 1.25}
    assert session.settings["tools"] == []
    assert session.settings["audio"]["input"]["turn_detection"] is None
    report = session.binding.log.report
    assert (report.realtime_errors, report.realtime_warnings) == ([], [])
    assert [response["metadata"] for response in report.responses] == [{"purpose": "voice_clip"}]


@pytest.mark.parametrize("model", ["gpt-realtime-2.1-mini", "gpt-realtime-1.5", "gpt-realtime"])
def test_every_model_takes_the_session(outside: Simulator, model: str) -> None:
    assert speak(a_line(model=model), patience=QUICK).mulaw


def test_unknown_events_and_one_of_three_megabytes_do_no_harm(outside: Simulator) -> None:
    outside.realtime.faults = Faults(unknown_events=True, huge_message=True)

    assert speak(a_line(), patience=QUICK).words == TEXT


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(refuse_status=401), "http_401"),
        (Faults(refuse_status=404), "http_404"),
        (Faults(close_4000_code="insufficient_quota"), "insufficient_quota"),
        (Faults(close_4000_code="beta_api_shape_disabled"), "beta_api_shape_disabled"),
        (Faults(reject_update=True), "invalid_value"),
        (Faults(fail_responses=9, fail_code="insufficient_quota"), "insufficient_quota"),
        (Faults(fail_responses=9, fail_code="rate_limit_exceeded"), "rate_limit_exceeded"),
        (Faults(fail_responses=9), "server_error"),
        (Faults(refuse_status=503), "http_503"),
        (Faults(close_mid_response=1006, close_times=9), "connection_lost"),
        (Faults(close_mid_response=1011, close_times=9), "connection_lost"),
        (Faults(mute="after_created"), "timeout"),
        (Faults(mute="after_updated"), "timeout"),
        (Faults(slow_update_ms=60_000), "timeout"),
        (Faults(invalid_json=True), "unreadable"),
    ],
    ids=[
        "key",
        "not found",
        "no credit on connecting",
        "beta",
        "update rejected",
        "no credit",
        "limit",
        "server error",
        "unavailable",
        "dropped",
        "closed",
        "never updated",
        "never spoken",
        "slow",
        "not JSON",
    ],
)
def test_whatever_goes_wrong_is_one_error_and_no_sound(outside: Simulator, faults: Faults, code: str) -> None:
    outside.realtime.faults = faults

    error = refused(a_line(), BRIEF if code == "timeout" else QUICK)

    assert error.code == code
    assert len(str(error)) > 20


def test_a_server_that_was_busy_for_a_moment_is_asked_once_more(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    failed = _answers(status="failed", details={"error": {"code": "rate_limit_exceeded"}})
    tries = []

    def answer(event: dict[str, Any]) -> list[dict[str, Any] | str]:
        tries.append(event["type"])
        answers: list[dict[str, Any] | str] = (failed if len(tries) <= 2 else _answers())(event)
        return answers

    with scripted(answer) as url:
        settings.OPENAI_REALTIME_URL = url
        assert speak(a_line(), patience=QUICK).mulaw
    assert tries == ["session.update", "response.create"] * 2


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (404, 1), (429, 2), (500, 2)])
def test_only_what_passes_is_tried_again(outside: Simulator, status: int, tries: int) -> None:
    outside.realtime.faults = Faults(refuse_status=status)

    refused(a_line())

    assert outside.realtime.refused == tries


def test_a_refused_key_a_refused_voice_and_a_model_that_is_gone_are_told_apart(
    outside: Simulator, settings: Settings
) -> None:
    assert refused(a_line(voice="fable")).code == "voice_refused"
    assert refused(a_line(model="gpt-4o-realtime-preview")).code == "model_not_found"
    assert refused(a_line(model="gpt-4.1")).code == "invalid_model"
    settings.OPENAI_API_KEY = "sk-invalid"
    assert refused(a_line()).code == "invalid_api_key"
    settings.OPENAI_API_KEY = ""
    assert refused(a_line()).code == "no_key"


def test_a_server_that_is_not_there_is_named(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:9/v1/realtime"

    assert "could not be reached" in str(refused(a_line()))


def test_a_server_that_never_answers_is_left_in_time(outside: Simulator) -> None:
    outside.realtime.faults = Faults(mute="after_created")

    assert refused(a_line(), Patience(answer_s=0.4, total_s=5, pause_s=0)).code == "timeout"


# --- Servers that misbehave in ways the simulator does not


def _answers(
    *,
    voice: str = "cedar",
    format_: str = "audio/pcmu",
    delta: object = base64.b64encode(b"\x10\x90" * 400).decode(),
    status: str = "completed",
    details: Any = None,
) -> Any:
    def answer(event: dict[str, Any]) -> list[dict[str, Any] | str]:
        if event["type"] == "session.update":
            output = {"voice": voice, "format": {"type": format_}}
            return [{"type": "session.updated", "session": {"audio": {"output": output}}}]
        return [
            {"type": "response.output_audio.delta", "delta": delta},
            {"type": "response.done", "response": {"status": status, "status_details": details}},
        ]

    return answer


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"voice": "alloy"}, "other_voice"),
        ({"voice": None}, "other_voice"),
        ({"format_": "audio/pcm"}, "other_format"),
        ({"delta": "not base64!"}, "unreadable"),
        ({"delta": None}, "unreadable"),
        ({"delta": ""}, "no_sound"),
        ({"delta": base64.b64encode(b"\xff" * 8000).decode()}, "no_sound"),
        ({"status": "cancelled", "details": {"reason": "client_cancelled"}}, "cancelled"),
        ({"status": "failed", "details": {"error": {"code": "a b\n<c>"}}}, "unknown"),
        ({"status": "failed", "details": None}, "server_error"),
        (
            {"status": "incomplete", "details": {"reason": "max_output_tokens"}},
            "incomplete_max_output_tokens",
        ),
        ({"status": "incomplete", "details": {"reason": "content_filter"}}, "incomplete_content_filter"),
        ({"delta": base64.b64encode(b"\x10" * 5_000_000).decode()}, "too_long"),
    ],
    ids=[
        "other voice",
        "no voice",
        "other format",
        "no base64",
        "no delta",
        "empty",
        "silence",
        "cancelled",
        "odd code",
        "no details",
        "cut off",
        "filtered",
        "endless",
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_refused(
    settings: Settings, answers: dict[str, Any], code: str
) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    with scripted(_answers(**answers)) as url:
        settings.OPENAI_REALTIME_URL = url
        assert refused(a_line()).code == code


def test_a_server_that_dribbles_for_ever_is_left_when_all_patience_is_used(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-test"

    def answer(event: dict[str, Any]) -> list[dict[str, Any] | str]:
        time.sleep(0.3)
        return [{"type": "rate_limits.updated"}]

    with scripted(answer) as url:
        settings.OPENAI_REALTIME_URL = url
        assert refused(a_line(), Patience(answer_s=0.5, total_s=1.2, pause_s=0)).code == "timeout"


# --- In words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("invalid_api_key", "OPENAI_API_KEY"),
        ("model_not_found", "gpt-x"),
        ("insufficient_quota", "no credit"),
        ("rate_limit_exceeded", "try again in a minute"),
        ("connect_gaierror", "could not be reached"),
        ("voice_refused", "the voice nova"),
        ("session_expired", "(session_expired)"),
    ],
)
def test_each_reason_is_one_sentence(code: str, words: str) -> None:
    text = refusal_text(code, model="gpt-x", voice="nova")

    assert words in text
    assert text.endswith(".")
    assert text.count(". ") == 0
