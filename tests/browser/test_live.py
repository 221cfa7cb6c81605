"""Somebody reads along in a running call, and intervenes, by keyboard; also while the web process is restarted."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from redis import Redis

from assistants.tests.factories import make_assistant
from calls.bridge import commands as do
from calls.live import admin
from calls.live.control import Outcome, Result
from calls.live.feed import CallFeed, Feed
from calls.models import Call
from calls.tests.factories import make_call

pytestmark = pytest.mark.browser
ASSISTANT, CALLER = do.Speaker.ASSISTANT, do.Speaker.CALLER


def picture(page: Page, name: str) -> None:
    """A picture for people, where a folder for pictures is named."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


class Web:
    """A web process for the WebSockets, which the live server of pytest-django does not speak."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        from config.asgi import application  # noqa: PLC0415 - starts threads, which workers do not inherit

        config = uvicorn.Config(
            application, port=self.port, log_config=None, loop="asyncio", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.02)

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "the web process does not end"


@pytest.fixture
def web(transactional_db: None) -> Iterator[Web]:
    made = Web()
    made.start()
    yield made
    made.stop()


def test_somebody_reads_along_and_says_something_by_keyboard(
    ops: Page,
    live_server: LiveServer,
    web: Web,
    redis_client: "Redis",
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    settings.PUBLIC_ORIGIN = live_server.url
    ops.add_init_script(
        f"""const Real = WebSocket;
        window.WebSocket = function (url) {{ return new Real(url.replace(location.host, "localhost:{web.port}")); }};"""
    )
    given: list[dict[str, Any]] = []

    def order(_call_id: uuid.UUID, message: dict[str, Any], **_: Any) -> Outcome:
        given.append(message)
        return Outcome(Result.TAKEN)

    monkeypatch.setattr(admin, "order_by", order)
    call = make_call(
        status=Call.Status.IN_PROGRESS,
        ended_at=None,
        ended_reason="",
        assistant=make_assistant(name="Front desk"),
        started_at=timezone.now() - timedelta(seconds=5),
    )
    told = CallFeed(call.pk)
    told._feed = Feed(redis_client)

    def says(item_id: str, speaker: do.Speaker, text: str) -> None:
        told.spoken(do.Spoken(item_id, speaker, text, text, 0, 900), clock=timezone.now(), away=timedelta())

    told.begun()
    says("a1", ASSISTANT, "Front desk, how can I help?")
    ops.goto(f"{live_server.url}/admin/calls/livecall/")
    row = ops.get_by_role("row").filter(has_text="Front desk, how can I help?")
    expect(row).to_contain_text("In progress")
    picture(ops, "live-list")

    row.get_by_role("link").focus()
    ops.keyboard.press("Enter")

    log = ops.get_by_role("log")
    expect(log).to_contain_text("Front desk, how can I help?")
    told.happened(do.PartialText("u1", CALLER, "Is my <b>bi"))
    expect(log.locator(".t-live-partial")).to_contain_text("Is my <b>bi")
    says("u1", CALLER, "Is my <b>bike</b> ready?")
    expect(log).to_contain_text("Is my <b>bike</b> ready?")
    expect(log.locator(".t-live-partial")).to_have_count(0)
    says("u2", CALLER, "\u200f\u05e9\u05dc\u05d5\u05dd")

    ops.get_by_label("Say", exact=True).focus()
    ops.keyboard.type("A colleague will call you back.")
    ops.keyboard.press("Enter")
    expect(ops.get_by_text("Done.")).to_be_visible()
    assert (given[0]["type"], given[0]["content"]) == ("call.say", "A colleague will call you back.")
    told.happened(do.Muted(ASSISTANT, on=True))
    expect(ops.get_by_role("button", name="Unmute the assistant")).to_have_attribute("aria-pressed", "true")

    by = {"kind": "user", "label": "maria"}
    said = {"order_id": "o1", "kind": "say", "destination": "", "by": by, "result": "taken"}
    told.ordered(said)
    ordered = log.get_by_role("listitem").filter(has_text="Order: say")
    expect(ordered).to_contain_text("Taken")
    told.ordered({**said, "failed_at": "now", "why": "It was cut short."})
    expect(ordered).to_contain_text("Not done")
    expect(ordered).to_contain_text("maria: It was cut short.")
    told.ordered({**said, "order_id": "o2", "kind": "transfer", "destination": "+13125550100"})

    web.stop()
    expect(ops.get_by_text("Reconnecting…")).to_be_visible()
    picture(ops, "live-reconnecting")
    says("a2", ASSISTANT, "It is ready.")
    web.start()
    expect(log).to_contain_text("It is ready.", timeout=60_000)
    expect(log.get_by_text("how can I help?")).to_have_count(1)

    ops.set_viewport_size({"width": 800, "height": 900})
    ops.emulate_media(color_scheme="dark")
    ops.reload()
    expect(log).to_contain_text("It is ready.")
    ops.wait_for_load_state()  # its styles and scripts may move things
    assert ops.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    picture(ops, "live-800-dark")
    told.over("customer-ended-call")
    expect(ops.get_by_text("Ended: customer-ended-call")).to_be_visible()
    expect(ops.get_by_role("button", name="Hang up")).to_be_disabled()
