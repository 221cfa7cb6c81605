"""From Vapi's tools to ours: every kind, every form, and what becomes of each part."""

import json
from typing import Any

import pytest

from assistants.tests.vapi.cases import SERVER, drafts, everything, finding, fixture, tool
from assistants.tests.vapi.tool_cases import (
    EXTRACTION,
    PLAN,
    REJECTION,
    TWO,
    transfers_run,
    two_kinds_run,
    webhook,
)
from assistants.vapi.drafts import Verdict
from tools.kinds import why_not
from tools.models import Tool

__all__ = ["transfers_run", "two_kinds_run"]

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict


# --- Kinds


@pytest.mark.parametrize(
    ("vapi_type", "kind"),
    [
        *((kind.value, kind) for kind in Tool.Kind if kind is not Tool.Kind.OTHER),
        ("knowledgeBase", Tool.Kind.QUERY),
        ("code", Tool.Kind.OTHER),
        ("sipRequest", Tool.Kind.OTHER),
        ("google.sheets.row.append", Tool.Kind.OTHER),
        ("slack.message.send", Tool.Kind.OTHER),
        ("gohighlevel.contact.get", Tool.Kind.OTHER),
        ("bash", Tool.Kind.OTHER),
        ("computer", Tool.Kind.OTHER),
        ("textEditor", Tool.Kind.OTHER),
        ("output", Tool.Kind.OTHER),
        ("make", Tool.Kind.OTHER),
        ("invented next year", Tool.Kind.OTHER),
    ],
)
def test_every_kind_of_vapis_is_one_of_ours_and_only_what_runs_is_kept(
    vapi_type: str, kind: Tool.Kind
) -> None:
    draft = tool(
        {"type": vapi_type, "server": {**SERVER, "credentialId": "c"}}
        if kind is Tool.Kind.MCP
        else {"type": vapi_type}
    )

    assert draft.fields["kind"] == kind.value
    assert draft.fields["vapi_type"] == ("" if vapi_type == kind.value else vapi_type)
    if kind in TWO:
        assert finding(draft, "type").verdict is KEPT
    else:
        assert [one.path for one in draft.findings if one.verdict is DECISION] == ["type"]
        assert why_not(kind) in finding(draft, "type").reason


def test_a_kind_that_becomes_runnable_is_kept_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.kinds.RUNS", frozenset(Tool.Kind))

    raw = {"id": "a", "name": "Desk", "model": {"toolIds": ["t1"]}}
    found = drafts(assistants=[raw], tools=[{"id": "t1", "type": "sms"}])

    assert finding(found.tools[0], "type").verdict is KEPT
    assert finding(found.assistants[0], "model.toolIds[0]").verdict is KEPT


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"model": {"toolIds": ["t1"]}}, "model.toolIds[0]"),
        ({"model": {"tools": [{"type": "transferCall"}]}}, "model.tools[0]"),
        ({"dialKeypadFunctionEnabled": True}, "dialKeypadFunctionEnabled"),
        ({"forwardingPhoneNumber": "+14155550119"}, "forwardingPhoneNumber"),
        ({"forwardingPhoneNumbers": [{"type": "number"}]}, "forwardingPhoneNumbers[0]"),
    ],
)
def test_an_assistant_does_not_claim_to_offer_a_tool_that_is_not_carried_out(
    part: dict[str, Any], path: str
) -> None:
    found = drafts(assistants=[{"id": "a", "name": "Desk", **part}], tools=[{"id": "t1", "type": "sms"}])

    assert finding(found.assistants[0], path).verdict is DROPPED
    assert "not offered" in finding(found.assistants[0], path).reason
    assert len(found.assistants[0].tools) == 1


@pytest.mark.parametrize("vapi_type", ["make", "ghl"])
def test_a_kind_that_looks_like_a_webhook_is_one_where_it_has_a_server(vapi_type: str) -> None:
    draft = tool({"type": vapi_type, "server": SERVER, "function": {"name": "f"}})

    assert draft.fields["kind"] == "function"
    assert draft.fields["vapi_type"] == vapi_type
    assert finding(draft, "type").verdict is CONVERTED


def test_a_tool_without_a_type_is_a_webhook_where_it_has_a_function() -> None:
    draft = tool({"function": {"name": "find"}, "server": SERVER})

    assert draft.fields["kind"] == "function"
    assert finding(draft, "type").verdict is DEFAULT


# --- Parts


MESSAGES = [{"type": "request-start", "content": "One moment.", "blocking": True}]

ROWS: list[tuple[dict[str, Any], str, Verdict, str, Any]] = [
    ({"async": True}, "async", KEPT, "asynchronous", True),
    (
        {"parameters": [{"key": "k", "value": [1]}]},
        "parameters[0].value",
        KEPT,
        "static_parameters",
        [{"key": "k", "value": [1]}],
    ),
    ({"messages": MESSAGES}, "messages[0].content", KEPT, "messages", MESSAGES),
    ({"messages": [{"type": "sung", "content": "La."}]}, "messages[0].type", DECISION, "messages", []),
    ({"messages": [{"type": "sung", "content": "La."}]}, "messages[0].content", DROPPED, "messages", []),
    (
        {"variableExtractionPlan": EXTRACTION},
        "variableExtractionPlan.schema",
        KEPT,
        "variable_extraction",
        EXTRACTION,
    ),
    ({"rejectionPlan": REJECTION}, "rejectionPlan.conditions[0].regex", KEPT, "rejection_plan", REJECTION),
    ({"server": {**SERVER, "timeoutSeconds": 8}}, "server.timeoutSeconds", KEPT, "timeout_s", 8),
    ({"server": {**SERVER, "timeoutSeconds": 0.5}}, "server.timeoutSeconds", CONVERTED, "timeout_s", 1),
    ({"server": {**SERVER, "timeoutSeconds": 999}}, "server.timeoutSeconds", CONVERTED, "timeout_s", 300),
    ({"server": {**SERVER, "backoffPlan": PLAN}}, "server.backoffPlan.type", KEPT, "backoff_plan", PLAN),
    (
        {"server": {**SERVER, "credentialId": "c"}},
        "server.credentialId",
        DECISION,
        "server_url",
        SERVER["url"],
    ),
    (
        {"server": {**SERVER, "encryptedPaths": ["a"]}},
        "server.encryptedPaths[0]",
        DECISION,
        "server_url",
        SERVER["url"],
    ),
    ({"server": {"url": "{{ url }}"}}, "server.url", DECISION, "server_url", ""),
    ({"server": SERVER}, "server.secret", DECISION, "server_url", SERVER["url"]),
    ({"function": {"name": "find", "strict": True}}, "function.strict", CONVERTED, "name", "find"),
    (
        {"function": {"name": "find", "description": "x" * 999}},
        "function.description",
        KEPT,
        "description",
        "x" * 999,
    ),
    (
        {"function": {"name": "find", "description": "x" * 1000}},
        "function.description",
        DECISION,
        "description",
        "x" * 1000,
    ),
    ({"function": {"name": "find it!"}}, "function.name", CONVERTED, "wire_name", "find it!"),
    ({"function": {"name": "find it!"}}, "function.name", CONVERTED, "name", "find_it"),
    ({"function": {"name": "x" * 500}}, "function.name", DECISION, "wire_name", "x" * 400),
    ({"function": {"name": "find"}}, "function.name", KEPT, "wire_name", ""),
    ({"function": {}}, "function.name", DEFAULT, "name", "function"),
    ({"latestVersion": "v1"}, "latestVersion", KEPT, "settings", {}),
]


@pytest.mark.parametrize(("part", "path", "verdict", "field", "value"), ROWS)
def test_a_part_of_a_webhook(
    part: dict[str, Any], path: str, verdict: Verdict, field: str, value: Any
) -> None:
    draft = tool(webhook(**part))

    assert finding(draft, path).verdict is verdict
    assert draft.fields[field] == value


def test_the_schema_is_the_original_and_one_leaf() -> None:
    original = fixture("tools.json")[0]["function"]["parameters"]
    slots = everything().tools[0]

    assert slots.fields["parameters"] == original
    assert finding(slots, "function.parameters").source == original


def test_a_tool_without_arguments_takes_an_empty_object() -> None:
    for function in ({"name": "f"}, {"name": "f", "parameters": {}}, {"name": "f", "parameters": None}):
        assert tool(webhook(function=function)).fields["parameters"] == {"type": "object", "properties": {}}


def test_an_http_request_has_its_body_for_arguments_and_the_rest_in_settings() -> None:
    lookup = everything().tools[2]
    raw = fixture("tools.json")[2]

    assert lookup.name == "lookup_patient"
    assert lookup.fields["description"] == raw["description"]
    assert lookup.fields["parameters"] == raw["body"]
    assert lookup.fields["settings"]["url"] == raw["url"]
    assert lookup.fields["settings"]["method"] == "POST"
    assert lookup.fields["static_parameters"] == raw["parameters"]
    assert lookup.fields["backoff_plan"] == raw["backoffPlan"]
    assert lookup.fields["timeout_s"] == 15
    assert finding(tool({"type": "apiRequest", "name": "x"}), "method").verdict is DEFAULT


def test_the_beep_is_not_listened_for(transfers_run: None) -> None:
    assert (
        finding(tool({"type": "voicemail", "beepDetectionEnabled": True}), "beepDetectionEnabled").verdict
        is DROPPED
    )


@pytest.mark.parametrize(
    ("raw", "path", "words"),
    [
        ({"type": "apiRequest", "name": "x", "method": "GET"}, "method", "method of the request"),
        ({"type": "sms", "metadata": {"from": "+13125550142"}}, "metadata.from", "sent from"),
        ({"type": "sms", "metadata": {"other": 1}}, "metadata.other", "Calls do not use it"),
        ({"type": "dtmf", "sipInfoDtmfEnabled": True}, "sipInfoDtmfEnabled", "once tools of this kind"),
        ({"type": "query", "knowledgeBaseId": "k"}, "knowledgeBaseId", "not offered to the model"),
    ],
)
def test_a_setting_of_one_kind_says_what_a_call_does_with_it(
    raw: dict[str, Any], path: str, words: str, transfers_run: None
) -> None:
    assert words in finding(tool(raw), path).reason


def test_the_headers_of_an_http_request_are_parted_into_secret_and_not() -> None:
    properties = {
        "Authorization": {"type": "string", "value": "Bearer hunter2"},
        "X-Api-Key": {"type": "string", "value": "{{ key }}"},
        "X-Site": {"type": "string", "value": "north"},
        "Accept": {"type": "string", "value": "text/plain"},
    }

    draft = tool({"type": "apiRequest", "name": "x", "headers": {"type": "object", "properties": properties}})

    assert json.loads(draft.secrets["server_headers"]) == {
        "Authorization": "Bearer hunter2",
        "X-Site": "north",
    }
    assert list(draft.fields["settings"]["headers"]["properties"]) == ["X-Api-Key", "Accept"]
    assert draft.fields["settings"]["headers"]["properties"]["Accept"]["value"] == "text/plain"
    assert draft.fields["settings"]["headers"]["properties"]["X-Api-Key"]["value"] == "{{ key }}"


def test_keys_are_pressed_by_twilio_and_not_by_sip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.kinds.RUNS", TWO | {Tool.Kind.DTMF})

    draft = tool({"type": "dtmf", "sipInfoDtmfEnabled": True})

    assert finding(draft, "type").verdict is KEPT
    assert finding(draft, "sipInfoDtmfEnabled").verdict is DROPPED
    assert "no SIP INFO" in finding(draft, "sipInfoDtmfEnabled").reason
    assert list(draft.fields["parameters"]["properties"]) == ["keys"]


# --- What a call makes use of


MESSAGE = {"type": "request-start", "content": "One moment."}
DONE = {"type": "request-complete", "content": "Done."}
DESK = {"type": "number", "number": "+13125550142"}
EVERYTHING: dict[str, Any] = {
    "server": {**SERVER, "secret": "hush", "timeoutSeconds": 9, "backoffPlan": PLAN, "encryptedPaths": ["a"]},
    "parameters": [{"key": "k", "value": "v"}],
    "variableExtractionPlan": EXTRACTION,
    "rejectionPlan": REJECTION,
    "messages": [MESSAGE, DONE],
}
ALL_OF_IT = {
    "server.url",
    "server.secret",
    "server.timeoutSeconds",
    "server.backoffPlan.type",
    "server.encryptedPaths[0]",
    "parameters[0].value",
    "variableExtractionPlan.aliases[0].key",
    "messages[0].content",
    "messages[1].content",
}


@pytest.mark.parametrize(
    ("raw", "used"),
    [
        ({"type": "function", "function": {"name": "find"}}, ALL_OF_IT),
        ({"type": "apiRequest", "name": "x", "url": "https://x.example"}, ALL_OF_IT),
        ({"type": "mcp"}, ALL_OF_IT),
        ({"type": "endCall"}, {"messages[0].content"}),
        ({"type": "voicemail"}, set()),
        ({"type": "transferCall", "destinations": [DESK]}, {"messages[0].content"}),
        (
            {"type": "transferCall"},
            {"server.url", "server.secret", "server.timeoutSeconds", "messages[0].content"},
        ),
        ({"type": "sms"}, {"server.timeoutSeconds", "messages[0].content", "messages[1].content"}),
    ],
    ids=["function", "apiRequest", "mcp", "endCall", "voicemail", "transfer", "transfer by server", "sms"],
)
def test_only_what_a_call_makes_use_of_is_said_to_be_kept(
    raw: dict[str, Any], used: set[str], transfers_run: None
) -> None:
    draft = tool({**EVERYTHING, **raw})

    verdicts = {path: finding(draft, path).verdict for path in ALL_OF_IT}
    assert {path for path, verdict in verdicts.items() if verdict is not Verdict.DROPPED} == used
    # Whatever carries it out, its conditions are looked at first.
    assert finding(draft, "rejectionPlan.conditions[0].regex").verdict is KEPT


@pytest.mark.parametrize("kind", ["endCall", "voicemail", "sms"])
def test_a_server_that_is_never_asked_wants_no_secret(kind: str) -> None:
    draft = tool({"type": kind, "server": SERVER})

    assert not [one for one in draft.findings if one.code == "missing_secret"]


def test_conditions_that_cannot_be_looked_at_are_decisions() -> None:
    inner = {"type": "regex", "regex": "(a{9999}){9999}"}
    plan = {
        "conditions": [
            {"type": "regex", "regex": "(?<!no) thanks"},
            {"type": "regex", "regex": "("},
            {"type": "group", "operator": "OR", "conditions": [inner, {"type": "liquid", "liquid": "true"}]},
        ]
    }
    draft = tool({"type": "endCall", "rejectionPlan": plan})

    assert finding(draft, "rejectionPlan.conditions[0].regex").verdict is KEPT
    unread = finding(draft, "rejectionPlan.conditions[1].regex")
    assert (unread.verdict, unread.code) == (DECISION, "rejection_not_done")
    assert "memory" in finding(draft, "rejectionPlan.conditions[2].conditions[0].regex").reason
    assert draft.fields["rejection_plan"] == plan


def test_arguments_that_vapi_encrypts_are_encrypted_and_their_key_is_asked_for() -> None:
    paths = {**SERVER, "encryptedPaths": ["ssn", "a..b"], "credentialId": "c1"}
    both = tool({**webhook(server=paths), "encryptedPaths": ["ssn", "card.number"]})

    assert both.fields["encrypted_paths"] == ["ssn", "a..b", "card.number"]
    asked = finding(both, "server.encryptedPaths[0]")
    assert (asked.code, asked.field) == ("encrypted_arguments", "encrypted_paths")
    assert "public key" in asked.reason
    assert finding(both, "server.encryptedPaths[1]").code == "bad_encrypted_path"
    assert finding(both, "encryptedPaths[1]").code == "encrypted_arguments"
