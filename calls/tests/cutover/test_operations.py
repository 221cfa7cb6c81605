"""One write to one number, with trouble at every step."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistants.models import Assistant
from calls.cutover import claims, closing, operations
from calls.cutover.changes import VOICE_FIELDS, voice_config
from calls.cutover.intention import answering
from calls.cutover.services import Outcome, cutover_apply, operations_recover
from calls.models import OPEN, CutoverEvent, CutoverOperation, NumberSnapshot, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber, known
from calls.tests.cutover.twilio import TROUBLES, Crash, FakeTwilio, Trouble

State = PhoneNumber.State
OLD = "https://api.vapi.ai/twilio/inbound_call"
WRITTEN = ("trunk_sid", "voice_application_sid")


def move(number: PhoneNumber, twilio: FakeTwilio, kind: str = "cutover", **fields: Any) -> Outcome:
    """Move a number as somebody does who has just looked at it; without gates."""
    number.refresh_from_db()
    fields = {"reason": "because", "actor_label": "test", "check_gates": False, **fields}
    return cutover_apply(number, kind=kind, twilio=twilio, pause=lambda _: None, **fields)


def voice_of(twilio: FakeTwilio, number: PhoneNumber) -> dict[str, Any]:
    """The voice fields as Twilio has them; a SID that is not set is null or empty, as Twilio likes."""
    held = twilio.numbers.held[number.twilio_sid]
    return {name: held[name] or "" if name in WRITTEN else held[name] for name in VOICE_FIELDS}


def others_of(twilio: FakeTwilio, number: PhoneNumber) -> dict[str, Any]:
    """Everything that is no voice field."""
    held = twilio.numbers.held[number.twilio_sid]
    return {name: value for name, value in held.items() if name not in {*VOICE_FIELDS, "date_updated"}}


def as_after_a_crash() -> None:
    """Let the lease of whoever died run out."""
    CutoverOperation.objects.filter(status__in=OPEN).update(beat_at=timezone.now() - timedelta(hours=1))


def kinds(number: PhoneNumber) -> list[str]:
    """What happened to the number, oldest first."""
    return list(CutoverEvent.objects.filter(number=number).order_by("id").values_list("kind", flat=True))


def test_a_cutover_is_one_post_that_is_compared_afterwards(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    before = others_of(twilio, number)

    outcome = move(number, twilio, reason="Our turn")

    assert (outcome.result, twilio.asked) == ("done", ["fetch", "write", "fetch"])
    assert twilio.numbers.held[number.twilio_sid]["voice_url"].startswith(
        f"{settings.PUBLIC_ORIGIN}/twilio/voice"
    )
    assert voice_of(twilio, number)["voice_fallback_url"] == OLD
    assert voice_of(twilio, number)["status_callback"] == f"{settings.PUBLIC_ORIGIN}/twilio/status"
    assert others_of(twilio, number) == before
    number.refresh_from_db()
    assert (number.state, number.answered_by, number.canary_percent) == (State.OURS, "tandem", 100)
    assert number.snapshot is not None
    assert number.snapshot.config["voice_url"] == OLD
    now = voice_config(twilio.numbers.held[number.twilio_sid])
    assert number.expected == {**now, "voice_receive_mode": "voice"}
    event = CutoverEvent.objects.get(number=number)
    assert (event.kind, event.from_state, event.to_state) == ("cutover", "on_vapi", "ours")
    assert (event.actor_label, event.reason) == ("test", "Our turn")
    assert {"field": "voice_fallback_url", "before": "", "after": OLD} in event.differences


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"trunk_sid": "TK" + "1" * 32}, ["fetch", "write", "fetch"]),
        ({"voice_application_sid": "AP" + "1" * 32}, ["fetch", "application", "write", "fetch"]),
        ({"voice_url": "", "status_callback": ""}, ["fetch", "write", "fetch"]),
        (
            {"voice_url": "https://old.example.net/gate?a=1&b=2#rc=2", "voice_method": "GET"},
            ["fetch", "write", "fetch"],
        ),
    ],
)
def test_whatever_answered_is_taken_off_and_put_back(
    make_number: MakeNumber, twilio: FakeTwilio, fields: dict[str, Any], asked: list[str]
) -> None:
    number = make_number(**fields)
    before, others = voice_of(twilio, number), others_of(twilio, number)

    there = move(number, twilio)
    first_requests = list(twilio.asked)
    between = voice_of(twilio, number)
    back = move(number, twilio, "rollback")

    assert (there.result, back.result, first_requests) == ("done", "done", asked)
    assert (between["trunk_sid"], between["voice_application_sid"]) == ("", "")
    assert (voice_of(twilio, number), others_of(twilio, number)) == (before, others)
    number.refresh_from_db()
    assert (number.state, number.canary_percent) == (State.ROLLED_BACK, 0)
    assert not twilio.numbers.violations


def test_a_second_click_finds_it_done(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    seen = dict(number.config)
    move(number, twilio)

    again = cutover_apply(
        PhoneNumber(**{**_columns(number), "config": seen}),
        kind="cutover",
        reason="double click",
        actor_label="test",
        check_gates=False,
        twilio=twilio,
    )

    assert again.result == "already"
    assert len(twilio.written) == 1
    assert kinds(number) == ["cutover"]


def _columns(number: PhoneNumber) -> dict[str, Any]:
    number.refresh_from_db()
    return {field.attname: getattr(number, field.attname) for field in PhoneNumber._meta.concrete_fields}


def test_nothing_is_written_over_what_somebody_else_has_changed(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    twilio.numbers.change(number.did, voice_url="https://new.example.net/voice")

    outcome = move(number, twilio)

    assert outcome.result == "refused"
    assert [one.as_json() for one in outcome.differences] == [
        {"field": "voice_url", "before": OLD, "after": "https://new.example.net/voice"}
    ]
    assert not twilio.written
    assert not NumberSnapshot.objects.exists()
    assert kinds(number) == ["seen", "refused"]
    number.refresh_from_db()
    assert (number.state, number.answered_by) == (State.UNKNOWN, "url")

    assert move(number, twilio).result == "done"  # having seen it, they may


def test_a_write_that_comes_out_otherwise_is_undone_at_once(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    before = voice_of(twilio, number)
    really = twilio.write

    def write(**asked: Any) -> None:
        really(**asked)
        if len(twilio.written) == 1:
            twilio.numbers.change(number.did, by="vapi", status_callback="https://api.vapi.ai/twilio/other")

    twilio.write = write  # type: ignore[method-assign]  # somebody interferes between the write and the look

    outcome = move(number, twilio)

    assert outcome.result == "undone"
    assert [one.field for one in outcome.differences] == ["status_callback"]
    assert voice_of(twilio, number) == before
    number.refresh_from_db()
    assert (number.state, number.canary_percent, number.expected) == (State.ON_VAPI, 100, {})
    assert kinds(number) == ["undone"]


def test_a_look_that_comes_too_early_is_repeated(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    really, before = twilio.fetch, dict(twilio.numbers.held[number.twilio_sid])
    looks = iter(
        [True, False, False]
    )  # right before the write, and twice after it Twilio shows what was there

    def fetch(**asked: Any) -> dict[str, Any]:
        found = really(**asked)
        return found if next(looks, True) else before

    twilio.fetch = fetch  # type: ignore[method-assign]

    assert move(number, twilio).result == "done"
    assert len(twilio.written) == 1


def test_a_write_that_changes_nothing_is_not_taken_for_done(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    twilio.write = lambda **_: None  # type: ignore[method-assign]  # Twilio says 200

    assert move(number, twilio).result == "undone"
    number.refresh_from_db()
    assert (number.state, kinds(number)) == (State.ON_VAPI, ["undone"])


def test_a_canary_is_a_write_and_the_rest_of_the_way_is_none(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()

    first = move(number, twilio, "canary", percent=10)
    then = move(number, twilio, "canary", percent=60)
    whole = move(number, twilio, "canary", percent=100)

    assert [first.result, then.result, whole.result] == ["done"] * 3
    assert len(twilio.written) == 1
    assert NumberSnapshot.objects.count() == 1
    assert [first.number.state, then.number.state, whole.number.state] == ["canary", "canary", "ours"]
    assert [first.number.canary_percent, then.number.canary_percent, whole.number.canary_percent] == [
        10,
        60,
        100,
    ]
    assert kinds(number) == ["canary", "canary", "cutover"]

    assert move(number, twilio, "rollback").result == "done"
    assert voice_of(twilio, number)["voice_url"] == OLD


def test_the_share_is_in_force_before_twilio_knows(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    twilio.trouble = {1: "crash"}

    with pytest.raises(Crash):
        move(number, twilio, "canary", percent=10)

    number.refresh_from_db()
    assert number.canary_percent == 10
    assert number.snapshot is not None


def test_a_rollback_that_twilio_cannot_take_holds_for_our_calls_at_once(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    move(number, twilio)
    twilio.trouble = dict.fromkeys(range(len(twilio.asked), 100), "lost")

    outcome = move(number, twilio, "rollback")

    assert outcome.result == "pending"
    assert "old provider" in outcome.message
    number.refresh_from_db()
    assert (number.state, number.canary_percent) == (State.OURS, 0)

    twilio.trouble.clear()
    as_after_a_crash()
    assert [one.result for one in operations_recover(twilio=twilio)] == ["done"]
    assert voice_of(twilio, number)["voice_url"] == OLD


def test_a_rollback_does_not_wait_for_a_cutover_that_waits_for_twilio(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number(voice_method="GET")
    before = voice_of(twilio, number)
    twilio.trouble = dict.fromkeys(
        range(2, 100), "lost"
    )  # the write was carried out, and then Twilio is gone
    assert move(number, twilio).result == "pending"
    number.refresh_from_db()
    assert (number.state, number.canary_percent) == (State.ON_VAPI, 100)

    assert move(number, twilio, "rollback").result == "pending"
    number.refresh_from_db()
    assert number.canary_percent == 0  # whoever still comes to us goes to the old provider

    twilio.trouble.clear()
    settled(twilio, number)
    number.refresh_from_db()
    assert (number.state, voice_of(twilio, number)) == (State.ROLLED_BACK, before)
    assert kinds(number) == ["failed", "rollback"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"voice_receive_mode": "fax"}, "fax"),
        ({"status": "pending"}, "in-use"),
        ({"capabilities": {"voice": False, "sms": True}}, "cannot take calls"),
        ({"voice_url": "", "voice_fallback_url": "https://old.example.net/f"}, "21405"),
    ],
)
def test_what_stands_in_the_way_is_said_and_nothing_is_written(
    make_number: MakeNumber, twilio: FakeTwilio, fields: dict[str, Any], said: str
) -> None:
    number = make_number(**fields)

    outcome = move(number, twilio)

    assert outcome.result == "refused"
    assert said in outcome.message
    assert not twilio.written


def test_a_number_that_nobody_answers_here_is_not_cut_over(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    PhoneNumber.objects.filter(pk=number.pk).update(assistant=None)

    assert "no assistant" in move(number, twilio).message


@pytest.mark.parametrize("kind", ["cutover", "rollback"])
def test_another_number_is_never_written_to(make_number: MakeNumber, twilio: FakeTwilio, kind: str) -> None:
    number = make_number()
    if kind == "rollback":
        move(number, twilio)
        twilio.written.clear()
    PhoneNumber.objects.filter(pk=number.pk).update(did="+12025559999")  # somebody has edited the digits here

    outcome = move(number, twilio, kind)

    assert (outcome.result, twilio.written) == ("refused", [])
    assert "put them right" in outcome.message


def test_a_trunk_cannot_be_a_canary(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number(trunk_sid="TK" + "1" * 32)

    outcome = move(number, twilio, "canary", percent=10)

    assert outcome.result == "refused"
    assert "trunk" in outcome.message


def test_a_number_that_was_never_cut_over_has_no_way_back(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    outcome = move(make_number(), twilio, "rollback")

    assert outcome.result == "refused"
    assert "nothing to go back to" in outcome.message


def test_only_one_may_be_at_work_on_a_number(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    twilio.trouble = {1: "crash"}
    with pytest.raises(Crash):
        move(number, twilio)
    twilio.trouble.clear()

    outcome = move(number, twilio, "rollback")

    assert outcome.result == "busy"
    assert "“Cut over” by test is under way" in outcome.message


def test_whoever_has_lost_the_claim_touches_nothing_more(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    really = twilio.write

    def write(**asked: Any) -> None:
        really(**asked)
        as_after_a_crash()
        operations_recover(twilio=twilio)  # another process takes over while the answer is on its way

    twilio.write = write  # type: ignore[method-assign]

    outcome = move(number, twilio)

    assert outcome.result == "busy"
    assert kinds(number) == ["cutover"]


# --- Rollback restores the snapshot, from any interruption ----------------------------------------------------

URLS = ["", OLD, "https://old.example.net/voice?x=1&y=%20#rc=2&rt=4000", "http://gate.example.net/"]


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    """Any combination that Twilio allows."""
    url = draw(st.sampled_from([*URLS[1:], *URLS]))
    kind = draw(st.sampled_from(["url", "url", "trunk", "application"]))
    return {
        "trunk_sid": "TK" + "1" * 32 if kind == "trunk" else None,
        "voice_application_sid": "AP" + "1" * 32
        if kind == "application"
        else draw(st.sampled_from(["", None])),
        "voice_url": url,
        "voice_method": draw(st.sampled_from(["POST", "GET"])),
        "voice_fallback_url": draw(st.sampled_from(URLS)) if url else "",
        "voice_fallback_method": draw(st.sampled_from(["POST", "GET"])),
        "status_callback": draw(st.sampled_from(URLS)),
        "status_callback_method": draw(st.sampled_from(["POST", "GET"])),
        "sms_url": draw(st.sampled_from(["", "https://api.vapi.ai/twilio/sms"])),
    }


interruptions = st.one_of(
    st.none(),
    st.tuples(st.just("twilio"), st.dictionaries(st.integers(0, 7), st.sampled_from(TROUBLES), max_size=3)),
    st.tuples(st.just("rows"), st.integers(0, 5), st.sampled_from(["before", "after"])),
)


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(resource=resources(), going=interruptions, back=interruptions, share=st.sampled_from([10, 100]))
def test_rollback_restores_the_snapshot_from_any_interruption(
    resource: dict[str, Any], going: Any, back: Any, share: int, desk: Assistant
) -> None:
    twilio = FakeTwilio()
    serial = PhoneNumber.objects.count()
    number = known(twilio, desk, twilio.numbers.add(f"+1202{5550000 + serial}", **resource))
    before, others = voice_of(twilio, number), others_of(twilio, number)

    shared = share if answering(number.config) in ("vapi", "url") else 100
    interrupted(twilio, going, lambda: move(number, twilio, "canary", percent=shared))
    settled(twilio, number)
    number.refresh_from_db()
    if number.state in (State.OURS, State.CANARY, State.CHANGED):
        interrupted(twilio, back, lambda: move(number, twilio, "rollback"))
        settled(twilio, number)
        assert move(number, twilio, "rollback").result in ("done", "already")
        number.refresh_from_db()
        assert number.state == State.ROLLED_BACK
    assert voice_of(twilio, number) == before  # also after a cutover that did not succeed
    assert others_of(twilio, number) == others
    assert not twilio.numbers.violations
    assert not twilio.numbers.sms_parameters
    assert not CutoverOperation.objects.filter(status__in=OPEN).exists()


@pytest.mark.parametrize("later", TROUBLES)
def test_an_undoing_that_is_interrupted_leaves_nothing_behind(
    make_number: MakeNumber, twilio: FakeTwilio, later: Trouble
) -> None:
    for at in range(2, 8):
        number = make_number(voice_method="GET")
        before = voice_of(twilio, number)
        troubles: dict[int, Trouble] = {1: "meddled", at: later}

        interrupted(twilio, ("twilio", troubles), lambda number=number: move(number, twilio))
        between = kinds(number)
        settled(twilio, number)

        number.refresh_from_db()
        if number.state == State.CHANGED:  # Twilio refused to take it back: a person is asked, and has a way
            assert (later, "failed") == ("refused", kinds(number)[-1])
            assert move(number, twilio, "rollback").result == "done"
        else:
            assert (number.state, kinds(number)) == (State.ON_VAPI, ["undone"]), (at, between)
        assert voice_of(twilio, number) == before, at


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_rollback_that_is_interrupted_comes_through(
    make_number: MakeNumber, twilio: FakeTwilio, trouble: Trouble
) -> None:
    for at in range(4):
        number = make_number(trunk_sid="TK" + "1" * 32, voice_method="GET")
        before = voice_of(twilio, number)
        move(number, twilio)

        interrupted(twilio, ("twilio", {at: trouble}), lambda number=number: move(number, twilio, "rollback"))
        settled(twilio, number)

        number.refresh_from_db()
        if trouble == "refused" and at < 2:  # Twilio said no, and will say it again: a person is asked
            assert (number.state, kinds(number)[-1]) == (State.OURS, "failed")
            assert move(number, twilio, "rollback").result == "done"
        number.refresh_from_db()
        assert (number.state, voice_of(twilio, number)) == (State.ROLLED_BACK, before), at


def interrupted(twilio: FakeTwilio, where: Any, work: Any) -> None:
    """Do it, and die or stumble at that point: at a request to Twilio, or around a step that is written down."""
    with pytest.MonkeyPatch.context() as patch:
        match where:
            case ("twilio", troubles):
                twilio.trouble = {len(twilio.asked) + at: trouble for at, trouble in troubles.items()}
            case ("rows", at, when):
                dying = dies(at, when)
                patch.setattr(operations, "advance", dying)
                patch.setattr(closing, "advance", dying)
            case _:
                pass
        try:
            work()
        except Crash:
            pass
    twilio.trouble = {}


def dies(at: int, when: str) -> Any:
    """`claims.advance`, in a process that dies around the nth step."""
    count = iter(range(100))

    def advance(*args: Any, **columns: Any) -> None:
        now = next(count) == at
        if now and when == "before":
            raise Crash
        claims.advance(*args, **columns)
        if now:
            raise Crash

    return advance


def settled(twilio: FakeTwilio, number: PhoneNumber) -> None:
    """What the beat does after a while."""
    for _ in range(3):
        as_after_a_crash()
        operations_recover(twilio=twilio)
    assert not CutoverOperation.objects.filter(number=number, status__in=OPEN).exists()


def test_the_trouble_of_these_tests_is_all_there_is() -> None:
    assert set(TROUBLES) == set(Trouble.__args__)  # type: ignore[attr-defined]  # of a Literal
