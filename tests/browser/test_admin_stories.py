"""What ops staff do all day, in a browser."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.models import Assistant, AssistantVersion
from assistants.tests.factories import make_assistant
from calls.models import PhoneNumber
from calls.tests.factories import make_call, make_problem
from tests.browser.conftest import PASSWORD
from tools.tests.factories import make_tool, make_tool_call
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def log_in(page: Page, live_server: LiveServer) -> None:
    """As everybody does who has no session yet."""
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{live_server.url}/admin/")


def open_from_sidebar(page: Page, name: str) -> None:
    page.locator("#nav-sidebar").get_by_role("link", name=name, exact=False).first.click()


def test_a_prompt_is_edited_and_published_as_a_version(ops: Page, live_server: LiveServer) -> None:
    assistant = make_assistant(name="Front desk", instructions="Say good morning.", published=True)
    log_in(ops, live_server)
    open_from_sidebar(ops, "Assistants")
    ops.get_by_role("link", name="Front desk").click()
    expect(ops.get_by_text("Callers hear what you see here")).to_be_visible()

    ops.get_by_role("textbox", name="Prompt", exact=True).fill("Say good evening.")
    ops.get_by_role("button", name="Save and continue editing").click()
    expect(ops.get_by_text("Callers hear version 1 until you publish.")).to_be_visible()

    ops.get_by_role("link", name="Publish…").click()
    expect(ops.get_by_role("heading", name="Publish Front desk")).to_be_visible()
    ops.get_by_label("What changed?").fill("Evening hours")
    ops.get_by_role("button", name="Publish", exact=True).click()
    expect(ops.get_by_text("New calls of Front desk run on version 2.")).to_be_visible()

    ops.get_by_role("link", name="version 2", exact=True).click()
    expect(ops.get_by_role("heading", name="Front desk, version 2")).to_be_visible()
    expect(ops.get_by_text("Say good evening.")).to_be_visible()
    expect(ops.get_by_text("Evening hours")).to_be_visible()
    assert AssistantVersion.objects.get(assistant=assistant, number=2).note == "Evening hours"


def test_a_mistake_is_told_before_any_caller_meets_it(ops: Page, live_server: LiveServer) -> None:
    assistant = make_assistant(tools=[make_tool(name="lookup", server_url="")])

    ops.goto(f"{live_server.url}/admin/assistants/assistant/{assistant.pk}/publish/")

    expect(ops.get_by_role("alert")).to_contain_text("The tool lookup has no server URL")
    expect(ops.get_by_role("button", name="Publish", exact=True)).to_have_count(0)


def test_a_tool_is_given_to_an_assistant(ops: Page, live_server: LiveServer) -> None:
    make_tool(name="get_repair_status")
    assistant = make_assistant()
    ops.goto(f"{live_server.url}/admin/assistants/assistant/{assistant.pk}/change/")

    ops.get_by_role("link", name="Add another Tool").click()
    ops.locator(".select2-selection:visible").click()
    ops.get_by_role("option", name="get_repair_status").click()
    ops.get_by_role("button", name="Save and continue editing").click()

    expect(
        ops.get_by_text("Publish it before").or_(ops.get_by_text("It was never published."))
    ).to_be_visible()
    assert [tool.name for tool in Assistant.objects.get(pk=assistant.pk).tools.all()] == ["get_repair_status"]


def test_a_number_is_assigned(ops: Page, live_server: LiveServer) -> None:
    make_assistant(name="Front desk", published=True)
    ops.goto(f"{live_server.url}/admin/")
    open_from_sidebar(ops, "Numbers")
    ops.get_by_role("link", name="Add the first").click()

    ops.get_by_label("Number (DID)").fill("+1 (415) 555-0100")
    ops.get_by_label("Label").fill("Main line")
    ops.locator(".field-assistant .select2-selection").click()
    ops.get_by_role("option", name="Front desk").click()
    ops.get_by_role("button", name="Save", exact=True).click()

    row = ops.get_by_role("row").filter(has_text="+14155550100")
    expect(row).to_contain_text("Front desk")
    assert str(PhoneNumber.objects.get().assistant) == "Front desk"


def test_a_call_that_went_wrong_is_found_and_read(ops: Page, live_server: LiveServer) -> None:
    assistant = make_assistant(name="Front desk", published=True)
    call = make_call(assistant=assistant, version=assistant.live_version, caller="+13125550177")
    transcript = make_transcript(call_id=call.pk, started_at=call.started_at)
    make_utterance(transcript=transcript, text="Is my bicycle ready?", began_ms=1000)
    make_utterance(
        transcript=transcript, speaker="assistant", text="Let me look. Meanwhile, our offer", heard_text="Let me look.",
        interrupted=True, generated_ms=4000, heard_ms=1200, began_ms=3000,
    )  # fmt: skip
    make_tool_call(
        call_id=call.pk, name="get_repair_status", arguments={"ticket": "44712"}, status="failed",
        error="HTTP status 500.", outcome="The server failed.", requested_at=transcript.started_at + timedelta(seconds=2),
    )  # fmt: skip
    make_problem(call=call, source="tool", code="tool_failed")
    make_call(caller="+493011111111")

    ops.goto(f"{live_server.url}/admin/")
    ops.get_by_role("link", name="with problems").click()
    ops.get_by_role("row").filter(has_text="+13125550177").get_by_role("link").first.click()

    expect(ops.get_by_role("heading", name="Call from +13125550177")).to_be_visible()
    expect(ops.get_by_text("interrupted: 1.20 s of 4.00 s heard")).to_be_visible()
    expect(ops.locator("del")).to_have_text("Meanwhile, our offer")
    lines = ops.locator(".t-turn")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text("HTTP status 500.")
    expect(lines.nth(1)).to_contain_text('"ticket": "44712"')
    ops.get_by_text("What the model was told").click()
    expect(ops.get_by_text("The server failed.")).to_be_visible()
