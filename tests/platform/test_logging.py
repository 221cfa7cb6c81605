"""Log lines."""

import io
import json
import logging
import sys
from logging.config import DictConfigurator
from typing import Any

import pytest
from django.test import Client

from config.logging import JsonFormatter, logging_config


def line(
    *, reveal_pii: bool = False, exc_info: Any = None, extra: dict[str, object] | None = None
) -> dict[str, Any]:
    record = logging.LogRecord("calls.views", logging.INFO, __file__, 1, "call %s", ("began",), exc_info)
    record.__dict__.update(extra or {})
    text = JsonFormatter(reveal_pii=reveal_pii).format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_has_time_level_logger_and_message() -> None:
    found = line()

    assert found.pop("time").endswith("+00:00")
    assert found == {"level": "INFO", "logger": "calls.views", "message": "call began"}


def test_extra_fields_are_kept() -> None:
    found = line(extra={"call_sid": "CA1", "call_id": "x", "tool": "lookup"})

    assert (found["call_sid"], found["call_id"], found["tool"]) == ("CA1", "x", "lookup")


def test_marked_fields_are_redacted() -> None:
    assert line(extra={"pii.text": "my number is 555"})["pii.text"] == "[redacted]"


def test_marked_fields_are_shown_when_the_setting_says_so() -> None:
    assert line(reveal_pii=True, extra={"pii.text": "hello"})["pii.text"] == "hello"


def test_a_traceback_stays_on_the_line() -> None:
    found: dict[str, Any] = {}

    try:
        json.loads("{")
    except json.JSONDecodeError:
        found = line(exc_info=sys.exc_info())

    assert found["traceback"].startswith("Traceback")


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert line(extra={"value": {1}})["value"] == "{1}"


def test_the_level_reaches_the_root_logger() -> None:
    assert logging_config(level="ERROR", reveal_pii=False)["root"]["level"] == "ERROR"


@pytest.mark.django_db
def test_a_host_that_is_not_ours_makes_one_warning_without_a_traceback_and_without_its_name() -> None:
    config = logging_config(level="INFO", reveal_pii=False)
    seen = logging.StreamHandler(io.StringIO())
    seen.setFormatter(JsonFormatter())
    for name in config["handlers"]["stderr"]["filters"]:
        seen.addFilter(DictConfigurator(config).configure_filter(config["filters"][name]))
    logging.getLogger().addHandler(seen)
    try:
        answer = Client(headers={"host": "scanner.example"}).get("/admin/login/")
    finally:
        logging.getLogger().removeHandler(seen)

    lines = [json.loads(one) for one in seen.stream.getvalue().splitlines()]
    loud = [one for one in lines if one["level"] != "INFO" and one["logger"].startswith("django")]
    assert answer.status_code == 400
    assert [(one["level"], one["logger"], "traceback" in one) for one in loud] == [
        ("WARNING", "django.security.DisallowedHost", False)
    ]
    assert "ALLOWED_HOSTS" in loud[0]["message"]
    assert "scanner.example" not in seen.stream.getvalue()
