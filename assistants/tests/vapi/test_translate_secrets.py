"""What of an export may be a password is shown nowhere, and still reaches where it is needed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.tests.vapi.cases import assistant, codes, drafts, finding, tool
from assistants.vapi.drafts import ABSENT, Verdict
from assistants.vapi.hiding import HIDDEN, hidden, url_shown, usable

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict
SECRET = "hunter2-hunter2"
URL = f"https://desk:{SECRET}@hook.example/in?token={SECRET}&more=1"
SHOWN = f"https://{HIDDEN}@hook.example/in?token={HIDDEN}&more={HIDDEN}"


def shown(draft: Any) -> str:
    """All that people get to see of it in reports and downloads."""
    told = [[one.reason, one.ours, one.path] for one in draft.findings]
    return json.dumps([draft.raw, told, [one.source for one in draft.findings if one.source is not ABSENT]])


@pytest.mark.parametrize("name", ["X-Custom", "A", "X-Clinic-Site", "k"])
def test_the_value_of_a_header_is_hidden_whatever_its_name(name: str) -> None:
    draft = assistant({"server": {"url": "https://hook.example", "headers": {name: SECRET}}})

    assert SECRET not in shown(draft)
    assert finding(draft, f"server.headers.{name}").source == HIDDEN
    assert json.loads(draft.secrets["server_headers"]) == {name: SECRET}


@pytest.mark.parametrize(
    ("name", "value"),
    [("Content-Type", "text/plain"), ("accept", "*/*"), ("User-Agent", "x"), ("X-Key", "Bearer {{ key }}")],
)
def test_a_header_that_opens_nothing_is_shown(name: str, value: str) -> None:
    assert hidden({"headers": {name: value}}) == {"headers": {name: value}}


@pytest.mark.parametrize("word", ["value", "default", "const", "enum"])
def test_the_headers_of_an_http_request_are_hidden_however_they_are_written(word: str) -> None:
    given_ = [SECRET] if word == "enum" else SECRET
    headers = {"type": "object", "properties": {"X-T": {"type": "string", word: given_}}}

    draft = tool({"type": "apiRequest", "name": "x", "url": "https://a.example", "headers": headers})

    assert SECRET not in shown(draft) + json.dumps(draft.fields)
    assert draft.raw["headers"]["properties"]["X-T"]["type"] == "string"
    sent = word in ("value", "default")
    assert draft.secrets == ({"server_headers": json.dumps({"X-T": SECRET})} if sent else {})


def test_a_header_of_words_and_templates_is_hidden_and_can_still_be_filled_in() -> None:
    properties = {"X-T": {"type": "string", "value": f"{SECRET}-{{{{ key }}}}"}}

    draft = tool({"type": "apiRequest", "name": "x", "headers": {"type": "object", "properties": properties}})

    assert SECRET not in shown(draft)
    assert draft.fields["settings"]["headers"]["properties"] == properties
    assert draft.secrets == {}


def test_an_argument_called_headers_or_password_keeps_its_schema() -> None:
    arguments = {
        "headers": {"type": "object", "description": "d"},
        "password": {"type": "string", "description": "d"},
    }
    schema = {"type": "object", "properties": arguments}

    draft = tool({"type": "function", "function": {"name": "f", "parameters": schema}})

    assert draft.fields["parameters"] == schema
    assert draft.raw["function"]["parameters"] == schema


def test_a_password_set_in_a_body_is_hidden_and_still_sent() -> None:
    body = {"type": "object", "properties": {"apiKey": {"type": "string", "value": SECRET}}}

    draft = tool({"type": "apiRequest", "name": "x", "url": "https://a.example", "body": body})

    assert SECRET not in shown(draft)
    assert draft.fields["settings"]["body"] == body
    assert finding(draft, "body").verdict is CONVERTED
    assert "looks like a password" in finding(draft, "body").reason


def test_an_inline_tool_with_a_secret_is_told_of_in_its_own_report() -> None:
    inline = {"type": "function", "function": {"name": "f"}, "server": {"url": URL, "secret": SECRET}}

    draft = assistant({"model": {"tools": [inline]}})

    assert SECRET not in shown(draft)
    assert "left out" not in finding(draft, "model.tools[0]").reason


def test_an_address_with_a_password_is_hidden_and_still_used() -> None:
    desk = assistant({"server": {"url": URL}})
    webhook = tool({"type": "function", "function": {"name": "f"}, "server": {"url": URL}})
    request = tool({"type": "apiRequest", "name": "x", "url": URL})

    assert (desk.fields["server_url"], webhook.fields["server_url"]) == (URL, URL)
    assert request.fields["settings"]["url"] == URL
    for draft, path in ((desk, "server.url"), (webhook, "server.url"), (request, "url")):
        assert SECRET not in shown(draft)
        assert finding(draft, path).source == SHOWN
        assert finding(draft, path).verdict is CONVERTED
        assert "something like a password" in finding(draft, path).reason


def test_an_address_without_a_password_is_kept() -> None:
    draft = assistant({"server": {"url": "https://hook.example/in"}})

    assert finding(draft, "server.url").verdict is KEPT


@pytest.mark.parametrize(
    ("url", "due"),
    [
        ("https://a.example/p?x=1&y=&z", "https://a.example/p?x=(hidden)&y=&(hidden)"),
        ("https://a.example/{{ a?b }}?x={{ y }}", "https://a.example/{{ a?b }}?x={{ y }}"),
        ("wss://a.example#access=1", "wss://a.example#(hidden)"),
        ("https://a.example/p@q", "https://a.example/p@q"),
        ("We are at https://a.example?x=1 today", "We are at https://a.example?x=1 today"),
        ("no address?x=1", "no address?x=1"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, due: str) -> None:
    assert url_shown(url) == due


@settings(max_examples=75, deadline=None)
@given(
    secret=st.from_regex(r"[A-Za-z0-9%.~-]{9,30}", fullmatch=True),
    path=st.from_regex(r"(/[a-z]{0,5}){0,3}", fullmatch=True),
)
def test_whatever_stands_in_a_query_is_hidden_from_reports_only(secret: str, path: str) -> None:
    value = {"anything": [f"https://a.example{path}?k={secret}"]}

    assert secret not in json.dumps(hidden(value))
    assert usable(value) == value


def test_the_headers_of_a_sip_call_are_hidden_and_still_sent() -> None:
    destination = {"type": "sip", "sipUri": "sip:a@b.example", "sipHeaders": {"X-Auth": SECRET}}

    draft = tool({"type": "transferCall", "destinations": [destination]})

    assert SECRET not in shown(draft)
    assert draft.fields["settings"]["destinations"] == [destination]
    assert "looks like a password" in finding(draft, "destinations[0].sipHeaders.X-Auth").reason


def test_addresses_in_other_places_are_hidden_too() -> None:
    make = {"type": "make", "name": "m", "metadata": {"triggerUrl": f"https://hook.example/{SECRET}"}}
    draft = assistant({"model": {"provider": "custom-llm", "url": f"https://llm.example/?key={SECRET}"}})
    made = tool(make)

    assert SECRET not in shown(draft)
    assert SECRET not in shown(made) + json.dumps(made.fields)
    assert finding(made, "metadata.triggerUrl").source == f"https://hook.example/{HIDDEN}"
    assert finding(made, "metadata.triggerUrl").verdict is CONVERTED


@pytest.mark.parametrize(
    "part",
    [
        {"server": {"url": "https://a.example", "oauth2": SECRET}},
        {"server": {"url": "https://a.example", "oauth2": {"clientSecret": SECRET, "other": SECRET}}},
        {"foo": {"secretThing": SECRET, "apiKey": SECRET, "sessionToken": SECRET, "dbPassword": SECRET}},
        {"foo": {"apiKeys": [SECRET], "secrets": {"a": SECRET}}},
        {"variableValues": {"pw": SECRET}},
    ],
)
def test_what_is_called_like_a_secret_is_hidden_wherever_it_stands(part: dict[str, Any]) -> None:
    draft = assistant(part)

    assert SECRET not in shown(draft) + json.dumps(draft.fields)


def test_a_variable_called_like_a_password_is_asked_for_and_an_address_is_kept_whole() -> None:
    link = "https://shop.example/?utm=1"

    draft = assistant({"variableValues": {"pw": SECRET, "link": link}})

    assert draft.fields["variables"] == {"link": link}
    assert finding(draft, "variableValues").code == "secret_value"


def test_the_secret_that_is_asked_for_is_asked_without_the_password_in_the_address() -> None:
    draft = assistant({"server": {"url": f"https://a.example/?k={SECRET}"}, "isServerUrlSecretSet": True})

    assert "missing_secret" in codes(draft)
    assert SECRET not in shown(draft)


def test_a_squad_and_a_number_hide_the_same() -> None:
    server = {"url": URL, "headers": {"X-Custom": SECRET}}
    member = {"assistant": {"name": "in", "server": server}, "assistantOverrides": {"server": server}}
    found = drafts(
        squads=[{"id": "s", "name": "S", "members": [member], "membersOverrides": {"server": server}}],
        numbers=[{"id": "n", "provider": "twilio", "number": "+15550109999", "server": server}],
    )

    for draft in (*found.squads, *found.numbers, *found.assistants):
        assert SECRET not in shown(draft)
    assert found.assistants[0].fields["server_url"] == URL
