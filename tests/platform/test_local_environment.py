"""What a process finds out for itself."""

import json
import stat
from pathlib import Path

import pytest

from config.local_environment import (
    LocalEnvironmentError,
    fill,
    publish_environment,
    read_env_file,
    running_environment,
    running_supervisor,
    services_are_named,
    withdraw_environment,
)


def test_an_env_file_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\n\nA=1\nexport B = two words # a remark\nC=\"quoted # not a remark\"\nD='single'\nE=\nF=a=b#c\n"
    )

    assert read_env_file(file) == {
        "A": "1",
        "B": "two words",
        "C": "quoted # not a remark",
        "D": "single",
        "F": "a=b#c",
    }


def test_a_line_that_is_nothing_is_named_by_number_only(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nhush hush\n")

    with pytest.raises(LocalEnvironmentError, match="line 2") as caught:
        read_env_file(file)

    assert "hush" not in str(caught.value)


def test_no_env_file_is_fine(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_what_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"A": "mine", "KEY_FILE": "/x", "EMPTY": ""}

    fill(environ, {"A": "other", "KEY": "other", "EMPTY": "filled", "NEW": "filled"})

    assert environ == {"A": "mine", "KEY_FILE": "/x", "EMPTY": "filled", "NEW": "filled"}


def test_services_may_be_named_by_file() -> None:
    assert services_are_named({"DATABASE_URL": "x", "REDIS_URL_FILE": "/x"})
    assert not services_are_named({"DATABASE_URL": "x"})


def test_what_a_running_process_published_is_found_until_it_withdraws(tmp_path: Path) -> None:
    publish_environment(tmp_path, {"SIMULATOR_URL": "http://127.0.0.1:1"}, needed=[])

    file = tmp_path / "run" / "environment.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert running_environment(tmp_path) == {"SIMULATOR_URL": "http://127.0.0.1:1"}
    assert running_supervisor(tmp_path)

    withdraw_environment(tmp_path)
    assert running_environment(tmp_path) == {}
    assert running_supervisor(tmp_path) is None


def test_what_a_dead_process_published_does_not_count(tmp_path: Path) -> None:
    publish_environment(tmp_path, {"A": "1"}, needed=[])
    file = tmp_path / "run" / "environment.json"
    content = json.loads(file.read_text())
    content["supervisor"]["started"] = "before"
    file.write_text(json.dumps(content))

    assert running_environment(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"supervisor": {}}', '{"supervisor": {"pid": "x"}}'])
def test_a_damaged_file_does_not_count(tmp_path: Path, text: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text(text)

    assert running_environment(tmp_path) == {}


def test_whoever_joins_must_know_the_same_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_environment(tmp_path, {"A": "1"}, needed=["DATABASE_URL"])
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with pytest.raises(LocalEnvironmentError, match="DATABASE_URL"):
        running_environment(tmp_path)

    monkeypatch.setenv("DATABASE_URL", "postgresql://h/x")
    assert running_environment(tmp_path) == {"A": "1"}
