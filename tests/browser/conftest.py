"""The installed Chromium, and somebody who is logged in."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from calls.doctor.checks import reach

# Whoever waits on a busy machine waits longer; whatever does not come at all is as wrong after that.
WITHIN_MS = 60_000
# Of a player: it stays for long where it is, however late somebody looks.
SLOWLY = "player => { player.defaultPlaybackRate = player.playbackRate = 0.07; }"
PASSWORD = "correct horse"
CHROMIUM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


@pytest.fixture(scope="session", autouse=True)
def _orm_beside_playwright() -> None:
    # Playwright's synchronous API runs an event loop in this thread, where Django would refuse the ORM.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=WITHIN_MS)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The Chromium that is installed, silent towards the network."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        pytest.skip("No Chromium is installed; apt-get install -y chromium, or set CHROMIUM to one.")
    return {
        **browser_type_launch_args,
        "executable_path": chromium,
        "args": [
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
        ],
    }


@pytest.fixture(scope="session")
def _window(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """One window for all tests: opening one takes Chromium longer than most of what a test does in it."""
    window = browser.new_context(**browser_context_args)
    window.new_page()  # stays open, or the window would close with a test's page
    yield window
    window.close()


@pytest.fixture
def context(_window: BrowserContext, live_server: LiveServer) -> Iterator[BrowserContext]:
    """The window, in which nobody has been: nothing is kept of the test before but files from the server."""
    yield _window
    blank, *others = _window.pages
    for page in others:
        page.close()
    session = _window.new_cdp_session(blank)
    session.send("Storage.clearDataForOrigin", {"origin": live_server.url, "storageTypes": "all"})
    session.detach()
    _window.clear_cookies()


@pytest.fixture
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The webhooks that we send ourselves are waited for: a busy machine is not away."""
    post = reach._post
    monkeypatch.setattr(reach, "_post", lambda url, form, signature, _: post(url, form, signature, 60.0))


@pytest.fixture
def ops(live_server: LiveServer, page: Page) -> Page:
    """A page of somebody of ops staff who has just logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("olga", password=PASSWORD))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page.set_default_timeout(WITHIN_MS)
    return page
