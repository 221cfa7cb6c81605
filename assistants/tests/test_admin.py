"""The pages of assistants, their versions and the catalogue."""

import re
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from assistants.catalogue_admin import retirement
from assistants.models import Assistant, AssistantVersion, RealtimeModel
from assistants.snapshots import snapshot_take
from assistants.tests.factories import make_assistant, make_odd_version, make_version
from tools.models import Tool
from tools.tests.factories import make_tool, make_tool_call
from tools.tests.pages import page_context

pytestmark = pytest.mark.django_db

MODELS = ["assistant", "assistantversion", "realtimemodel", "transcriptionmodel", "voice"]
LONG_PROMPT = "You are the voice of Harbour Bikes. <b>Be brief.</b>\n" * 400
ODD_SNAPSHOTS: list[Any] = [
    {},
    [],
    "text",
    7,
    {"tools": None},
    {"tools": [None, "x", {}, {"name": 3, "kind": ["?"], "parameters": "x"}], "speed": {"a": 1}},
    {"instructions": ["not", "text"], "noise_reduction": [], "first_message_mode": {}},
]


def change_url(assistant: Assistant) -> str:
    return reverse("admin:assistants_assistant_change", args=[assistant.pk])


def publish_url(assistant: Assistant) -> str:
    return reverse("admin:assistants_assistant_publish", args=[assistant.pk])


def form_data(client: Client, url: str, **changes: Any) -> dict[str, Any]:
    """What a browser would post from this page, with some fields typed over."""
    context = page_context(client, url)
    form = context["adminform"].form
    data: dict[str, Any] = {}
    for name in form.fields:
        value = form[name].value()
        if value is not None and value is not False:
            data[name] = value
    for formset in context["inline_admin_formsets"]:
        data |= {f"{formset.formset.prefix}-{key}": 0 for key in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return data | changes


def client_with(*codenames: str) -> Client:
    """The client of somebody of staff who has just these permissions."""
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    client = Client()
    client.force_login(user)
    return client


# --- Every page opens


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_every_list_opens(admin_client: Client, model: str, filled: bool) -> None:  # a parameter
    if filled:
        make_assistant(published=True, tools=[make_tool()])
        make_assistant(name="Draft")
    else:
        RealtimeModel.objects.all().delete()

    response = admin_client.get(reverse(f"admin:assistants_{model}_changelist"), {"q": "o"})

    assert response.status_code == 200


@pytest.mark.parametrize("model", ["assistant", "realtimemodel", "transcriptionmodel", "voice"])
def test_every_add_page_opens(admin_client: Client, model: str) -> None:
    assert admin_client.get(reverse(f"admin:assistants_{model}_add")).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "enabled__exact=1",
        "published=yes",
        "published=no",
        "model__name__exact=x",
        "voice__name__exact=x",
        "q=555",
    ],
)
def test_the_assistants_can_be_filtered(admin_client: Client, query: str) -> None:
    make_assistant(published=True)

    response = admin_client.get(f"{reverse('admin:assistants_assistant_changelist')}?{query}")

    assert response.status_code == 200


@pytest.mark.parametrize("snapshot", ODD_SNAPSHOTS, ids=repr)
def test_a_snapshot_of_any_shape_can_be_read(admin_client: Client, snapshot: Any) -> None:
    assistant = make_assistant()
    version = make_odd_version(assistant=assistant, snapshot=snapshot)

    for url in (
        reverse("admin:assistants_assistant_changelist"),
        change_url(assistant),
        publish_url(assistant),
        reverse("admin:assistants_assistantversion_change", args=[version.pk]),
        reverse("admin:calls_call_told_version", args=[version.pk]),
    ):
        assert admin_client.get(url).status_code == 200, url


def test_a_long_prompt_is_shown_whole_and_escaped(admin_client: Client) -> None:
    version = make_version(assistant=make_assistant(instructions=LONG_PROMPT))

    page = admin_client.get(reverse("admin:assistants_assistantversion_change", args=[version.pk]))

    assert page.content.decode().count("&lt;b&gt;Be brief.&lt;/b&gt;") == 400


# --- The list


def test_the_list_tells_what_callers_hear(admin_client: Client) -> None:
    make_assistant(name="Never")
    make_assistant(name="Live", published=True)
    edited = make_assistant(name="Edited", published=True)
    Assistant.objects.filter(pk=edited.pk).update(instructions="Something new.")

    page = admin_client.get(reverse("admin:assistants_assistant_changelist")).content.decode()

    rows = {
        name: row
        for row in page.split("<tr")[1:]
        for name in ("Never", "Live", "Edited")
        if f">{name}<" in row
    }
    assert "never published" in rows["Never"]
    assert "As live" in rows["Live"]
    assert "Differs from live" in rows["Edited"]


def test_the_list_costs_the_same_for_many(admin_client: Client, django_assert_num_queries: Any) -> None:
    url = reverse("admin:assistants_assistant_changelist")
    tool = make_tool()
    make_assistant(published=True, tools=[tool])
    # Session, user, count twice, rows, tools, numbers, and two filters.
    with django_assert_num_queries(9):
        admin_client.get(url)
    for _ in range(6):
        make_assistant(published=True, tools=[tool])

    with django_assert_num_queries(9):
        admin_client.get(url)


def test_the_list_of_versions_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    url = reverse("admin:assistants_assistantversion_changelist")
    for _ in range(2):
        make_assistant(published=True)
    with django_assert_num_queries(5):
        admin_client.get(url)
    for _ in range(5):
        make_assistant(published=True)

    with django_assert_num_queries(5):
        admin_client.get(url)


def test_the_list_of_versions_leads_to_their_calls_and_counts_none(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    called, idle = make_assistant(published=True).live_version, make_assistant(published=True).live_version
    assert called is not None
    assert idle is not None
    for _ in range(2):
        called.calls.create(assistant=called.assistant)

    with django_assert_max_num_queries(5) as queries:
        page = admin_client.get(reverse("admin:assistants_assistantversion_changelist")).content.decode()

    assert f"version__id__exact={called.pk}" in page
    assert f"version__id__exact={idle.pk}" not in page
    of_calls = [query["sql"] for query in queries if "calls_call" in query["sql"]]
    assert len(of_calls) == 1
    assert "COUNT(" not in of_calls[0]


@pytest.mark.parametrize("term", ["Harbour", "wheel truing", "harbour desk"])
def test_search_finds_an_assistant(admin_client: Client, term: str) -> None:
    found = make_assistant(name="Harbour desk", instructions="Explain wheel truing.")
    make_assistant(name="Other", instructions="Be brief.")

    response = admin_client.get(reverse("admin:assistants_assistant_changelist"), {"q": term})

    assert list(response.context["cl"].result_list) == [found]


# --- The draft


def test_saving_reaches_no_caller_and_says_so(admin_client: Client) -> None:
    assistant = make_assistant(published=True)

    response = admin_client.post(
        change_url(assistant),
        form_data(admin_client, change_url(assistant), instructions="New words.", _continue="1"),
        follow=True,
    )

    assert "Saved as a draft. Callers hear version 1 until you publish." in response.content.decode()
    saved = Assistant.objects.get(pk=assistant.pk)
    assert saved.instructions == "New words."
    assert saved.live_version is not None
    assert saved.live_version.snapshot["instructions"] != "New words."


def test_an_assistant_can_be_added_with_its_tools(admin_client: Client) -> None:
    make_assistant()
    tool = make_tool()
    url = reverse("admin:assistants_assistant_add")
    data = form_data(
        admin_client,
        url,
        name="New desk",
        instructions="Hello.",
        first_message="Good morning.",
        **{
            "assistanttool_set-TOTAL_FORMS": 1,
            "assistanttool_set-0-tool": str(tool.pk),
            "assistanttool_set-0-position": 3,
        },
    )

    response = admin_client.post(url, data)

    assert response.status_code == 302, response.context["errors"]
    assert list(Assistant.objects.get(name="New desk").tools.all()) == [tool]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("first_message", " ", "Write what the assistant says first"),
        ("language", "english", "at most 5 characters"),
        ("language", "e1", "two letters"),
        ("speed", "2", "less than or equal to 1.5"),
        ("server_url", "ftp://hooks.example", "valid URL"),
        ("new_secret", " s3 ", "begins or ends with a space"),
        ("new_secret", "s3é", "sent in a header"),
    ],
)
def test_a_mistake_is_told_beside_its_field(
    admin_client: Client, field: str, value: str, message: str
) -> None:
    assistant = make_assistant()

    response = admin_client.post(
        change_url(assistant), form_data(admin_client, change_url(assistant), **{field: value})
    )

    assert message in str(response.context["adminform"].form.errors[field])


def test_a_published_assistant_cannot_be_deleted(admin_client: Client) -> None:
    assistant = make_assistant(published=True)
    url = reverse("admin:assistants_assistant_delete", args=[assistant.pk])

    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert Assistant.objects.filter(pk=assistant.pk).exists()


# --- The secret


def test_a_secret_is_kept_replaced_and_forgotten_but_never_shown(admin_client: Client) -> None:
    assistant = make_assistant(server_secret="old-secret", tools=[make_tool(server_secret="tool-secret")])
    url = change_url(assistant)

    def stored() -> str:
        return str(Assistant.objects.get(pk=assistant.pk).server_secret)

    admin_client.post(url, form_data(admin_client, url))
    assert stored() == "old-secret"

    admin_client.post(url, form_data(admin_client, url, new_secret="new-secret"))
    assert stored() == "new-secret"

    make_version(assistant=assistant)
    pages = [url, publish_url(assistant), reverse("admin:assistants_assistant_changelist")]
    pages.append(reverse("admin:calls_call_told", args=[assistant.pk]))
    for page in pages:
        html = admin_client.get(page).content.decode()
        assert "new-secret" not in html
        assert "tool-secret" not in html
        assert "gAAAAA" not in html

    admin_client.post(url, form_data(admin_client, url, clear_secret="on"))
    assert stored() == ""


def test_a_secret_typed_and_forgotten_at_once_is_a_mistake(admin_client: Client) -> None:
    assistant = make_assistant(server_secret="old-secret")
    url = change_url(assistant)

    response = admin_client.post(url, form_data(admin_client, url, new_secret="new", clear_secret="on"))

    assert "not both" in str(response.context["adminform"].form.errors)


def test_a_refused_form_does_not_send_the_typed_secret_back(admin_client: Client) -> None:
    assistant = make_assistant()
    url = change_url(assistant)

    response = admin_client.post(url, form_data(admin_client, url, name="", new_secret="typed-secret"))

    assert "typed-secret" not in response.content.decode()


def test_a_secret_that_no_key_opens_stops_no_page(admin_client: Client, settings: Any) -> None:
    tool = make_tool(server_secret="x")
    assistant = make_assistant(server_secret="x", tools=[tool], published=True)
    settings.FIELD_ENCRYPTION_KEYS = ["Zq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="]

    for url in (
        reverse("admin:assistants_assistant_changelist"),
        change_url(assistant),
        publish_url(assistant),
        reverse("admin:calls_call_told", args=[assistant.pk]),
        reverse("admin:tools_tool_changelist"),
        reverse("admin:tools_tool_change", args=[tool.pk]),
        reverse("admin:calls_phonenumber_add"),
    ):
        assert admin_client.get(url).status_code == 200, url
    response = admin_client.post(
        change_url(assistant), form_data(admin_client, change_url(assistant), new_secret="entered-again")
    )
    assert response.status_code == 302


# --- Publishing


def test_publishing_from_the_page(admin_client: Client) -> None:
    assistant = make_assistant(published=True)
    Assistant.objects.filter(pk=assistant.pk).update(voice="cedar")
    page = admin_client.get(publish_url(assistant))
    assert "was: marin" in re.sub(r"\s+", " ", page.content.decode())

    response = admin_client.post(
        publish_url(assistant),
        {"note": "Another voice", "reviewed": page.context["form"]["reviewed"].value()},
        follow=True,
    )

    assert "run on version 2." in response.content.decode()
    version = AssistantVersion.objects.get(assistant=assistant, number=2)
    assert (version.note, str(version.author)) == ("Another voice", "admin")


def test_a_draft_with_problems_cannot_be_published(admin_client: Client) -> None:
    assistant = make_assistant(instructions="")

    page = admin_client.get(publish_url(assistant))
    assert "The prompt is empty." in page.content.decode()
    assert 'type="submit">Publish<' not in page.content.decode()
    reviewed = page.context["form"]["reviewed"].value()
    response = admin_client.post(publish_url(assistant), {"reviewed": reviewed})

    assert "The prompt is empty." in response.content.decode()
    assert not AssistantVersion.objects.exists()


def test_what_was_not_looked_at_is_not_published(admin_client: Client) -> None:
    assistant = make_assistant()
    reviewed = snapshot_take(assistant).fingerprint()
    Assistant.objects.filter(pk=assistant.pk).update(instructions="Changed meanwhile.")

    response = admin_client.post(publish_url(assistant), {"reviewed": reviewed, "note": "Mine"})

    html = response.content.decode()
    assert "changed while you looked at it" in html
    assert "Changed meanwhile." in html
    assert 'value="Mine"' in html
    assert not AssistantVersion.objects.exists()


def test_publishing_tells_of_tools_that_come_change_and_go(admin_client: Client) -> None:
    stays, goes = make_tool(name="stays"), make_tool(name="goes")
    assistant = make_assistant(tools=[stays, goes], published=True)
    Tool.objects.filter(pk=stays.pk).update(description="New words.")
    assistant.assistanttool_set.filter(tool=goes).delete()
    assistant.assistanttool_set.create(tool=make_tool(name="comes"), position=9)

    view = admin_client.get(publish_url(assistant)).context["view"]

    assert [(tool.name, tool.change) for tool in view.tools] == [("stays", "changed"), ("comes", "new")]
    assert view.dropped_tools == ["goes"]


def test_publishing_needs_its_own_permission() -> None:
    assistant = make_assistant()
    client = client_with("change_assistant", "view_assistant")

    assert "Publish…" not in client.get(change_url(assistant)).content.decode()
    assert client.get(publish_url(assistant)).status_code == 403
    assert client.post(publish_url(assistant), {"reviewed": "x"}).status_code == 403


def test_somebody_who_may_only_look_sees_the_draft_and_no_secret() -> None:
    assistant = make_assistant(server_secret="hidden-secret")
    client = client_with("view_assistant")

    html = client.get(change_url(assistant)).content.decode()

    assert "A secret is stored." in html
    assert "hidden-secret" not in html
    assert client.post(change_url(assistant), {}).status_code == 403


# --- Versions


def test_a_version_cannot_be_written_by_anybody(admin_client: Client) -> None:
    version = make_version()
    url = reverse("admin:assistants_assistantversion_change", args=[version.pk])

    assert admin_client.post(url, {"note": "x"}).status_code == 403
    assert admin_client.get(reverse("admin:assistants_assistantversion_add")).status_code == 403
    delete = reverse("admin:assistants_assistantversion_delete", args=[version.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_a_version_that_does_not_exist_leads_to_the_list(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:assistants_assistantversion_change", args=[404]), follow=True)

    assert "There is no such assistant version" in response.content.decode()


# --- The catalogue


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (None, "-"),
        (date(2026, 5, 7), "switched off"),
        (date(2026, 6, 1), "switched off"),
        (date(2026, 8, 30), "in 90 days"),
        (date(2026, 8, 31), "31 Aug 2026"),
    ],
)
def test_what_retires_is_marked(on: date | None, words: str) -> None:
    assert words in str(retirement(on, today=date(2026, 6, 1)))


def test_a_models_name_is_given_once(admin_client: Client) -> None:
    model = RealtimeModel.objects.create(name="gpt-x")
    url = reverse("admin:assistants_realtimemodel_change", args=[model.pk])

    admin_client.post(url, {"name": "gpt-y", "retires_on": "2027-01-01"})

    assert RealtimeModel.objects.get(name="gpt-x").retires_on == date(2027, 1, 1)
    assert not RealtimeModel.objects.filter(name="gpt-y").exists()


# --- Tools, as far as assistants offer them


@pytest.mark.parametrize("query", ["kind__exact=function", "in_use=yes", "in_use=no"])
def test_tools_can_be_filtered(admin_client: Client, query: str) -> None:
    make_assistant(tools=[make_tool(name="used")])
    make_tool(name="unused")

    response = admin_client.get(f"{reverse('admin:tools_tool_changelist')}?{query}")

    names = {tool.name for tool in response.context["cl"].result_list}
    assert names == {"in_use=yes": {"used"}, "in_use=no": {"unused"}}.get(query, {"used", "unused"})


def test_the_list_counts_calls_failures_and_users_with_one_query_for_all(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    tool = make_tool(name="lookup")
    make_assistant(name="Front desk", tools=[tool])
    make_assistant(name="Workshop", tools=[tool])
    for status in ("answered", "failed", "timed_out"):
        make_tool_call(tool=tool, status=status)
    url = reverse("admin:tools_tool_changelist")
    # Session, user, count twice, rows.
    with django_assert_num_queries(5):
        response = admin_client.get(url)
    row = response.context["cl"].result_list[0]
    assert (row.recent, row.wrong, row.used_by_names) == (3, 2, ["Front desk", "Workshop"])
    for _ in range(5):
        make_tool_call(tool=make_tool())

    with django_assert_num_queries(5):
        admin_client.get(url)


def test_a_tool_in_use_is_not_deleted_and_the_reason_is_told(admin_client: Client) -> None:
    tool = make_tool(name="lookup")
    make_assistant(name="Front desk", tools=[tool])
    make_tool_call(tool=tool)

    response = admin_client.post(
        reverse("admin:tools_tool_delete", args=[tool.pk]), {"post": "yes"}, follow=True
    )

    html = response.content.decode()
    assert "lookup cannot be deleted: it is offered by Front desk." in html
    assert "Recorded tool calls point to it" in html
    assert Tool.objects.filter(pk=tool.pk).exists()
