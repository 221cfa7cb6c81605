"""Four rights: see, assign, cut over, override. Every page and every POST asks."""

import uuid
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from calls.cutover.batches import batch_create
from calls.cutover.schedules import schedule_create
from calls.models import CutoverBatch, CutoverNumber, CutoverPreview, CutoverSchedule, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.conftest import MakeClient
from calls.tests.cutover.screen.test_moving import LIST, chosen

pytestmark = pytest.mark.django_db

SEE = "view_phonenumber"
ASSIGN = "assign_phonenumber"
CUT_OVER = "cut_over_phonenumber"
OVERRIDE = "override_gate"


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:calls_{name}", args=args)


@pytest.fixture
def places(make_number: MakeNumber) -> dict[str, str]:
    """Where something can be seen, or done, with a number that is there."""
    number = make_number()
    batch = batch_create(kind="cutover", numbers=[number], reason="r", actor_label="ops")
    schedule = _schedule(number)
    return {
        "list": LIST,
        "number": url("cutovernumber_change", number.pk),
        "batch": url("cutoverbatch_change", batch.pk),
        "batches": url("cutoverbatch_changelist"),
        "state": url("cutoverbatch_state", batch.pk),
        "schedule": url("cutoverschedule_change", schedule.pk),
        "schedules": url("cutoverschedule_changelist"),
        "assign": url("cutovernumber_assign"),
        "accept": url("cutovernumber_accept", number.pk),
        "read": url("cutovernumber_read"),
        "move": url("cutovernumber_move", number.pk),
        "rollback_all": url("cutovernumber_rollback_all"),
        "pause": url("cutoverschedule_turn", schedule.pk, "pause"),
    }


def _schedule(number: PhoneNumber) -> CutoverSchedule:
    return schedule_create(
        numbers=[number], name="s", reason="r", zone="UTC", starts_on=date(2030, 1, 1), actor_label="ops"
    )


READING = ("list", "number", "batch", "batches", "state", "schedule", "schedules")
MOVING = ("move", "rollback_all", "pause")


def test_whoever_may_only_see_sees_everything_and_does_nothing(
    somebody: MakeClient, places: dict[str, str]
) -> None:
    viewer = somebody(SEE)
    for name in READING:
        answer = viewer.get(places[name])
        assert answer.status_code == 200, name
    for name in (*MOVING, "read"):
        assert viewer.post(places[name], {"kind": "cutover"}).status_code == 403, name
    for name in ("assign", "accept"):
        assert viewer.get(places[name]).status_code == 403, name
        assert viewer.post(places[name], {"reason": "x"}).status_code == 403, name
    shown = viewer.get(LIST).content.decode() + viewer.get(places["number"]).content.decode()
    for word in (
        "Cut over…",
        "Roll back…",
        "Read numbers from Twilio",
        "Assign by a table",
        "Restore this one",
    ):
        assert word not in shown
    assert not CutoverPreview.objects.exists()
    assert CutoverSchedule.objects.get().status == "running"


def test_an_action_that_is_made_up_by_a_viewer_is_not_carried_out(
    somebody: MakeClient, places: dict[str, str]
) -> None:
    number = PhoneNumber.objects.get()
    answer = somebody(SEE).post(
        LIST, {"action": "move_cutover", "index": "0", "_selected_action": [str(number.pk)]}
    )

    assert "/preview/" not in answer.headers.get("Location", "")
    assert not CutoverPreview.objects.exists()


def test_whoever_may_assign_only_assigns_and_moves_nothing(
    somebody: MakeClient, places: dict[str, str]
) -> None:
    assigner = somebody(SEE, ASSIGN)
    assert assigner.get(places["assign"]).status_code == 200
    assert assigner.post(places["read"]).status_code == 302
    for name in MOVING:
        assert assigner.post(places[name], {"kind": "cutover"}).status_code == 403, name
    assert assigner.get(places["accept"]).status_code == 403
    assert "Cut over…" not in assigner.get(LIST).content.decode()


def test_whoever_may_cut_over_does_not_assign(somebody: MakeClient, places: dict[str, str]) -> None:
    mover = somebody(SEE, CUT_OVER)
    assert mover.get(places["assign"]).status_code == 403
    assert mover.post(places["pause"]).status_code == 302
    assert CutoverSchedule.objects.get().status == "paused"


def test_rights_without_the_right_to_see_are_worth_nothing(
    somebody: MakeClient, places: dict[str, str]
) -> None:
    blind = somebody(ASSIGN, CUT_OVER, OVERRIDE)
    for name in READING:
        assert blind.get(places[name]).status_code in (302, 403), name
    for name in (*MOVING, "read", "assign", "accept"):
        assert blind.post(places[name], {"kind": "cutover"}).status_code == 403, name


def test_nobody_overrides_a_gate_without_the_right(somebody: MakeClient, make_number: MakeNumber) -> None:
    number = make_number()
    mover = somebody(SEE, CUT_OVER)
    preview = chosen(mover, "move_cutover", number)
    shown = mover.get(preview).content.decode()
    assert "Stops it" in shown
    assert "override_smoke_test" not in shown

    order = {
        "begin": "1",
        "reason": "r",
        "override_smoke_test": "on",
        "override_smoke_test_reason": "because",
    }
    assert mover.post(preview, order).status_code == 403
    assert not CutoverBatch.objects.exists()


def test_somebody_elses_preview_is_not_shown_nor_carried_out(
    somebody: MakeClient, make_number: MakeNumber
) -> None:
    preview = chosen(somebody(SEE, CUT_OVER), "move_cutover", make_number())
    other = somebody(SEE, CUT_OVER, OVERRIDE)

    assert other.get(preview).status_code == 404
    assert other.post(preview, {"begin": "1", "reason": "r"}).status_code == 404
    assert not CutoverBatch.objects.exists()


def test_what_is_not_there_is_not_found(mover: Client) -> None:
    nothing = uuid.uuid4()
    for name in ("cutovernumber_change", "cutovernumber_preview", "cutovernumber_accept"):
        assert mover.get(url(name, nothing)).status_code == 404, name
    assert mover.get(url("cutoverbatch_state", nothing)).status_code == 404


def test_a_get_changes_nothing(mover: Client, places: dict[str, str]) -> None:
    for name in ("read", "move", "rollback_all", "pause"):
        assert mover.get(places[name]).status_code == 405, name


# --- The number's own page


@pytest.mark.parametrize(
    ("rights", "changes"), [((SEE, "change_phonenumber"), False), ((SEE, "change_phonenumber", ASSIGN), True)]
)
def test_who_answers_is_changed_on_the_numbers_page_by_who_may_assign(
    somebody: MakeClient,
    make_number: MakeNumber,
    rights: tuple[str, ...],
    changes: bool,  # a parameter
) -> None:
    number = make_number()
    client = somebody(*rights, "view_numberserver")
    form = {"did": number.did, "label": "Front", "assistant": "", "squad": "", "enabled": "on"}
    form |= {"server-TOTAL_FORMS": "0", "server-INITIAL_FORMS": "0"}

    answer = client.post(reverse("admin:calls_phonenumber_change", args=[number.pk]), form)

    assert answer.status_code == 302, answer.content.decode()[-2000:]
    number.refresh_from_db()
    assert number.label == "Front"
    assert (number.assistant_id is None) is changes
    events = CutoverNumber.objects.get(pk=number.pk).cutover_events.filter(kind="assigned")
    assert events.exists() is changes
    assert User.objects.count() == 1
