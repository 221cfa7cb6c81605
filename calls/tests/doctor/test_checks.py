"""Each check of the doctor finds what it is for, by servers that are as bad as real ones."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import redis
from cryptography.fernet import Fernet
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings
from twilio.request_validator import RequestValidator
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as serve_websocket

from assistants.tests.factories import make_assistant
from calls.doctor import services
from calls.doctor.checks import keys, parties, reach, realtime, stores
from calls.doctor.proof import proof_for
from calls.doctor.report import Verdict
from calls.models import DoctorRun, TwilioAccount
from tools.encryption import encrypt
from tools.shared_state import key
from tools.tests.factories import make_tool

OTHER_ACCOUNT = "AC" + "b" * 32
Answer = Callable[[BaseHTTPRequestHandler, dict[str, str]], tuple[int, str]]


@contextmanager
def web(answer: Answer, **headers: str) -> Iterator[str]:
    """A server that answers like this; its origin."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, text = answer(self, form)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text.encode())

        do_GET = do_HEAD = do_POST  # noqa: N815  # the names of the base class

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


# --- Public origin --------------------------------------------------------------------------------------------


def tandem(settings: Settings) -> Answer:
    """Answers as our own view does."""

    def answer(handler: BaseHTTPRequestHandler, form: dict[str, str]) -> tuple[int, str]:
        url = settings.PUBLIC_ORIGIN + handler.path
        signature = handler.headers.get("X-Twilio-Signature", "")
        if not RequestValidator(settings.TWILIO_AUTH_TOKEN).validate(url, form, signature):
            return 403, "no"
        return 200, proof_for(form.get("nonce", ""))

    return answer


def test_our_own_answer_by_way_of_the_public_origin_is_well(settings: Settings) -> None:
    with web(tandem(settings)) as origin:
        settings.PUBLIC_ORIGIN = origin
        found = reach.public_origin()

    # The address is this machine's own, which is worth a word.
    assert found.verdict is Verdict.WARNING
    assert "only this machine" in found.found
    assert found.facts["took_ms"] < 5000


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((200, "It works!"), "Something else answers"),
        ((200, ""), "Something else answers"),
        ((404, ""), "answered 404"),
        ((502, ""), "answered 502"),
        ((403, ""), "refused (403)"),
        ((301, ""), "redirects (301)"),
    ],
)
def test_whatever_else_answers_there_is_told(settings: Settings, answer: tuple[int, str], word: str) -> None:
    with web(lambda *_: answer, Location="https://elsewhere.example.com/") as origin:
        settings.PUBLIC_ORIGIN = origin
        found = reach.public_origin()

    assert found.verdict is Verdict.FAILED
    assert word in found.found
    assert found.what_to_do


def test_an_installation_that_believes_a_forged_webhook_has_failed(settings: Settings) -> None:
    with web(lambda _, form: (200, proof_for(form.get("nonce", "")))) as origin:
        settings.PUBLIC_ORIGIN = origin
        found = reach.public_origin()

    assert found.verdict is Verdict.FAILED
    assert "forged signature was answered 200" in found.found


def test_nobody_at_the_public_origin_is_told(settings: Settings) -> None:
    settings.PUBLIC_ORIGIN = "http://127.0.0.1:9"

    assert "cannot be reached" in reach.public_origin().found


@pytest.mark.parametrize(
    ("host", "private"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("web", True), ("a.internal", True), ("::1", True), ("8.8.8.8", False),
     ("voice.example.com", False)],
)  # fmt: skip
def test_private_hosts_are_told_by_their_names(host: str, *, private: bool) -> None:
    assert reach.is_private(host) == private


# --- Media ----------------------------------------------------------------------------------------------------


@contextmanager
def sockets(behave: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A WebSocket server; its origin."""
    with serve_websocket(behave, "127.0.0.1", 0, compression=None, **options) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def test_a_stream_that_is_let_in_only_with_a_signature_is_well(settings: Settings) -> None:
    def checks(connection: ServerConnection, request: Any) -> Any:
        url = settings.MEDIA_ORIGIN + request.path
        good = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(url, {})
        return None if request.headers["X-Twilio-Signature"] == good else connection.respond(403, "no")

    with sockets(lambda socket: socket.close(1008), process_request=checks) as origin:
        settings.MEDIA_ORIGIN = origin
        found = reach.media_origin()

    assert found.verdict is Verdict.WARNING
    assert "only this machine" in found.found
    assert "forged" not in found.found


def test_a_stream_that_anybody_may_open_has_failed(settings: Settings) -> None:
    with sockets(lambda socket: socket.close(1008)) as origin:
        settings.MEDIA_ORIGIN = origin
        found = reach.media_origin()

    assert "forged signature was let in" in found.found


@pytest.mark.parametrize(
    ("code", "word"), [(1011, "cannot read the database"), (None, "without a close frame")]
)
def test_how_the_stream_ends_tells_what_is_wrong(settings: Settings, code: int | None, word: str) -> None:
    def ends(socket: ServerConnection) -> None:
        if code is None:
            socket.socket.shutdown(2)
        else:
            socket.close(code)

    with sockets(ends) as origin:
        settings.MEDIA_ORIGIN = origin
        found = reach.media_origin()

    assert found.verdict is Verdict.FAILED
    assert word in found.found


def test_a_proxy_that_passes_no_upgrade_is_told(settings: Settings) -> None:
    with web(lambda *_: (404, "")) as origin:
        settings.MEDIA_ORIGIN = origin.replace("http", "ws", 1)
        found = reach.media_origin()

    assert "answered 404 instead of 101" in found.found
    assert "Upgrade" in found.what_to_do


# --- Twilio, OpenAI, clocks -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "account", "verdict", "word"),
    [
        (200, {"status": "active", "auth_token": "test-token"}, Verdict.OK, "active"),
        (200, {"status": "active"}, Verdict.OK, "active"),
        (200, {"status": "active", "auth_token": "another"}, Verdict.FAILED, "signs with another auth token"),
        (200, {"status": "active", "auth_token": "second"}, Verdict.WARNING, "SECONDARY"),
        (200, {"status": "suspended"}, Verdict.FAILED, "suspended"),
        (401, {"code": 20003, "message": "Authenticate"}, Verdict.FAILED, "refuses our credentials"),
        (503, {}, Verdict.FAILED, "answered 503"),
    ],
)
def test_twilio_tells_whether_it_knows_us(
    settings: Settings, status: int, account: dict[str, str], verdict: Verdict, word: str
) -> None:
    settings.TWILIO_AUTH_TOKENS = ["test-token", "second"]
    with web(lambda *_: (status, orjson.dumps(account).decode())) as origin:
        settings.TWILIO_API_URL = origin
        found = parties.twilio_accounts()

    assert (found.verdict, word in found.found) == (verdict, True), found
    assert "test-token" not in found.found + found.what_to_do


@pytest.mark.django_db
@pytest.mark.parametrize(("primary", "verdict"), [("its-own", Verdict.OK), ("rotated", Verdict.FAILED)])
def test_another_account_whose_token_was_rotated_at_twilio_is_told(
    settings: Settings, primary: str, verdict: Verdict
) -> None:
    TwilioAccount.objects.create(sid=OTHER_ACCOUNT, auth_token="its-own")

    def account(handler: BaseHTTPRequestHandler, _: dict[str, str]) -> tuple[int, str]:
        token = primary if OTHER_ACCOUNT in handler.path else settings.TWILIO_AUTH_TOKEN
        return 200, orjson.dumps({"status": "active", "auth_token": token}).decode()

    with web(account) as origin:
        settings.TWILIO_API_URL = origin
        found = parties.twilio_accounts()

    assert found.verdict is verdict, found
    assert ("under Twilio accounts" in found.what_to_do) is (verdict is Verdict.FAILED)


@pytest.mark.django_db
def test_a_twilio_that_cannot_be_reached_is_told(settings: Settings) -> None:
    settings.TWILIO_API_URL = "http://127.0.0.1:9"

    assert "could not be reached" in parties.twilio_accounts().found


@pytest.mark.parametrize(
    ("by", "verdict"),
    [
        (0.4, Verdict.OK),
        (-4.0, Verdict.OK),
        (8.0, Verdict.WARNING),
        (-45.0, Verdict.FAILED),
        (3600.0, Verdict.FAILED),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(by: float, verdict: Verdict) -> None:
    assert parties.clock_told({"Twilio": by}).verdict is verdict


def test_one_party_whose_own_clock_is_wrong_is_not_believed() -> None:
    assert parties.clock_told({"Twilio": 500.0, "OpenAI": 0.2}).verdict is Verdict.OK


def test_the_clock_is_read_from_answers(settings: Settings) -> None:
    with web(lambda *_: (401, "")) as origin:
        settings.TWILIO_API_URL = origin
        settings.OPENAI_REALTIME_URL = origin.replace("http", "ws", 1)
        found = parties.clock()

    assert found.verdict is Verdict.OK
    assert abs(found.facts["ahead_s"]) < 5


def test_another_realtime_server_is_not_asked_for_its_models(settings: Settings) -> None:
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:9/v1/realtime"

    assert parties.openai_key().verdict is Verdict.SKIPPED


# --- Realtime -------------------------------------------------------------------------------------------------


@contextmanager
def model(
    settings: Settings, *answers: dict[str, Any], said: list[dict[str, Any]] | None = None
) -> Iterator[None]:
    """A Realtime server that says the first on connecting and one more after each of our events."""

    def behave(socket: ServerConnection) -> None:
        for number, answer in enumerate(answers):
            if number and said is not None:
                said.append(orjson.loads(socket.recv(timeout=10)))
            socket.send(orjson.dumps(answer).decode())
        for _ in socket:
            pass

    with sockets(behave) as origin:
        settings.OPENAI_REALTIME_URL = f"{origin}/v1/realtime"
        yield


CREATED = {"type": "session.created", "session": {}}
SETUP = realtime.Setup("gpt-realtime-2.1")


def error(code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "code": code}}


def test_a_session_is_opened_set_up_and_nothing_is_said(settings: Settings) -> None:
    said: list[dict[str, Any]] = []
    with model(settings, CREATED, {"type": "session.updated", "session": {}}, said=said):
        shake = realtime.handshake(SETUP)

    assert shake.code == ""
    assert shake.ready_ms is not None
    assert [one["type"] for one in said] == ["session.update"]
    assert realtime.handshakes_told({"m": (SETUP, shake)}).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ((error("invalid_api_key"),), "does not know our key"),
        ((error("invalid_model"),), "is not to be had"),
        ((error("insufficient_quota"),), "no credit"),
        ((CREATED, error("invalid_value")), "refuses the session"),
        (({"type": "error"},), "No session"),
    ],
)
def test_every_refusal_says_whose_business_it_is(
    settings: Settings, answers: tuple[dict[str, Any], ...], word: str
) -> None:
    with model(settings, *answers, said=[]):
        shake = realtime.handshake(SETUP)
        found = realtime.handshakes_told({"m": (SETUP, shake)})

    assert found.verdict is Verdict.FAILED
    assert word in found.found
    assert found.what_to_do


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(settings: Settings) -> None:
    with model(settings):
        shake = realtime.handshake(SETUP, within_s=0.3)

    assert shake.code == "timeout"


@pytest.mark.parametrize("status", [401, 404, 500])
def test_an_upgrade_that_is_refused_is_told_by_its_number(settings: Settings, status: int) -> None:
    with web(lambda *_: (status, "")) as origin:
        settings.OPENAI_REALTIME_URL = origin.replace("http", "ws", 1)
        assert realtime.handshake(SETUP).code == f"http_{status}"


def test_a_slow_session_is_a_warning() -> None:
    found = realtime.handshakes_told({"m": (SETUP, realtime.Handshake(2000, 3500))})

    assert found.verdict is Verdict.WARNING
    assert "3.5 s" in found.found


@pytest.mark.django_db
def test_each_model_in_use_is_tried_with_a_session_of_ours() -> None:
    assert [one.plan for one in realtime.setups_in_use()] == [None]

    make_assistant(published=True, name="Desk")
    make_assistant(published=True, enabled=False)

    (setup,) = realtime.setups_in_use()
    assert (setup.model, setup.whose) == ("gpt-realtime-2.1", "Desk")
    assert setup.plan is not None


# --- Stores ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_database_with_all_its_tables_is_well() -> None:
    assert stores.database().verdict in (Verdict.OK, Verdict.WARNING)  # a busy machine is slow


@pytest.mark.django_db
def test_a_database_that_is_away_is_told_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection to postgresql://user:password@host failed")

    monkeypatch.setattr("calls.doctor.checks.stores.connection.cursor", away)
    found = stores.database()

    assert found.verdict is Verdict.FAILED
    assert "password" not in found.found


def test_a_queue_without_a_worker_is_told(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PING_WITHIN_S", 0.5)

    found = stores.queue("tools")

    assert found.verdict is Verdict.FAILED
    assert "-Q tools" in found.what_to_do
    assert found.facts["waiting"] >= 1


def test_a_job_that_is_carried_out_is_timed(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(name: str, *, kwargs: dict[str, str], **_: Any) -> None:
        stores.ping_answer(kwargs["token"])

    monkeypatch.setattr("calls.doctor.checks.stores.current_app.send_task", at_once)

    assert stores.queue("records").facts["waited_ms"] < 5000


def test_a_broker_that_is_away_is_told(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert stores.broker().verdict is Verdict.FAILED
    assert stores.beat().verdict is Verdict.FAILED


def test_a_broker_that_answers_is_well(redis_client: "redis.Redis") -> None:
    assert "Redis answers" in stores.broker().found


def test_a_beat_is_heard_of_missed_and_called_silent(redis_client: "redis.Redis") -> None:
    assert stores.beat().verdict is Verdict.WARNING
    stores.beat_mark()
    assert stores.beat().verdict is Verdict.OK
    redis_client.set(key(*stores.BEAT_KEY), f"{time.time() - 600:.0f}")
    assert stores.beat().verdict is Verdict.FAILED


def test_the_spool_is_written_to_and_nothing_stays_in_it(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path / "spool"

    assert stores.spool().verdict is Verdict.OK
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_journal_that_goes_while_it_is_looked_at_is_no_trouble(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "not here")

    assert stores.spool().verdict is Verdict.OK


def test_a_spool_that_is_a_file_is_told(settings: Settings, tmp_path: Any) -> None:
    settings.SPOOL_DIR = tmp_path / "file"
    settings.SPOOL_DIR.write_text("")

    assert stores.spool().verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("journals", "verdict"),
    [
        ([], Verdict.OK),
        ([(0, 9000.0)], Verdict.OK),
        ([(500, 1.0)], Verdict.OK),
        ([(500, 90.0)], Verdict.WARNING),
        ([(100_000_000, 1.0)], Verdict.WARNING),
    ],
)
def test_what_waits_in_the_spool_is_judged_by_age_and_size(
    journals: list[tuple[int, float]], verdict: Verdict
) -> None:
    assert stores.spool_told(journals).verdict is verdict


# --- Keys -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_rotation_of_the_key_is_followed_to_its_end(settings: Settings) -> None:
    old, new = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    make_tool(server_secret="s3cret")
    assert keys.encryption_keys().verdict is Verdict.OK

    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    found = keys.encryption_keys()
    assert (found.verdict, "Still under an older key" in found.found) == (Verdict.WARNING, True)

    settings.FIELD_ENCRYPTION_KEYS = [new]
    found = keys.encryption_keys()
    assert (found.verdict, "no key opens" in found.found) == (Verdict.FAILED, True)
    assert "(1)" in found.found


def test_secrets_under_the_first_of_several_keys_end_the_rotation(settings: Settings) -> None:
    first, second = settings.FIELD_ENCRYPTION_KEYS[0], Fernet.generate_key().decode()
    count = keys.counted(iter([encrypt("a"), encrypt("b")]), [first, second])

    assert (count.read, count.under_old, count.unreadable) == (2, 0, 0)
    assert "rotation is through" in keys.counts_told({"x": count}, 2).what_to_do


def test_a_second_auth_token_is_a_reminder(settings: Settings) -> None:
    assert keys.token_rotation().verdict is Verdict.OK
    settings.TWILIO_AUTH_TOKEN_SECONDARY = secrets.token_hex()
    assert keys.token_rotation().verdict is Verdict.WARNING


# --- Keeping --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_reports_are_kept_for_two_weeks_and_the_newest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CHECKS", ())
    assert services.report_latest() is None
    DoctorRun.objects.create(at=timezone.now() - services.KEPT * 2, healthy=False)

    run = services.report_keep(services.examination(), by_label="a test")

    latest = services.report_latest()
    assert latest is not None
    assert latest[1] == run
    assert DoctorRun.objects.count() == 1


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in services.CHECKS]

    assert len(set(names)) == len(names)
    assert all(check.within_s <= 20 for check in services.CHECKS)
