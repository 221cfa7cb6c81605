"""What is answered where something cannot be read, or breaks: JSON to programs, a page to people."""

import json
from typing import Any

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.test import Client, RequestFactory
from django.urls import re_path

from config.logging import PathlessFilter
from config.nowhere import broken, no_socket
from tools.access.keys import key_create

TOO_MANY = "&".join(f"a{n}=1" for n in range(1100))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/assistant", "/call", "/phone-number", "/call/nothing/control", "/healthz"]
)
def test_a_query_without_end_is_refused_in_words(path: str) -> None:
    program = Client(headers={"Authorization": f"Bearer {key_create(name='program')[1]}"})
    answer = program.get(f"{path}?{TOO_MANY}")
    assert answer.status_code in (200, 400, 405)
    if answer.status_code == 400:
        assert json.loads(answer.content)["statusCode"] == 400


@pytest.mark.django_db
def test_a_secret_address_with_a_query_without_end_is_refused_in_words() -> None:
    answer = Client().post(f"/call/3c9f0e52-7f2b-4a53-8d11-000000000000/control?{TOO_MANY}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")


def test_a_host_that_is_not_ours_is_refused_in_words() -> None:
    program = Client().get("/assistant", headers={"Host": "evil.example"})
    assert program.status_code == 400
    assert json.loads(program.content)["error"] == "Bad Request"
    assert b"evil" not in program.content


def test_programs_are_told_in_json_that_something_broke() -> None:
    answer = broken(RequestFactory().get("/call"))
    assert json.loads(answer.content)["statusCode"] == answer.status_code == 500  # type: ignore[attr-defined]
    page = broken(RequestFactory().get("/admin/calls/call/"))
    assert (page.status_code, page["Content-Type"]) == (500, "text/html; charset=utf-8")


async def test_a_socket_that_leads_nowhere_is_refused_before_it_is_open() -> None:
    leads: Any = no_socket
    socket: Any = WebsocketCommunicator(URLRouter([re_path(r"", leads)]), "/call/nothing/listen")
    assert await socket.connect() == (False, 1000)


@pytest.mark.parametrize("odd", ["\n", "\x00", "é", ""])
def test_no_log_shows_an_address_that_leads_nowhere(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(PathlessFilter())
    Client().get(f"/call/+13125550177{odd}/nowhere")
    told = [one.getMessage() for one in caplog.records if one.name == "django.request"]
    assert told == ["Not Found: config.nowhere.nowhere"]
    assert not [one for one in caplog.records if "3125550177" in one.getMessage()]
