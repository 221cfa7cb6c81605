"""Bodies of every age in one normal form; whatever is broken in them, nothing is raised and no tool changes its place."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.history.merging import ranks_of
from calls.history.messages import NOT_JSON, Conversation, conversation_read
from calls.history.reading import CallRecord, Unreadable, record_read, records_read
from calls.history.values import Notes

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
CALL = json.loads((FIXTURES / "call.json").read_text())
REPORT = json.loads((FIXTURES / "end-of-call-report.json").read_text())
ORDER = ["find_slots", "book_appointment", "log_complaint", "endCall"]


def read(value: Any) -> CallRecord:
    record = record_read(value, where="a test")
    assert isinstance(record, CallRecord), record
    return record


def names(record: CallRecord) -> list[str]:
    return [step.name for step in record.conversation.steps]


def conversation(*messages: Any, zero_ms: int | None = None) -> tuple[Conversation, tuple[str, ...]]:
    notes = Notes()
    return conversation_read(messages, zero_ms=zero_ms, notes=notes), notes.told()


def calls_tool(name: str, tool_id: str = "", **fields: Any) -> dict[str, Any]:
    call = {"id": tool_id or f"call_{name}", "function": {"name": name, "arguments": "{}"}}
    return {"role": "tool_calls", "toolCalls": [call], **fields}


def test_both_shapes_of_one_call_say_the_same() -> None:
    call, report = read(CALL), read(REPORT)

    assert call.conversation == report.conversation
    assert names(call) == ORDER
    assert (call.vapi_id, call.cost, call.did, call.caller) == (
        report.vapi_id,
        report.cost,
        report.did,
        report.caller,
    )
    assert (call.cost, call.started_at) == (
        Decimal("0.071"),
        datetime(2026, 6, 10, 14, 3, 20, 412000, tzinfo=UTC),
    )
    assert call.notes == report.notes == ()
    assert call.recordings["mono"].endswith("-mono.mp3")
    assert call.metrics["turnLatencyAverage"] == 1270.5


def test_a_report_without_its_envelope_and_inside_a_saved_request_is_read() -> None:
    plain = read(REPORT["message"])

    assert plain == read({"headers": {}, "body": REPORT}) == read(REPORT)


@pytest.mark.parametrize("key", ["results", "calls", "data"])
def test_lists_are_read_also_as_the_field_of_an_object(key: str) -> None:
    found = list(records_read({key: [CALL, REPORT, 3]}, where="x.json"))

    assert [type(one) for one in found] == [CallRecord, CallRecord, Unreadable]
    assert found[2].where == "x.json, item 3"  # type: ignore[union-attr]  # the last is unreadable


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        3,
        [],
        {},
        {"id": "a b"},
        {"id": "abc", "name": "an assistant", "model": {}},
        {"message": {"type": "status-update", "call": {"id": "abc"}}},
        {"message": {"type": "end-of-call-report"}},
        {"id": {"x": 1}, "endedReason": "x"},
    ],
)
def test_what_is_no_call_is_told(value: Any) -> None:
    found = record_read(value, where="a test")

    assert isinstance(found, Unreadable)
    assert found.why.endswith(".")


def test_messages_are_found_wherever_they_stand() -> None:
    top, inside = copy.deepcopy(CALL), copy.deepcopy(CALL)
    del top["artifact"]["messages"], top["artifact"]["messagesOpenAIFormatted"]
    del inside["messages"]

    assert read(top).conversation == read(inside).conversation == read(CALL).conversation


def test_the_form_of_openai_tells_the_tools_where_there_is_nothing_else() -> None:
    value = copy.deepcopy(CALL)
    del value["messages"], value["artifact"]["messages"]

    record = read(value)

    assert names(record) == ORDER
    assert [step.arguments for step in record.conversation.steps] == [
        step.arguments for step in read(CALL).conversation.steps
    ]
    assert not record.conversation.timed


def test_a_transcript_alone_tells_what_was_said() -> None:
    value = {
        "id": "old-1",
        "status": "ended",
        "transcript": "AI: Hello.\nHow are you?\nUser: Fine: thanks.\n",
    }

    record = read(value)

    assert [(one.speaker, one.text) for one in record.conversation.said] == [
        ("assistant", "Hello. How are you?"),
        ("caller", "Fine: thanks."),
    ]
    assert "only a transcript" in record.notes[0]


def test_durations_of_2024_are_seconds() -> None:
    old = {"role": "user", "message": "Hi", "time": 1_718_000_005_000, "duration": 2.5, "secondsFromStart": 5}
    new = {**old, "duration": 2500.0}

    (seconds, _), (milliseconds, _) = conversation(old), conversation(new)

    assert seconds.said == milliseconds.said
    assert seconds.said[0].ended_ms - seconds.said[0].began_ms == 2500


def test_epochs_in_seconds_are_understood() -> None:
    message = {"role": "user", "message": "Hi", "time": 1_718_000_005.25}

    found, _ = conversation(message, zero_ms=1_718_000_000_000)

    assert found.said[0].began_ms == 5250


def test_a_clock_that_begins_again_after_a_squads_switch_goes_on() -> None:
    found, notes = conversation(
        {"role": "system", "message": "first", "secondsFromStart": 0},
        {"role": "user", "message": "a", "secondsFromStart": 40, "duration": 2000},
        calls_tool("one", secondsFromStart=45),
        {"role": "system", "message": "second", "secondsFromStart": 0},
        {"role": "user", "message": "b", "secondsFromStart": 3, "duration": 2000},
        calls_tool("two", secondsFromStart=6),
    )

    assert [step.name for step in found.steps] == ["one", "two"]
    began = [one.began_ms for one in found.said]
    assert began == sorted(began)
    assert found.steps[1].asked_ms >= 45_000
    assert any("began again" in note for note in notes)


def test_arguments_that_are_no_json_are_kept_as_text() -> None:
    message = calls_tool("book")
    message["toolCalls"][0]["function"]["arguments"] = '{"day": '

    found, notes = conversation(message)

    assert found.steps[0].arguments == {NOT_JSON: '{"day": '}
    assert notes == ("Arguments of a tool are no JSON object and were kept as text.",)


def test_a_result_without_a_call_becomes_a_call() -> None:
    result = {"role": "tool_call_result", "toolCallId": "x", "name": "lost", "result": "ok"}

    found, notes = conversation(calls_tool("one"), result, calls_tool("two"))

    assert [(step.name, step.outcome) for step in found.steps] == [
        ("one", "unknown"),
        ("lost", "answered"),
        ("two", "unknown"),
    ]
    assert "without its call" in notes[0]


def test_a_result_that_comes_before_its_call_belongs_to_it() -> None:
    result = {"role": "tool_call_result", "toolCallId": "call_two", "name": "two", "result": "ok"}

    found, _ = conversation(result, calls_tool("one"), calls_tool("two"))

    assert [(step.name, step.outcome) for step in found.steps] == [("one", "unknown"), ("two", "answered")]


def test_the_same_call_twice_is_one_and_another_call_of_the_same_id_is_not() -> None:
    found, notes = conversation(
        calls_tool("one", "x"), calls_tool("one", "x"), calls_tool("two", "x"), calls_tool("three", "x")
    )

    assert [step.name for step in found.steps] == ["one", "two", "three"]
    assert len({step.id for step in found.steps}) == 3
    assert len(notes) == 2


def test_functions_of_the_oldest_bodies_are_tools() -> None:
    found, _ = conversation(
        {"role": "function_call", "name": "reserve", "args": {"guests": 4}},
        {"role": "function_result", "name": "reserve", "result": "done"},
        {"role": "function_call", "name": "reserve", "args": {"guests": 5}},
    )

    assert [(one.name, one.arguments, one.outcome) for one in found.steps] == [
        ("reserve", {"guests": 4}, "answered"),
        ("reserve", {"guests": 5}, "unknown"),
    ]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("Booked.", "answered"),
        ("ok, no result returned", "answered"),
        ("No result returned.", "failed"),
        ("Your server rejected `tool-calls` webhook. Error: timeout of 20000ms exceeded", "timed_out"),
        ("Your server rejected `tool-calls` webhook. Error: Request failed with status code 503", "failed"),
    ],
)
def test_outcomes_are_told_from_what_the_model_was_told(result: str, outcome: str) -> None:
    found, _ = conversation(
        calls_tool("one"), {"role": "tool_call_result", "toolCallId": "call_one", "result": result}
    )

    assert found.steps[0].outcome == outcome


def test_a_call_that_is_not_over_is_known_as_such() -> None:
    running = {**CALL, "status": "in-progress"}
    del running["endedAt"], running["endedReason"]

    assert not read(running).finished
    assert read(REPORT).finished, "a report's call says ringing, for it is as old as the call's beginning"


def test_a_cost_is_summed_up_where_only_its_parts_are_told() -> None:
    value = copy.deepcopy(CALL)
    del value["cost"], value["costBreakdown"]

    assert read(value).cost == sum(Decimal(str(one["cost"])) for one in CALL["costs"])


# --- Damage --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\x00", "\ud800", "1e999", "2026-06-10T14:03:16Z", -1, 10**30, 1781100200412]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, one in children:
        found += places(one, (*path, key))
    return found


SMALL = {**CALL, "artifact": {**CALL["artifact"], "messages": [], "messagesOpenAIFormatted": []}}
SMALL_PLACES = places(SMALL)
REPORT_PLACES = places(REPORT)


def damaged(value: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    copied = copy.deepcopy(value)
    for path, new in changes:
        holder = copied
        for step in path[:-1]:
            try:
                holder = holder[step]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if isinstance(holder, dict):
                if new == "gone":
                    holder.pop(path[-1], None)
                else:
                    holder[path[-1]] = new
            elif isinstance(holder, list) and isinstance(path[-1], int) and path[-1] < len(holder):
                holder[path[-1]] = new
    return copied


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(one in rest for one in part)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.sampled_from(SMALL_PLACES), JSON | st.just("gone")), max_size=6))
def test_no_damage_of_a_call_makes_the_reader_fail(changes: list[Any]) -> None:
    found = record_read(damaged(SMALL, changes), where="a test")

    if isinstance(found, CallRecord):
        ranks_of(found)
        if found.started_at and found.ended_at:
            assert found.ended_at >= found.started_at
        asked = [step.asked_ms for step in found.conversation.steps]
        assert asked == sorted(asked)
        assert all(0 <= one.began_ms <= one.ended_ms for one in found.conversation.said)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(REPORT_PLACES), JSON | st.just("gone")), max_size=6))
def test_no_damage_of_a_report_makes_the_reader_fail(changes: list[Any]) -> None:
    for found in records_read(damaged(REPORT, changes), where="a test"):
        if isinstance(found, CallRecord):
            ranks_of(found)


_TIMES = (
    "time",
    "endTime",
    "secondsFromStart",
    "duration",
    "message",
    "source",
    "result",
    "metadata",
    "name",
)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, len(CALL["messages"]) - 1), st.sampled_from(_TIMES), JSON | st.just("gone")),
        max_size=8,
    )
)
def test_damage_of_times_and_words_never_changes_the_order_of_tools(changes: list[Any]) -> None:
    value = damaged(SMALL, [(("messages", n, key), new) for n, key, new in changes])

    assert names(read(value)) == ORDER


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(CALL["messages"]) - 1), max_size=5))
def test_messages_that_are_missing_take_no_other_tool_with_them(gone: list[int]) -> None:
    kept = [one for n, one in enumerate(CALL["messages"]) if n not in gone]
    called = [call["function"]["name"] for one in kept for call in one.get("toolCalls", [])]

    found = names(read({**SMALL, "messages": kept}))

    assert is_subsequence(called, found)
    assert is_subsequence(found, ORDER) or set(found) <= set(ORDER)
