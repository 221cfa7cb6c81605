"""A run in the queue: it tells how far it is, forgets what it read, ends once, and can be started again."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from assistants.imports import runs
from assistants.imports.runs import run_again, run_carry_out, run_request, run_stuck
from assistants.imports.tasks import vapi_import_run
from assistants.models import Assistant, ImportFinding, VapiImport, VapiObject
from assistants.tests.vapi.server import FIXTURES, Vapi, load, vapi_running

pytestmark = pytest.mark.django_db

CLINIC = (FIXTURES / "assistant-clinic.json").read_bytes()


@pytest.fixture
def vapi(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vapi]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with vapi_running() as running:
        settings.VAPI_API_URL, settings.VAPI_API_KEY = running.url, ""
        yield running


def request(**fields: Any) -> VapiImport:
    defaults: dict[str, Any] = {
        "source": "File a.json",
        "files": [("a.json", CLINIC)],
        "dry_run": False,
        "overwrite": False,
        "started_by": None,
    }
    return run_request(**{**defaults, **fields})


def carried_out(**fields: Any) -> VapiImport:
    run = request(**fields)
    run_carry_out(run.pk)
    run.refresh_from_db()
    return run


def stored(column: str, run: VapiImport) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM assistants_vapiimport WHERE id = %s", [run.pk])  # noqa: S608 # our own tests' names
        return str(cursor.fetchone()[0])


def test_a_run_imports_and_forgets_what_it_read() -> None:
    run = request()
    assert "Riverbend" not in stored("content", run)

    run_carry_out(run.pk)

    run.refresh_from_db()
    assert (run.status, run.content, run.api_key, run.error) == ("done", "", "", "")
    assert run.summary["open"] > 0
    assert Assistant.objects.filter(name="Riverbend front desk").exists()


def test_several_files_are_one_import() -> None:
    tools = (FIXTURES / "tools.json").read_bytes()

    run = carried_out(files=[("a.json", CLINIC), ("tools.json", tools)])

    assert run.status == "done"
    assert not ImportFinding.objects.filter(code="unresolved_tool").exists()


def test_names_that_no_database_takes_are_stored_all_the_same() -> None:
    run = carried_out(
        source="File a\x00\udcff.json", files=[("a\x00\udcff.json", CLINIC), ("\udcff.json", b"[]")]
    )

    assert (run.status, run.source) == ("done", "File a\ufffd.json")
    assert any(note.startswith("\ufffd.json: an empty array") for note in run.summary["notes"])


def test_a_try_keeps_its_report_and_nothing_else() -> None:
    run = carried_out(dry_run=True)

    assert run.status == "done"
    assert not VapiObject.objects.exists()
    assert not Assistant.objects.exists()
    findings = [one for told in run.summary["objects"] for one in told["findings"]]
    assert len(findings) == sum(run.summary["counts"].values()) > 100
    assert {told["row"] for told in run.summary["objects"]} == {None}


def test_a_try_of_very_much_keeps_what_must_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LEAVES_KEPT", 50)

    run = carried_out(dry_run=True)

    kept = {one["verdict"] for told in run.summary["objects"] for one in told["findings"]}
    assert kept == {"decision", "dropped"}
    assert run.summary["shortened"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>", "HTML"), (b'{"id": "x", ', "a.json"), (b"[1]", "item 1"), (b"[]", "nothing to import")],
)
def test_a_run_that_fails_has_one_message_and_changed_nothing(content: bytes, words: str) -> None:
    run = carried_out(files=[("a.json", content)])

    assert (run.status, run.content) == ("failed", "")
    assert words in run.error
    assert not VapiObject.objects.exists()


def test_a_run_reads_with_its_key_and_forgets_it(vapi: Vapi) -> None:
    vapi.put("assistant", load("assistant-clinic.json"))

    run = carried_out(files=[], api_key="private-key", source="Vapi's API")

    assert (run.status, run.api_key) == ("done", ""), run.error
    assert "/assistant" in vapi.asked


def test_a_wrong_key_is_one_message(vapi: Vapi) -> None:
    vapi.failures = [401]

    run = carried_out(files=[], api_key="private-key")

    assert "does not accept the key (401)" in run.error
    assert "private-key" not in run.error
    assert run.api_key == ""


def test_progress_is_written_while_it_waits(vapi: Vapi) -> None:
    vapi.put("assistant", load("assistant-clinic.json"))
    vapi.failures = [429]
    told: list[str] = []
    real = runs._Reporter.tell

    def tell(self: Any, progress: Any, *, at_once: bool = False) -> None:
        real(self, progress, at_once=True)
        told.append(VapiImport.objects.values_list("progress", flat=True).get())

    with patch.object(runs._Reporter, "tell", tell):
        carried_out(files=[], api_key="private-key")

    assert any("limits the rate" in text for text in told)


def test_rows_that_changed_at_the_same_moment_are_one_message() -> None:
    with patch.object(runs, "import_apply", side_effect=IntegrityError):
        run = carried_out()

    assert run.status == "failed"
    assert "at the same moment" in run.error


def test_a_run_is_carried_out_once() -> None:
    run = carried_out()
    before = VapiImport.objects.values().get(pk=run.pk)

    vapi_import_run(run_id=str(run.pk))

    assert VapiImport.objects.values().get(pk=run.pk) == before


def test_a_run_that_somebody_works_on_is_left_alone() -> None:
    run = request()
    VapiImport.objects.update(status="running", beat_at=timezone.now())

    run_carry_out(run.pk)

    assert not VapiObject.objects.exists()
    run.refresh_from_db()
    assert not run_stuck(run, now=timezone.now())
    assert not run_again(run)


@pytest.mark.parametrize(
    ("status", "silent"), [("running", timedelta(minutes=11)), ("waiting", timedelta(minutes=2))]
)
def test_a_run_whose_worker_died_says_so_and_can_be_started_again(status: str, silent: timedelta) -> None:
    run = request()
    VapiImport.objects.update(status=status, beat_at=timezone.now() - silent)
    run.refresh_from_db()
    assert run_stuck(run, now=timezone.now())

    assert run_again(run)

    run.refresh_from_db()
    assert not run_stuck(run, now=timezone.now())
    run_carry_out(run.pk)
    run.refresh_from_db()
    assert run.status == "done"


def test_what_nobody_expected_is_told_too() -> None:
    run = request()

    vapi_import_run.on_failure(ZeroDivisionError(), "id", (), {"run_id": str(run.pk)}, None)

    run.refresh_from_db()
    assert (run.status, run.content) == ("failed", "")
    assert "ZeroDivisionError" in run.error


def test_the_summary_is_json() -> None:
    assert json.loads(json.dumps(carried_out().summary))["objects"][0]["name"]
