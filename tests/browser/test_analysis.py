"""What is asked after a call is set on the assistant's page; what came of it, and what the warehouse refuses, can be read."""

import uuid

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.models import CallAnalysis, WarehouseDelivery
from calls.tests.factories import make_call

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_plan_is_written_in_plain_fields_and_mistakes_in_it_are_told(
    ops: Page, live_server: LiveServer
) -> None:
    assistant = make_assistant(name="Front desk", first_message="Hello, how can I help?")
    ops.goto(f"{live_server.url}{reverse('admin:assistants_assistant_change', args=[assistant.pk])}")

    ops.get_by_label("Analyse finished calls").check()
    ops.get_by_label("Collect facts").check()
    ops.get_by_label("Form of the facts").fill('{"type": "objekt"}')
    ops.get_by_role("button", name="Save and continue editing").click()
    expect(ops.get_by_text("is no JSON schema")).to_be_visible()
    ops.get_by_label("Form of the facts").fill(
        '{"type": "object", "properties": {"booked": {"type": "boolean"}}}'
    )
    ops.get_by_label("Judged as").select_option("NumericScale")
    ops.get_by_role("button", name="Save and continue editing").click()
    expect(ops.get_by_text("was changed successfully")).to_be_visible()

    saved = Assistant.objects.get(pk=assistant.pk)
    assert saved.analysis_enabled
    assert saved.analysis_plan == {
        "structuredDataPlan": {"enabled": True, "schema": {"type": "object", "properties": {"booked": {"type": "boolean"}}}},
        "successEvaluationPlan": {"enabled": True, "rubric": "NumericScale"},
    }  # fmt: skip


def test_analyses_and_deliveries_can_be_read_and_sent_again(ops: Page, live_server: LiveServer) -> None:
    assistant = make_assistant(name="Front desk", published=True)
    call = make_call(assistant=assistant, version=assistant.live_version)
    row = CallAnalysis.objects.create(
        call=call, state="partly", why="structuredData: The model's answer does not fit the schema.", rubric="PassFail",
        summary="السائل يسأل عن دراجته. " + "word " * 80 + "x" * 200, success=True, success_evaluation="true", finished_at=timezone.now(),
        parts={"summary": {"state": "done", "why": "", "tries": 2}, "structuredData": {"state": "failed", "why": "No."}, "odd": 3},
        structured_data_multi=[{"key": "address", "result": {"street": "Alder " * 60}}],
    )  # fmt: skip
    WarehouseDelivery.objects.create(
        call_id=uuid.uuid4(), state="dead", error="turns: generated_text is invalid", attempts_n=6
    )
    ops.set_viewport_size({"width": 800, "height": 900})
    ops.emulate_media(color_scheme="dark")

    ops.goto(f"{live_server.url}{reverse('admin:calls_callanalysis_changelist')}")
    expect(ops.get_by_text("Partly done").first).to_be_visible()
    ops.goto(f"{live_server.url}{reverse('admin:calls_callanalysis_change', args=[row.pk])}")
    expect(ops.get_by_text("Asked 2 times.")).to_be_visible()
    ops.wait_for_load_state()  # its styles and scripts may move things
    assert ops.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    ops.goto(f"{live_server.url}{reverse('admin:calls_warehousedelivery_changelist')}")
    expect(ops.get_by_text("so nothing is sent")).to_be_visible()
    ops.locator("input.action-select").check()
    ops.get_by_label("Action").first.select_option("send_again")
    ops.get_by_role("button", name="Run").click()
    expect(ops.get_by_text("1 delivery will be tried again")).to_be_visible()
    assert WarehouseDelivery.objects.get().state == "waiting"
