"""A tool is set up, tried out against its server, and brought to callers, in a browser."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from tools.models import Tool, ToolCall
from tools.tests.factories import make_tool
from tools.tests.servers import answering, serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_client"),
]


def test_a_tool_is_changed_tried_out_and_published(
    ops: Page, live_server: LiveServer, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    with serve(answering('{"result": "Ready on\\nTuesday."}')) as server:
        tool = make_tool(
            name="get_repair_status",
            server_url=server.url,
            server_secret="s3cr3t-value",
            parameters={"type": "object", "properties": {"ticket": {"type": "string"}}},
        )
        make_assistant(name="Front desk", tools=[tool], published=True)
        ops.goto(f"{live_server.url}/admin/tools/tool/{tool.pk}/change/")
        expect(ops.get_by_text("This tool as it is saved here")).to_be_visible()

        # A mistake is told with its place, and what was typed stays.
        ops.get_by_label("What is said").fill('[{"type": "request-done", "content": "Here it is."}]')
        ops.get_by_role("button", name="Save and continue editing").click()
        expect(ops.get_by_text("[0].type must be one of request-start")).to_be_visible()
        ops.get_by_label("What is said").fill('[{"type": "request-complete", "content": "Here it is."}]')
        ops.get_by_role("button", name="Save and continue editing").click()
        expect(ops.get_by_text("Callers get this change when Front desk is published again")).to_be_visible()
        expect(ops.get_by_text("An older form of this tool")).to_be_visible()

        ops.get_by_role("link", name="Send a test request…").click()
        ops.get_by_label("Arguments").fill('{"ticket": "44712"}')
        ops.get_by_role("button", name="Send the test request").click()
        expect(ops.get_by_text("Tick this first")).to_be_visible()
        assert server.requests == []
        ops.get_by_label("Yes, send it.").check()
        ops.get_by_role("button", name="Send the test request").click()
        expect(ops.get_by_role("heading", name="What the model would get")).to_contain_text("Answered")
        expect(ops.locator("pre").first).to_have_text("Ready on Tuesday.")
        expect(ops.get_by_text("“Here it is.”")).to_be_visible()
        expect(ops.get_by_text("X-Vapi-Secret: hidden")).to_be_visible()

    assert server.bodies[0]["message"]["toolCallList"][0]["function"]["arguments"] == {"ticket": "44712"}
    assert not ToolCall.objects.exists()

    ops.get_by_role("link", name="Back to the tool").first.click()
    ops.get_by_role("link", name="Publish…").click()
    ops.get_by_role("button", name="Publish", exact=True).click()
    expect(ops.get_by_text("New calls of Front desk run on version 2.")).to_be_visible()
    live = Assistant.objects.get().live_version
    assert live is not None
    assert live.snapshot["tools"][0]["messages"] == [{"type": "request-complete", "content": "Here it is."}]


def test_only_what_the_chosen_kind_uses_is_shown(ops: Page, live_server: LiveServer) -> None:
    tool = make_tool(name="goodbye")
    ops.goto(f"{live_server.url}/admin/tools/tool/{tool.pk}/change/")
    expect(ops.get_by_label("Server URL")).to_be_visible()
    expect(ops.get_by_label("Settings of this kind")).to_be_hidden()

    ops.locator("#id_kind").select_option("apiRequest")
    expect(ops.get_by_label("Settings of this kind")).to_be_visible()
    expect(ops.get_by_label("Old webhook form")).to_be_hidden()

    ops.locator("#id_kind").select_option("endCall")
    expect(ops.get_by_role("heading", name="Server")).to_be_hidden()
    expect(ops.get_by_label("What is said")).to_be_visible()

    ops.get_by_role("button", name="Save and continue editing").click()
    expect(ops.get_by_text("was changed successfully")).to_be_visible()
    assert Tool.objects.get().kind == "endCall"


def test_a_mistake_in_a_field_that_the_kind_does_not_use_is_seen(ops: Page, live_server: LiveServer) -> None:
    tool = make_tool()
    ops.goto(f"{live_server.url}/admin/tools/tool/{tool.pk}/change/")
    ops.get_by_label("Server URL").fill("no address")
    ops.locator("#id_kind").select_option("endCall")

    ops.get_by_role("button", name="Save and continue editing").click()

    expect(ops.get_by_text("Enter a valid URL")).to_be_visible()
    expect(ops.get_by_label("Server URL")).to_be_visible()
