"""The names and ids that objects of an export get here, whatever Vapi has twice."""

from assistants.tests.vapi.cases import CATALOGUE, codes, drafts, everything, export, finding
from assistants.vapi.drafts import Verdict
from assistants.vapi.translate import translate

KEPT, CONVERTED, DEFAULT, DECISION, DROPPED = Verdict


def test_names_that_vapi_has_twice_differ_here() -> None:
    twins = [{"id": f"a{number}", "name": "Desk"} for number in (1, 2, 3)]

    found = drafts(assistants=twins).assistants

    assert [one.name for one in found] == ["Desk", "Desk (2)", "Desk (3)"]
    assert [one.fields["name"] for one in found] == ["Desk", "Desk (2)", "Desk (3)"]
    assert finding(found[1], "name").code == "duplicate_name"


def test_a_name_that_an_earlier_import_gave_is_kept() -> None:
    twins = [{"id": f"a{number}", "name": "Desk"} for number in (2, 1)]

    found = drafts(assistants=twins, known_assistants={"a1": "Desk", "a2": "Desk (2)"}).assistants
    alone = drafts(assistants=twins[:1], known_assistants={"a1": "Desk"}).assistants

    assert [one.name for one in found] == ["Desk (2)", "Desk"]
    assert alone[0].name == "Desk (2)"


def test_a_newcomer_does_not_take_the_name_of_one_that_was_here_before() -> None:
    found = drafts(
        assistants=[{"id": "a9", "name": "Desk"}, {"id": "a1", "name": "Desk"}],
        known_assistants={"a1": "Desk"},
    ).assistants

    assert [one.name for one in found] == ["Desk (2)", "Desk"]


def test_names_that_were_exchanged_at_vapi_are_exchanged_here() -> None:
    found = drafts(
        assistants=[{"id": "a1", "name": "Door"}, {"id": "a2", "name": "Desk"}],
        known_assistants={"a1": "Desk", "a2": "Door"},
    ).assistants

    assert [one.name for one in found] == ["Door", "Desk"]


def test_importing_again_gives_every_assistant_the_same_name() -> None:
    first = everything()

    again = everything(known_assistants={one.key: one.name for one in first.assistants})

    assert [one.name for one in again.assistants] == [one.name for one in first.assistants]
    assert again.assistants == first.assistants


def test_a_name_of_400_characters_is_cut() -> None:
    found = drafts(assistants=[{"id": f"a{number}", "name": "x" * 400} for number in (1, 2)]).assistants

    assert [len(one.name) for one in found] == [80, 80]
    assert found[0].name != found[1].name
    assert finding(found[0], "name").verdict is CONVERTED
    assert finding(found[1], "name").verdict is DECISION
    assert finding(found[1], "name").code == "duplicate_name"


def test_names_that_differ_only_after_what_is_cut_off_are_asked_about() -> None:
    twins = [{"id": f"a{number}", "name": f"{'x' * 80} {number}"} for number in (1, 2)]

    found = drafts(assistants=twins).assistants

    assert finding(found[0], "name").code == "name_cut"
    assert finding(found[1], "name").code == "duplicate_name"


def test_names_made_here_that_are_equal_are_asked_about() -> None:
    nameless = [{"id": f"12345678-{number}"} for number in (1, 2)]

    found = drafts(assistants=nameless, squads=[{**one, "members": []} for one in nameless])

    for pair in (found.assistants, found.squads):
        assert finding(pair[1], "name").code == "duplicate_name"
        assert "duplicate_name" not in codes(pair[0])


def test_copies_of_two_squads_of_one_name_are_asked_about() -> None:
    over = {"firstMessage": "Hi."}
    members = [{"assistantId": "a1", "assistantOverrides": over}]
    squads = [{"id": f"s{number}", "name": "Team" + " " * number, "members": members} for number in (1, 2)]
    twice = [{"assistantId": "a1", "assistantOverrides": over}] * 2

    named = drafts(assistants=[{"id": "a1", "name": "Desk"}], squads=squads)
    doubled = drafts(
        assistants=[{"id": "a1", "name": "Desk"}], squads=[{"id": "s", "name": "T", "members": twice}]
    )

    assert finding(named.squads[1], "name").code == "duplicate_name"
    assert doubled.assistants[2].name == "Desk (T) (2)"
    assert finding(doubled.assistants[2], "name").code == "duplicate_name"


def test_a_name_of_one_made_here_is_not_taken() -> None:
    found = translate(
        export(assistants=[{"id": "a1", "name": "Desk"}]),
        CATALOGUE,
        known_tools={},
        known_assistants={},
        taken_names=["Desk"],
    )

    assert found.assistants[0].name == "Desk (2)"


def test_an_object_without_an_id_is_known_by_its_name() -> None:
    (found,) = drafts(assistants=[{"name": "Desk"}]).assistants
    (again,) = drafts(assistants=[{"name": "Desk", "firstMessage": "Hi."}]).assistants

    assert found.key == again.key == "name:Desk"
    assert finding(found, "id").verdict is DEFAULT


def test_an_id_that_stands_twice_is_imported_once() -> None:
    (found,) = drafts(assistants=[{"id": "a1", "name": "Desk"}, {"id": "a1", "name": "Door"}]).assistants

    assert found.name == "Desk"
    assert finding(found, "id").code == "duplicate_id"
