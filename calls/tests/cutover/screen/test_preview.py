"""A preview is kept, begun once, and what it showed is what counts."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.cutover.gates import Gate
from calls.cutover.screen.previews import PreviewError, preview_begin, preview_make
from calls.cutover.selectors import numbers_listed
from calls.models import CutoverBatch, CutoverEvent, CutoverPreview, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.screen.conftest import MakeClient
from calls.tests.cutover.screen.test_moving import LIST, chosen
from calls.tests.cutover.twilio import FakeTwilio

pytestmark = pytest.mark.django_db
ELSEWHERE = "https://other.example.net/voice"


@pytest.fixture
def smoke_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One gate that stops everything."""
    gate = Gate(
        "smoke_test", "Smoke test", False, "No smoke test yet.", "Run one.", timezone.now()
    )  # its third field
    for module in ("services", "screen.previews", "screen.number_page"):
        monkeypatch.setattr(f"calls.cutover.{module}.gates_for", lambda _: [gate])


@pytest.mark.usefixtures("gates_open")
def test_a_double_click_begins_it_once(mover: Client, make_number: MakeNumber, twilio: FakeTwilio) -> None:
    preview = chosen(mover, "move_cutover", make_number())
    order = {"begin": "1", "reason": "r"}

    first, second = mover.post(preview, order), mover.post(preview, order)

    assert first.headers["Location"] == second.headers["Location"]
    assert CutoverBatch.objects.count() == 1
    assert len(twilio.written) == 1


@pytest.mark.usefixtures("gates_open")
def test_two_at_once_begin_one_batch(make_number: MakeNumber) -> None:
    number = make_number()
    user = User.objects.create_user("olga")
    preview = preview_make(numbers_listed([number.did]), kind="cutover", user=user)
    stale = CutoverPreview.objects.get(pk=preview.pk)

    batch, first = preview_begin(preview, reason="r", overrides=[], user=user)
    again, second = preview_begin(stale, reason="r", overrides=[], user=user)

    assert (first, second) == (True, False)
    assert batch == again


@pytest.mark.usefixtures("gates_open")
def test_a_change_since_the_preview_is_refused_and_the_difference_is_shown(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    preview = chosen(mover, "move_cutover", number)
    twilio.numbers.change(number.did, voice_url=ELSEWHERE)
    # Also where the watch has seen it meanwhile: what was shown counts, not what is known.
    PhoneNumber.objects.filter(pk=number.pk).update(config=dict(twilio.numbers.held[number.twilio_sid]))

    shown = mover.post(preview, {"begin": "1", "reason": "r"}, follow=True).content.decode()

    assert "Not everything was done" in shown
    assert ELSEWHERE in shown
    assert number.config["voice_url"] in shown
    assert not twilio.written


@pytest.mark.usefixtures("gates_open")
def test_a_form_cannot_smuggle_in_another_move(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number, other = make_number(), make_number()
    preview = chosen(mover, "move_canary", number)

    mover.post(
        preview,
        {
            "begin": "1",
            "reason": "r",
            "kind": "cutover",
            "percent": "100",
            "number": str(other.pk),
            "seen": "{}",
        },
    )

    batch = CutoverBatch.objects.get()
    assert (batch.kind, batch.percent) == ("canary", 10)
    assert [item.number_id for item in batch.items.all()] == [number.pk]


@pytest.mark.usefixtures("gates_open")
@pytest.mark.parametrize(
    ("wanted", "kind", "percent"),
    [
        ({"kind": "canary", "percent": "35"}, "canary", 35),
        ({"kind": "cutover", "percent": ""}, "cutover", 100),
    ],
)
def test_another_share_is_another_preview(
    mover: Client, make_number: MakeNumber, wanted: dict[str, str], kind: str, percent: int
) -> None:
    preview = chosen(mover, "move_canary", make_number())

    shown = mover.post(preview, {"show": "1", **wanted}).headers["Location"]

    assert shown != preview
    newest = CutoverPreview.objects.order_by("-created_at")[0]
    assert (newest.kind, newest.percent) == (kind, percent)


@pytest.mark.usefixtures("gates_open")
@pytest.mark.parametrize("percent", ["", "0", "100", "many", "-5"])
def test_a_share_that_is_none_is_told(mover: Client, make_number: MakeNumber, percent: str) -> None:
    preview = chosen(mover, "move_canary", make_number())

    answer = mover.post(preview, {"show": "1", "kind": "canary", "percent": percent})

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


@pytest.mark.usefixtures("gates_open")
def test_no_reason_no_move(mover: Client, make_number: MakeNumber, twilio: FakeTwilio) -> None:
    preview = chosen(mover, "move_cutover", make_number())
    for reason in ("", "   "):
        assert "Say why" in mover.post(preview, {"begin": "1", "reason": reason}).content.decode()
    assert not CutoverBatch.objects.exists()


@pytest.mark.usefixtures("smoke_closed")
def test_a_closed_gate_refuses_the_number_and_is_told_before(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    preview = chosen(mover, "move_cutover", make_number())
    assert "Stops it" in mover.get(preview).content.decode()

    shown = mover.post(preview, {"begin": "1", "reason": "r"}, follow=True).content.decode()

    assert "Smoke test: No smoke test yet. Run one." in shown
    assert not twilio.written


@pytest.mark.usefixtures("smoke_closed")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"override_smoke_test": "on"}, "Say why"),
        ({"override_smoke_test_reason": "agreed"}, "Tick this too"),
        ({"override_smoke_test": "on", "override_smoke_test_reason": "  "}, "Say why"),
    ],
)
def test_an_override_needs_its_tick_and_its_reason(
    somebody: MakeClient, make_number: MakeNumber, given: dict[str, str], told: str
) -> None:
    boss = somebody("view_phonenumber", "cut_over_phonenumber", "override_gate")
    preview = chosen(boss, "move_cutover", make_number())

    assert told in boss.post(preview, {"begin": "1", "reason": "r", **given}).content.decode()
    assert not CutoverBatch.objects.exists()


@pytest.mark.usefixtures("smoke_closed")
def test_an_overridden_gate_lets_it_pass_and_stands_in_the_history(
    somebody: MakeClient, make_number: MakeNumber
) -> None:
    boss = somebody("view_phonenumber", "cut_over_phonenumber", "override_gate")
    number = make_number()
    preview = chosen(boss, "move_cutover", number)

    boss.post(
        preview,
        {"begin": "1", "reason": "r", "override_smoke_test": "on", "override_smoke_test_reason": "agreed"},
    )

    number.refresh_from_db()
    assert number.state == "ours"
    event = CutoverEvent.objects.get(kind="cutover")
    assert event.overrides == [{"gate": "smoke_test", "reason": "agreed"}]
    shown = boss.get(reverse("admin:calls_cutovernumber_change", args=[number.pk])).content.decode()
    assert "Gate “Smoke test” overridden: agreed" in shown


@pytest.mark.usefixtures("gates_open")
def test_numbers_that_cannot_be_moved_stay_out_and_say_why(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    good, fax, vapis = make_number(), make_number(voice_receive_mode="fax"), make_number()
    PhoneNumber.objects.filter(pk=vapis.pk).update(provider="vapi")
    preview = chosen(mover, "move_cutover", good, fax, vapis)
    shown = mover.get(preview).content.decode()
    assert "receives faxes" in shown
    assert "Vapi bought this number itself" in shown

    mover.post(preview, {"begin": "1", "reason": "r"})

    assert [item.number_id for item in CutoverBatch.objects.get().items.all()] == [good.pk]


@pytest.mark.usefixtures("gates_open")
def test_nothing_is_begun_where_nothing_can_be_moved(mover: Client, make_number: MakeNumber) -> None:
    preview = chosen(mover, "move_rollback", make_number())

    assert "None of these numbers can be moved" in mover.get(preview).content.decode()
    mover.post(preview, {"begin": "1", "reason": "r"})
    assert not CutoverBatch.objects.exists()


@pytest.mark.usefixtures("gates_open")
def test_a_twilio_that_does_not_answer_is_an_obstacle_not_a_crash(
    mover: Client, make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    twilio.trouble = {0: "lost"}

    assert "could not be reached" in mover.get(chosen(mover, "move_cutover", number)).content.decode()


@pytest.mark.usefixtures("gates_open")
def test_nobody_chosen_nothing_shown(mover: Client, make_number: MakeNumber) -> None:
    make_number()

    answer = mover.post(LIST, {"action": "move_cutover", "index": "0"})

    assert answer.status_code in (200, 302)
    assert not CutoverPreview.objects.exists()


def test_an_old_preview_is_thrown_away(mover: Client, make_number: MakeNumber) -> None:
    number = make_number()
    old = chosen(mover, "move_rollback", number)
    CutoverPreview.objects.update(created_at=timezone.now() - timedelta(hours=13))
    chosen(mover, "move_rollback", number)

    assert mover.get(old).status_code == 404


def test_a_move_that_there_is_not_is_refused(mover: Client, make_number: MakeNumber) -> None:
    user = User.objects.create_user("olga")
    number = make_number()
    with pytest.raises(PreviewError):
        preview_make(numbers_listed([number.did]), kind="steal", user=user)
    answer = mover.post(reverse("admin:calls_cutovernumber_move", args=[number.pk]), {"kind": "steal"})
    assert answer.headers["Location"].endswith(f"{number.pk}/change/")
