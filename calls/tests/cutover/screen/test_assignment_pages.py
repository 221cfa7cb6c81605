"""A table of assignments: tried dry, and applied with a reason."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from assistants.tests.factories import make_assistant
from calls.models import CutoverEvent, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.conftest import MakeClient

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:calls_cutovernumber_assign")


@pytest.fixture
def assigner(somebody: MakeClient) -> Client:
    """Somebody who may see and assign."""
    return somebody("view_phonenumber", "assign_phonenumber")


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "paste"])
def test_a_table_is_tried_then_applied_with_a_reason(
    assigner: Client,
    make_number: MakeNumber,
    as_file: bool,  # a parameter
) -> None:
    number, same = make_number(), make_number()
    night = make_assistant(name="Night désk", published=True)
    text = f"number;assistant\n{number.did};Night désk\n{same.did};{same.assistant.name if same.assistant else ''}\n"
    given = {"upload": SimpleUploadedFile("t.csv", text.encode("cp1252"))} if as_file else {"pasted": text}

    tried = assigner.post(PAGE, {"try": "1", **given})

    assert (tried.context["changes_n"], tried.context["same_n"], tried.context["errors_n"]) == (1, 1, 0)
    assert not CutoverEvent.objects.exists()
    table = tried.context["table"]
    assert "Say why" in assigner.post(PAGE, {"apply": "1", "table": table, "reason": ""}).content.decode()
    done = assigner.post(PAGE, {"apply": "1", "table": table, "reason": "Nights"}, follow=True)

    assert "1 number assigned" in done.content.decode()
    number.refresh_from_db()
    assert number.assistant == night
    assert CutoverEvent.objects.get().reason.startswith("Nights")


def test_every_wrong_line_says_what_to_do_and_nothing_is_assigned(
    assigner: Client, make_number: MakeNumber
) -> None:
    number = make_number()
    text = f"{number.did},Nobody of that name\n4.42E+11,x\n+12025559999,x\n"

    tried = assigner.post(PAGE, {"try": "1", "pasted": text})

    shown = tried.content.decode()
    assert tried.context["errors_n"] == 3
    assert "Nothing is assigned while a line is to be put right" in shown
    assert "spreadsheet has rounded it" in shown
    assert 'name="apply"' not in shown


def test_a_table_that_is_made_up_or_too_old_is_not_applied(assigner: Client, make_number: MakeNumber) -> None:
    number = make_number()
    text = f"{number.did},x"
    shown = assigner.post(PAGE, {"apply": "1", "table": text, "reason": "r"}).content.decode()

    assert "too old" in shown
    assert not CutoverEvent.objects.exists()


def test_what_changed_since_the_try_is_looked_at_again(assigner: Client, make_number: MakeNumber) -> None:
    number = make_number()
    night = make_assistant(name="Night", published=True)
    tried = assigner.post(PAGE, {"try": "1", "pasted": f"{number.did},Night"})
    night.name = "Other"
    night.save(update_fields=["name"])

    shown = assigner.post(
        PAGE, {"apply": "1", "table": tried.context["table"], "reason": "r"}
    ).content.decode()

    assert "nothing was assigned" in shown
    assert PhoneNumber.objects.get().assistant != night


@pytest.mark.parametrize("given", [{}, {"pasted": "  "}, {"pasted": "did\n"}])
def test_nothing_given_is_told(assigner: Client, given: dict[str, str]) -> None:
    assert 'role="alert"' in assigner.post(PAGE, {"try": "1", **given}).content.decode()


def test_a_file_that_is_no_table_is_told(assigner: Client) -> None:
    given = {"upload": SimpleUploadedFile("t.xlsx", b"PK\x03\x04\x00\x00")}

    assert "This is no text" in assigner.post(PAGE, {"try": "1", **given}).content.decode()
