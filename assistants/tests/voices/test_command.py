"""manage.py voice_clips, against the simulator."""

import io
import json
import wave
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from assistants.models import Assistant, Voice, VoiceClip, VoiceMapping, VoiceRecording
from assistants.tests.factories import make_assistant, make_voice
from simulator.harness import Faults, Simulator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def assistant() -> Assistant:
    VoiceMapping.objects.all().delete()
    Voice.objects.all().delete()
    for name in ("marin", "cedar", "ash", "fable"):
        make_voice(name=name)
    return make_assistant(name="Front desk", first_message="Harbour Bikes, good morning.")


def run(*args: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("voice_clips", *args, stdout=out, **options)
    return out.getvalue()


def failed(*args: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*args)
    return caught.value


def test_the_candidates_are_recorded_and_told_one_by_one(outside: Simulator, assistant: Assistant) -> None:
    out = run("Front desk")

    assert set(VoiceClip.objects.values_list("voice_id", flat=True)) == {"marin", "cedar"}
    assert "“Harbour Bikes, good morning.”" in out
    assert "USD each" in out
    assert "[2/2]" in out


def test_the_clips_are_written_as_files_too(outside: Simulator, assistant: Assistant, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "clips"

    run("front DESK", "--voice", "ash", "ash", "--out", str(folder))

    assert [path.name for path in folder.iterdir()] == ["front-desk-ash.wav"]
    with wave.open(str(folder / "front-desk-ash.wav")) as reader:
        assert reader.getframerate() == 8000


def test_as_json_it_is_one_object(outside: Simulator, assistant: Assistant) -> None:
    found = json.loads(run(str(assistant.pk), "--voice", "cedar", "--json"))

    assert found["assistant"]["name"] == "Front desk"
    assert [(voice["voice"], voice["recorded"]) for voice in found["voices"]] == [("cedar", True)]
    assert found["voices"][0]["said"] == "Harbour Bikes, good morning."


def test_where_some_fail_the_others_are_kept_and_the_status_is_three(
    outside: Simulator, assistant: Assistant
) -> None:
    error = failed("Front desk", "--all")

    assert error.returncode == 3
    assert "Not recorded: fable. OpenAI does not offer the voice fable" in str(error)
    assert VoiceClip.objects.count() == 3
    assert VoiceRecording.objects.get().code == "voice_refused"


def test_where_all_fail_the_status_is_one_and_each_reason_stands_once(
    outside: Simulator, assistant: Assistant
) -> None:
    outside.realtime.faults = Faults(refuse_status=401)

    error = failed("Front desk")

    assert error.returncode == 1
    assert str(error).count("refused the key") == 1
    assert not VoiceClip.objects.exists()


def test_without_a_key_it_says_what_to_set(assistant: Assistant, settings: Settings) -> None:
    settings.OPENAI_API_KEY = ""

    assert "set OPENAI_API_KEY, or start bin/run" in str(failed("Front desk"))


def test_an_assistant_that_does_not_exist_brings_near_names(assistant: Assistant) -> None:
    make_assistant(name="Workshop")

    assert "Did you mean: “Front desk”?" in str(failed("Frnt desk"))
    assert "Did you mean: “Workshop”?" in str(failed("shop"))
    assert "There are: “Front desk”, “Workshop”." in str(failed("zzzz"))


def test_without_any_assistant_it_says_how_to_get_one() -> None:
    assert "There is no assistant yet." in str(failed("Front desk"))


def test_a_voice_that_does_not_exist_is_told_with_those_that_do(assistant: Assistant) -> None:
    assert "There is no voice nova. There are: ash, cedar, fable, marin." in str(
        failed("Front desk", "--voice", "nova")
    )


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_recorded(
    outside: Simulator, assistant: Assistant, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")

    assert "cannot be made" in str(failed("Front desk", "--out", str(tmp_path / "file" / "clips")))
    assert not VoiceClip.objects.exists()
