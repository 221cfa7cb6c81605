"""Test requests from a tool's page: a real request, shown whole, and counted nowhere."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from redis import Redis

from tools import breaker, shared_state
from tools.models import Credential, Tool, ToolCall
from tools.tests.factories import make_tool
from tools.tests.servers import Behaviour, answering, reaching, refused_url, serve, silent
from tools.trials import running as trials
from tools.trials.reports import url_shown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client", "loopback")]

RESULT = '{"result": "Ready on Tuesday."}'


def page(client: Client, tool: Tool) -> Any:
    return client.get(reverse("admin:tools_tool_test", args=[tool.pk]))


def send(client: Client, tool: Tool, arguments: str = "{}", **fields: Any) -> Any:
    """A test request as the page's form sends it; without the tick where ``agreed`` is None."""
    mark = page(client, tool).context["form"]["mark"].value()
    data = {"arguments": arguments, "mark": mark, "agreed": "on", **fields}
    return client.post(
        reverse("admin:tools_tool_test", args=[tool.pk]),
        {name: value for name, value in data.items() if value is not None},
    )


def told(response: Any) -> str:
    return str(response.context["report"].told)


def test_the_page_begins_with_an_example_and_sends_nothing_by_itself(admin_client: Client) -> None:
    with serve(answering(RESULT)) as server:
        tool = make_tool(
            server_url=server.url,
            parameters={"type": "object", "properties": {"ticket": {"type": "string"}}},
        )
        html = page(admin_client, tool).content.decode()

    assert "&quot;ticket&quot;: &quot;example ticket&quot;" in html
    assert "This is a real request to" in html
    assert server.requests == []


def test_the_request_is_what_a_call_would_send_and_says_that_it_is_a_sample(admin_client: Client) -> None:
    with serve(answering(RESULT)) as server:
        tool = make_tool(
            server_url=server.url,
            server_secret="s3cr3t-value",
            static_parameters=[{"key": "branch", "value": "N"}],
        )
        response = send(admin_client, tool, '{"ticket": "44712"}')

    message = server.bodies[0]["message"]
    headers, _ = server.requests[0]
    assert message["type"] == "tool-calls"
    assert message["toolCallList"][0]["function"]["arguments"] == {"ticket": "44712", "branch": "N"}
    assert message["toolCallList"][0]["id"].startswith("call_test_")
    assert message["call"]["metadata"] == {"testRequest": True}
    assert message["customer"]["name"] == "Test request"
    assert headers["X-Vapi-Secret"] == "s3cr3t-value"
    assert told(response) == "Ready on Tuesday."
    assert "HTTP status 200" in response.content.decode()


def test_no_secret_is_shown_not_even_one_that_the_server_sends_back(admin_client: Client) -> None:
    with serve(answering('{"result": "you sent s3cr3t-value and keykey-1"}')) as server:
        tool = make_tool(
            server_url=f"{server.url}?token=urlsecret",
            server_secret="s3cr3t-value",
            server_headers=json.dumps({"X-Tenant": "keykey-1"}),
        )
        html = send(admin_client, tool).content.decode()

    assert server.requests[0][0]["X-Tenant"] == "keykey-1"
    assert server.paths == ["/vapi?token=urlsecret"]
    for secret in ("s3cr3t-value", "keykey-1", "urlsecret"):
        assert secret not in html
    assert "X-Tenant: hidden" in html
    assert "sent back a secret" in html


def test_nothing_is_counted_and_the_history_tells_of_it_without_arguments(admin_client: Client) -> None:
    with serve(answering("{}", status=503)) as server:
        tool = make_tool(server_url=server.url)
        for _ in range(breaker.FAILURES_TO_OPEN + 1):
            send(admin_client, tool, '{"ticket": "private words"}')

    assert len(server.requests) == breaker.FAILURES_TO_OPEN + 1
    assert not ToolCall.objects.exists()
    assert breaker.breakers_list() == []
    entries = [entry.get_change_message() for entry in LogEntry.objects.all()]
    assert entries == ["Sent a test request: failed, HTTP status 503."] * (breaker.FAILURES_TO_OPEN + 1)


def test_a_host_that_calls_leave_alone_is_asked_by_a_test_request(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_S", 600.0)
    with serve(answering(RESULT)) as server:
        tool = make_tool(server_url=server.url)
        permit = breaker.permit(breaker.host_of(server.url))
        assert permit is not None
        for _ in range(breaker.FAILURES_TO_OPEN):
            breaker.failed(permit, code="timeout")

        response = send(admin_client, tool)

        assert told(response) == "Ready on Tuesday."
        assert breaker.permit(permit.host) is None


def test_without_the_tick_nothing_is_sent(admin_client: Client) -> None:
    with serve(answering(RESULT)) as server:
        response = send(admin_client, make_tool(server_url=server.url), agreed=None)

    assert "Tick this first" in response.content.decode()
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("[1]", "Write a JSON object"), ("{oops", "line 1, column 2"), ('"x"', "JSON object")],
)
def test_arguments_that_are_no_object_are_not_sent(admin_client: Client, arguments: str, said: str) -> None:
    with serve(answering(RESULT)) as server:
        response = send(admin_client, make_tool(server_url=server.url), arguments)

    assert said in response.content.decode()
    assert server.requests == []


def test_a_page_that_is_sent_again_by_the_browser_sends_one_request(admin_client: Client) -> None:
    with serve(answering(RESULT)) as server:
        tool = make_tool(server_url=server.url)
        mark = page(admin_client, tool).context["form"]["mark"].value()
        send(admin_client, tool, mark=mark)
        again = send(admin_client, tool, mark=mark)

    assert len(server.requests) == 1
    assert "not sent a second time" in again.content.decode()


def test_without_redis_the_request_goes_out(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "store", lambda: Redis.from_url("redis://127.0.0.1:1/0"))
    monkeypatch.setattr("tools.trials.page.store", shared_state.store)
    with serve(answering(RESULT)) as server:
        response = send(admin_client, make_tool(server_url=server.url))

    assert told(response) == "Ready on Tuesday."


@pytest.mark.parametrize(
    ("behaviour", "fields", "status", "said"),
    [
        (answering("nope", status=500), {}, "Failed", "HTTP status 500"),
        (answering(RESULT), {"parameters": {"type": "object", "required": ["a"]}}, "Refused", "do not fit"),
        (
            answering(RESULT),
            {"rejection_plan": {"conditions": [{"type": "liquid", "liquid": "true"}]}},
            "Refused",
            "a rule",
        ),
        (answering(RESULT), {"server_headers": "{broken"}, "Failed", "cannot be read"),
    ],
    ids=["error status", "arguments", "rejection plan", "headers"],
)
def test_every_end_is_told_in_the_words_that_the_model_gets(
    admin_client: Client, behaviour: Behaviour, fields: dict[str, Any], status: str, said: str
) -> None:
    with serve(behaviour) as server:
        response = send(admin_client, make_tool(server_url=server.url, **fields))

    assert status in response.context["report"].status
    assert said in told(response)


def test_each_attempt_of_a_plan_is_shown(admin_client: Client) -> None:
    plan = {"type": "fixed", "maxRetries": 1, "baseDelaySeconds": 0}

    response = send(admin_client, make_tool(server_url=refused_url(), backoff_plan=plan))

    assert [one.n for one in response.context["report"].attempts] == [1, 2]
    assert "Attempt 2: request and answer" in response.content.decode()
    assert "which never left" in response.content.decode()


def test_a_slow_server_holds_the_page_no_longer_than_allowed(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"type": "fixed", "maxRetries": 5, "baseDelaySeconds": 0}
    with serve(silent) as server:
        tool = make_tool(server_url=server.url, timeout_s=300, backoff_plan=plan)

        def tried(most_s: float) -> Any:
            monkeypatch.setattr(trials, "TRIAL_MAX_S", int(most_s))
            return send(admin_client, tool)

        response = reaching(server, tried)

    attempts = response.context["report"].attempts
    spent = attempts[-1].finished_at - attempts[0].started_at
    assert spent.total_seconds() < 150  # the tool has 300 s for each of six attempts
    assert "no complete answer came" in told(response)


def test_an_http_request_is_sent_without_an_envelope(admin_client: Client) -> None:
    settings = {"url": "URL/{{ ticket }}", "method": "GET"}
    with serve(answering('{"status": "ready"}')) as server:
        settings["url"] = f"{server.url}/{{{{ ticket }}}}"
        tool = make_tool(kind="apiRequest", server_url="", settings=settings)
        response = send(admin_client, tool, '{"ticket": "a/b"}')

    assert (server.methods, server.paths) == (["GET"], ["/vapi/a%2Fb"])
    assert told(response) == '{"status":"ready"}'


def test_the_organisations_server_is_asked_where_nobody_has_another(
    admin_client: Client, settings: Settings
) -> None:
    with serve(answering(RESULT)) as server:
        settings.ORGANISATION_SERVER_URL, settings.ORGANISATION_SERVER_SECRET = server.url, "org-secret"
        response = send(admin_client, make_tool(server_url=""))

    assert told(response) == "Ready on Tuesday."
    assert server.requests[0][0]["X-Vapi-Secret"] == "org-secret"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "endCall"}, "carried out by Tandem itself"),
        ({"kind": "transferCall", "settings": {"destinations": [{}]}}, "carried out by Tandem itself"),
        ({"kind": "transferCall", "server_url": ""}, "no server URL"),
        ({"kind": "query"}, "only Vapi holds"),
        ({"kind": "mcp"}, "Fetch its list of tools first"),
        ({"server_url": ""}, "no server URL"),
    ],
    ids=str,
)
def test_where_there_is_nobody_to_ask_the_page_says_so(
    admin_client: Client, fields: dict[str, Any], said: str
) -> None:
    tool = make_tool(**fields)

    html = page(admin_client, tool).content.decode()

    assert said in html
    assert "Send the test request" not in html
    assert send(admin_client, tool).context["report"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"settings": [1]},
        {"messages": {"a": 1}},
        {"backoff_plan": "often"},
        {"static_parameters": ["x"]},
        {"variable_extraction": [1]},
        {"rejection_plan": 7},
    ],
    ids=str,
)
def test_what_is_stored_without_its_form_breaks_no_page_and_is_not_sent(
    admin_client: Client, fields: dict[str, Any]
) -> None:
    with serve(answering(RESULT)) as server:
        tool = make_tool(server_url=server.url, **fields)
        html = page(admin_client, tool).content.decode()
        send(admin_client, tool)

    assert "does not have the form that it needs" in html
    assert server.requests == []
    edited = admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk]))
    assert "does not have the form that it needs" in edited.content.decode()


@pytest.mark.parametrize("parameters", [[1], {}, {"type": "array"}, "text"], ids=repr)
def test_parameters_that_describe_no_object_break_no_page(admin_client: Client, parameters: Any) -> None:
    tool = make_tool(parameters=parameters)

    assert page(admin_client, tool).status_code == 200
    assert admin_client.get(reverse("admin:tools_tool_change", args=[tool.pk])).status_code == 200


def test_a_forbidden_address_is_refused_as_in_a_call(admin_client: Client, settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    with serve(answering(RESULT)) as server:
        response = send(admin_client, make_tool(server_url=server.url))

    assert server.requests == []
    assert "its address is private" in told(response)


def test_a_credential_that_waits_to_be_entered_is_named(admin_client: Client) -> None:
    response = send(admin_client, make_tool(credential=Credential.objects.create(name="Imported")))

    assert "credential" in told(response)
    assert response.context["report"].shown == []


@pytest.mark.parametrize("codename", ["view_tool", ""])
def test_who_may_not_change_the_tool_may_not_test_it(client: Client, codename: str) -> None:
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename=codename))
    client.force_login(user)
    tool = make_tool()

    assert page(client, tool).status_code == 403
    assert client.post(reverse("admin:tools_tool_test", args=[tool.pk])).status_code == 403


def test_a_tool_that_is_gone_leads_to_the_list(admin_client: Client) -> None:
    tool = make_tool()
    url = reverse("admin:tools_tool_test", args=[tool.pk])
    tool.delete()

    assert admin_client.get(url).status_code == 302


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/x?id=7", "https://a.example/x?id=7"),
        ("https://a.example/x?id=7&api_key=abc#t", "https://a.example/x?id=7&api_key=hidden#t"),
        ("https://u:pw@a.example:8443/", "https://u:hidden@a.example:8443/"),
        ("https://[", "https://["),
    ],
)
def test_secrets_in_a_url_are_hidden(url: str, shown: str) -> None:
    assert url_shown(url) == shown
