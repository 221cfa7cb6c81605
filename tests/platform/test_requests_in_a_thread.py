"""Requests under ASGI: middleware and view in one thread, whatever colour the view has."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import path

from config.requests_in_a_thread import ThreadHandler

seen: list[int] = []


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    def respond(request: HttpRequest) -> HttpResponseBase:
        seen.append(threading.get_ident())
        response = get_response(request)
        seen.append(threading.get_ident())
        return response

    return respond


def plain(request: HttpRequest) -> HttpResponse:
    seen.append(threading.get_ident())
    return HttpResponse(request.read()[::-1], headers={"X-Threads": "1"})


async def later(_: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        await asyncio.sleep(0)
        yield b"two"

    return StreamingHttpResponse(pieces())


def broken(_: HttpRequest) -> HttpResponse:
    raise LookupError("of the test")


began, goes_on = threading.Event(), threading.Event()


def slow(_: HttpRequest) -> HttpResponse:
    seen.append(threading.get_ident())
    began.set()
    goes_on.wait(120)
    return HttpResponse()


answers: list[weakref.ref[HttpResponse]] = []


def long(_: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"x" * 200_000)
    answers.append(weakref.ref(response))
    return response


urlpatterns = [
    path("plain", plain), path("later", later), path("broken", broken), path("slow", slow), path("long", long)
]  # fmt: skip


def scope_of(where: str) -> Any:
    return {
        "type": "http", "http_version": "1.1", "method": "POST", "path": f"/{where}", "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }  # fmt: skip


def asked(where: str, body: bytes = b"") -> tuple[int, bytes]:
    """The status and the body of an answer."""

    async def ask() -> tuple[int, bytes]:
        given: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            if not given:
                await asyncio.Event().wait()  # nobody hangs up
            return given.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await ThreadHandler()(scope_of(where), receive, send)
        return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])

    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.middleware"] * 3, DEBUG_PROPAGATE_EXCEPTIONS=False
    ):
        return asyncio.run(ask())


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()
    began.clear()
    goes_on.clear()


def test_all_middleware_and_the_view_run_in_one_thread_that_is_not_the_loops() -> None:
    assert asked("plain", b"abc") == (200, b"cba")
    assert len(seen) == 7
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_a_view_of_the_other_colour_streams_as_before() -> None:
    assert asked("later") == (200, b"one two")
    assert len(set(seen)) == 1


def test_a_view_that_fails_is_answered() -> None:
    status, _ = asked("broken")
    assert status == 500


def test_a_thread_that_nobody_waits_for_any_more_gives_back_what_it_holds() -> None:
    """The server waits ten seconds for a view whose client has gone: then it cancels what would tell that the request is over."""
    over: list[int] = []

    def tell(**_: Any) -> None:
        over.append(threading.get_ident())

    async def ask() -> None:
        given: list[dict[str, Any]] = [{"type": "http.request", "body": b""}]
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if given:
                return given.pop()
            await asyncio.to_thread(began.wait, 60)
            gone.set()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            raise AssertionError

        request = asyncio.ensure_future(ThreadHandler()(scope_of("slow"), receive, send))
        await gone.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        request.cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await request

    request_finished.connect(tell)
    try:
        with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
            asyncio.run(ask())
    finally:
        request_finished.disconnect(tell)
    assert over == seen


def test_an_answer_is_let_go_of_once_it_is_sent() -> None:
    """Or memory would fill with pages until garbage is collected, which is seldom: a page is few objects."""

    async def ask() -> None:
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        told.put_nowait({"type": "http.request", "body": b""})

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                told.put_nowait({"type": "http.disconnect"})  # as daphne does when it has all

        # As a task, whose frames nobody else holds.
        await asyncio.create_task(ThreadHandler()(scope_of("long"), told.get, send))

    answers.clear()
    gc.disable()
    try:
        with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[]):
            asyncio.run(ask())
        assert [one() for one in answers] == [None]
    finally:
        gc.enable()


def test_a_long_answer_goes_to_the_server_in_one_piece() -> None:
    body = b"x" * 200_000
    ((piece, is_last),) = ThreadHandler.chunk_bytes(body)
    assert piece is body
    assert is_last
    assert list(ThreadHandler.chunk_bytes(b"")) == [(b"", True)]
