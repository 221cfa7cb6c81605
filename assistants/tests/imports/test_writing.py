"""Writing drafts: twice is once, what people changed stays, and what fails leaves nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection

from assistants.imports import writing
from assistants.imports.findings import finding_settle
from assistants.imports.summary import ImportSummary
from assistants.imports.writing import import_apply
from assistants.models import (
    Assistant,
    AssistantTool,
    ImportFinding,
    Squad,
    SquadMember,
    VapiImport,
    VapiObject,
)
from assistants.services import assistant_publish
from assistants.signals import phone_numbers_imported
from assistants.tests.drafts import (
    DESK,
    LOOKUP,
    finding,
    make_assistant_draft,
    make_drafts,
    make_number_draft,
    make_run,
    make_squad_draft,
    make_tool_draft,
)
from assistants.tests.factories import make_assistant
from assistants.vapi.drafts import ABSENT, Drafts, Verdict
from tools.models import Credential, Tool
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db


def imported(drafts: Drafts | None = None, **options: Any) -> ImportSummary:
    return import_apply(drafts or make_drafts(), run=make_run(), **options)


def desk() -> Assistant:
    return Assistant.objects.get(vapi_objects__key=DESK)


def actions(summary: ImportSummary) -> list[tuple[str, str]]:
    return [(one.kind, one.action) for one in summary.objects]


def rows() -> tuple[int, ...]:
    models = (Assistant, Tool, AssistantTool, Squad, SquadMember, VapiObject, ImportFinding, Credential)
    return tuple(model._default_manager.count() for model in models)


def with_fields(**settings: Any) -> Drafts:
    return make_drafts(assistants=(make_assistant_draft(tools=(LOOKUP,), settings=settings),))


# --- Once and again


def test_an_import_makes_drafts_that_no_caller_hears() -> None:
    summary = imported()

    assistant = desk()
    assert actions(summary) == [("tool", "created"), ("assistant", "created")]
    assert (assistant.instructions, assistant.voice_id) == ("You answer the phone.", "marin")
    assert [tool.name for tool in assistant.tools.all()] == ["lookup"]
    assert assistant.live_version is None


def test_importing_twice_changes_nothing_and_makes_nothing_twice() -> None:
    imported(make_drafts(squads=(make_squad_draft(),)))
    before = rows()

    summary = imported(make_drafts(squads=(make_squad_draft(),)))

    assert rows() == before
    assert {action for _, action in actions(summary)} == {"unchanged"}


def test_what_changed_at_vapi_is_updated() -> None:
    imported()

    summary = imported(with_fields(instructions="Be brief.", speed=1.2))

    assert desk().instructions == "Be brief."
    assert summary.objects[1].changed == ("Prompt", "Speaking speed")


def test_what_people_changed_here_stays_and_the_report_says_so() -> None:
    imported()
    Assistant.objects.update(voice="cedar")

    summary = imported(with_fields(instructions="Be brief."))

    assert (desk().voice_id, desk().instructions) == ("cedar", "Be brief.")
    found = ImportFinding.objects.get(field="voice")
    assert (found.ours, found.verdict) == ("cedar", "converted")
    assert "changed this here" in found.reason
    assert summary.open_n == 1


def test_what_both_sides_changed_stays_and_becomes_a_decision_until_it_is_settled() -> None:
    imported()
    Assistant.objects.update(instructions="Ours.")

    for _ in range(2):
        summary = imported(with_fields(instructions="Theirs."))
        conflict = ImportFinding.objects.get(code="conflict")
        assert desk().instructions == "Ours."
        assert (conflict.verdict, conflict.field) == ("decision", "instructions")
        assert "“Ours.”" in conflict.reason
        assert "“Theirs.”" in conflict.reason
        assert summary.open_n == 2
    finding_settle(finding=ImportFinding.objects.get(code="conflict"), author=None, note="Ours is right")

    assert imported(with_fields(instructions="Theirs.")).open_n == 1
    assert ImportFinding.objects.get(code="conflict").settled_note == "Ours is right"


def test_overwriting_takes_vapis_value_everywhere() -> None:
    imported()
    Assistant.objects.update(instructions="Ours.", voice="cedar")

    imported(with_fields(instructions="Theirs."), overwrite=True)

    assert (desk().instructions, desk().voice_id) == ("Theirs.", "marin")
    assert not ImportFinding.objects.filter(code="conflict").exists()


def test_a_published_assistant_is_changed_in_its_draft_only() -> None:
    imported()
    version = assistant_publish(assistant=desk())

    imported(with_fields(instructions="Be brief."))

    assert desk().live_version == version
    assert version.snapshot["instructions"] == "You answer the phone."


def test_what_was_deleted_here_is_made_anew() -> None:
    imported()
    AssistantTool.objects.all().delete()
    Tool.objects.all().delete()
    Assistant.objects.all().delete()

    summary = imported()

    assert actions(summary) == [("tool", "recreated"), ("assistant", "recreated")]
    assert [tool.name for tool in desk().tools.all()] == ["lookup"]


def test_a_deleted_tool_comes_back_to_an_assistant_that_is_still_here() -> None:
    imported()
    AssistantTool.objects.all().delete()
    Tool.objects.all().delete()

    imported()

    assert [tool.name for tool in desk().tools.all()] == ["lookup"]


def test_a_value_that_no_column_takes_is_a_decision_and_no_crash() -> None:
    imported(with_fields(speed=99, voice="nobody", server_url="not a URL", name="N" * 400))

    assistant = desk()
    assert (float(assistant.speed), assistant.voice_id, assistant.server_url) == (1.0, "marin", "")
    assert len(assistant.name) <= 80
    refused = ImportFinding.objects.filter(code="value_refused").values_list("field", flat=True)
    assert sorted(refused) == ["server_url", "speed", "voice"]


# --- Names


def test_a_name_that_is_taken_is_given_an_ending_and_keeps_it() -> None:
    make_assistant(name="Front desk")

    for _ in range(2):
        imported()
        assert desk().name == "Front desk (Vapi)"
        assert ImportFinding.objects.get(path="name", vapi_object__key=DESK).code == "name_taken"


def test_two_of_the_same_name_in_one_export_get_two_names() -> None:
    twins = tuple(make_assistant_draft(key=f"key-{n}", name="N" * 100) for n in range(3))

    for _ in range(2):
        imported(Drafts(assistants=twins))

    names = sorted(Assistant.objects.values_list("name", flat=True))
    assert len(names) == 3
    assert all(len(name) <= 80 for name in names)


def test_keys_of_any_length_can_be_stored() -> None:
    long_name = "tool" * 100
    draft = make_tool_draft(key=f"{DESK}/model.tools[{long_name}]")

    for _ in range(2):
        imported(Drafts(tools=(draft,), assistants=(make_assistant_draft(tools=(draft.key,)),)))

    assert desk().tools.count() == 1


# --- Tools of an assistant


def test_tools_come_and_go_with_vapi_and_those_added_by_hand_stay() -> None:
    first, second = make_tool_draft(key="t1", name="first"), make_tool_draft(key="t2", name="second")
    imported(Drafts(tools=(first, second), assistants=(make_assistant_draft(tools=("t1", "t2")),)))
    AssistantTool.objects.create(assistant=desk(), tool=make_tool(name="mine"), position=9)
    third = make_tool_draft(key="t3", name="third")

    imported(Drafts(tools=(second, third), assistants=(make_assistant_draft(tools=("t3", "t2")),)))

    links = AssistantTool.objects.filter(assistant=desk())
    assert [link.tool.name for link in links] == ["third", "second", "mine"]
    assert Tool.objects.filter(name="first").exists()


def test_a_tool_taken_out_by_hand_does_not_come_back() -> None:
    imported()
    AssistantTool.objects.all().delete()

    imported()

    assert desk().tools.count() == 0


def test_a_tool_that_nobody_has_is_left_out() -> None:
    imported(make_drafts(assistants=(make_assistant_draft(tools=("gone", LOOKUP)),)))

    assert [tool.name for tool in desk().tools.all()] == ["lookup"]


def test_a_squad_keeps_the_order_of_its_members() -> None:
    other = make_assistant_draft(key="other", name="Other")
    drafts = make_drafts(
        assistants=(make_assistant_draft(), other), squads=(make_squad_draft(members=("other", DESK)),)
    )

    imported(drafts)

    members = SquadMember.objects.all()
    assert [member.assistant.name for member in members] == ["Other", "Front desk"]


# --- Secrets and credentials


def test_a_secret_is_set_when_the_export_has_it_and_never_overwritten_by_nothing() -> None:
    with_secret = make_assistant_draft(secrets={"server_secret": "from-vapi"})
    imported(make_drafts(assistants=(with_secret,)))
    assert desk().server_secret == "from-vapi"

    imported()

    assert desk().server_secret == "from-vapi"
    assert "from-vapi" not in str(VapiObject.objects.values_list("base", "raw"))


def test_a_secret_entered_here_is_not_replaced_by_the_exports() -> None:
    imported()
    assistant = desk()
    assistant.server_secret = "entered"
    assistant.save()

    imported(make_drafts(assistants=(make_assistant_draft(secrets={"server_secret": "from-vapi"}),)))

    assert desk().server_secret == "entered"
    found = ImportFinding.objects.get(code="secret_differs")
    assert "from-vapi" not in f"{found.source}{found.ours}{found.reason}"


def test_a_missing_secret_is_settled_once_it_has_been_entered() -> None:
    assert imported().open_n == 1
    assistant = desk()
    assistant.server_secret = "entered"
    assistant.save()

    assert imported().open_n == 0
    assert "by itself" in ImportFinding.objects.get(code="missing_secret").settled_note


def test_a_credential_is_shared_and_waits_to_be_entered() -> None:
    drafts = make_drafts(
        tools=(make_tool_draft(credential_id="cred-1"),),
        assistants=(make_assistant_draft(credential_id="cred-1"),),
    )

    imported(drafts)
    imported(drafts)

    credential = Credential.objects.get()
    assert (credential.vapi_id, credential.kind) == ("cred-1", "")
    assert desk().credential == credential == Tool.objects.get().credential


def test_an_unreadable_secret_does_not_stop_an_import(settings: Any) -> None:
    imported(make_drafts(assistants=(make_assistant_draft(secrets={"server_secret": "old"}),)))
    settings.FIELD_ENCRYPTION_KEYS = ["Zq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="]

    imported(
        make_drafts(assistants=(make_assistant_draft(secrets={"server_secret": "new"}),)), overwrite=True
    )

    assert desk().server_secret == "new"


# --- Findings


def test_settled_decisions_stay_settled_only_while_nothing_about_them_changed() -> None:
    def drafts(source: str) -> Drafts:
        found = finding("hooks[0]", Verdict.DECISION, source=source, code="hook")
        return Drafts(assistants=(make_assistant_draft(findings=(found,)),))

    user = User.objects.create_user("olga")
    imported(drafts("a"))
    finding_settle(finding=ImportFinding.objects.get(), author=user, note="We do not need it")

    imported(drafts("a"))
    kept = ImportFinding.objects.get()
    assert (kept.settled_by, kept.settled_note) == (user, "We do not need it")

    assert imported(drafts("b")).open_n == 1


def test_findings_of_the_last_import_are_replaced() -> None:
    imported()
    one = (finding("name", source="Front desk"),)

    imported(make_drafts(assistants=(make_assistant_draft(findings=one),)))

    assert ImportFinding.objects.filter(vapi_object__key=DESK).count() == 1


def test_a_place_of_any_length_and_any_value_can_be_stored() -> None:
    odd = (
        finding("a" * 900, source={"deep": ["ünïcode", None, 1.5]}),
        finding("empty", Verdict.DEFAULT, source=ABSENT),
        finding("null", source=None),
    )

    imported(Drafts(assistants=(make_assistant_draft(findings=odd),)))

    stored = list(ImportFinding.objects.values_list("source", flat=True))
    assert stored == ['{"deep": ["ünïcode", null, 1.5]}', "", "null"]


def test_the_history_of_a_row_tells_who_imported_it() -> None:
    user = User.objects.create_user("olga")

    imported(author=user)
    imported(author=user)

    assert [entry.user for entry in LogEntry.objects.all()] == [user, user]
    assert {entry.get_change_message() for entry in LogEntry.objects.all()} == {"Imported from Vapi."}


def test_an_import_costs_the_same_for_each_further_object(django_assert_max_num_queries: Any) -> None:
    many = tuple(make_assistant_draft(key=f"key-{n}", name=f"Desk {n}") for n in range(20))
    with django_assert_max_num_queries(20 + 20 * 9):
        imported(Drafts(assistants=many))


# --- All or nothing

STEPS = [
    "columns_checked",
    "columns_set",
    "findings_merged",
    "rows_for",
    "rows_replace",
    "secrets_settle",
    "ids_ordered",
    "_history",
]


class BoomError(Exception):
    """What no code expects."""


def late(name: str, calls: int) -> Callable[..., Any]:
    """The step of that name, failing from some call on."""
    real = getattr(writing, name)
    left = [calls]

    def step(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise BoomError
        return real(*args, **kwargs)

    return step


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("calls", [0, 1])
def test_a_crash_at_any_step_leaves_everything_as_it_was(step: str, calls: int) -> None:
    imported(with_fields(instructions="Before."))
    before = rows()
    other = make_assistant_draft(key="other", name="Other")
    changed = make_assistant_draft(tools=(LOOKUP,), settings={"instructions": "After."})
    drafts = make_drafts(
        assistants=(changed, other), squads=(make_squad_draft(),), numbers=(make_number_draft(),)
    )
    user = User.objects.create_user("olga")
    calls = 0 if step in ("rows_replace", "secrets_settle", "_history") else calls

    with patch.object(writing, step, late(step, calls)), pytest.raises(BoomError):
        import_apply(drafts, run=make_run(), author=user)

    assert rows() == before
    assert desk().instructions == "Before."


def test_a_receiver_that_fails_undoes_the_import() -> None:
    def receiver(**_: Any) -> None:
        raise BoomError

    phone_numbers_imported.connect(receiver)
    try:
        with pytest.raises(BoomError):
            imported(make_drafts(numbers=(make_number_draft(),)))
    finally:
        phone_numbers_imported.disconnect(receiver)

    assert not VapiObject.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_come_one_after_the_other() -> None:
    make_assistant(name="Filler")  # the catalogue, should another test have emptied it

    def work(words: str) -> None:
        try:
            import_apply(with_fields(instructions=words), run=make_run())
        finally:
            connection.close()

    with ThreadPoolExecutor() as threads:
        for one in [threads.submit(work, words) for words in ("One.", "Two.")]:
            one.result(120)

    assert VapiObject.objects.count() == 2
    last = VapiObject.objects.get(key=DESK)
    assert last.assistant is not None
    assert last.assistant.instructions == last.base["fields"]["instructions"]
    assert VapiImport.objects.count() == 2
