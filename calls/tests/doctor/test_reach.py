"""Whether the public origin and the media origin lead to us, by servers that are as bad as real ones."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_django import Settings
from twilio.request_validator import RequestValidator
from websockets.sync.server import ServerConnection

from calls.doctor.checks import reach
from calls.doctor.proof import proof_for
from calls.doctor.report import Verdict
from calls.tests.doctor.servers import Answer, sockets, web

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
    assert found.facts["took_ms"] < 60_000


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
