"""Numbers are read, looked at, cut over and given back in a browser, against a simulated Twilio: by mouse, and by keyboard alone."""

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from assistants.tests.factories import make_assistant
from calls.cutover import batches, gates
from calls.cutover.tasks import batch_run
from calls.models import CutoverBatch, CutoverEvent, CutoverSchedule, PhoneNumber
from calls.tests.factories import make_call, make_problem
from simulator.harness import Simulator
from tests.browser.conftest import WITHIN_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("patient_probes"),
]

ACCOUNT = "AC" + "1" * 32
TOKEN = "a token of nobody's"
WHY = "The owner of the line agreed"


class Worker:
    """A worker of the queue in a thread of its own, so that a page can be seen waiting."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def delay(self, batch_id: Any) -> None:
        """Begin to carry it out, and come back at once."""
        thread = threading.Thread(target=self._work, args=(batch_id,))
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def _work(batch_id: Any) -> None:
        try:
            batches.batch_carry_out(batch_id)
        finally:
            connections.close_all()

    def finish(self) -> None:
        """Wait until everything has been carried out."""
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "it is still being carried out"


@pytest.fixture
def twilio() -> Iterator[Simulator]:
    """A simulated Twilio, in a loop and a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    simulator = Simulator(account_sid=ACCOUNT, auth_token=TOKEN)
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(timeout=60)
    yield simulator
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(None, None, None), loop).result(timeout=60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture(autouse=True)
def worker(
    twilio: Simulator, live_server: LiveServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Worker]:
    """The settings that lead to the simulator, and a worker."""
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    settings.TWILIO_AUTH_TOKEN = TOKEN
    settings.TWILIO_AUTH_TOKENS = (TOKEN,)
    settings.TWILIO_API_URL = twilio.http_url
    settings.PUBLIC_ORIGIN = live_server.url
    monkeypatch.setattr(gates, "_kept", {})
    hired = Worker()
    monkeypatch.setattr(batch_run, "delay", hired.delay)
    yield hired
    hired.finish()


def picture(page: Page, name: str) -> None:
    """A picture for people, where a folder for pictures is named."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def override_all(page: Page) -> None:
    """Pass over every gate that stops something, each with a reason."""
    for box in page.get_by_role("checkbox", name="Override").all():
        box.check()
    for field in page.get_by_role("textbox", name="may be passed over").all():
        field.fill(WHY)


def test_numbers_are_read_cut_over_and_given_back_by_mouse(
    ops: Page, live_server: LiveServer, twilio: Simulator, worker: Worker
) -> None:
    assistant = make_assistant(published=True)
    twilio.numbers.clear()
    first = twilio.numbers.add("+12025550101", friendly_name="Main line")
    twilio.numbers.add("+12025550102", friendly_name="Branch")
    was = dict(first)
    ops.goto(f"{live_server.url}/admin/")
    ops.locator("#nav-sidebar").get_by_role("link", name=re.compile("Cutover$")).click()
    expect(ops.get_by_role("heading", name="No numbers yet")).to_be_visible()
    picture(ops, "empty-1280-light")

    ops.get_by_role("button", name="Read numbers from Twilio").click()
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    expect(ops.get_by_text("2 numbers read, 2 new.")).to_be_visible()
    PhoneNumber.objects.update(assistant=assistant)

    ops.get_by_role("link", name="To all numbers").click()
    ops.get_by_role("row", name="+12025550101").get_by_role("checkbox").check()
    expect(ops.get_by_text("1 of 2 selected")).to_be_visible()
    ops.get_by_role("button", name="Canary…").click()
    expect(ops.get_by_role("heading", name="Canary of 10 %: +12025550101")).to_be_visible()
    expect(ops.get_by_role("cell", name=f"{live_server.url}/twilio/voice")).to_be_visible()
    ops.get_by_label("Share in percent").fill("30")
    ops.get_by_role("button", name="Show that instead").click()
    expect(ops.get_by_role("heading", name="Canary of 30 %: +12025550101")).to_be_visible()
    assert first["voice_url"] == was["voice_url"]

    ops.get_by_label("Reason", exact=True).fill("The pilot")
    override_all(ops)
    picture(ops, "preview-1280-light")
    ops.get_by_role("button", name="Do it: Canary of 30 %, 1 number").dblclick()
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    picture(ops, "progress-done-1280-light")
    assert CutoverBatch.objects.exclude(kind="sync").count() == 1
    assert first["voice_url"].startswith(f"{live_server.url}/twilio/voice")
    event = CutoverEvent.objects.get(kind="canary")
    assert (event.reason, event.actor_label) == ("The pilot", "olga")
    assert {one["reason"] for one in event.overrides} == {WHY}

    ops.get_by_role("link", name="+12025550101").click()
    expect(ops.get_by_role("heading", name="Cutover: +12025550101")).to_be_visible()
    picture(ops, "number-1280-light")
    ops.get_by_role("button", name="Roll back…").click()
    expect(ops.get_by_label("Reason", exact=True)).to_have_value("Rolled back by hand.")
    ops.get_by_role("button", name="Do it: Roll back, 1 number").click()
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    assert {name: first[name] for name in was if name != "date_updated"} == {
        name: value for name, value in was.items() if name != "date_updated"
    }
    assert not twilio.numbers.sms_parameters


def tab_to(page: Page, target: Locator, *, back: bool = False) -> None:
    """Press Tab until the target has the focus; on a page that is new, past the sidebar first."""
    target.wait_for(state="attached")
    page.wait_for_load_state()  # what is pressed before the page's scripts have run is heard by nobody
    if page.evaluate("document.activeElement === document.body && !location.hash"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
    for _ in range(120):
        if target.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Shift+Tab" if back else "Tab")
    else:
        raise AssertionError(f"The keyboard does not get to {target}.")
    # Whoever does not see the focus is lost: something has to be drawn around it, or around the box that it is in.
    drawn = target.evaluate(
        """one => [one, one.parentElement].some(box => {
            const css = getComputedStyle(box);
            return css.outlineStyle !== "none" || css.boxShadow.includes("0px 0px 0px");
        })"""
    )
    assert drawn, f"The focus cannot be seen on {target}."


def test_a_number_is_cut_over_and_given_back_by_keyboard_alone(
    ops: Page, live_server: LiveServer, twilio: Simulator, worker: Worker
) -> None:
    assistant = make_assistant(published=True)
    twilio.numbers.clear()
    first = twilio.numbers.add("+12025550101", friendly_name="Main line")
    was = first["voice_url"]
    ops.goto(f"{live_server.url}/admin/calls/cutovernumber/")
    tab_to(ops, ops.get_by_role("button", name="Read numbers from Twilio"))
    ops.keyboard.press("Enter")
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    PhoneNumber.objects.update(assistant=assistant)

    tab_to(ops, ops.get_by_role("link", name="To all numbers"))
    ops.keyboard.press("Enter")
    tab_to(ops, ops.get_by_role("button", name="Filters"))
    ops.keyboard.press("Enter")
    tab_to(ops, ops.get_by_role("link", name="On Vapi"))
    ops.keyboard.press("Enter")
    ops.wait_for_url("**state__exact=on_vapi**")
    tab_to(ops, ops.locator("#searchbar"))
    ops.keyboard.type("(202) 555-0101")
    ops.keyboard.press("Enter")
    ops.wait_for_url("**q=**")
    box = ops.get_by_role("row", name="+12025550101").get_by_role("checkbox")
    tab_to(ops, box)
    ops.keyboard.press("Space")
    expect(ops.get_by_text("1 of 1 selected")).to_be_visible()
    tab_to(ops, ops.get_by_role("button", name="Cut over…"), back=True)
    ops.keyboard.press("Enter")
    expect(ops.get_by_role("heading", name="Cut over: +12025550101")).to_be_visible()

    tab_to(ops, ops.get_by_label("Reason", exact=True))
    ops.keyboard.type("By keyboard")
    for box in ops.get_by_role("checkbox", name="Override").all():
        tab_to(ops, box)
        ops.keyboard.press("Space")
        ops.keyboard.press("Tab")
        ops.keyboard.type(WHY)
    tab_to(ops, ops.get_by_role("button", name="Do it"))
    ops.keyboard.press("Enter")
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    assert first["voice_url"].startswith(f"{live_server.url}/twilio/voice")

    tab_to(ops, ops.get_by_role("link", name="+12025550101"))
    ops.keyboard.press("Enter")
    tab_to(ops, ops.get_by_role("button", name="Roll back…"))
    ops.keyboard.press("Enter")
    tab_to(ops, ops.get_by_role("button", name="Do it: Roll back, 1 number"))
    ops.keyboard.press("Enter")
    expect(ops.get_by_role("heading", name="Done")).to_be_visible()
    assert first["voice_url"] == was


def test_progress_is_told_while_it_goes_on_and_by_refresh_without_a_script(
    ops: Page, live_server: LiveServer, twilio: Simulator, browser: Browser
) -> None:
    batch = batches.batch_create(kind="rollback", numbers=many(3), reason="All back", actor_label="olga")
    first = batch.items.order_by("position")[0]
    address = f"{live_server.url}/admin/calls/cutoverbatch/{batch.pk}/change/"
    ops.goto(address)
    expect(ops.get_by_role("status").filter(has_text="Waiting for a worker.")).to_be_visible()
    plain = browser.new_context(java_script_enabled=False, storage_state=ops.context.storage_state())
    page = plain.new_page()
    page.set_default_timeout(WITHIN_MS)
    page.goto(address)
    expect(page.get_by_role("link", name="Look again")).to_be_visible()

    batch.items.filter(pk=first.pk).update(status="done", message="The number is “Rolled back” now.")
    CutoverBatch.objects.update(status="running", progress="One is back", done=1, beat_at=timezone.now())
    expect(ops.get_by_role("status").filter(has_text="One is back")).to_be_visible()
    expect(ops.get_by_role("row", name=first.number.did)).to_contain_text("Done")
    picture(ops, "progress-1280-light")
    CutoverBatch.objects.update(status="failed", progress="1 of 3 done.", finished_at=timezone.now())
    expect(ops.get_by_role("heading", name="Not everything was done")).to_be_visible()

    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="Not everything was done")).to_be_visible()
    plain.close()


def many(count: int, **fields: Any) -> list[PhoneNumber]:
    """So many numbers that are on Vapi."""
    assistant = make_assistant(published=True)
    made = [
        PhoneNumber(
            **{
                "did": f"+1202{n:07}",
                "label": f"Shop {n}",
                "assistant": assistant,
                "twilio_sid": f"PN{n:032}",
                "account_sid": ACCOUNT,
                "state": "on_vapi",
                "answered_by": "vapi",
                "config": {"voice_url": "https://api.vapi.ai/twilio/inbound_call", "sid": f"PN{n:032}"},
                "config_seen_at": timezone.now(),
                **fields,
            }
        )
        for n in range(count)
    ]
    return PhoneNumber.objects.bulk_create(made)


def odd_numbers() -> PhoneNumber:
    """Three numbers as life makes them: with a history, changed behind our back with a long label, and with broken data."""
    canary, changed, broken = many(3)
    ours = {
        "voice_url": "https://voice.example.com/twilio/voice?back=1#ct=1000",
        "status_callback": "https://voice.example.com/twilio/status",
    }
    PhoneNumber.objects.filter(pk=canary.pk).update(
        state="canary", canary_percent=20, answered_by="tandem", cut_over_at=timezone.now()
    )
    PhoneNumber.objects.filter(pk=changed.pk).update(
        state="changed",
        state_before_change="ours",
        label="Wartezimmer-Anmeldung-Außenstelle-Süd-ohne-ein-einziges-Leerzeichen-im-ganzen-Namen-x"[:80],
        expected=ours,
        config={"voice_url": "https://api.vapi.ai/twilio/inbound_call?" + "x" * 300},
        answered_by="vapi",
    )
    PhoneNumber.objects.filter(pk=broken.pk).update(
        config={"voice_url": ["no", "text"], "trunk_sid": 7}, label="", assistant=None
    )
    for n in range(4):
        make_call(phone_number=canary, stack="vapi" if n % 2 else "direct", caller=f"+1312555{n:04}")
    make_problem(call=make_call(phone_number=canary))
    return changed


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(1280, "light"), (800, "light"), (1280, "dark"), (800, "dark")],
    ids=str,
)
def test_every_page_fits_whatever_is_in_it(
    ops: Page, live_server: LiveServer, twilio: Simulator, width: int, scheme: Any
) -> None:
    changed = odd_numbers()
    ops.set_viewport_size({"width": width, "height": 900})
    ops.emulate_media(color_scheme=scheme)
    root = f"{live_server.url}/admin/calls"

    def shown(name: str) -> None:
        picture(ops, f"{name}-{width}-{scheme}")
        ops.wait_for_load_state()  # its styles and scripts may move things
        fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert ops.evaluate(fits), f"{name} is wider than {width} px"

    ops.goto(f"{root}/cutovernumber/")
    expect(ops.get_by_text("Canary 20 %")).to_be_visible()
    shown("list-3")
    ops.goto(f"{root}/cutovernumber/{changed.pk}/change/")
    expect(ops.get_by_role("heading", name="Changed behind our back")).to_be_visible()
    shown("number-changed")
    ops.get_by_role("link", name="Accept the change…").click()
    expect(ops.get_by_role("button", name="Accept the change")).to_be_visible()
    shown("accept")
    ops.goto(f"{root}/cutovernumber/assign/")
    ops.get_by_label("Or paste the table").fill(
        f"number,assistant\n{changed.did},{changed.assistant}\n4.4E+11,{'x' * 200}\n+19999999999,y"
    )
    ops.get_by_role("button", name="Try (dry run)").click()
    expect(ops.get_by_text("Nothing is assigned while")).to_be_visible()
    shown("csv")
    ops.goto(f"{root}/cutovernumber/")
    ops.get_by_role("checkbox", name="Select all").first.check()
    ops.get_by_role("button", name="Cut over…").first.click()
    expect(ops.get_by_role("heading", name="Number by number")).to_be_visible()
    shown("preview-odd")
    PhoneNumber.objects.filter(state="canary").update(state="on_vapi")
    ops.goto(f"{root}/cutovernumber/")
    ops.get_by_role("checkbox", name="Select all").first.check()
    ops.get_by_role("button", name="Schedule…").first.click()
    expect(ops.get_by_role("heading", name="Put numbers on a schedule")).to_be_visible()
    shown("schedule-start")


def test_five_hundred_numbers_are_chosen_together_and_put_on_a_schedule(
    ops: Page, live_server: LiveServer, twilio: Simulator
) -> None:
    many(500)
    ops.goto(f"{live_server.url}/admin/calls/cutovernumber/")
    picture(ops, "list-500-1280-light")
    ops.get_by_label("All 500 that match").first.check()
    ops.get_by_role("checkbox", name="Select all").first.check()
    ops.get_by_role("button", name="Schedule…").first.click()
    expect(ops.get_by_label("Numbers, in this order")).to_have_value(re.compile(r"^\+12020000000\n"))
    ops.get_by_label("First day").fill("2035-01-01")
    ops.get_by_label("Reason", exact=True).fill("One number a day")
    ops.get_by_role("button", name="Show the dates").click()
    expect(ops.get_by_text("and 440 more after that.")).to_be_visible()
    picture(ops, "schedule-dates-1280-light")
    ops.get_by_role("button", name="Start the schedule").click()
    expect(ops.get_by_text("The schedule runs.")).to_be_visible()
    picture(ops, "schedule-1280-light")
    assert CutoverSchedule.objects.get().items.count() == 500
    ops.get_by_role("button", name="Pause").click()
    expect(ops.get_by_text("Paused. No further number is moved")).to_be_visible()
