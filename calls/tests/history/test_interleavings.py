"""REST, files and a recorder that tell of the same calls at the same moment, on connections of their own."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from calls.history import recorder
from calls.history.reading import CallRecord, record_read
from calls.history.writing import calls_write
from calls.models import Call, VapiCall, VapiRecorder
from calls.tests.history.test_runs import a_call
from tools.captures.store import hand_on_to
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

pytestmark = pytest.mark.django_db(transaction=True)

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"


def records(*values: Any) -> list[CallRecord]:
    found = [record_read(one, where="a test") for one in values]
    return [one for one in found if isinstance(one, CallRecord)]


def test_whoever_comes_first_there_is_one_call_with_everything() -> None:
    row = VapiRecorder(label="Front desk")
    token = recorder.token_renew(row)
    row.save()
    recorder.points_forget()
    call = json.loads((FIXTURES / "call.json").read_text())
    report = (FIXTURES / "end-of-call-report.json").read_bytes()
    others = [a_call(n) for n in range(20)]
    start = Barrier(6)

    def rest() -> None:
        start.wait()
        calls_write(records(*others[:12], call), source=VapiCall.Source.API)

    def files() -> None:
        start.wait()
        calls_write(records(json.loads(report), *reversed(others[8:])), source=VapiCall.Source.FILES)

    def reported() -> None:
        start.wait()
        assert (
            Client().post(f"/vapi/events/{token}", report, content_type="application/json").status_code == 200
        )

    def at_once(work: Any) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(at_once, [rest, files, reported] * 2))

    assert VapiCall.objects.count() == Call.objects.count() == Transcript.objects.count() == 21
    assert ToolCall.objects.count() == 4
    assert Utterance.objects.count() == 9 + 20
    known = VapiCall.objects.get(vapi_id=call["id"])
    assert (known.assistant_version, len(known.costs)) == ("v7", 8)
    row.refresh_from_db()
    assert row.reports_n == 2


def test_while_a_server_is_asked_nobody_holds_a_connection_of_the_database(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    row = VapiRecorder(label="Front desk", forward_url="http://127.0.0.1:9/hook")
    token = recorder.token_renew(row)
    row.save()
    recorder.points_forget()
    asked = hand_on_to
    held: list[bool] = []

    def watched(*args: Any, **wanted: Any) -> Any:
        held.append(connection.connection is not None)
        return asked(*args, **wanted)

    monkeypatch.setattr(recorder, "hand_on_to", watched)
    body = (FIXTURES / "end-of-call-report.json").read_bytes()

    assert Client().post(f"/vapi/events/{token}", body, content_type="application/json").status_code == 502

    assert held == [False]
    row.refresh_from_db()
    assert (row.reports_n, row.forward_failed_n) == (1, 1)
