"""What a call runs on by what a program sends: against the real database, and as the media process reads it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from assistants.snapshots import Snapshot, snapshot_read
from assistants.tests.factories import (
    make_assistant,
    make_realtime_model,
    make_transcription_model,
    make_version,
    make_voice,
)
from calls.choosing.services import Choice, RefusedError, choice_pin, choose
from calls.erasing.stripping import calls_strip
from calls.messages.servers import parts_of, server_of
from calls.models import Call, CallStripped, CallVariables
from calls.selectors import StreamCall, call_for_stream
from calls.services import call_finish
from calls.tests.factories import make_call
from calls.tool_context import tool_context
from calls.variables import call_rendered
from tools.encryption import decrypt
from tools.models import Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

PROMPT = {
    "provider": "openai",
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "Sell {{ ware }}."}],
}
INLINE: dict[str, Any] = {"name": "Mary", "firstMessage": "Hello {{ who }}.", "model": PROMPT}
BOOK = {
    "type": "function",
    "function": {"name": "book", "parameters": {"type": "object", "properties": {}}},
    "server": {"url": "https://tools.example.com/book", "secret": "s3same"},
}


@pytest.fixture(autouse=True)
def catalogue() -> None:
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()


def placed(body: dict[str, Any], **more: Any) -> StreamCall:
    """The call that this body makes, as its media stream runs it."""
    choice = choose(body, **more)
    with transaction.atomic():
        call = make_call(status=Call.Status.RINGING, started_at=None, ended_at=None, **choice.columns())
        choice_pin(call, choice)
    found = call_for_stream(call.pk)
    assert found is not None
    return call_rendered(found, now=timezone.now())


def snapshot_of(choice: Choice) -> Snapshot:
    return snapshot_read(choice.version.snapshot)


def refusal(body: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        choose(body, **more)
    assert caught.value.status == 400
    return caught.value.messages


def desk(**fields: Any) -> Assistant:
    """A published assistant with a tool and a secret."""
    tool = make_tool(name="find_slots", server_url="")
    given = {
        "server_url": "https://desk.example.com/hooks",
        "server_secret": "of the desk",
        "first_message": "Hello {{ who }}, this is {{ company | default: 'nobody' }}.",
        "tools": [tool],
        **fields,
    }
    return make_assistant(published=True, **given)


# --- By id


def test_an_assistant_is_named_by_id_and_the_values_of_the_call_reach_its_templates() -> None:
    assistant = desk(variables={"company": "Harbour Bikes", "who": "you"})

    call = placed(
        {"assistantId": str(assistant.pk), "assistantOverrides": {"variableValues": {"who": "Marta"}}},
        customer={"assistantOverrides": {"variableValues": {"who": "Ida"}}},
    )

    assert call.snapshot.first_message == "Hello Ida, this is Harbour Bikes."
    assert call.snapshot.assistant_id == str(assistant.pk)
    assert Transient.objects.count() == 0


def test_values_whose_names_tell_of_a_secret_are_stored_encrypted_and_reach_the_call() -> None:
    assistant = desk(first_message="{{ apiKey }} {{ who }}")
    given = {"variableValues": {"apiKey": "k1", "who": "Ida"}}

    call = placed({"assistantId": str(assistant.pk), "assistantOverrides": given})

    row = CallVariables.objects.get()
    assert (row.values, row.secret_values) == ({"who": "Ida"}, '{"apiKey": "k1"}')
    assert call.snapshot.first_message == "k1 Ida"


def test_a_version_may_be_pinned_by_its_number() -> None:
    assistant = desk()
    Assistant.objects.filter(pk=assistant.pk).update(first_message="Second.")
    make_version(assistant=assistant)

    assert choose({"assistantId": str(assistant.pk), "assistantVersion": "v1"}).version.number == 1
    assert choose({"assistantId": str(assistant.pk)}).version.number == 2
    assert (
        "`assistantVersion` v9 Does Not Exist"
        in refusal({"assistantId": str(assistant.pk), "assistantVersion": "v9"})[0]
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Need Either `assistantId`, `assistant`, `squadId` Or `squad`"),
        ({"assistantId": "x", "squad": {}}, "Need Only One Of `assistantId`, `squad`"),
        ({"assistantId": "nobody"}, "`assistantId` nobody Does Not Exist"),
        ({"squadId": "nobody"}, "`squadId` nobody Does Not Exist"),
        ({"assistantId": 7}, "assistantId must be a string"),
        ({"assistantId": "a\x00"}, "assistantId must be a string"),
        ({"workflowId": "w"}, "workflowId is not served"),
        ({"assistant": "Mary"}, "assistant must be an object"),
        ({"assistant": {"nme": "x"}}, "assistant.property nme should not exist"),
        ({"assistant": {"name": "x" * 41}}, "assistant.name must be shorter than or equal to 40 characters"),
        ({"assistant": {"name": "x"}}, "The prompt is empty"),
        ({"assistant": {**INLINE, "model": {**PROMPT, "toolIds": ["t1"]}}}, "`toolId` t1 Does Not Exist"),
        ({"assistantId": "x", "assistantOverrides": {"firstMesage": "y"}}, "assistantOverrides.property firstMesage"),
        ({"assistantId": "x", "assistantOverrides": {"variableValues": []}}, "variableValues must be an object"),
        ({"assistantId": "x", "assistantOverrides": []}, "assistantOverrides must be an object"),
        ({"squad": {"members": []}}, "squad.members should not be empty"),
        ({"squad": {"members": [{"assistant": {"nme": 1}}]}}, "squad.members.0.assistant.property nme"),
        ({"squad": {"members": [{"assistantId": "nobody"}]}}, "`assistantId` nobody Does Not Exist"),
        ({"assistantVersion": "v1", "assistant": INLINE}, "assistantVersion needs assistantId"),
    ],
)  # fmt: skip
def test_what_names_nobody_or_is_wrong_is_refused_in_words(body: dict[str, Any], words: str) -> None:
    told = refusal(body)

    assert any(words in one for one in told), told
    assert Transient.objects.count() == Assistant.every.count() == 0


def test_whoever_named_nobody_is_told_from_whoever_named_a_wrong_one() -> None:
    with pytest.raises(RefusedError) as nobody:
        choose({"assistantOverrides": {"variableValues": {}}})
    with pytest.raises(RefusedError) as wrong:
        choose({"assistantId": "x"})

    assert (nobody.value.nothing, wrong.value.nothing) == (True, False)


def test_an_assistant_that_is_switched_off_or_was_never_published_takes_no_call() -> None:
    off, draft = desk(enabled=False), make_assistant()

    assert "Is Switched Off" in refusal({"assistantId": str(off.pk)})[0]
    assert "Was Never Published" in refusal({"assistantId": str(draft.pk)})[0]


# --- Sent along


def test_an_assistant_sent_along_runs_the_call_with_its_tools_and_their_secrets() -> None:
    stored = make_tool(name="find_slots", server_url="https://tools.example.com/slots")
    model = {**PROMPT, "tools": [BOOK], "toolIds": [str(stored.pk)]}

    call = placed(
        {"assistant": {**INLINE, "model": model}, "assistantOverrides": {"variableValues": {"ware": "bikes"}}}
    )

    assert (call.snapshot.name, call.snapshot.instructions) == ("Mary", "Sell bikes.")
    assert [tool.name for tool in call.snapshot.tools] == ["book", "find_slots"]
    assert set(call.tool_auths) == {tool.id for tool in call.snapshot.tools}
    assert Tool.every.get(name="book").server_secret == "s3same"
    made = Transient.objects.get()
    assert made.document["model"]["tools"][0]["server"]["secret"] == "(hidden)"
    assert "s3same" not in str(AssistantVersion.objects.get().snapshot)


def test_what_was_sent_along_is_in_no_list() -> None:
    choose({"assistant": {**INLINE, "model": {**PROMPT, "tools": [BOOK]}}})

    assert (Assistant.objects.count(), Tool.objects.count()) == (0, 0)
    assert (Assistant.every.count(), Tool.every.count()) == (1, 1)
    assert "Does Not Exist" in refusal({"assistantId": str(Assistant.every.get().pk)})[0]


def test_the_same_document_is_made_once_and_another_one_anew() -> None:
    first = choose({"assistant": INLINE, "assistantOverrides": {"variableValues": {"who": "Ida"}}})
    again = choose({"assistant": INLINE, "assistantOverrides": {"variableValues": {"who": "Ole"}}})
    other = choose({"assistant": {**INLINE, "firstMessage": "Hi."}})

    assert first.version == again.version != other.version
    assert Transient.objects.count() == 2


def test_a_stored_tool_that_was_changed_since_makes_the_document_anew() -> None:
    tool = make_tool(name="find_slots", description="Old.")
    body = {"assistant": {**INLINE, "model": {**PROMPT, "toolIds": [str(tool.pk)]}}}
    before = choose(body)
    tool.description = "New."
    tool.save()

    after = choose(body)

    assert [snapshot_of(one).tools[0].description for one in (before, after)] == ["Old.", "New."]


# --- Overrides


def test_overrides_change_what_they_name_and_leave_what_callers_hear() -> None:
    assistant = desk()
    # Edited since, and not published.
    Assistant.objects.filter(pk=assistant.pk).update(instructions="A draft.", end_call_message="Bye.")
    over = {"firstMessage": "Overridden.", "maxDurationSeconds": 120, "model": None}

    choice = choose({"assistantId": str(assistant.pk), "assistantOverrides": over})

    live, now = snapshot_read(assistant.live_version.snapshot), snapshot_of(choice)  # type: ignore[union-attr]
    assert now == replace(live, first_message="Overridden.", max_duration_s=120)
    assert choice.assistant == assistant


def test_a_call_with_overrides_is_a_call_of_the_assistant_and_has_its_secrets() -> None:
    assistant = desk()

    call = placed({"assistantId": str(assistant.pk), "assistantOverrides": {"firstMessage": "Hi."}})
    plain = placed({"assistantId": str(assistant.pk)})

    assert Call.objects.filter(assistant=assistant).count() == 2
    assert call.snapshot.tools == plain.snapshot.tools
    assert made_of(call).server_secret == "of the desk"


def made_of(call: StreamCall) -> Assistant:
    """The row whose secrets the call has."""
    version = Call.objects.select_related("version").get(pk=call.call_id).version
    assert version is not None
    return Assistant.every.get(pk=version.assistant_id)


def test_a_secret_that_was_changed_since_is_in_force_for_the_next_call() -> None:
    assistant = desk()
    body = {"assistantId": str(assistant.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    placed(body)
    assistant.server_secret = "rotated"
    assistant.save()

    assert made_of(placed(body)).server_secret == "rotated"


def test_a_server_on_another_host_gets_no_secret_of_the_assistant() -> None:
    assistant = desk()
    elsewhere = {"server": {"url": "https://evil.example.org/hooks"}}
    same_host = {"server": {"url": "https://desk.example.com/other"}}

    gone = placed({"assistantId": str(assistant.pk), "assistantOverrides": elsewhere})
    kept = placed({"assistantId": str(assistant.pk), "assistantOverrides": same_host})

    assert gone.snapshot.tools[0].server_url == "https://evil.example.org/hooks"
    assert (made_of(gone).server_secret, gone.assistant_auth) == ("", type(gone.assistant_auth)())
    assert (made_of(kept).server_secret, kept.snapshot.tools[0].server_url) == (
        "of the desk",
        "https://desk.example.com/other",
    )


def test_tools_are_appended_or_replaced_as_vapi_does() -> None:
    assistant = desk()
    appended = choose({"assistantId": str(assistant.pk), "assistantOverrides": {"tools:append": [BOOK]}})
    replaced = choose(
        {"assistantId": str(assistant.pk), "assistantOverrides": {"model": {"toolIds": [], "tools": [BOOK]}}}
    )

    assert [tool.name for tool in snapshot_of(appended).tools] == ["find_slots", "book"]
    assert [tool.name for tool in snapshot_of(replaced).tools] == ["book"]


def test_overrides_of_a_new_version_are_laid_over_that() -> None:
    assistant = desk()
    body = {"assistantId": str(assistant.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    choose(body)
    Assistant.objects.filter(pk=assistant.pk).update(instructions="Newer.")
    make_version(assistant=assistant)

    assert snapshot_of(choose(body)).instructions == "Newer."


# --- Squads


def handing_over(to: str) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": to, "message": "One moment.", "description": f"To {to}."}


def test_a_squad_sent_along_is_shared_by_its_members() -> None:
    stored = desk(name="Billing")
    squad = {
        "name": "Shop",
        "members": [
            {"assistant": INLINE, "assistantDestinations": [handing_over("Billing")]},
            {
                "assistantId": str(stored.pk),
                "assistantOverrides": {"firstMessage": "Billing, overridden."},
                "assistantDestinations": [handing_over("Mary")],
            },
        ],
    }

    call = placed(
        {"squad": squad, "squadOverrides": {"variableValues": {"ware": "bikes"}, "endCallMessage": "Bye."}}
    )

    assert call.snapshot.name == "Mary"
    assert sorted(one.name for one in call.members.values()) == sorted(
        one.name for one in Assistant.every.exclude(pk=stored.pk)
    )
    other = next(key for key in call.members if key != call.snapshot.assistant_id)
    assert call.ways == {"transferCall": {"Billing": other}}
    member = call.members[other].snapshot
    assert member is not None
    assert (member.first_message, member.end_call_message) == ("Billing, overridden.", "Bye.")
    assert [tool.name for tool in member.tools] == ["find_slots", "transferCall"]
    assert (Squad.objects.count(), Squad.every.count()) == (0, 1)


def test_a_squad_is_named_by_id_and_overrides_reach_every_member() -> None:
    first, second = desk(), desk()
    squad = Squad.objects.create(name="Shop")
    for position, one in enumerate((first, second)):
        SquadMember.objects.create(squad=squad, assistant=one, position=position)

    call = placed({"squadId": str(squad.pk), "squadOverrides": {"endCallMessage": "Bye."}})

    told = [one.snapshot.end_call_message for one in call.members.values() if one.snapshot]
    assert (call.snapshot.end_call_message, told) == ("Bye.", ["Bye.", "Bye."])
    assert set(call.members) == {str(first.pk), str(second.pk)}


# --- Once, and how long


def test_what_cannot_be_made_leaves_nothing_behind() -> None:
    refusal({"assistant": {**INLINE, "model": {**PROMPT, "messages": []}}})
    assert (Transient.objects.count(), Assistant.every.count(), Tool.every.count()) == (0, 0, 0)


def test_the_same_document_costs_few_queries(django_assert_max_num_queries: Any) -> None:
    assistant = desk()
    body = {
        "assistantId": str(assistant.pk),
        "assistantOverrides": {"firstMessage": "Hi.", "variableValues": {"a": 1}},
    }
    choose(body)

    with django_assert_max_num_queries(9):
        choose(body)


def test_values_of_a_call_are_deleted_with_what_was_said() -> None:
    call = placed(
        {"assistant": INLINE, "assistantOverrides": {"variableValues": {"who": "Ida", "token": "t"}}}
    )
    Call.objects.update(status=Call.Status.ENDED)

    calls_strip([call.call_id], why=CallStripped.Why.RETENTION)

    row = CallVariables.objects.get()
    assert (row.values, row.secret_values) == ({}, "")


def test_only_versions_that_came_with_calls_may_be_changed_or_deleted() -> None:
    desk()
    with pytest.raises(IntegrityError), transaction.atomic():
        AssistantVersion.objects.update(note="changed")
    with pytest.raises(IntegrityError), transaction.atomic():
        AssistantVersion.objects.all()._raw_delete("default")


def test_messages_of_a_call_with_overrides_go_to_the_server_with_its_secret() -> None:
    assistant = desk()
    over = {"assistantId": str(assistant.pk), "assistantOverrides": {"firstMessage": "Hi."}}
    call = Call.objects.get(pk=placed(over).call_id)
    along = {**INLINE, "server": {"url": "https://mary.example.com", "secret": "of mary"}}
    other = Call.objects.get(pk=placed({"assistant": along}).call_id)

    for one, url, secret in (
        (call, "https://desk.example.com/hooks", "of the desk"),
        (other, "https://mary.example.com", "of mary"),
    ):
        server = server_of(one, parts_of(one)[0])
        assert server is not None
        assert (server.url, decrypt(server.auth.secret_token)) == (url, secret)


def test_tool_servers_and_templates_are_told_no_id_of_what_came_with_the_call() -> None:
    assistant = desk(first_message="{{ assistant.id }}")
    along = placed(
        {"squad": {"members": [{"assistant": {**INLINE, "firstMessage": "({{ call.assistantId }})"}}]}}
    )
    stored = placed({"assistantId": str(assistant.pk), "assistantOverrides": {"endCallMessage": "Bye."}})

    told = [
        tool_context(one, public_origin="https://t.example.com", org_id="o", messages=[], learnt={})
        for one in (along, stored)
    ]

    assert (along.snapshot.first_message, along.squad_id) == ("()", "")
    assert (told[0]["call"]["assistantId"], "id" in told[0]["assistant"]) == (None, False)
    assert told[1]["call"]["assistantId"] == stored.snapshot.first_message == str(assistant.pk)


@pytest.mark.parametrize("hipaa", [True, False])
def test_values_of_a_call_with_health_information_go_when_it_ends(hipaa: bool) -> None:  # a parameter
    assistant = desk(hipaa=hipaa)
    call = placed(
        {"assistantId": str(assistant.pk), "assistantOverrides": {"variableValues": {"who": "Ida"}}}
    )

    call_finish(call_id=call.call_id, ended_at=timezone.now(), ended_reason="customer-ended-call", facts={})

    assert CallVariables.objects.get().values == ({} if hipaa else {"who": "Ida"})


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_eight_programs_at_once_make_one_version() -> None:
    make_realtime_model()
    make_transcription_model()
    make_voice()
    squad = {"members": [{"assistant": INLINE}, {"assistant": {**INLINE, "name": "Ida"}}]}

    def run(_: int) -> tuple[int, int]:
        try:
            return choose({"assistant": INLINE}).version.pk, choose({"squad": squad}).version.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        versions = set(pool.map(run, range(8)))

    assert len(versions) == 1
    assert (Transient.objects.count(), Squad.every.count(), Assistant.every.count()) == (4, 1, 3)


def test_members_of_a_squad_that_came_along_run_on_the_versions_that_it_names() -> None:
    first, second = desk(first_message="Old."), desk(first_message="Old.")
    for one in (first, second):
        Assistant.objects.filter(pk=one.pk).update(first_message="New.")
        make_version(assistant=Assistant.objects.get(pk=one.pk))
    pinned = [
        {"assistantId": str(first.pk), "assistantVersion": "1"},
        {
            "assistantId": str(second.pk),
            "assistantVersion": "v1",
            "assistantOverrides": {"endCallMessage": "Bye."},
        },
    ]

    call = placed({"squad": {"members": pinned}})

    told = [one.snapshot.first_message for one in call.members.values() if one.snapshot is not None]
    assert (call.snapshot.first_message, told) == ("Old.", ["Old.", "Old."])
    lost = [{"assistantId": str(first.pk), "assistantVersion": "7"}]
    assert refusal({"squad": {"members": lost}}) == [
        "Couldn't Get Assistant. `assistantVersion` 7 Does Not Exist."
    ]
