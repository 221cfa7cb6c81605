"""Reading environment variables."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import env_bool, env_choice, env_int, env_list, env_require, env_secret, env_str


def test_an_empty_variable_counts_as_unset() -> None:
    assert env_str("X", "default", environ={"X": "  "}) == "default"


@pytest.mark.parametrize(
    ("text", "value"), [("TRUE", True), ("1", True), ("off", False), ("no", False), ("", True)]
)
def test_booleans(text: str, value: bool) -> None:
    assert env_bool("X", default=True, environ={"X": text}) is value


def test_a_word_that_is_no_boolean_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="DEBUG is 'maybe'"):
        env_bool("DEBUG", default=False, environ={"DEBUG": "maybe"})


@pytest.mark.parametrize("text", ["ten", "1.5", "-1"])
def test_a_number_that_makes_no_sense_is_refused_by_name(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="LIMIT"):
        env_int("LIMIT", 10, minimum=0, environ={"LIMIT": text})


def test_numbers() -> None:
    assert env_int("LIMIT", 10, environ={"LIMIT": " 12 "}) == 12
    assert env_int("LIMIT", 10, environ={}) == 10


def test_a_choice_is_spelled_as_the_choices_are() -> None:
    assert env_choice("LEVEL", "INFO", ("INFO", "DEBUG"), environ={"LEVEL": "debug"}) == "DEBUG"
    with pytest.raises(ImproperlyConfigured, match="LEVEL is 'loud'; write one of INFO, DEBUG"):
        env_choice("LEVEL", "INFO", ("INFO", "DEBUG"), environ={"LEVEL": "loud"})


def test_a_list_drops_blanks_and_empty_items() -> None:
    assert env_list("HOSTS", environ={"HOSTS": " a.example , ,b.example,"}) == ["a.example", "b.example"]


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hush\n")

    assert env_secret("KEY", environ={"KEY_FILE": str(file)}) == "hush"


def test_a_secret_given_twice_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        env_secret("KEY", environ={"KEY": "hush", "KEY_FILE": str(tmp_path / "key")})

    assert "KEY and KEY_FILE" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secret_file_without_a_secret_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ImproperlyConfigured, match="KEY_FILE"):
        env_secret("KEY", environ={"KEY_FILE": str(file)})


def test_everything_that_is_missing_is_listed_at_once() -> None:
    needed = {"HERE": "one", "IN_FILE": "two", "GONE": "do this", "EMPTY": "do that"}

    with pytest.raises(ImproperlyConfigured) as caught:
        env_require(needed, environ={"HERE": "x", "IN_FILE_FILE": "/x", "EMPTY": ""})

    text = str(caught.value)
    assert "GONE" in text
    assert "do this" in text
    assert "EMPTY" in text
    assert "HERE" not in text
    assert "IN_FILE" not in text
