"""What is wrong with a tool's JSON parts, and where."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.models import Tool
from tools.tool_shapes import part_problems, tool_problems

PARTS = ("messages", "backoff_plan", "static_parameters", "variable_extraction", "rejection_plan", "settings")


def problems(name: str, value: Any, kind: str = "function") -> str:
    return "\n".join(part_problems(name, value, kind=kind))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, ""),
        ([], ""),
        ({"type": "request-start"}, "must be a list of messages"),
        ([7], "[0] must be an object"),
        ([{"type": "nope"}], "[0].type must be one of request-start, request-response-delayed"),
        ([{"content": "x"}], "[0].type is missing"),
        ([{"type": "request-start", "content": 7}], "[0].content must be text"),
        ([{"type": "request-start", "content": "x" * 1001}], "at most 1,000"),
        ([{"type": "request-start", "content": "{{ oops"}], "[0].content"),
        ([{"type": "request-start", "contents": [{"language": "de"}]}], "[0].contents[0]"),
        ([{"type": "request-start", "blocking": "yes"}], "[0].blocking must be true or false"),
        ([{"type": "request-complete", "role": "user"}], "[0].role must be one of assistant, system"),
        ([{"type": "request-response-delayed", "timingMilliseconds": 99}], "from 100 to 120000"),
        ([{"type": "request-response-delayed", "timingMilliseconds": 120_001}], "from 100 to 120000"),
        ([{"type": "request-response-delayed", "timingMilliseconds": True}], "from 100 to 120000"),
        ([{"type": "request-start", "timingMilliseconds": 500}], "belongs only to"),
        (
            [{"type": "request-start", "conditions": [{"param": "a", "operator": "like", "value": "x"}]}],
            "[0].conditions[0].operator must be one of eq, neq, gt, gte, lt, lte, not like",
        ),
        ([{"type": "request-start", "conditions": [{"operator": "eq", "value": "x"}]}], ".param"),
        ([{"type": "request-start", "conditions": [{"param": "a", "operator": "eq"}]}], ".value"),
    ],
)
def test_messages_are_checked(value: Any, said: str) -> None:
    found = problems("messages", value)

    assert said in found if said else not found


@pytest.mark.parametrize("timing", [100, 120_000, 1500.5])
def test_a_delay_within_the_range_is_well(timing: float) -> None:
    assert not problems("messages", [{"type": "request-response-delayed", "timingMilliseconds": timing}])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"type": "fixed", "maxRetries": 0, "baseDelaySeconds": 0}, ""),
        ({"type": "exponential", "maxRetries": 10, "baseDelaySeconds": 10, "excludedStatusCodes": [400]}, ""),
        ({"type": {"type": "fixed"}, "maxRetries": 1}, ""),
        ([1], "must be an object"),
        ({"type": "linear", "maxRetries": 1}, "type must be one of fixed, exponential, not linear"),
        ({"type": "fixed", "maxRetries": 11}, "from 0 to 10"),
        ({"type": "fixed", "maxRetries": 1.5}, "whole number"),
        ({"type": "fixed", "maxRetries": 1, "baseDelaySeconds": 10.5}, "baseDelaySeconds"),
        ({"type": "fixed"}, "maxRetries is missing"),
        ({"maxRetry": 3, "maxRetries": 3}, "maxRetry is not known"),
        ({"maxRetries": 3, "excludedStatusCodes": [4000]}, "excludedStatusCodes"),
    ],
)
def test_plans_for_sending_again_are_checked(value: Any, said: str) -> None:
    found = problems("backoff_plan", value)

    assert said in found if said else not found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("static_parameters", [{"key": "a", "value": None}], ""),
        ("static_parameters", {"a": 1}, "must be a list"),
        ("static_parameters", [{"key": "a"}], "[0] must be an object with a key and a value"),
        ("static_parameters", [{"key": "", "value": 1}], "[0] must be an object with a key and a value"),
        ("static_parameters", [{"key": "a", "value": 1}, {"key": "a", "value": 2}], "stands there twice"),
        ("static_parameters", [{"key": "a", "value": {"b": ["{% if %}"]}}], "[0].value.b[0]"),
        ("variable_extraction", {"aliases": [{"key": "slot", "value": "{{ $.slots[0].id }}"}]}, ""),
        ("variable_extraction", {"schema": {"type": "object"}}, ""),
        ("variable_extraction", {"shema": {}}, "neither a schema nor aliases"),
        ("variable_extraction", {"schema": []}, "schema must be"),
        ("variable_extraction", {"aliases": [{"key": "1x", "value": "a"}]}, "aliases[0].key must be a name"),
        ("variable_extraction", {"aliases": [{"key": "x", "value": 1}]}, "aliases[0].value must be a text"),
        ("variable_extraction", {"aliases": [{"key": "x", "value": "{{ $"}]}, "aliases[0].value"),
        ("rejection_plan", {"conditions": [{"type": "regex", "regex": "stop"}]}, ""),
        ("rejection_plan", {"conditions": "stop"}, "conditions must be a list"),
        ("rejection_plan", {"conditions": [{"type": "regex", "regex": "("}]}, "conditions[0].regex"),
        (
            "rejection_plan",
            {"conditions": [{"type": "group", "operator": "XOR", "conditions": [{"type": "odd"}]}]},
            "conditions[0].operator must be one of AND, OR, not XOR.\nconditions[0].conditions[0] must be a regex",
        ),
        ("rejection_plan", {"conditions": [{"type": "liquid", "liquid": "{{ x"}]}, "conditions[0].liquid"),
        (
            "rejection_plan",
            {"conditions": [{"type": "regex", "regex": "a", "target": {"role": "tool"}}]},
            "conditions[0].target.role",
        ),
    ],
)
def test_values_variables_and_rules_are_checked(name: str, value: Any, said: str) -> None:
    found = problems(name, value)

    assert said in found if said else not found


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("apiRequest", {"url": "https://a.example/{{ id }}", "method": "get"}, ""),
        ("apiRequest", {"url": "{{ base }}/x"}, ""),
        ("apiRequest", [], ""),
        ("apiRequest", [1], "must be an object"),
        ("apiRequest", {"url": "ftp://a.example"}, "must begin with https://"),
        ("apiRequest", {"url": 7}, "url must be a text"),
        ("apiRequest", {"url": "https://a.example/{{"}, "url: "),
        ("apiRequest", {"method": "TRACE"}, "DELETE, GET, PATCH, POST, PUT"),
        ("apiRequest", {"headers": [1]}, "headers must be a JSON Schema"),
        ("apiRequest", {"headers": {"properties": {"a b": {"value": "x"}}}}, "a b cannot be the name"),
        ("apiRequest", {"body": {"properties": {"a": {"default": "{{ x"}}}}, "body.properties.a.default"),
        ("transferCall", {"destinations": [{"type": "number", "number": "+12025550100"}]}, ""),
        ("transferCall", {"destinations": [{"type": "number"}]}, "destinations[0] needs number"),
        ("transferCall", {"destinations": [{"type": "sip"}]}, "destinations[0] needs sipUri"),
        (
            "transferCall",
            {"destinations": [{"type": "fax"}]},
            "destinations[0].type must be one of number, sip",
        ),
        ("transferCall", {"destinations": {"type": "sip"}}, "destinations must be a list"),
        ("handoff", {"destinations": [{"type": "assistant", "assistantId": "a"}]}, ""),
        ("handoff", {"destinations": [{"type": "assistant"}]}, "needs assistantName or assistantId"),
        ("mcp", {"metadata": {"protocol": "grpc"}}, "metadata.protocol must be one of shttp, sse"),
        ("sms", {"metadata": {"from": 49}}, "metadata.from must be a phone number"),
        ("other", {"anything": [1, 2]}, ""),
    ],
)
def test_settings_are_checked_by_kind(kind: str, value: Any, said: str) -> None:
    found = problems("settings", value, kind)

    assert said in found if said else not found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "key", "value", "conditions", "content", "target", "url", "headers", "maxRetries"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(_JSON, st.sampled_from(PARTS), st.sampled_from([kind.value for kind in Tool.Kind]))
def test_no_json_at_all_breaks_the_checks(value: Any, name: str, kind: str) -> None:
    assert all(isinstance(one, str) for one in part_problems(name, value, kind=kind))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_number_that_is_none_is_told_of(value: float) -> None:
    assert part_problems("backoff_plan", {"type": "fixed", "maxRetries": value}, kind="function")


def test_a_stored_tool_is_checked_as_a_whole() -> None:
    tool = Tool(kind="apiRequest", messages=[{"type": "odd"}], settings={"method": "TRACE"})

    assert [name for name, _ in tool_problems(tool)] == ["messages", "settings"]


def test_what_vapi_itself_exports_has_no_problem() -> None:
    stored = Path(__file__).parents[2] / "tests/fixtures/vapi"
    exported = [
        json.loads(path.read_text())
        for path in sorted(stored.rglob("*.json"))
        if path.name.startswith("tool")
    ]
    tools = [one for some in exported for one in (some if isinstance(some, list) else [some])]
    messages = [
        one["messages"] for one in tools if isinstance(one, dict) and isinstance(one.get("messages"), list)
    ]

    assert [problems("messages", one) for one in messages] == [""] * len(messages)
