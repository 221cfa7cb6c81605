"""The editor of a tool and the list of them."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from tools.models import Credential, Tool
from tools.tests.factories import make_tool, make_tool_call
from tools.tests.pages import page_context

pytestmark = pytest.mark.django_db

ADD = {
    "kind": "function",
    "name": "lookup",
    "parameters": '{"type": "object", "properties": {}}',
    "timeout_s": 20,
}


def add(client: Client, **fields: Any) -> Any:
    return client.post(reverse("admin:tools_tool_add"), {**ADD, **fields})


def change(client: Client, tool: Tool, **fields: Any) -> Any:
    """The tool's form as it was opened, with these fields typed over."""
    url = reverse("admin:tools_tool_change", args=[tool.pk])
    form = page_context(client, url)["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    return client.post(url, {**data, **fields})


def html_of(client: Client, tool: Tool) -> str:
    return str(client.get(reverse("admin:tools_tool_change", args=[tool.pk])).content.decode())


def error(response: Any, field: str) -> str:
    return str(response.context["adminform"].form.errors[field])


def test_every_part_of_a_tool_can_be_entered(admin_client: Client) -> None:
    credential = Credential.objects.create(name="Their gateway")
    parts: dict[str, Any] = {
        "static_parameters": [{"key": "branch", "value": "north"}],
        "backoff_plan": {"type": "fixed", "maxRetries": 2, "baseDelaySeconds": 1},
        "messages": [{"type": "request-start", "content": "One moment."}],
        "variable_extraction": {"aliases": [{"key": "slot", "value": "{{ $.id }}"}]},
        "rejection_plan": {"conditions": [{"type": "regex", "regex": "stop"}]},
        "settings": {"strict": True},
    }
    plain = {"wire_name": "look up", "asynchronous": True, "legacy_form": True}

    response = add(
        admin_client,
        **{name: json.dumps(value) for name, value in parts.items()},
        **dict.fromkeys(("asynchronous", "legacy_form"), "on"),
        wire_name="look up",
        credential=str(credential.pk),
        new_headers='{"X-Api-Key": "k"}',
    )

    assert response.status_code == 302
    tool = Tool.objects.get()
    assert {name: getattr(tool, name) for name in (*parts, *plain)} == {**parts, **plain}
    assert tool.credential == credential
    assert json.loads(tool.server_headers) == {"X-Api-Key": "k"}


def test_parts_that_are_left_empty_are_empty(admin_client: Client) -> None:
    add(admin_client, messages="", backoff_plan="null", settings="[]")

    tool = Tool.objects.get()
    assert (tool.messages, tool.backoff_plan, tool.settings) == ([], {}, {})


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("messages", '[{"type": "nope"}]', "[0].type must be one of request-start"),
        ("messages", '[{"type": "request-start",]', "Not valid JSON"),
        (
            "backoff_plan",
            '{"type": "fixed", "maxRetries": 11}',
            "maxRetries must be a whole number from 0 to 10",
        ),
        ("static_parameters", '[{"value": 1}]', "[0] must be an object with a key and a value"),
        ("variable_extraction", '{"aliases": [{"key": "x", "value": "{{ $"}]}', "aliases[0].value"),
        ("rejection_plan", '{"conditions": [{"type": "regex", "regex": "("}]}', "conditions[0].regex"),
        ("settings", "[1]", "must be an object"),
        ("new_headers", '{"Host": "x"}', "Host: no such header"),
        ("new_headers", '{"X-A": "a\\nb"}', "X-A: no such header"),
        ("new_headers", '["X-A"]', "JSON object of texts"),
    ],
)
def test_a_part_without_its_shape_is_refused_with_its_place(
    admin_client: Client, field: str, typed: str, said: str
) -> None:
    response = add(admin_client, **{field: typed})

    assert said in error(response, field).replace("&quot;", '"')
    assert not Tool.objects.exists()


def test_settings_are_judged_anew_when_the_kind_changes(admin_client: Client) -> None:
    tool = make_tool(settings={"method": "TRACE"})

    assert "method must be one of" in error(change(admin_client, tool, kind="apiRequest"), "settings")


def test_what_an_import_brought_does_not_bar_another_change_and_is_named(admin_client: Client) -> None:
    tool = make_tool(messages=[{"type": "odd"}], backoff_plan={"maxRetry": 3})

    response = change(admin_client, tool, description="New words.")
    assert response.status_code == 302, response.context["adminform"].form.errors

    tool.refresh_from_db()
    assert (tool.description, tool.messages) == ("New words.", [{"type": "odd"}])
    html = html_of(admin_client, tool)
    assert "What is said: [0].type must be one of" in html
    assert "Sending again: maxRetry is not known here" in html


def test_a_part_that_was_broken_before_is_refused_once_it_is_touched(admin_client: Client) -> None:
    tool = make_tool(messages=[{"type": "odd"}])

    assert "[0].type" in error(change(admin_client, tool, messages='[{"type": "odder"}]'), "messages")


# --- Headers


def test_of_stored_headers_only_the_names_are_shown(admin_client: Client) -> None:
    tool = make_tool(server_headers='{"X-Api-Key": "hidden-value"}')

    html = html_of(admin_client, tool)

    assert "Stored: X-Api-Key." in html
    assert "hidden-value" not in html


def test_headers_stay_are_replaced_and_forgotten(admin_client: Client) -> None:
    tool = make_tool(server_headers='{"X-A": "1"}')

    change(admin_client, tool, description="x")
    assert Tool.objects.get().server_headers == '{"X-A": "1"}'
    change(admin_client, tool, new_headers='{"X-B": "2"}')
    assert json.loads(Tool.objects.get().server_headers) == {"X-B": "2"}
    both = change(admin_client, tool, new_headers='{"X-C": "3"}', clear_headers="on")
    assert "not both" in error(both, "clear_headers")
    change(admin_client, tool, clear_headers="on")
    assert Tool.objects.get().server_headers == ""


def test_headers_and_credentials_that_no_key_opens_break_no_page(admin_client: Client) -> None:
    tool = make_tool(credential=Credential.objects.create(name="Their gateway", kind="bearer", settings="{}"))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tools_tool SET server_headers = 'gAAAAAnonsense'")
        cursor.execute("UPDATE tools_credential SET settings = 'gAAAAAnonsense'")

    assert "no configured key opens" in html_of(admin_client, tool)
    assert admin_client.get(reverse("admin:tools_tool_changelist")).status_code == 200
    assert change(admin_client, tool, description="New words.").status_code == 302
    assert Tool.objects.values_list("description", flat=True).get() == "New words."


# --- What is shown


@pytest.mark.parametrize("kind", [kind.value for kind in Tool.Kind])
def test_the_page_of_every_kind_opens_for_writing_and_for_reading(
    admin_client: Client, client: Client, kind: str
) -> None:
    tool = make_tool(kind=kind, vapi_type="code" if kind == "other" else "", server_headers='{"X-A": "1"}')
    viewer = User.objects.create_user("vera", password="x", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__in=["view_tool"]))
    client.force_login(viewer)

    html = html_of(admin_client, tool)
    assert 'name="new_headers"' in html
    assert ("Not run here" in html) == ("no call offers it" in html)
    reading = html_of(client, tool)
    assert "Stored: X-A." in reading
    assert "Send a test request" not in reading


def test_a_kind_that_does_not_run_here_says_why(admin_client: Client) -> None:
    tool = make_tool(kind="query")

    assert "searches files that only Vapi holds" in html_of(admin_client, tool)
    listed = admin_client.get(reverse("admin:tools_tool_changelist")).content.decode()
    assert "Not run here" in listed


def test_a_field_is_shown_for_the_kinds_that_use_it_only(admin_client: Client) -> None:
    context = admin_client.get(reverse("admin:tools_tool_add")).context
    shown_for = context["adminform"].model_admin.conditional_fields

    assert "kind == 'function'" in shown_for["legacy_form"]
    assert "apiRequest" not in shown_for["legacy_form"]
    assert "kind == 'mcp'" in shown_for["server_url"]
    assert "kind == 'endCall'" in shown_for["messages"]
    assert "voicemail" not in shown_for["messages"]
    assert "endCall" not in shown_for["encrypted_paths"]
    assert not {"kind", "name", "description", "parameters", "rejection_plan"} & shown_for.keys()
    fields = {name for _, options in context["adminform"].model_admin.fieldsets for name in options["fields"]}
    assert shown_for.keys() - {"clear_secret"} <= fields


def test_the_same_asked_for_twice_is_sent_once_unless_somebody_chooses_otherwise(
    admin_client: Client,
) -> None:
    add(admin_client, server_url="https://hooks.example")
    add(admin_client, name="dice", server_url="https://hooks.example", duplicates="each")

    assert dict(Tool.objects.values_list("name", "duplicates")) == {"lookup": "once", "dice": "each"}


def test_paths_of_encrypted_arguments_are_checked(admin_client: Client) -> None:
    wrong = add(admin_client, server_url="https://hooks.example", encrypted_paths='["ssn", "a..b"]')
    assert "a..b names no argument" in error(wrong, "encrypted_paths")
    assert "list of paths" in error(add(admin_client, encrypted_paths='{"a": 1}'), "encrypted_paths")

    add(admin_client, server_url="https://hooks.example", encrypted_paths='["ssn", "card.number"]')

    assert Tool.objects.get().encrypted_paths == ["ssn", "card.number"]


def test_what_went_wrong_leads_to_those_calls_of_the_ledger(admin_client: Client) -> None:
    tool = make_tool(name="lookup")
    wrong = {
        make_tool_call(tool=tool, name="lookup", status=status).pk
        for status in ("failed", "timed_out", "refused")
    }
    make_tool_call(tool=tool, name="lookup", status="answered")
    make_tool_call(name="other", status="failed")
    listed = admin_client.get(reverse("admin:tools_tool_changelist")).content.decode()
    url = f"{reverse('admin:tools_toolcall_changelist')}?tool=lookup&since=day&status__in=failed%2Ctimed_out%2Crefused"

    assert url.replace("&", "&amp;") in listed
    found = admin_client.get(url).context["cl"].result_list
    assert {row.pk for row in found} == wrong


def test_the_list_of_tools_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    url = reverse("admin:tools_tool_changelist")
    make_tool()
    with django_assert_num_queries(5):
        admin_client.get(url)
    for n in range(5):
        make_tool(name=f"tool_{n}", server_headers='{"X-A": "1"}')

    with django_assert_num_queries(5):
        admin_client.get(url)


def test_the_list_is_filtered_by_kind(admin_client: Client) -> None:
    found = make_tool(kind="sms")
    make_tool()

    response = admin_client.get(reverse("admin:tools_tool_changelist"), {"kind__exact": "sms"})

    assert list(response.context["cl"].result_list) == [found]
