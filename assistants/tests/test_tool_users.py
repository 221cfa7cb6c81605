"""Whom a change of a tool reaches: in the tool's page and after it was saved."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from assistants.models import Assistant, AssistantTool, AssistantVersion
from assistants.services import assistant_publish
from assistants.snapshots import snapshot_take
from assistants.tests.factories import make_assistant
from assistants.tool_users import tool_users
from tools.models import Tool
from tools.tests.factories import make_tool
from tools.tests.pages import page_context
from tools.tests.servers import answering, serve

pytestmark = pytest.mark.django_db


def states(tool: Tool) -> dict[str, str]:
    return {one.name: one.state for one in tool_users(tool)}


def save(client: Client, tool: Tool, **fields: Any) -> Any:
    url = reverse("admin:tools_tool_change", args=[tool.pk])
    form = page_context(client, url)["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    return client.post(url, {**data, "_continue": "1", **fields}, follow=True)


def test_each_assistant_is_told_by_what_its_callers_have() -> None:
    tool = make_tool(name="lookup", description="First words.")
    make_assistant(name="Older", tools=[tool], published=True)
    Tool.objects.update(description="Second words.")
    tool.refresh_from_db()
    make_assistant(name="Same", tools=[tool], published=True)
    make_assistant(name="Never", tools=[tool])
    AssistantTool.objects.create(assistant=make_assistant(name="Waiting", published=True), tool=tool)
    AssistantTool.objects.filter(
        assistant=make_assistant(name="Leaving", tools=[tool], published=True)
    ).delete()
    make_assistant(name="Other", tools=[make_tool(name="other")], published=True)

    assert states(tool) == {
        "Leaving": "leaving", "Never": "never", "Older": "older", "Same": "same", "Waiting": "waiting",
    }  # fmt: skip


def test_the_version_and_its_day_are_those_that_callers_hear() -> None:
    tool = make_tool()
    assistant = make_assistant(tools=[tool], published=True)
    Tool.objects.update(description="Second words.")
    version = assistant_publish(assistant=assistant)

    (user,) = tool_users(tool)

    assert (user.version, user.version_pk, user.since) == (2, version.pk, version.published_at)


def test_a_snapshot_of_an_older_release_counts_as_the_same_tool() -> None:
    tool = make_tool()
    assistant = make_assistant(tools=[tool])
    snapshot = snapshot_take(assistant).to_json()
    for name in ("messages", "wire_name", "asynchronous"):
        del snapshot["tools"][0][name]
    version = AssistantVersion.objects.create(assistant=assistant, number=1, snapshot=snapshot)
    Assistant.objects.update(live_version=version)

    assert list(states(tool).values()) == ["same"]


def test_an_assistants_own_server_is_part_of_its_tools() -> None:
    tool = make_tool(server_url="")
    make_assistant(name="A", tools=[tool], published=True, server_url="https://a.example")
    Assistant.objects.update(server_url="https://b.example")

    assert states(tool) == {"A": "older"}


def test_the_tools_page_names_them_with_links_to_publish(admin_client: Client) -> None:
    tool = make_tool()
    assistant = make_assistant(name="Front desk", tools=[tool], published=True)

    html = admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk])).content.decode()

    assert reverse("admin:assistants_assistant_change", args=[assistant.pk]) in html
    assert reverse("admin:assistants_assistant_publish", args=[assistant.pk]) in html
    assert "This tool as it is saved here" in html


def test_after_saving_it_is_said_who_must_be_published(admin_client: Client) -> None:
    tool = make_tool()
    assistant = make_assistant(name="Front <desk>", tools=[tool], published=True)
    make_assistant(name="Draft", tools=[tool])

    response = save(admin_client, tool, description="Second words.")

    told = [str(message) for message in response.context["messages"]]
    url = reverse("admin:assistants_assistant_publish", args=[assistant.pk])
    (reaching,) = [text for text in told if "Callers get this change when" in text]
    assert "Front &lt;desk&gt; is published again" in reaching
    assert url in reaching
    assert "An older form of this tool" in response.content.decode()


def test_who_may_not_publish_is_offered_no_link_to_it(client: Client) -> None:
    user = User.objects.create_user("tina", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_tool", "change_tool"]))
    client.force_login(user)
    tool = make_tool()
    make_assistant(name="Front desk", tools=[tool], published=True)

    html = save(client, tool, description="Second words.").content.decode()

    assert "Callers get this change when Front desk is published again." in html
    assert "/publish/" not in html


def test_a_new_secret_waits_for_no_publishing(admin_client: Client) -> None:
    tool = make_tool()
    make_assistant(tools=[tool], published=True)

    response = save(admin_client, tool, new_secret="s3cr3t-value")

    assert "Callers get this change" not in "".join(str(one) for one in response.context["messages"])


@pytest.mark.usefixtures("redis_client")
def test_a_test_request_goes_where_the_chosen_assistants_go(admin_client: Client, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = True
    tool = make_tool(server_url="", static_parameters=[{"key": "who", "value": "{{ shop }}"}])
    with serve(answering('{"result": "Ready."}')) as one, serve(answering('{"result": "Other."}')) as other:
        make_assistant(name="A", tools=[tool], server_url=one.url)
        chosen = make_assistant(
            name="B",
            tools=[tool],
            server_url=other.url,
            server_secret="b-secret",
            variables={"shop": "Harbour"},
        )
        url = reverse("admin:tools_tool_test", args=[tool.pk])
        mark = admin_client.get(url).context["form"]["mark"].value()
        response = admin_client.post(
            url, {"assistant": str(chosen.pk), "arguments": "{}", "agreed": "on", "mark": mark}
        )

    assert response.context["report"].told == "Other."
    assert one.requests == []
    assert other.requests[0][0]["X-Vapi-Secret"] == "b-secret"
    message = other.bodies[0]["message"]
    assert message["toolCallList"][0]["arguments"] == {"who": "Harbour"}
    assert (message["assistant"]["name"], message["call"]["assistantId"]) == ("B", str(chosen.pk))
