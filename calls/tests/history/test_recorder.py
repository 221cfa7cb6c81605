"""The recorder between Vapi and a customer's server: it keeps reports, and nothing it does may be heard."""

import copy
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.db import DataError, OperationalError
from django.test import Client

from calls.history import recorder
from calls.history.reading import record_read
from calls.history.tasks import report_write
from calls.history.writing import calls_write
from calls.models import Call, VapiCall, VapiRecorder
from tests.loopback import serving
from tools.models import ToolCall

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
REPORT = (FIXTURES / "end-of-call-report.json").read_bytes()
TOOL_CALLS = (FIXTURES / "tool-calls-request.json").read_bytes()
CALL = json.loads((FIXTURES / "call.json").read_text())
JSON = "application/json"


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    recorder.points_forget()
    yield
    recorder.points_forget()


@dataclass
class Server:
    """A customer's server: what it was sent, and what it answers."""

    url: str = ""
    status: int = 200
    answer: bytes = b'{"results": [{"toolCallId": "call_1", "result": "Booked."}]}'
    got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(state.status)
            self.send_header("Content-Type", "application/vnd.clinic+json")
            self.send_header("X-Clinic", "yes")
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)

    with serving(Handler) as url:
        state.url = f"{url}/hook?secret=42"
        yield state


def make(**fields: Any) -> tuple[VapiRecorder, str]:
    """A recorder and its address."""
    row = VapiRecorder(label="Front desk", **fields)
    token = recorder.token_renew(row)
    row.save()
    return row, f"/vapi/events/{token}"


def post(url: str, body: bytes, **headers: str) -> Any:
    return Client(enforce_csrf_checks=True).post(url, body, content_type=JSON, headers=headers)


def message(kind: str) -> bytes:
    return json.dumps({"message": {"type": kind, "call": {"id": "c"}}}).encode()


def test_a_report_is_kept_and_the_same_again_changes_nothing() -> None:
    row, url = make()

    answers = [post(url, REPORT), post(url, REPORT)]

    assert [(one.status_code, one.content) for one in answers] == [(200, b"{}")] * 2
    assert Call.objects.get().stack == "vapi"
    assert ToolCall.objects.count() == 4
    assert VapiCall.objects.get().source == "recorder"
    row.refresh_from_db()
    assert row.reports_n == 2
    assert row.last_report_at is not None


def test_a_report_and_the_same_call_by_rest_become_one() -> None:
    _, url = make()
    record = record_read(CALL, where="REST")

    post(url, REPORT)
    calls_write([record], source=VapiCall.Source.API)  # type: ignore[list-item]  # it is a record

    assert VapiCall.objects.count() == Call.objects.count() == 1
    assert VapiCall.objects.get().assistant_version == "v7"


def test_every_message_goes_on_unchanged_and_the_answer_comes_back(server: Server) -> None:
    _, url = make(forward_url=server.url)
    bodies = [TOOL_CALLS, message("assistant-request"), message("speech-update"), REPORT, b"{not json", b""]

    answers = [post(url, body, **{"X-Vapi-Secret": "s3cret", "X-Call-Id": "7"}) for body in bodies]

    assert [body for body, _ in server.got] == bodies
    assert all(
        headers["x-vapi-secret"] == "s3cret" and headers["x-call-id"] == "7" for _, headers in server.got
    )
    assert {(one.status_code, one.content, one.headers["X-Clinic"]) for one in answers} == {
        (200, server.answer, "yes")
    }
    assert {one.headers["Content-Type"] for one in answers} == {"application/vnd.clinic+json"}
    assert Call.objects.count() == 1


def test_a_refusal_of_the_server_is_its_own(server: Server) -> None:
    _, url = make(forward_url=server.url)
    server.status, server.answer = 503, b"closed"

    answer = post(url, TOOL_CALLS)

    assert (answer.status_code, answer.content) == (503, b"closed")


def test_a_server_that_is_away_is_told_as_such_and_the_report_is_kept_all_the_same(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    row, url = make(forward_url="http://127.0.0.1:9/hook")

    answer = post(url, REPORT)

    assert answer.status_code == 502
    assert Call.objects.count() == 1
    row.refresh_from_db()
    assert row.forward_failed_n == 1
    assert "refused" in row.forward_failed_why


def test_a_private_address_is_never_asked(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    row, url = make(forward_url="http://169.254.169.254/latest")

    assert post(url, TOOL_CALLS).status_code == 502
    row.refresh_from_db()
    assert "private" in row.forward_failed_why


def test_without_a_server_nothing_is_decided_and_messages_that_wanted_an_answer_are_counted() -> None:
    row, url = make()

    for kind in ("assistant-request", "tool-calls", "transfer-destination-request"):
        answer = post(url, message(kind))
        assert (answer.status_code, answer.json()) == (200, {})
    for kind in ("speech-update", "conversation-update", "transcript"):
        assert post(url, message(kind)).status_code == 200

    row.refresh_from_db()
    assert row.unanswered_n == 3
    assert not Call.objects.exists()


def test_a_closed_recorder_keeps_nothing_and_goes_on_handing_on(server: Server) -> None:
    _, url = make(forward_url=server.url, recording=False)

    assert post(url, REPORT).content == server.answer
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    "headers", [{"X-Vapi-Secret": "s3cret"}, {"Authorization": "Bearer s3cret"}, {"Authorization": "s3cret"}]
)
def test_a_report_with_the_secret_is_kept(headers: dict[str, str]) -> None:
    _, url = make(secret="s3cret")

    assert post(url, REPORT, **headers).status_code == 200
    assert Call.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, {"X-Vapi-Secret": "S3cret"}, {"Authorization": "Bearer "}])
def test_a_report_without_the_secret_is_not_kept_but_the_customers_server_has_its_say(
    server: Server, headers: dict[str, str]
) -> None:
    row, url = make(secret="s3cret", forward_url=server.url)
    _, bare = make(secret="s3cret")

    assert post(url, REPORT, **headers).content == server.answer
    assert post(bare, REPORT, **headers).status_code == 401

    assert not Call.objects.exists()
    row.refresh_from_db()
    assert row.refused_n == 1


def test_a_secret_that_cannot_be_read_any_more_stops_recording_and_nothing_else(
    server: Server, settings: Any
) -> None:
    _, url = make(secret="s3cret", forward_url=server.url)
    settings.FIELD_ENCRYPTION_KEYS = ["x" * 43 + "="]

    assert post(url, REPORT, **{"X-Vapi-Secret": "s3cret"}).content == server.answer
    assert not Call.objects.exists()


def test_another_address_is_nobodys() -> None:
    row, url = make()

    assert post(url[:-1], REPORT).status_code == 404
    assert post("/vapi/events/" + row.token_hash, REPORT).status_code == 404
    assert Client().get(url).status_code == 405
    assert not Call.objects.exists()


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = make()
    monkeypatch.setattr(recorder, "MAX_BODY", len(REPORT) - 1)

    assert post(url, REPORT).status_code == 413
    assert not Call.objects.exists()


def test_a_report_may_be_larger_than_a_form(settings: Any) -> None:
    _, url = make()
    value = json.loads(REPORT)
    value["message"]["artifact"]["messages"][2]["metadata"] = {"wordLevelConfidence": ["x" * 100] * 30_000}
    body = json.dumps(value).encode()
    assert len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    assert post(url, body).status_code == 200
    assert Call.objects.count() == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"message": 3}', b'{"message": {"type": []}}', b"\xff\xfe"]
)
def test_what_is_no_message_is_refused_without_a_server(body: bytes) -> None:
    _, url = make()

    assert post(url, body).status_code == 400


def test_a_report_that_names_no_call_is_counted() -> None:
    row, url = make()

    assert post(url, message("end-of-call-report").replace(b'"c"', b"null")).status_code == 200

    row.refresh_from_db()
    assert (row.reports_n, row.unreadable_n) == (0, 1)


def test_while_the_database_is_away_messages_go_on_and_reports_wait(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = make(forward_url=server.url)
    post(url, message("speech-update"))  # so that the recorder is known
    sent: list[dict[str, Any]] = []

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(recorder, "_point_stored", away)
        patched.setattr(recorder, "calls_write", away)
        patched.setattr(recorder, "KNOWN_FOR_S", 0.0)
        patched.setattr(current_app, "send_task", lambda name, **task: sent.append({"name": name, **task}))
        assert post(url, REPORT).content == server.answer

    assert not Call.objects.exists()
    assert sent[0]["name"] == report_write.name
    report_write(**sent[0]["kwargs"])
    assert ToolCall.objects.count() == 4


def test_a_report_that_nobody_can_take_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = make()

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("away")

    def no_broker(*_: Any, **__: Any) -> Any:
        raise BrokerError("away")

    monkeypatch.setattr(recorder, "calls_write", away)
    monkeypatch.setattr(current_app, "send_task", no_broker)

    assert post(url, REPORT).status_code == 503


def test_a_recorder_that_was_never_seen_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = make()

    def away(_: str) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(recorder, "_point_stored", away)

    assert post(url, REPORT).status_code == 503


def test_nothing_of_a_call_stands_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    _, url = make(secret="s3cret", forward_url=server.url)
    post(url, REPORT)

    def broken(*_: Any, **__: Any) -> Any:
        raise DataError("Failing row contains (Marta Ilves)")

    monkeypatch.setattr(recorder, "calls_write", broken)
    assert post(url, REPORT, **{"X-Vapi-Secret": "s3cret"}).content == server.answer

    told = " ".join(
        f"{one.getMessage()} {one.__dict__}" for one in caplog.records if one.name.startswith("calls.")
    )
    assert "could not be written" in told
    for private in ("Marta", "tetanus", "+13125550177", "s3cret", url.rsplit("/", 1)[1]):
        assert private not in told


def test_reports_in_any_order_end_as_one_call() -> None:
    _, url = make()
    early = json.loads(REPORT)
    early["message"]["timestamp"] -= 60_000
    early["message"]["artifact"]["messages"] = early["message"]["artifact"]["messages"][:5]
    early["message"]["messages"] = []
    early["message"]["artifact"]["messagesOpenAIFormatted"] = []
    del early["message"]["cost"]
    early_body = json.dumps(copy.deepcopy(early)).encode()

    for body in (REPORT, early_body, REPORT, early_body):
        post(url, body)

    assert ToolCall.objects.count() == 4
    assert Call.objects.get().ended_at - Call.objects.get().started_at == timedelta(seconds=36.1)  # type: ignore[operator]  # both are set
