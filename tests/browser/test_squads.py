"""A squad is looked at and given a number, in a browser."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.models import Squad, SquadMember
from assistants.tests.factories import make_assistant
from calls.models import PhoneNumber
from calls.tests.factories import make_phone_number
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis_client"),
]


def test_a_squad_shows_what_is_wrong_with_it_and_takes_a_number(ops: Page, live_server: LiveServer) -> None:
    destinations = [{"type": "assistant", "assistantName": name} for name in ("Billing", "Nobody")]
    hand_over = make_tool(
        kind=Tool.Kind.HANDOFF, name="hand_over", server_url="", settings={"destinations": destinations}
    )
    squad = Squad.objects.create(name="Front of house")
    for position, assistant in enumerate(
        (make_assistant(name="Triage", tools=[hand_over], published=True), make_assistant(name="Billing"))
    ):
        SquadMember.objects.create(squad=squad, assistant=assistant, position=position)
    number = make_phone_number(did="+14155550100")

    ops.set_viewport_size({"width": 800, "height": 900})
    ops.goto(f"{live_server.url}/admin/assistants/squad/{squad.pk}/change/")

    expect(ops.get_by_text("Billing was never published: handing a call to it fails")).to_be_visible()
    expect(ops.get_by_text("Nobody: not found")).to_be_visible()
    expect(ops.get_by_text("takes the call", exact=True)).to_be_visible()
    ops.wait_for_load_state()  # its styles and scripts may move things
    assert ops.evaluate("document.documentElement.scrollWidth") <= 800

    ops.goto(f"{live_server.url}/admin/calls/phonenumber/{number.pk}/change/")
    ops.locator(".field-squad .select2-selection").click()
    ops.get_by_role("option", name="Front of house").click()
    ops.get_by_role("button", name="Save", exact=True).click()

    expect(ops.get_by_text("was changed successfully")).to_be_visible()
    assert PhoneNumber.objects.get().squad == squad
