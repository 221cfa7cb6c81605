"""manage.py import_vapi_calls, from the outside: what it prints, how it ends, what is there afterwards."""

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from calls.history import fetching, runs
from calls.history.writing import calls_write
from calls.management.commands.import_vapi_calls import moment_read
from calls.models import Call, VapiCall, VapiCallImport
from calls.tests.history.test_runs import a_call
from calls.tests.history.vapi_rest import CallList, call_list_running

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"


@pytest.fixture
def vapi(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[CallList]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    monkeypatch.setattr(fetching, "PAGE", 10)
    monkeypatch.setattr("assistants.vapi.rest._wait", lambda *_: 0.0)
    with call_list_running() as running:
        settings.VAPI_API_URL, settings.VAPI_API_KEY = running.url, "private-key"
        yield running


def run(*args: str, **options: Any) -> tuple[int, str, str]:
    """The exit status, what was printed, and what was said beside it."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_vapi_calls", *args, stdout=out, stderr=err, **options)
    except SystemExit as exc:
        return int(exc.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def refused(*args: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command("import_vapi_calls", *args, stdout=io.StringIO(), stderr=io.StringIO())
    return caught.value


def test_a_folder_of_both_shapes_is_read_and_the_second_time_nothing_is_new(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "call.json").write_text((FIXTURES / "call.json").read_text())
    (tmp_path / "deep" / "report.JSON").write_text((FIXTURES / "end-of-call-report.json").read_text())
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps(a_call(n)) for n in range(3)) + "\n\n")
    (tmp_path / "notes.txt").write_text("no JSON")

    status, out, _ = run(str(tmp_path))
    again, told, _ = run(str(tmp_path), "--json")

    assert (status, again) == (0, 0)
    assert "4  new" in out
    assert "1  completed" in out
    counts = json.loads(told)
    assert (counts["created"], counts["completed"], counts["unchanged"]) == (0, 0, 5)
    assert Call.objects.filter(stack="vapi").count() == 4


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps([a_call(1), a_call(2)], indent=1).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    assert run("-")[0] == 0
    assert VapiCall.objects.count() == 2


def test_what_cannot_be_read_is_told_and_ends_with_its_own_status(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(json.dumps(a_call(1)) + '\n{"id": "x", "name": "an assistant"}\n{"cut\n')

    status, out, _ = run(str(file))

    assert status == 3
    assert "2  could not be read" in out
    assert "calls.jsonl, line 3: It is no JSON." in out
    assert VapiCall.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04zip", "compressed"),
        (b"<html>", "HTML"),
        (b'{"id": "x",\n "messages": [', "ends in the middle"),
    ],
)
def test_what_is_no_json_ends_with_one_message(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "calls.json"
    file.write_bytes(content)

    error = refused(str(file))

    assert words in str(error)
    assert "calls.json" in str(error)
    assert VapiCallImport.objects.get().status == "failed"


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in str(refused(str(tmp_path / "gone.json")))
    assert "holds no files" in str(refused(str(tmp_path)))


def test_the_api_is_read_within_days_and_for_assistants(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(3)]

    status, out, err = run("--api", "--from", "2026-06-01", "--to", "2026-06-02", "--assistant", "one")

    assert status == 0
    assert "3 calls read, back to 2026-06-01 00:00 UTC" in err
    assert "3  new" in out
    assert vapi.asked == [
        {
            "limit": "10",
            "assistantId": "one",
            "createdAtGe": "2026-06-01T00:00:00.000Z",
            "createdAtLt": "2026-06-03T00:00:00.000Z",
        }
    ]


def test_a_run_that_failed_says_how_to_go_on_and_does(vapi: CallList) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    vapi.failures = [None, *[500] * 4]

    error = refused("--api", "--to", "2026-07-01")
    run_id = str(error).rsplit(" ", 1)[1]

    assert VapiCall.objects.count() == 10
    assert "--resume" in str(error)
    status, _, err = run("--resume", run_id)
    assert status == 0
    assert "10 calls were read" in err
    assert VapiCall.objects.count() == 25
    assert refused("--resume").args[0].startswith("There is no such run")
    assert refused("--resume", "abc").args[0].startswith("There is no such run")


def test_ctrl_c_keeps_what_was_read(vapi: CallList, monkeypatch: pytest.MonkeyPatch) -> None:
    vapi.calls = [a_call(n) for n in range(25)]
    written = calls_write

    def stop_at_the_second(records: Any, *, source: Any) -> Any:
        if VapiCall.objects.exists():
            raise KeyboardInterrupt
        return written(records, source=source)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "calls_write", stop_at_the_second)
        status, _, err = run("--api", "--to", "2026-07-01")

    assert status == 130
    assert "Stopped after 10 calls" in err
    assert run("--resume")[0] == 0
    assert VapiCall.objects.count() == 25


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--api", "somewhere"),
        ("x.json", "--from", "2026-06-01"),
        ("--api", "--from", "yesterday"),
        ("--api", "--from", "2026-06-02", "--to", "2026-06-01"),
        ("--api", "--resume"),
    ],
)
def test_wrong_usage_is_told(args: tuple[str, ...]) -> None:
    assert refused(*args).returncode == 2
    assert not VapiCallImport.objects.exists()


def test_without_a_key_the_command_says_which(settings: Any) -> None:
    settings.VAPI_API_KEY = ""

    assert "VAPI_API_KEY is not set" in str(refused("--api"))


def test_days_end_with_their_last_moment() -> None:
    assert moment_read("2026-06-30", end_of_day=True) == datetime(2026, 7, 1, tzinfo=UTC)
    assert moment_read("2026-06-30", end_of_day=False) == datetime(2026, 6, 30, tzinfo=UTC)
    assert moment_read("2026-06-30T12:00+02:00", end_of_day=True) == datetime(2026, 6, 30, 10, tzinfo=UTC)
    assert moment_read(None, end_of_day=True) is None


def test_ids_that_are_no_uuid_are_calls_too(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    file.write_text(json.dumps(a_call(1) | {"id": "call_2024"}))

    run(str(file))
    run(str(file))

    assert VapiCall.objects.get().vapi_id == "call_2024"
    assert Call.objects.get().pk.version == uuid.uuid5(uuid.NAMESPACE_DNS, "x").version
