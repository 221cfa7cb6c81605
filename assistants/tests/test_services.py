"""Publishing."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connections

from assistants.models import Assistant, AssistantTool
from assistants.services import assistant_publish, publish_faults, publish_problems
from assistants.snapshots import draft_differs, snapshot_read, snapshot_take
from assistants.tests.factories import make_assistant, make_odd_version, make_version
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def test_publishing_makes_the_first_version_live() -> None:
    author = User.objects.create(username="olga")
    assistant = make_assistant(tools=[make_tool(name="lookup")])

    version = assistant_publish(assistant=assistant, author=author, note="First")

    assert (version.number, version.author, version.note) == (1, author, "First")
    assert Assistant.objects.get(pk=assistant.pk).live_version == version
    assert [tool["name"] for tool in version.snapshot["tools"]] == ["lookup"]


def test_a_later_edit_changes_no_published_version() -> None:
    tool = make_tool(description="old")
    assistant = make_assistant(instructions="old", tools=[tool])
    first = make_version(assistant=assistant)

    Assistant.objects.filter(pk=assistant.pk).update(instructions="new")
    Tool.objects.filter(pk=tool.pk).update(description="new")
    second = make_version(assistant=Assistant.objects.get(pk=assistant.pk))

    first.refresh_from_db()
    assert (first.snapshot["instructions"], first.snapshot["tools"][0]["description"]) == ("old", "old")
    assert (second.number, second.snapshot["instructions"]) == (2, "new")


def test_a_snapshot_survives_the_database() -> None:
    assistant = make_assistant(speed="1.25", vad_threshold="0.65", tools=[make_tool()])
    version = make_version(assistant=assistant)

    version.refresh_from_db()

    assert snapshot_read(version.snapshot) == snapshot_take(Assistant.objects.get(pk=assistant.pk))


def test_a_snapshot_holds_no_secret_and_opens_none(settings: Any) -> None:
    tool = make_tool(server_secret="tool-secret")
    assistant = make_assistant(server_secret="assistant-secret", tools=[tool])
    # Nothing can decrypt what is stored now, as after a key was lost.
    settings.FIELD_ENCRYPTION_KEYS = ["Zq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="]

    version = assistant_publish(assistant=assistant)

    assert "secret" not in str(version.snapshot)


def test_tools_keep_the_order_of_their_positions() -> None:
    assistant = make_assistant(tools=[make_tool(name="b"), make_tool(name="a"), make_tool(name="c")])
    AssistantTool.objects.filter(tool__name="c").update(position=0)
    AssistantTool.objects.filter(tool__name="b").update(position=2)

    assert [tool.name for tool in snapshot_take(assistant).tools] == ["c", "a", "b"]


def test_every_problem_is_told_at_once_and_nothing_is_published() -> None:
    assistant = make_assistant(
        instructions="  ",
        tools=[
            make_tool(name="lookup", server_url=""),
            make_tool(name="lookup"),
            make_tool(name="odd", parameters={"type": "object", "properties": []}),
        ],
    )

    with pytest.raises(ValidationError) as caught:
        assistant_publish(assistant=assistant)

    assert caught.value.messages == [
        "The prompt is empty. Write who the assistant is and what it should do.",
        "Two tools are called lookup. Rename one of them.",
        "The tool lookup has no server URL, and neither has the assistant.",
        'The tool odd: "properties" must be an object.',
    ]
    assert not assistant.versions.exists()


def test_a_tool_without_a_url_uses_the_assistants() -> None:
    assistant = make_assistant(server_url="https://hooks.example/all", tools=[make_tool(server_url="")])

    assert make_version(assistant=assistant).snapshot["tools"][0]["server_url"] == "https://hooks.example/all"


def test_a_template_mistake_is_told_with_its_line_before_a_caller_hears_the_braces() -> None:
    assistant = make_assistant(
        instructions="You answer.\nThe caller is {{ first name }}.", first_message="Hello {{ name }}."
    )

    with pytest.raises(ValidationError) as refused:
        assistant_publish(assistant=assistant)

    (problem,) = refused.value.messages
    assert problem.startswith("The prompt, line 2: ")


def test_a_draft_that_changed_since_it_was_looked_at_is_not_published() -> None:
    assistant = make_assistant()
    reviewed = snapshot_take(assistant).fingerprint()
    Assistant.objects.filter(pk=assistant.pk).update(instructions="Somebody else's words.")

    with pytest.raises(ValidationError, match="changed while you looked"):
        assistant_publish(assistant=assistant, reviewed=reviewed)


def test_a_draft_differs_from_live_after_an_edit_of_it_or_of_its_tools() -> None:
    tool = make_tool()
    assistant = make_assistant(tools=[tool], published=True)
    assert not draft_differs(Assistant.objects.get(pk=assistant.pk))

    Tool.objects.filter(pk=tool.pk).update(description="Something else.")

    assert draft_differs(Assistant.objects.get(pk=assistant.pk))


@pytest.mark.parametrize("stored", [{}, [], "text", {"tools": 1}, {"tools": [{"name": "x"}]}])
def test_a_snapshot_of_unknown_shape_differs_and_raises_type_error(stored: Any) -> None:
    assistant = make_assistant()
    make_odd_version(assistant=assistant, snapshot=stored or {})

    with pytest.raises(TypeError):
        snapshot_read(stored)
    assert draft_differs(assistant)


@pytest.mark.django_db(transaction=True)
def test_two_people_publishing_at_once_get_two_numbers() -> None:
    assistant = make_assistant()
    numbers: list[int] = []

    def publish() -> None:
        numbers.append(assistant_publish(assistant=Assistant.objects.get(pk=assistant.pk)).number)
        connections.close_all()

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == [1, 2, 3, 4]


# --- What certainly does not fit


@pytest.mark.parametrize(("model", "limit"), [("gpt-realtime", "16,384"), ("gpt-realtime-2.1", "128,000")])
def test_a_prompt_that_cannot_fit_into_the_window_is_refused(model: str, limit: str) -> None:
    tokens = int(limit.replace(",", ""))
    words = "Be brief. " * (tokens * 8 // 10)
    snapshot = replace(snapshot_take(make_assistant()), model=model, tools=())

    assert publish_problems(replace(snapshot, instructions=words)) == []
    [problem] = publish_problems(replace(snapshot, instructions=words + "Be kind. " * 3))
    assert f"{model} takes at most {limit}" in problem


@pytest.mark.parametrize(
    "text", ["Hello.{% if long %}" + "Be brief. " * 200_000 + "{% endif %}", "Hello.\n" + "-" * 2_000_000]
)
def test_a_prompt_that_may_yet_fit_is_not_refused(text: str) -> None:
    snapshot = replace(snapshot_take(make_assistant()), instructions=text)

    assert not [one for one in publish_problems(snapshot) if "takes at most" in one]


def test_the_descriptions_of_tools_count() -> None:
    tool = make_tool(description="Looks up a name. " * 100_000)
    snapshot = snapshot_take(make_assistant(tools=[tool]))

    assert "takes at most 128,000" in publish_problems(snapshot)[0]


def test_a_very_long_prompt_is_measured_in_no_time() -> None:
    begun = time.monotonic()

    publish_faults(replace(snapshot_take(make_assistant()), instructions="{% {{ { " * 1_000_000))

    assert time.monotonic() - begun < 60  # in proportion it is about one; squared it is hours


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"type": "request-start", "content": "One moment.\n{{ oh no }}"}]},
        {"messages": [{"contents": [{"language": "es", "text": "\n{{ oh no }}"}]}]},
        {"kind": "transferCall", "settings": {"destinations": [{"message": "Bye.\n{{ oh no }}"}]}},
        {
            "kind": "transferCall",
            "settings": {
                "destinations": [
                    {"transferPlan": {"fallbackPlan": {"message": {"content": "\n{{ oh no }}"}}}}
                ]
            },
        },
    ],
    ids=["message", "one language", "destination", "nobody picked up"],
)
def test_a_mistake_in_what_is_said_of_a_tool_is_told_with_the_tool(fields: dict[str, Any]) -> None:
    snapshot = snapshot_take(make_assistant(tools=[make_tool(name="book", **fields)]))

    faults = [fault for fault in publish_faults(snapshot) if fault.field == "messages"]

    assert [(fault.tool, fault.text) for fault in faults] == [
        ("book", "A message of the tool book, line 2: “no” does not belong here.")
    ]


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({}, True),
        ({"a": {"type": "string"}, "b": {"type": "string"}}, True),
        ({"keys": {"type": "string"}}, False),
        ({"digits": {"type": "string"}, "why": {"type": "string"}}, False),
        ({"menu_option": {"type": "string"}}, False),
    ],
)
def test_a_tool_that_presses_keys_says_which(properties: dict[str, Any], *, told: bool) -> None:
    tool = make_tool(name="press", kind="dtmf", parameters={"type": "object", "properties": properties})

    problems = publish_problems(snapshot_take(make_assistant(tools=[tool])))

    assert any("Give it a text argument named keys" in one for one in problems) is told
