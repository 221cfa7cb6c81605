"""A smoke test is read by somebody who then knows what to fix, in a browser, by keyboard, on a small screen."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.models import Assistant
from calls.models import DriftRules, PublishCheck, SmokePair, SmokeRun
from calls.smoke.judging import pair_judge
from calls.smoke.runs import pair_take, run_begin, run_finish
from calls.tests.smoke.factories import (
    CALLED,
    make_desk,
    make_run,
    make_scenario,
    make_spoken_call,
    make_vapi_call,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_client"),
]
CLAIMED = [("caller", "Is it ready?"), ("assistant", "I checked, and it is ready.")]


def failed_run() -> SmokeRun:
    """A run of two calls, of which one only says that it looked."""
    number, assistant = make_desk()
    make_scenario(assistant, name="Asks for a repair " + "x" * 90, references=[make_vapi_call(assistant)])
    run = make_run(number, runs=2)
    run_begin(run.pk)
    for called in (CALLED, CALLED[1:]):
        pair = pair_take(run.pk)
        assert pair is not None
        call = make_spoken_call(called=called, said=CLAIMED, smoke_test=True)
        SmokePair.objects.filter(pk=pair.pk).update(call=call)
        pair_judge(pair, call)
    done = run_finish(run.pk)
    assert done is not None
    return done


def assert_fits(page: Page) -> None:
    """Nothing has to be scrolled sideways."""
    page.wait_for_load_state()  # its styles and scripts may move things
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0


def test_a_report_leads_from_the_verdict_to_the_draft_by_keyboard(ops: Page, live_server: LiveServer) -> None:
    run = failed_run()
    ops.set_viewport_size({"width": 800, "height": 900})
    ops.goto(f"{live_server.url}/admin/calls/smokerun/{run.pk}/change/")
    verdict = ops.get_by_text("Failed: 1 of 2 calls differ from Vapi (50.0 %); mostly said instead of called")
    expect(verdict).to_be_visible()
    assert_fits(ops)

    ops.get_by_role("link", name="Asks for a repair").first.focus()
    ops.keyboard.press("Enter")
    expect(ops.get_by_text("get_repair_status was not called; the assistant only said")).to_be_visible()
    expect(ops.get_by_text("missing", exact=True)).to_be_visible()
    expect(ops.get_by_role("heading", name="Our call")).to_be_visible()
    assert_fits(ops)

    ops.get_by_role("link", name="Back to the report").focus()
    ops.keyboard.press("Enter")
    ops.get_by_role("button", name="Take them into the draft").focus()
    ops.keyboard.press("Enter")
    expect(ops.get_by_text("The rules stand at the end of the prompt now")).to_be_visible()
    prompt = Assistant.objects.get(pk=run.assistant_id).instructions
    assert "unless get_repair_status has answered and says so" in prompt


def test_a_blocked_draft_is_published_by_name_and_reason(ops: Page, live_server: LiveServer) -> None:
    _, assistant = make_desk()
    make_scenario(assistant)
    DriftRules.objects.create(assistant=assistant, publish_gate=DriftRules.Gate.BLOCK)
    assistant.instructions = "Briefer."
    assistant.save()

    ops.goto(f"{live_server.url}/admin/assistants/assistant/{assistant.pk}/publish/")
    expect(ops.get_by_role("alert")).to_contain_text("This draft was not checked yet")
    ops.get_by_label("Publish all the same, because").fill("The scenarios are out of date.")
    ops.get_by_role("button", name="Publish", exact=True).click()

    expect(ops.get_by_text("Published. New calls of")).to_be_visible()
    kept = PublishCheck.objects.get()
    assert (kept.overridden_by, kept.reason) == ("olga", "The scenarios are out of date.")
