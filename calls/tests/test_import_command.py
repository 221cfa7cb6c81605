"""manage.py import_vapi, from the outside: what it prints, how it ends, what is there afterwards."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from assistants.models import Assistant, ImportFinding, Squad, VapiImport, VapiObject
from assistants.tests.vapi.server import FIXTURES, Vapi, load, vapi_running
from calls.management.commands import import_vapi
from calls.models import NumberServer, PhoneNumber
from calls.told import draft_session_update
from simulator import validation
from tools.models import Tool

pytestmark = pytest.mark.django_db

CLINIC = FIXTURES / "assistant-clinic.json"
DECIDE = 3


@pytest.fixture
def vapi(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vapi]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vapi_running() as running:
        settings.VAPI_API_URL, settings.VAPI_API_KEY = running.url, "private-key"
        yield running


def run(*args: str, **options: Any) -> tuple[int, str, str]:
    """The exit status, what was printed, and what was said beside it."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_vapi", *args, stdout=out, stderr=err, **options)
    except SystemExit as exc:
        return int(exc.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def refused(*args: str, **options: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call_command("import_vapi", *args, stdout=io.StringIO(), stderr=io.StringIO(), **options)
    assert not VapiObject.objects.exists()
    assert not VapiImport.objects.exists()
    assert not Assistant.objects.exists()
    return caught.value


def nothing_there() -> bool:
    models = (VapiImport, VapiObject, Assistant, Tool, Squad)
    return not any(model._default_manager.exists() for model in models)


def all_fixtures(folder: Path) -> Path:
    for name in ("assistant-clinic", "assistant-restaurant", "assistant-squad", "tools"):
        (folder / f"{name}.json").write_text(json.dumps(load(f"{name}.json")))
    return folder


# --- What it does


def test_all_fixtures_come_in_and_again_change_nothing(tmp_path: Path) -> None:
    folder = str(all_fixtures(tmp_path))

    status, out, _ = run(folder)

    assert status == DECIDE
    assert "Needs a decision: " in out
    assert "Nothing was published" in out
    assert not ImportFinding.objects.filter(code__in=["unknown_field", "value_refused", "too_deep"]).exists()
    before = (Assistant.objects.count(), Tool.objects.count(), ImportFinding.objects.count())
    assert before[0] >= 4

    status, out, _ = run(folder)

    assert status == DECIDE
    assert (Assistant.objects.count(), Tool.objects.count(), ImportFinding.objects.count()) == before
    assert not [line for line in out.splitlines() if line.startswith(("  created", "  updated"))]


def test_a_try_reports_the_same_and_writes_nothing(tmp_path: Path) -> None:
    folder = str(all_fixtures(tmp_path))

    status, out, _ = run(folder, "--dry-run")

    assert status == DECIDE
    assert "everything was undone" in out
    assert nothing_there()
    _, really, _ = run(folder)
    assert out.splitlines()[:-1] == really.splitlines()[:-1]


def simple(folder: Path, **fields: Any) -> str:
    """A file with an assistant that leaves nothing to decide, unless told otherwise."""
    file = folder / "one.json"
    model = {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be kind."}],
    }
    file.write_text(
        json.dumps([{"id": "a1", "name": "Desk", "firstMessage": "Hello.", "model": model, **fields}])
    )
    return str(file)


def test_nothing_to_decide_is_status_0(tmp_path: Path) -> None:
    status, out, _ = run(simple(tmp_path))

    assert (status, "Needs a decision" in out) == (0, False), out


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CLINIC.read_bytes())))

    run("-")

    assert VapiImport.objects.get().source == "standard input"
    assert Assistant.objects.filter(name="Riverbend front desk").exists()


def test_the_json_form_has_every_finding() -> None:
    _, out, _ = run(str(CLINIC), "--json")

    told = json.loads(out)
    listed = [finding for one in told["objects"] for finding in one["findings"]]
    assert len(listed) == ImportFinding.objects.count() == sum(told["counts"].values())
    assert told["open"] == sum(one["open"] for one in told["objects"]) > 0


def test_the_table_has_every_finding_and_no_formula(tmp_path: Path) -> None:
    raw = load("assistant-clinic.json")
    raw["name"] = "=HYPERLINK(1)"
    raw["endCallMessage"] = "@SUM(1)"
    file, table = tmp_path / "in.json", tmp_path / "out.csv"
    file.write_text(json.dumps(raw))

    run(str(file), csv=str(table))

    rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert len(rows) == ImportFinding.objects.count() + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]


@pytest.mark.parametrize("place", ["none/out.csv", "."])
def test_a_table_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path, place: str) -> None:
    with patch.object(import_vapi, "export_read_path") as read:
        message = str(refused(str(CLINIC), csv=str(tmp_path / place)))

    assert "cannot be written" in message
    assert "Nothing was imported." in message
    assert not read.called


def test_a_table_that_cannot_be_finished_undoes_the_import() -> None:
    # Every write to it fails as on a full disk, and to open it does not.
    message = str(refused(str(CLINIC), csv="/dev/full"))

    assert "No space left on device" in message
    assert "Nothing was imported." in message


def test_an_import_that_fails_leaves_no_empty_table(tmp_path: Path) -> None:
    table = tmp_path / "out.csv"

    refused(str(tmp_path / "none.json"), csv=str(table))

    assert not table.exists()


def test_a_table_of_before_stays_when_an_import_fails(tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    table.write_text("of before")

    refused(str(tmp_path / "none.json"), csv=str(table))

    assert table.read_text() == "of before"


def test_verbosity_2_lists_every_setting() -> None:
    _, out, _ = run(str(CLINIC), verbosity=2)

    assert "Kept: " in out
    assert "First message can be interrupted: No" in out


def test_the_session_is_printed_as_openai_gets_it() -> None:
    run(str(CLINIC))

    _, out, err = run("--show-session", "riverbend front desk")

    told = json.loads(out)
    assert told["type"] == "session.update"
    assert told["session"]["type"] == "realtime"
    assert "Riverbend front desk:" in err


def test_every_session_of_the_fixtures_is_one_that_openai_takes(tmp_path: Path) -> None:
    run(str(all_fixtures(tmp_path)))

    _, out, _ = run("--show-session", json=True)

    assistants = Assistant.objects.filter(vapi_objects__isnull=False)
    sessions = json_texts(out)
    assert len(sessions) == assistants.count() >= 4
    for assistant in assistants:
        told = draft_session_update(assistant)
        assert told in sessions
        validation.client_event(told)
        in_force = {
            "model": assistant.model_id,
            "audio": {"input": {"transcription": None, "turn_detection": None}},
        }
        validation.session_update(told["session"], in_force, voice_locked=False)


def json_texts(text: str) -> list[Any]:
    """The JSON values that stand one after the other."""
    found, start = [], 0
    while start < len(text):
        value, start = json.JSONDecoder().raw_decode(text, start)
        found.append(value)
        start = len(text) - len(text[start:].lstrip())
    return found


def test_a_session_of_nothing_is_one_message() -> None:
    assert "no assistant called Nobody" in str(refused(show_session="Nobody"))
    assert "No assistant was imported" in str(refused(show_session=""))


def test_a_session_is_shown_of_a_try_too() -> None:
    _, out, _ = run(str(CLINIC), "--dry-run", "--show-session", "--json")

    assert json.loads(out)["sessions"]["Riverbend front desk"]["type"] == "session.update"
    assert nothing_there()


def test_a_session_of_nobody_in_the_import_is_told_and_the_import_stands(tmp_path: Path) -> None:
    status, _, err = run(simple(tmp_path), show_session="Nope")

    assert "no assistant of this import is called Nope" in err
    assert status == 0
    assert Assistant.objects.filter(name="Desk").exists()


def test_one_is_told_in_the_singular(tmp_path: Path) -> None:
    _, out, _ = run(simple(tmp_path, model={"provider": "openai", "model": "gpt-4o"}))

    assert "1 decision waits under" in out
    assert " settings: 1 needs a decision, " in out


def test_a_name_of_a_file_that_is_no_text_is_stored_and_shown(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(simple(tmp_path)).replace(b"one", b"o\xff")))
    Path(simple(tmp_path)).rename(file)

    status, out, _ = run(str(file), show_session="N\udcff")

    assert status == 0
    assert "o\ufffd.json" in out
    assert VapiImport.objects.get().source.endswith("o\ufffd.json")


def test_what_publishing_will_refuse_needs_a_decision(tmp_path: Path) -> None:
    status, out, _ = run(simple(tmp_path, firstMessage="Hello {% if x %}."))

    assert status == DECIDE
    assert "    The assistant as a whole\n" in out
    assert "The assistant cannot be published as it is. The first message, line 1:" in out


@pytest.mark.parametrize("args", [(), (str(CLINIC), "--api"), (str(CLINIC), "--assistant=x")])
def test_wrong_usage_is_status_2(args: tuple[str, ...]) -> None:
    assert refused(*args).returncode == 2


def test_stopping_leaves_nothing() -> None:
    with patch.object(import_vapi, "import_write", side_effect=KeyboardInterrupt):
        status, _, err = run(str(CLINIC))

    assert status == 130
    assert "Nothing was imported" in err
    assert nothing_there()


# --- From the API


def test_everything_of_an_organisation_comes_with_its_numbers(vapi: Vapi) -> None:
    raw = load("assistant-clinic.json")
    vapi.put("assistant", raw)
    for tool in load("tools.json"):
        vapi.put("tool", tool)
    vapi.put(
        "phone-number", {"id": "n1", "provider": "twilio", "number": "+13125550100", "assistantId": raw["id"]}
    )

    run("--api")

    number = PhoneNumber.objects.get()
    assert number.assistant is not None
    assert (number.did, number.assistant.name, number.enabled) == ("+13125550100", raw["name"], True)


def test_the_server_of_a_new_number_comes_with_it_and_that_of_an_old_one_stays(vapi: Vapi) -> None:
    raw = load("assistant-clinic.json")
    vapi.put("assistant", raw)
    server = {"url": "https://hooks.example/vapi", "secret": "hunter2", "credentialId": "c1"}
    number = {"id": "n1", "provider": "twilio", "number": "+13125550100", "assistantId": raw["id"]}
    vapi.put("phone-number", {**number, "server": server})
    run("--api")
    imported = NumberServer.objects.get()
    assert (imported.server_url, imported.server_secret) == (server["url"], "hunter2")
    assert imported.credential is not None
    assert imported.credential.vapi_id == "c1"
    assert not ImportFinding.objects.filter(code="number_server_otherwise").exists()

    vapi.put("phone-number", {**number, "server": {**server, "url": "https://new.example"}})
    run("--api")

    assert NumberServer.objects.get().server_url == server["url"]
    (stays,) = ImportFinding.objects.filter(code="number_server_otherwise")
    assert server["url"] in stays.reason


def test_a_number_that_somebody_assigned_stays_and_is_a_decision(vapi: Vapi) -> None:
    raw = load("assistant-clinic.json")
    vapi.put("assistant", raw)
    vapi.put(
        "phone-number", {"id": "n1", "provider": "twilio", "number": "+13125550100", "assistantId": raw["id"]}
    )
    PhoneNumber.objects.create(did="+13125550100", label="Ours")

    run("--api")

    assert PhoneNumber.objects.get().assistant is None
    assert ImportFinding.objects.filter(code="number_assigned_otherwise").count() == 1


def test_being_limited_is_waited_for_and_told(vapi: Vapi) -> None:
    vapi.put("assistant", load("assistant-clinic.json"))
    vapi.failures = [429]

    _, _, err = run("--api")

    assert "Vapi limits the rate; trying again" in err
    assert Assistant.objects.filter(name="Riverbend front desk").exists()


def test_a_tool_deleted_at_vapi_is_a_decision(vapi: Vapi) -> None:
    vapi.put("assistant", load("assistant-clinic.json"))

    status, out, _ = run("--api")

    assert status == DECIDE
    assert ImportFinding.objects.filter(code="unresolved_tool").count() == 5
    assert "11111111-aaaa-4aaa-8aaa-000000000001" in out


def test_an_id_that_vapi_does_not_know_is_one_message(vapi: Vapi) -> None:
    assert "knows none of these assistants: nope" in str(refused(assistant=["nope"]))


def test_a_key_is_asked_for_on_a_terminal_only(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAPI_API_KEY = ""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert "VAPI_API_KEY is not set" in str(refused("--api"))


# --- Bad input: one message, nothing imported

TRUNCATED = CLINIC.read_text()[:900]
BAD: dict[str, tuple[bytes, list[str]]] = {
    "not JSON": (b"hello", ["bad.json", "line 1", "not JSON"]),
    "empty": (b"", ["bad.json", "empty"]),
    "truncated": (TRUNCATED.encode(), ["bad.json", "line", "ends in the middle"]),
    "HTML": (b"<!doctype html><html>502</html>", ["bad.json", "HTML page"]),
    "array of numbers": (b"[1, 2]", ["bad.json", "item 1", "object is due"]),
    "array where an object is due": (
        b'{"id": "a", "name": "A", "model": [], "firstMessage": "x"}',
        ["bad.json", "model", "object"],
    ),
    "nothing in it": (b"[]", ["bad.json", "nothing to import"]),
    "nested too deeply": (b"[" * 500 + b"]" * 500, ["bad.json", "nested deeper"]),
    "error saved as JSON": (b'{"message": "Unauthorized", "statusCode": 401}', ["bad.json"]),
    "20 MB": (b" " * (20 * 1024 * 1024) + b"{}", ["bad.json", "20 MiB"]),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_clear_message(tmp_path: Path, content: bytes, words: list[str]) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)

    error = refused(str(file))

    assert error.returncode == 1
    for word in words:
        assert word in str(error)
    assert str(error).endswith("Nothing was imported.")


def test_one_bad_file_in_a_folder_stops_the_others(tmp_path: Path) -> None:
    all_fixtures(tmp_path)
    (tmp_path / "zzz.json").write_text("{")

    assert "zzz.json" in str(refused(str(tmp_path)))


def test_a_wrong_key_is_one_clear_message(vapi: Vapi) -> None:
    vapi.failures = [401]

    error = str(refused("--api"))

    assert "does not accept the key (401)" in error
    assert "private-key" not in error


def test_a_cyclic_squad_comes_in_with_a_word_about_it(tmp_path: Path) -> None:
    def member(name: str, other: str) -> dict[str, Any]:
        assistant = {
            "name": name,
            "firstMessage": "Hi.",
            "model": {
                "provider": "openai",
                "model": "gpt-4o",
                "messages": [{"role": "system", "content": "Hand over."}],
            },
        }
        return {
            "assistant": assistant,
            "assistantDestinations": [{"type": "assistant", "assistantName": other}],
        }

    squad = {"id": "s1", "name": "Ring", "members": [member("One", "Two"), member("Two", "One")]}
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(squad))

    status, _, _ = run(str(file))

    assert status == DECIDE
    assert [one.name for one in Squad.objects.get().members.all()] != []


def test_names_of_400_characters_and_odd_prompts_come_in(tmp_path: Path) -> None:
    raw = load("assistant-clinic.json")
    raw["name"] = "N" * 400
    raw["model"]["messages"][0]["content"] = "Nul \u0000 and emoji \U0001f600 \ud800"
    raw["model"]["tools"] = [
        {"type": "function", "function": {"name": "t" * 400}, "server": {"url": "https://hooks.example.com"}}
    ]
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(raw))

    status, out, _ = run(str(file))

    assistant = Assistant.objects.get()
    assert status == DECIDE
    assert len(assistant.name) <= 80
    assert "emoji \U0001f600" in assistant.instructions
    assert "\x00" not in assistant.instructions
    assert "NUL characters were taken out" in out
