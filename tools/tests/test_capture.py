import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tools.captures import store as capture
from tools.models import Capture
from tools.tests.factories import make_capture, make_capture_point, make_tool
from tools.tests.servers import Behaviour, answering, refused_url, serve, silent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback")]

BODY = '{"message": {"type": "tool-calls",  "text": "für"}}'.encode()
VAPIS = {
    "x-vapi-secret": "hush-hush",
    "x-call-id": "c-1",
    "user-agent": "axios/1.6",
    "authorization": "Bearer abcdef",
}


def arrive(token: str = "t0ken", body: bytes = BODY, headers: dict[str, str] | None = None) -> Any:  # noqa: S107
    return Client().post(
        f"/capture/{token}",
        body,
        content_type="application/json; charset=utf-8",
        headers={**VAPIS, **(headers or {})},
    )


def point_at(behaviour_url: str, **fields: Any) -> Any:
    return make_capture_point(
        tool=make_tool(server_url=behaviour_url, timeout_s=fields.pop("timeout_s", 60)), **fields
    )


def test_bytes_and_headers_are_handed_on_unchanged_and_the_answer_back() -> None:
    with serve(answering('{"result":"ü"}', status=201, headers={"X-Theirs": "yes"})) as server:
        point_at(server.url + "?secret=a%20b")
        response = arrive(headers={"x-forwarded-for": "1.2.3.4", "connection": "close"})

    ((headers, body),) = server.requests
    assert body == BODY
    assert server.paths == ["/vapi?secret=a%20b"]
    lowered = {name.lower(): value for name, value in headers.items()}
    assert {name: lowered[name] for name in VAPIS} == VAPIS
    assert lowered["content-type"] == "application/json; charset=utf-8"
    assert lowered["host"] == server.url.split("/")[2]
    assert "x-forwarded-for" not in lowered
    assert (response.status_code, response.content) == (201, '{"result":"ü"}'.encode())
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Theirs"] == "yes"


def test_what_came_is_kept_without_its_secrets_and_encrypted() -> None:
    with serve(answering('{"result":"secret answer"}')) as server:
        point_at(server.url)
        arrive()

    kept = Capture.objects.get()
    assert kept.body.encode() == BODY
    assert (kept.http_status, kept.answer, kept.answer_type) == (
        200,
        '{"result":"secret answer"}',
        "application/json",
    )
    assert kept.elapsed_ms is not None
    headers = {name.lower(): value for name, value in kept.headers}
    assert headers["x-vapi-secret"] == "(hidden, 9 characters)"
    assert headers["authorization"] == "(hidden, 13 characters)"
    assert headers["x-call-id"] == "c-1"
    with connection.cursor() as cursor:
        cursor.execute("SELECT body, answer FROM tools_capture")
        stored = str(cursor.fetchone())
    assert "tool-calls" not in stored
    assert "secret answer" not in stored


def test_a_compressed_answer_comes_back_readable() -> None:
    with serve(answering(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})) as server:
        point_at(server.url)
        response = arrive()

    assert response.content == b"{}"
    assert "Content-Encoding" not in response.headers


def test_a_redirect_is_handed_back_and_not_followed() -> None:
    with serve(answering("", status=307, headers={"Location": "https://elsewhere.example/"})) as server:
        point_at(server.url)
        response = arrive()

    assert (response.status_code, response.headers["Location"]) == (307, "https://elsewhere.example/")


@pytest.mark.parametrize(("behaviour", "status"), [(None, 502), (silent, 504)], ids=["down", "silent"])
def test_without_an_answer_vapi_is_told_so_and_it_is_kept(behaviour: Behaviour | None, status: int) -> None:
    if behaviour is None:
        point_at(refused_url())
        response = arrive()
    else:
        with serve(behaviour) as server:
            point_at(server.url, timeout_s=1)
            response = arrive()

    assert response.status_code == status
    kept = Capture.objects.get()
    assert kept.http_status is None
    assert kept.error.startswith("Not answered: ")


def test_private_addresses_are_closed_to_captures_too(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    with serve(answering("{}")) as server:
        point_at(server.url)
        response = arrive()

    assert response.status_code == 502
    assert server.requests == []


def test_only_an_open_point_with_the_right_token_hands_on() -> None:
    with serve(answering("{}")) as server:
        point = point_at(server.url)
        assert arrive("wrong").status_code == 404
        assert Client().get("/capture/t0ken").status_code == 405
        point.enabled = False
        point.save()
        assert arrive().status_code == 404

    assert server.requests == []
    assert not Capture.objects.exists()


def test_a_token_is_stored_as_a_digest_and_renewed_for_good() -> None:
    point = make_capture_point()

    token = capture.token_renew(point)
    point.save()

    assert token not in point.token_hash
    found = capture.point_of(token)
    assert found is not None
    assert found.pk == point.pk
    assert capture.point_of("t0ken") is None


def test_a_tool_without_a_server_cannot_be_captured() -> None:
    point_at("")

    assert arrive().status_code == 502


def test_a_database_that_cannot_keep_it_does_not_stop_the_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("row: für")

    monkeypatch.setattr(capture, "capture_write", away)
    with serve(answering("{}")) as server:
        point_at(server.url)
        assert arrive().status_code == 200

    assert "a capture could not be kept" in caplog.messages
    assert "für" not in str([vars(record) for record in caplog.records])


def test_only_so_many_are_kept() -> None:
    with serve(answering("{}")) as server:
        point_at(server.url, keep_count=2)
        for n in range(4):
            arrive(body=json.dumps({"n": n}).encode())

    assert [one.body for one in Capture.objects.order_by("id")] == ['{"n": 2}', '{"n": 3}']


def test_and_only_so_long() -> None:
    point = make_capture_point(keep_days=3)
    make_capture(point=point, received_at=timezone.now() - timedelta(days=3, minutes=1))
    young = make_capture(point=point, received_at=timezone.now() - timedelta(days=2))

    assert capture.captures_expire(now=timezone.now()) == 1
    assert list(Capture.objects.all()) == [young]


def test_any_bytes_can_be_kept() -> None:
    with serve(answering(b"\xff\x00")) as server:
        point_at(server.url)
        response = arrive(body=b"\xff\x00{")

    assert response.content == b"\xff\x00"
    assert server.requests[0][1] == b"\xff\x00{"
    assert Capture.objects.get().body == "\ufffd\ufffd{"
