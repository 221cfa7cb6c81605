"""Whole calls in which tools are asked: what the caller hears meanwhile, and what is written of it."""

from decimal import Decimal

from calls.costs.selectors import call_costs
from calls.models import CallCost, CallUsage
from tests.integration.rows import GREETING, SECRET
from tests.integration.stack import eventually
from tests.integration.stories import (
    ASKS,
    CHECKING,
    GOODBYE,
    PRICE,
    READY_ON,
    THANKS,
    UNREACHED,
    WAITING,
    Told,
    assert_told_well,
    assert_written_as_heard,
    assert_written_as_said,
    assert_written_in_order,
    story,
)
from tools.models import ToolCall


@story("one_tool")
def test_a_tool_is_asked_and_its_answer_spoken_and_the_goodbye_heard_whole(told: Told) -> None:
    report, rows = told.report, told.rows

    assert told.heard() == [GREETING, CHECKING, READY_ON, PRICE, GOODBYE]
    assert all(line.complete for line in report.heard)
    assert report.reason == "completed by REST"
    assert_told_well(told)
    assert rows.call.ended_reason == "assistant-ended-call"
    spoken_in_order = [GREETING, ASKS, CHECKING, READY_ON, "How much will it cost?", PRICE, THANKS, GOODBYE]
    assert_written_in_order(told, spoken_in_order)
    assert all(one.latency_ms for one in rows.utterances if one.text in (CHECKING, PRICE))
    lookup, end_call = rows.tool_calls
    assert (lookup.name, lookup.status, lookup.http_status) == ("get_repair_status", "answered", 200)
    assert (end_call.name, end_call.status) == ("end_call", "answered")
    assert lookup.outcome == report.tool_calls[0].outputs[0]
    assert lookup.told_at is not None
    assert not lookup.orphaned
    assert lookup.tool == told.desk.tool


@story("one_tool")
def test_the_tool_server_is_asked_in_vapis_words(told: Told) -> None:
    (request,) = told.report.tool_requests
    message = request["body"]["message"]

    assert request["problems"] == []
    assert request["headers"]["x-vapi-secret"] == SECRET
    assert request["headers"]["idempotency-key"] == told.rows.tool_calls[0].item_id
    assert message["type"] == "tool-calls"
    assert message["call"]["id"] == str(told.rows.call.id)
    assert message["call"]["phoneCallProviderId"] == told.report.call_sid
    assert message["toolCallList"][0]["function"]["arguments"] == {"ticket": "481", "include_price": True}
    assert message["phoneNumber"]["number"] == told.desk.did
    assert [one["message"] for one in message["artifact"]["messages"] if one["role"] in ("bot", "user")][
        :2
    ] == [GREETING, ASKS]


@story("one_tool")
def test_what_the_call_cost_is_the_sum_of_what_every_answer_and_the_line_have_used(told: Told) -> None:
    call = told.rows.call
    eventually(lambda: call_costs(call.id).final, "the lines of the call")
    sheet = call_costs(call.id)

    asked = [one for one in told.report.realtime_events if one["type"] == "response.create"]
    used = CallUsage.objects.filter(call=call)
    assert used.filter(kind="response", status="completed").count() >= len(asked) > 0
    assert not used.filter(usage={}).exists()
    assert {line.what for line in sheet.lines} == {
        "Answers of the model", "Transcription of the caller", "Telephone line", "Media stream",
    }  # fmt: skip
    assert sheet.complete
    assert all(line.price_source for line in sheet.lines)
    assert sheet.total_usd == sum((line.usd or Decimal(0) for line in sheet.lines), Decimal(0))
    assert sheet.total_usd > Decimal("0.01")
    assert CallCost.objects.get(call=call).total_usd == sheet.total_usd


@story("slow_tool")
def test_a_caller_who_waits_for_a_slow_tool_is_served_meanwhile(told: Told) -> None:
    assert told.heard() == [GREETING, CHECKING, WAITING, READY_ON, GOODBYE]
    assert_told_well(told)
    lookup = told.rows.tool_calls[0]
    assert lookup.status == ToolCall.Status.ANSWERED
    assert (lookup.duration_ms or 0) >= 6000
    assert [len(call.outputs) for call in told.report.tool_calls] == [1, 1]
    assert len(told.report.tool_requests) == 1


@story(
    "silent_tool",
    desk={
        "tool": {
            "messages": [
                {"type": "request-start", "content": "One moment, please."},
                {
                    "type": "request-response-delayed",
                    "content": "It takes longer.",
                    "timingMilliseconds": 3000,
                },
                {"type": "request-response-delayed", "content": "Never said.", "timingMilliseconds": 20_000},
            ]
        }
    },
)
def test_the_wait_for_a_slow_tool_is_filled_with_its_messages(told: Told) -> None:
    lines = [GREETING, "One moment, please.", "It takes longer.", READY_ON, GOODBYE]

    assert told.heard() == lines
    assert all(line.complete for line in told.report.heard)
    assert told.rows.said("assistant") == lines
    assert_told_well(told)
    assert len(told.report.tool_requests) == 1
    assert [len(call.outputs) for call in told.report.tool_calls] == [1, 1]


@story(
    "one_tool",
    desk={
        "tool": {
            "messages": [
                {"type": "request-start", "content": "Never said after words of the model's own."},
                {"type": "request-complete", "content": "It will be ready in November."},
                {"type": "request-failed", "content": "That did not work."},
            ]
        }
    },
)
def test_a_tools_own_words_are_said_instead_of_the_models(told: Told) -> None:
    assert told.heard() == [GREETING, CHECKING, "It will be ready in November.", PRICE, GOODBYE]
    assert all(line.complete for line in told.report.heard)
    assert_told_well(told)
    assert told.rows.tool_calls[0].told_at is not None


@story(
    "one_tool",
    desk={"tool": {"asynchronous": True}},
    caller=[
        {"when": {"quiet_ms": 600}, "say": ASKS},
        {"when": {"quiet_ms": 800, "heard": "workshop"}, "hang_up": True},
    ],
)
def test_a_tool_that_nobody_waits_for_is_asked_and_the_model_goes_on_without_its_answer(told: Told) -> None:
    (lookup,) = told.rows.tool_calls
    (call,) = told.report.tool_calls

    # The simulated model has a line for every output that does not say what it hoped for.
    assert told.heard() == [GREETING, CHECKING, UNREACHED]
    assert_told_well(told)
    assert "accepted" in call.outputs[0]
    assert len(call.outputs) == 1
    assert len(told.report.tool_requests) == 1
    assert (lookup.status, lookup.outcome, lookup.orphaned) == ("answered", call.outputs[0], False)
    assert "waiting_for_parts" in lookup.answer


@story("unknown_tool")
def test_an_invented_tool_is_refused_and_the_call_goes_on(told: Told) -> None:
    assert told.heard() == [GREETING, CHECKING, UNREACHED, GOODBYE]
    assert_written_as_heard(told)
    assert_written_as_said(told)
    assert not told.report.violations
    assert told.report.realtime_errors == []
    assert told.report.tool_requests == []
    refused, end_call = told.rows.tool_calls
    assert (refused.name, refused.status) == ("look_into_crystal_ball", "refused")
    assert refused.sent_at is None
    assert "look_into_crystal_ball" in refused.outcome
    assert told.report.tool_calls[0].outputs == [refused.outcome]
    assert end_call.status == "answered"
    assert told.rows.codes() == ["unknown_tool"]
