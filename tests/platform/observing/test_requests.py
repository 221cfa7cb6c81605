"""What is told of an HTTP request."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from prometheus_client import REGISTRY

from config.logging import ConsoleFormatter, JsonFormatter, PathlessFilter
from config.observing.requests import request_observed, route_name
from tools.observing.context import call_observed, observed, observing

SECRET = "t0ken-in-the-path"


@pytest.fixture
def lines() -> Iterator[Any]:
    """What is written meanwhile, as production writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(PathlessFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)


def test_a_request_is_one_line_without_its_path_and_query(lines: Any) -> None:
    answer = Client().get(f"/admin/login/?next={SECRET}")

    (line,) = [one for one in lines() if one["message"] == "request"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "admin:login", 200)
    assert line["ms"] >= 0
    assert line["request_id"] == answer["X-Request-ID"]
    assert SECRET not in json.dumps(lines())


def test_an_unknown_address_is_not_quoted(lines: Any) -> None:
    Client().get(f"/vapi/{SECRET}/nowhere?key={SECRET}")

    told = lines()
    assert [one["route"] for one in told if one["message"] == "request"] == ["config.nowhere.nowhere"]
    assert any(one["message"].startswith("Not Found") for one in told)
    assert SECRET not in json.dumps(told)


def test_a_probe_is_no_news(lines: Any) -> None:
    Client().get("/healthz")

    assert lines() == []


@pytest.mark.parametrize(
    ("given", "kept"), [("req-12345678", True), ("short", False), ("with blank and more", False), ("", False)]
)
def test_a_request_keeps_an_id_that_it_brings(given: str, kept: bool) -> None:
    answer = Client().get("/healthz", headers={"X-Request-ID": given})

    assert (answer["X-Request-ID"] == given) is kept
    assert len(answer["X-Request-ID"]) >= 8


def test_admin_pages_are_counted_as_one() -> None:
    def pages() -> float:
        labels = {"method": "GET", "route": "admin", "status": "2xx"}
        return REGISTRY.get_sample_value("tandem_http_requests_total", labels) or 0

    before = pages()
    Client().get("/admin/login/")

    assert pages() == before + 1


async def test_an_asynchronous_request_is_told_of_too(lines: Any) -> None:
    answer = await AsyncClient().get("/admin/login/")

    (line,) = [one for one in lines() if one["message"] == "request"]
    assert line["request_id"] == answer["X-Request-ID"]


def test_what_a_view_finds_out_stands_in_the_requests_line_and_nowhere_after() -> None:
    seen: list[dict[str, str]] = []

    def view(_request: Any) -> HttpResponse:
        call_observed("call-1")
        seen.append(dict(observed()))
        return HttpResponse()

    request_observed(view)(RequestFactory().get("/"))

    assert seen[0]["call_id"] == "call-1"
    assert "request_id" in seen[0]
    assert observed() == {}


def test_a_request_without_a_route_has_no_name() -> None:
    assert route_name(RequestFactory().get("/whatever")) == "none"


# Log lines -------------------------------------------------------------------------------------------------------


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("calls.views", logging.WARNING, __file__, 1, "a stream was lost", (), None)
    made.__dict__.update(extra)
    return made


def test_a_line_for_people_has_its_fields_behind_the_message() -> None:
    with observing(call_id="c-1", task="t"):
        text = ConsoleFormatter().format(record(**{"pii.text": "secret", "error": "Timeout"}))

    assert text.endswith(
        "WARNING calls.views: a stream was lost call_id=c-1 task=t pii.text=[redacted] error=Timeout"
    )


def test_a_lines_own_field_wins_over_the_contexts() -> None:
    with observing(call_id="outer"):
        line = json.loads(JsonFormatter().format(record(call_id="inner")))

    assert line["call_id"] == "inner"


def test_a_request_object_is_never_written_out() -> None:
    request = RequestFactory().get(f"/x?{SECRET}")

    assert SECRET not in JsonFormatter().format(record(request=request))


def test_a_servers_line_on_a_socket_is_without_its_query() -> None:
    line = logging.LogRecord(
        "uvicorn.error",
        logging.INFO,
        __file__,
        1,
        '%s - "WebSocket %s" [accepted]',
        ("", f"/x?k={SECRET}"),
        None,
    )

    PathlessFilter().filter(line)

    assert line.getMessage() == ' - "WebSocket /x" [accepted]'


def test_contexts_end_with_what_they_are_for() -> None:
    with observing(task="outer", task_id="1"):
        with observing(task="inner", call_id="c"):
            assert observed() == {"task": "inner", "task_id": "1", "call_id": "c"}
        assert observed() == {"task": "outer", "task_id": "1"}
    assert observed() == {}
