"""The pages of tools and of the ledger of their calls."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tools.models import Tool, ToolCall, empty_parameters
from tools.schemas import parameters_problems
from tools.tests.factories import make_tool, make_tool_call

pytestmark = pytest.mark.django_db

ADD = {
    "kind": "function",
    "name": "lookup",
    "parameters": '{"type": "object", "properties": {}}',
    "timeout_s": 20,
}


def add(client: Client, **fields: Any) -> Any:
    return client.post(reverse("admin:tools_tool_add"), {**ADD, **fields})


def error(response: Any, field: str) -> str:
    return str(response.context["adminform"].form.errors[field])


# --- Tools


@pytest.mark.parametrize("model", ["tool", "toolcall"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_every_list_opens(admin_client: Client, model: str, filled: bool) -> None:  # a parameter
    if filled:
        make_tool_call(tool=make_tool(), status="failed")

    response = admin_client.get(reverse(f"admin:tools_{model}_changelist"), {"q": "o"})

    assert response.status_code == 200


def test_a_tool_is_added(admin_client: Client) -> None:
    assert add(admin_client, server_url="https://hooks.example", new_secret="s3").status_code == 302

    tool = Tool.objects.get(name="lookup")
    assert (tool.server_secret, tool.parameters) == ("s3", empty_parameters())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ('{"type": "object",\n "properties": {]}', "line 2, column 17"),
        ("[]", "not a JSON object"),
        ("7", "not a JSON object"),
        ('{"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}', "leads to nothing"),
        ('{"type": "object", "anyOf": []}', "anyOf"),
        ('{"type": "object", "type": "object"}', "stands twice"),
        ('{"type": "object", "x": NaN}', "NaN is not JSON"),
        ('{"type": "object", "required": "ticket"}', "list of names"),
        ('{"type": "object", "properties": {"tags": 7}}', "tags must be an object"),
        ("[" * 5000 + "]" * 5000, "nested"),
    ],
)
def test_parameters_that_openai_would_refuse_are_refused_with_a_reason(
    admin_client: Client, typed: str, message: str
) -> None:
    assert message in error(add(admin_client, parameters=typed), "parameters")


def test_the_page_shows_what_the_model_sees_and_what_was_changed(admin_client: Client) -> None:
    union = {"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["booster"]}]}
    tool = make_tool(parameters={"type": "object", "properties": {"dose": union}})

    html = admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk])).content.decode()

    assert "What the model sees" in html
    assert "May be text, or a number; shown as text" in html
    assert "&#x27;booster&#x27;; or a whole number." in html


def test_a_schema_that_needs_no_change_is_said_to_be_shown_as_it_is(admin_client: Client) -> None:
    tool = make_tool(parameters={"type": "object", "properties": {"a": {"type": "string"}}})

    html = admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk])).content.decode()

    assert "nothing in them had to be changed" in html


def test_what_was_typed_wrongly_is_still_there(admin_client: Client) -> None:
    assert "{oops" in add(admin_client, parameters="{oops").content.decode()


def test_empty_parameters_mean_no_arguments(admin_client: Client) -> None:
    assert add(admin_client, parameters="").status_code == 302
    assert Tool.objects.get().parameters == empty_parameters()


def test_parameters_are_shown_indented(admin_client: Client) -> None:
    tool = make_tool(parameters={"type": "object", "properties": {"größe": {"type": "string"}}})

    response = admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk]))

    shown = response.context["adminform"].form["parameters"].value()
    assert shown == json.dumps(tool.parameters, indent=2, ensure_ascii=False)


def test_a_tool_name_that_openai_refuses_is_refused(admin_client: Client) -> None:
    assert "letters, digits" in error(add(admin_client, name="two words"), "name")


def test_a_stored_secret_is_on_no_page(admin_client: Client) -> None:
    tool = make_tool(server_secret="hidden-secret")

    for url in (reverse("admin:tools_tool_change", args=[tool.pk]), reverse("admin:tools_tool_changelist")):
        html = admin_client.get(url).content.decode()
        assert "hidden-secret" not in html
        assert "gAAAAA" not in html


def test_a_tool_that_nothing_points_to_is_deleted(admin_client: Client) -> None:
    tool = make_tool()

    admin_client.post(reverse("admin:tools_tool_delete", args=[tool.pk]), {"post": "yes"})

    assert not Tool.objects.exists()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        empty_parameters(),
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string"}}},
            "required": ["a"],
        },
        {"type": "object", "properties": {"enum": {"type": "string"}}},
    ],
)
def test_good_parameters_have_no_problems(parameters: Any) -> None:
    assert parameters_problems(parameters) == []


def test_problems_deep_in_the_parameters_say_where() -> None:
    inner = {"type": "object", "properties": {"tags": {"type": "array"}}}
    parameters = {"type": "object", "properties": {"rows": {"type": "array", "items": inner}}}

    assert parameters_problems(parameters) == [
        'rows[].tags is an array, so it must say what its "items" are.'
    ]


# --- The ledger


@pytest.mark.parametrize("arguments", [{}, [], "text", 7, {"a": {"b": ["ö", None, 1.5]}}], ids=repr)
def test_a_tool_call_with_any_arguments_can_be_read(admin_client: Client, arguments: Any) -> None:
    tool_call = make_tool_call(
        arguments=arguments, status="refused", error="Not sent: no URL.", orphaned=True
    )

    response = admin_client.get(reverse("admin:tools_toolcall_change", args=[tool_call.pk]))

    assert "Not sent: no URL." in response.content.decode()


def test_the_ledger_cannot_be_written_by_anybody(admin_client: Client) -> None:
    tool_call = make_tool_call()
    args = [tool_call.pk]

    assert admin_client.post(reverse("admin:tools_toolcall_change", args=args), {}).status_code == 403
    assert admin_client.get(reverse("admin:tools_toolcall_add")).status_code == 403
    assert (
        admin_client.post(reverse("admin:tools_toolcall_delete", args=args), {"post": "yes"}).status_code
        == 403
    )
    action = {"action": "delete_selected", "_selected_action": args, "post": "yes"}
    admin_client.post(reverse("admin:tools_toolcall_changelist"), action)
    assert ToolCall.objects.exists()


def test_the_ledger_costs_the_same_for_many(admin_client: Client, django_assert_num_queries: Any) -> None:
    url = reverse("admin:tools_toolcall_changelist")
    tool = make_tool()
    make_tool_call(tool=tool)
    # Session, user, count, rows, and the filter's names of tools.
    with django_assert_num_queries(5):
        admin_client.get(url)
    for _ in range(5):
        make_tool_call(tool=tool)

    with django_assert_num_queries(5):
        admin_client.get(url)


def test_search_and_filters_find_a_tool_call(admin_client: Client) -> None:
    found = make_tool_call(
        name="lookup", item_id="call_abc", call_id=uuid.uuid4(), status="failed", error="HTTP status 500"
    )
    make_tool(name="lookup")
    make_tool_call(name="other", item_id="call_xyz")
    queries: list[dict[str, Any]] = [
        {"q": "lookup"},
        {"q": "call_abc"},
        {"q": str(found.call_id)},
        {"q": "status 500"},
        {"status__exact": "failed"},
        {"tool": "lookup"},
    ]

    for query in queries:
        response = admin_client.get(reverse("admin:tools_toolcall_changelist"), query)
        assert list(response.context["cl"].result_list) == [found], query
