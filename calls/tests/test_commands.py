"""Each command is run."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from pytest_django import Settings

from assistants.models import Assistant
from calls.management.commands import simulate_call
from calls.management.commands.seed_demo import DEMO_DID
from calls.models import PhoneNumber
from tools.models import Tool

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("command", ["ensure_admin", "seed_demo", "simulate_call"])
def test_the_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command(command, "--help")

    assert ended.value.code == 0
    assert f"manage.py {command}" in " ".join(capsys.readouterr().out.split())


def test_the_first_login_is_made_once_and_can_be_used() -> None:
    first, second = run("ensure_admin", "--username", "ops"), run("ensure_admin")

    password = first.partition("password: ")[2].split()[0]
    user = get_user_model().objects.get()
    assert user.is_superuser
    assert user.check_password(password)
    assert "already" in second
    assert password not in second


def test_the_demo_is_made_once_and_answers() -> None:
    first, second = run("seed_demo"), run("seed_demo")

    number = PhoneNumber.objects.get(did=DEMO_DID)
    assert number.assistant is not None
    assert number.assistant.live_version is not None
    assert set(number.assistant.tools.values_list("kind", flat=True)) == {"function", "endCall"}
    assert "Created" in first
    assert "Created" not in second
    assert Assistant.objects.count() == 1


def test_the_demo_follows_the_simulator_to_another_port() -> None:
    run("seed_demo", "--tool-url", "http://127.0.0.1:8002/tools/get_repair_status")

    run("seed_demo", "--tool-url", "http://127.0.0.1:9002/tools/get_repair_status")

    assert Tool.objects.get(name="get_repair_status").server_url.startswith("http://127.0.0.1:9002/")
    version = Assistant.objects.get().live_version
    assert version is not None
    assert version.number == 2
    assert any("9002" in tool["server_url"] for tool in version.snapshot["tools"])


def test_a_simulated_call_needs_a_simulator(settings: Settings) -> None:
    settings.SIMULATOR_URL = ""

    with pytest.raises(CommandError, match="No simulator is running"):
        run("simulate_call")


def test_a_simulator_that_does_not_answer_is_named(settings: Settings) -> None:
    settings.SIMULATOR_URL = "http://127.0.0.1:9"

    for arguments in ([], ["--list"], ["--json"]):
        with pytest.raises(CommandError, match=r"http://127\.0\.0\.1:9"):
            run("simulate_call", *arguments)


def test_a_call_that_was_never_written_down_is_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(*_: Any) -> Any:
        return iter([{"event": "call placed", "ms": 0}, {"event": "ended", "ms": 9, "call_sid": "CA0"}])

    settings.SIMULATOR_URL = "http://127.0.0.1:9"
    monkeypatch.setattr(simulate_call.Command, "_stream", stream)
    monkeypatch.setattr(simulate_call, "WRITTEN_WITHIN_S", 0.3)

    with pytest.raises(CommandError, match="not written down"):
        run("simulate_call")
