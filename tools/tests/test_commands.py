import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from tools.tests.factories import make_capture, make_capture_point, make_tool

pytestmark = pytest.mark.django_db

REQUEST = (Path(__file__).parents[2] / "tests" / "fixtures" / "vapi" / "tool-calls-request.json").read_text()


def run(*arguments: str) -> tuple[int, str]:
    """The exit status, and what was printed."""
    out = StringIO()
    try:
        call_command("vapi_conform", *arguments, stdout=out)
    except SystemExit as exc:
        return int(exc.code or 0), out.getvalue()
    return 0, out.getvalue()


def captured(body: str = REQUEST, **fields: Any) -> None:
    make_capture(point=make_capture_point(tool=make_tool(name="other_tool"), **fields), body=body)


def test_the_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("vapi_conform", "--help")

    assert "manage.py vapi_conform --token" in capsys.readouterr().out


def test_requests_that_are_the_same_end_well() -> None:
    captured()

    status, printed = run()

    assert status == 0
    assert "1 captured requests compared." in printed
    assert "No field differs." in printed
    assert "on purpose" in printed


def test_a_difference_is_named_with_its_field_and_ends_with_1() -> None:
    captured(REQUEST.replace('"assistantVersion"', '"assistantRelease"'))

    status, printed = run()

    assert status == 1
    assert "other_tool: message.assistantRelease is missing" in printed


def test_without_captures_nothing_is_claimed() -> None:
    captured("no json")

    status, printed = run()

    assert status == 2
    assert "0 captured requests compared." in printed
    assert "1 left out: It is not JSON." in printed
    assert "No field differs" not in printed


def test_the_captures_of_one_point_by_its_token() -> None:
    captured(token="one")

    assert run("--token", "one")[0] == 0
    assert run("--token", "another")[0] == 2


def test_a_script_gets_json() -> None:
    captured(REQUEST.replace('"assistantVersion"', '"assistantRelease"'))

    status, printed = run("--json")

    told = json.loads(printed)
    assert (status, told["compared"], told["skipped"]) == (1, 1, {})
    unwanted = {one["path"]: one["kind"] for one in told["differences"] if not one["on_purpose"]}
    assert unwanted == {"message.assistantRelease": "missing", "message.assistantVersion": "extra"}


def test_a_lost_key_is_told_in_words(settings: Settings) -> None:
    captured()
    settings.FIELD_ENCRYPTION_KEYS = ["xQm1JzzyqCZlYyqYm9CkZ6R3d3kS2t8cJ9nWm8yq7wA="]

    with pytest.raises(CommandError, match="FIELD_ENCRYPTION_KEY"):
        run()
