"""The telephone calls of smoke tests as rows: who is recognised, who is refused, and what is hung up."""

import threading
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from calls.dialling.ordering import CallOrder
from calls.models import Call, SmokeLeg, SmokePair, SmokeRun
from calls.services import Answered
from calls.smoke import telephone_line as telephone_module
from calls.smoke.legs import (
    AtVapi,
    Unplaced,
    call_from_tester,
    leg_answered,
    leg_caller_left,
    leg_claim,
    leg_ended,
    leg_over,
    leg_placed,
    leg_presses,
    leg_stream_claim,
    leg_token,
    leg_wanted,
    legs_unwanted,
)
from calls.smoke.lines import PlayError, StoppedError
from calls.smoke.planning import RunError
from calls.smoke.playing import pair_play, run_play
from calls.smoke.runs import budget_spent, pair_give_back, pair_take, run_begin, run_cancel
from calls.smoke.telephone_line import TelephoneLine, legs_hang_up
from calls.tests.smoke.factories import (
    SCRIPT,
    make_desk,
    make_run,
    make_scenario,
    make_vapi_call,
    new_call_sid,
)
from transcripts.models import Transcript

pytestmark = pytest.mark.django_db
TESTER, OTHER_TESTER, AT_VAPI = "+12025550190", "+12025550191", "+12025550180"
DIRECT, VAPI = SmokeLeg.Stack.DIRECT, SmokeLeg.Stack.VAPI


@pytest.fixture(autouse=True)
def _numbers(settings: Any) -> None:
    settings.SMOKE_TEST_NUMBERS = [TESTER, OTHER_TESTER]


def telephone_run(**wish: Any) -> SmokeRun:
    number, assistant = make_desk()
    make_scenario(assistant)
    wanted = {"runs": 3, "line": SmokeRun.Line.TELEPHONE, "budget_minutes": 60, **wish}
    return make_run(number, **wanted)


def in_hand(run: SmokeRun) -> SmokePair:
    run_begin(run.pk)
    pair = pair_take(run.pk)
    assert pair is not None
    return pair


def claimed(run: SmokeRun, *, stack: SmokeLeg.Stack = DIRECT, to: str = "") -> SmokeLeg:
    leg = leg_claim(in_hand(run), stack=stack, to=to or run.did, numbers=[TESTER])
    assert leg is not None
    return leg


def rings(run: SmokeRun, *, caller: str = TESTER, call_sid: str = "CAfar", did: str = "") -> Any:
    return call_from_tester(call_sid=call_sid, account_sid="AC1", did=did or run.did, caller=caller)


# Who is recognised -------------------------------------------------------------------------------------------


def test_a_call_that_was_placed_gets_the_pairs_call_and_a_repeated_webhook_the_same() -> None:
    run = telephone_run()
    leg = claimed(run)

    first, again = rings(run), rings(run)

    assert isinstance(first, Answered)
    assert isinstance(again, Answered)
    assert first.call == again.call == SmokePair.objects.get(pk=leg.pair_id).call
    assert first.call.smoke_test
    assert not SmokeLeg.objects.get(pk=leg.pk).holds_line


def test_any_other_caller_is_no_concern_of_smoke_tests() -> None:
    run = telephone_run()
    claimed(run)

    assert rings(run, caller="+12025550147") is None


@pytest.mark.parametrize("spoil", ["none placed", "another number", "cancelled", "late", "second", "over"])
def test_a_call_from_a_test_number_that_nobody_placed_reaches_no_assistant(spoil: str) -> None:
    run = telephone_run()
    did = run.did
    leg = claimed(run)
    match spoil:
        case "none placed":
            leg.delete()
        case "another number":
            did = "+12025550199"
        case "cancelled":
            run_cancel(run.pk, why="No more.")
        case "late":
            SmokePair.objects.filter(pk=leg.pair_id).update(attempts=2)
        case "second":
            assert isinstance(rings(run, call_sid="CAone"), Answered)
        case _:
            leg_over(leg, why="The line was busy.")

    found = rings(run, did=did)

    assert isinstance(found, Unplaced)
    assert (found.call.status, found.call.smoke_test) == (Call.Status.REFUSED, True)
    assert "no smoke test had placed it" in found.call.refused_because
    assert found.call.version is None


def test_the_far_end_at_vapi_is_told_apart_from_ours() -> None:
    run = telephone_run()
    claimed(run, stack=VAPI)

    found = rings(run)

    assert isinstance(found, AtVapi)
    assert (found.did, found.caller) == (run.did, TESTER)
    assert not Call.objects.exists()


def test_between_two_numbers_one_call_rings_at_a_time() -> None:
    run = telephone_run()
    one, two = in_hand(run), in_hand(run)
    numbers = [TESTER, OTHER_TESTER]

    legs = [leg_claim(pair, stack=DIRECT, to=run.did, numbers=numbers) for pair in (one, two, one)]

    assert [leg.from_number if leg else None for leg in legs] == [*numbers, None]
    assert isinstance(rings(run), Answered)  # accounted for, so the number is free for the next
    assert leg_claim(two, stack=DIRECT, to=run.did, numbers=numbers) is not None


# The caller's end --------------------------------------------------------------------------------------------


def test_nobody_speaks_to_a_number_that_others_answer() -> None:
    run = telephone_run()
    leg = claimed(run)

    assert leg_answered(leg.pk, call_sid="CAnear") is None
    leg.refresh_from_db()
    assert (leg.status, leg.answered_at) == ("failed", None)
    assert "did not come to this installation" in leg.why


def test_a_stream_opens_once_for_each_turn_of_keys() -> None:
    run = telephone_run()
    leg = claimed(run)
    rings(run)
    answered = leg_answered(leg.pk, call_sid="CAnear")
    assert answered is not None
    token = leg_token(answered)

    assert leg_stream_claim(leg.pk, call_sid="CAother", token=token) is None
    assert leg_stream_claim(leg.pk, call_sid="CAnear", token="forged") is None
    assert leg_stream_claim(leg.pk, call_sid="CAnear", token=token) is not None
    assert leg_stream_claim(leg.pk, call_sid="CAnear", token=token) is None
    leg_presses(leg.pk, keys="2#", turn=1)
    again = leg_answered(leg.pk, call_sid="CAnear")
    assert again is not None
    assert (again.keys, leg_token(again) != token) == ("2#", True)
    assert leg_stream_claim(leg.pk, call_sid="CAnear", token=leg_token(again)) is not None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("busy", "was busy"),
        ("no-answer", "not answered within"),
        ("failed", "could not be placed"),
        ("canceled", "cancelled"),
        ("completed", "before the caller was connected"),
    ],
)
def test_a_call_that_came_to_nothing_says_why(status: str, words: str) -> None:
    leg = claimed(telephone_run())

    assert leg_ended(leg, status)
    assert not leg_ended(leg, "completed")

    leg.refresh_from_db()
    assert (leg.status, words in leg.why, leg.holds_line) == ("failed", True, False)


def test_a_status_that_is_no_end_ends_nothing() -> None:
    leg = claimed(telephone_run())

    assert not leg_ended(leg, "in-progress")
    assert not leg_ended(leg, "")
    assert leg_wanted(leg.pk)


@pytest.mark.parametrize("spoil", ["cancelled", "given back", "judged", "old"])
def test_a_call_that_nobody_waits_for_is_hung_up(spoil: str) -> None:
    run = telephone_run()
    leg = claimed(run)
    leg_placed(leg, call_sid="CAnear")
    assert legs_hang_up(Lines()) == 0
    match spoil:
        case "cancelled":
            run_cancel(run.pk, why="No more.")
        case "given back":
            pair_give_back(leg.pair)
        case "judged":
            SmokePair.objects.filter(pk=leg.pair_id).update(status="judged", outcome="same")
        case _:
            SmokeLeg.objects.update(placed_at=timezone.now() - timedelta(hours=1))
    lines = Lines()

    assert list(legs_unwanted(now=timezone.now())) == [leg]
    assert legs_hang_up(lines) == 1

    assert lines.hung_up == ["CAnear"]
    assert not leg_wanted(leg.pk)
    assert legs_hang_up(lines) == 0


# Played over lines that are told what to do ------------------------------------------------------------------


class Lines:
    """A telephone whose calls go as they are told to."""

    def __init__(self, *goes: Any) -> None:
        self.goes = list(goes)
        self.orders: list[CallOrder] = []
        self.hung_up: list[str] = []

    def place(self, order: CallOrder) -> str:
        self.orders.append(order)
        call_sid = new_call_sid()
        go = self.goes.pop(0) if self.goes else None
        if go is not None:
            go(order, call_sid)
        return call_sid

    def hang_up(self, call_sid: str) -> None:
        self.hung_up.append(call_sid)

    def status(self, call_sid: str) -> str:
        return ""


def leg_of(order: CallOrder) -> SmokeLeg:
    return SmokeLeg.objects.get(from_number=order.caller, to_number=order.to, status="placing")


def well(order: CallOrder, call_sid: str) -> None:
    """Both ends meet, our assistant does what it should, and the caller hangs up."""
    leg, far_sid = leg_of(order), new_call_sid()
    found = call_from_tester(call_sid=far_sid, account_sid="AC1", did=order.to, caller=order.caller)
    assert found is not None
    assert leg_answered(leg.pk, call_sid=call_sid) is not None
    if isinstance(found, Answered):
        began = timezone.now() - timedelta(seconds=40)
        Call.objects.filter(pk=found.call.pk).update(
            status="ended", started_at=began, ended_at=timezone.now(), ended_reason="customer-ended-call"
        )
        Transcript.objects.create(call_id=found.call.pk, started_at=began, closed_at=timezone.now())
    leg_caller_left(leg.pk, ended_because="the caller hung up")
    leg_over(leg)


def ends_in(status: str) -> Any:
    def go(order: CallOrder, call_sid: str) -> None:
        leg_ended(leg_of(order), status)

    return go


def refused(order: CallOrder, call_sid: str) -> None:
    raise PlayError("Twilio refused to place the call.", stops=True)


def line(lines: Lines, **fields: Any) -> TelephoneLine:
    return TelephoneLine(
        public_origin="https://voice.example.com",
        telephone=lines,
        look_every_s=0.001,
        **{"over_within_s": 600.0, **fields},
    )


@pytest.fixture(autouse=True)
def _speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telephone_module, "lines_spoken", lambda *_, **__: {})


def test_a_pair_is_called_from_a_test_number_and_judged_by_its_call() -> None:
    run = telephone_run()
    lines = Lines(well)
    pair = in_hand(run)

    pair_play(pair, line(lines), threading.Event())

    pair.refresh_from_db()
    order = lines.orders[0]
    assert (order.to, order.caller) == (run.did, TESTER)
    assert order.url.startswith("https://voice.example.com/twilio/smoke-leg/")
    assert (pair.status, pair.outcome) == ("judged", "drifted")  # the call had no tools
    assert SmokeLeg.objects.get().status == "over"


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed"])
def test_a_line_that_is_not_answered_breaks_the_pair_and_is_no_drift(status: str) -> None:
    run = telephone_run(runs=1)
    lines = Lines(ends_in(status), ends_in(status))
    for _ in range(2):
        pair_play(in_hand(run), line(lines), threading.Event())

    pair = run.pairs.get()
    assert (pair.outcome, pair.attempts, pair.call) == ("errored", 2, None)
    assert pair.why.startswith("The call ")


def test_both_stacks_are_called_and_what_vapi_did_is_what_is_expected() -> None:
    run = telephone_run(vapi_number=AT_VAPI, vapi_tools_are_real=True)
    theirs = make_vapi_call(run.assistant, called=[("get_repair_status", {"ticket": "7"})], latency_ms=900)
    lines = Lines(well, at_vapi)
    pair = in_hand(run)

    pair_play(pair, line(lines, at_vapi=lambda *_: theirs), threading.Event())

    pair.refresh_from_db()
    assert [order.to for order in lines.orders] == [run.did, AT_VAPI]
    assert (pair.reference, [step["name"] for step in pair.expected]) == (theirs, ["get_repair_status"])
    assert (pair.outcome, pair.reference_latency_ms) == ("drifted", 900)
    assert [leg.stack for leg in pair.legs.all()] == ["direct", "vapi"]


def at_vapi(order: CallOrder, call_sid: str) -> None:
    """Vapi answers at a number of its own, and its tools do what they do."""
    leg = leg_of(order)
    assert leg_answered(leg.pk, call_sid=call_sid) is not None
    leg_over(leg)


def test_a_number_that_others_answer_stops_the_run_before_more_calls_are_placed() -> None:
    run = telephone_run()

    def by_others(order: CallOrder, call_sid: str) -> None:
        assert leg_answered(leg_of(order).pk, call_sid=call_sid) is None

    pair = in_hand(run)
    pair_play(pair, line(Lines(by_others)), threading.Event())

    run.refresh_from_db()
    pair.refresh_from_db()
    assert (run.status, "did not come to this installation" in run.stopped_because) == ("stopped", True)
    assert (pair.status, pair.outcome, pair.attempts) == ("waiting", "", 0)


def test_credentials_that_are_wrong_stop_the_run() -> None:
    run = telephone_run()
    pair_play(in_hand(run), line(Lines(refused)), threading.Event())

    run.refresh_from_db()
    assert (run.status, run.stopped_because) == ("stopped", "Twilio refused to place the call.")
    assert not SmokeLeg.objects.filter(holds_line=True).exists()


def test_a_cancelled_call_is_hung_up_and_its_pair_waits_for_another_time() -> None:
    run = telephone_run()
    stop = threading.Event()
    lines = Lines(lambda *_: stop.set())
    pair = in_hand(run)

    pair_play(pair, line(lines), stop)

    pair.refresh_from_db()
    assert (pair.status, pair.attempts, len(lines.hung_up)) == ("waiting", 0, 1)
    assert SmokeLeg.objects.get().status == "failed"


def test_a_call_that_never_ends_is_hung_up_and_breaks_the_pair() -> None:
    run = telephone_run()
    lines = Lines()

    with pytest.raises(PlayError, match="longer than any call"):
        line(lines, over_within_s=0.05).play(in_hand(run), threading.Event())

    assert len(lines.hung_up) == 1


def test_twilio_is_asked_where_its_word_on_the_end_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    run = telephone_run()
    lines = Lines()
    monkeypatch.setattr(lines, "status", lambda _: "no-answer")

    with pytest.raises(PlayError, match="not answered within"):
        line(lines, ask_every_s=0.0).play(in_hand(run), threading.Event())


def test_a_player_whose_pair_was_given_to_another_lets_go() -> None:
    run = telephone_run()
    pair = in_hand(run)
    SmokePair.objects.filter(pk=pair.pk).update(attempts=2)

    with pytest.raises(StoppedError):
        line(Lines()).play(pair, threading.Event())


# Budgets -----------------------------------------------------------------------------------------------------


def test_minutes_of_both_stacks_count_and_so_do_calls_that_broke_or_go_on() -> None:
    run = telephone_run(
        budget_minutes=None,
        budget_usd=Decimal(1),
        usd_per_minute=Decimal("0.50"),
        vapi_number=AT_VAPI,
        vapi_tools_are_real=True,
    )
    pair, now = in_hand(run), timezone.now()
    facts = {"pair": pair, "attempt": 1, "from_number": TESTER, "to_number": run.did, "holds_line": False}
    SmokeLeg.objects.create(
        **facts,
        stack=DIRECT,
        status="failed",
        why="It broke.",
        placed_at=now - timedelta(seconds=90),
        answered_at=now - timedelta(seconds=80),
        over_at=now - timedelta(seconds=20),
    )
    assert budget_spent(run) == ""

    SmokeLeg.objects.create(
        **facts,
        stack=VAPI,
        status="talking",
        placed_at=now - timedelta(seconds=90),
        answered_at=now - timedelta(seconds=61),
    )

    assert "1.00 USD is used up" in budget_spent(run)


# Planned -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"budget_minutes": None}, "give a budget"),
        ({"budget_minutes": None, "budget_usd": Decimal(5)}, "estimate of what a minute costs"),
        ({"draft": True}, "reach what is published"),
        ({"vapi_number": AT_VAPI}, "tools are really called"),
        ({"vapi_number": "0800", "vapi_tools_are_real": True}, "written like"),
        ({"line": SmokeRun.Line.LOOPBACK, "vapi_number": AT_VAPI}, "by telephone only"),
        (
            {"line": SmokeRun.Line.SIMULATOR, "caller": SmokeRun.Caller.MODEL},
            "understands only the lines of a script",
        ),
    ],
    ids=str,
)
def test_a_wish_that_the_line_cannot_carry_is_refused_in_plain_words(
    wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(RunError, match=words):
        telephone_run(**wish)


def test_without_a_test_number_nothing_is_planned(settings: Any) -> None:
    settings.SMOKE_TEST_NUMBERS = []

    with pytest.raises(RunError, match="SMOKE_TEST_NUMBERS"):
        telephone_run()


def test_the_same_number_at_vapi_needs_vapi_to_know_it(settings: Any) -> None:
    settings.VAPI_API_KEY = ""
    number, assistant = make_desk()
    make_scenario(assistant)

    with pytest.raises(RunError, match="VAPI_API_KEY"):
        make_run(
            number,
            line=SmokeRun.Line.TELEPHONE,
            budget_minutes=5,
            vapi_number=number.did,
            vapi_tools_are_real=True,
        )


def test_as_many_calls_go_side_by_side_as_there_are_test_numbers() -> None:
    run = telephone_run(side_by_side=4)

    assert (run.test_numbers, run.side_by_side) == ([TESTER, OTHER_TESTER], 2)


def test_a_caller_who_is_a_model_needs_a_goal() -> None:
    number, assistant = make_desk()
    make_scenario(assistant, name="Aimless", script={**SCRIPT, "goal": ""})

    with pytest.raises(RunError, match="“Aimless” has no “goal”"):
        make_run(number, line=SmokeRun.Line.LOOPBACK, caller=SmokeRun.Caller.MODEL)


def test_a_run_that_cannot_be_set_up_is_told_before_any_call(settings: Any) -> None:
    settings.TWILIO_ACCOUNT_SID = ""
    run = telephone_run()

    with pytest.raises(PlayError, match="TWILIO_ACCOUNT_SID"):
        run_play(run.pk)


def test_an_unknown_leg_is_nobodys() -> None:
    assert leg_answered(uuid.uuid4(), call_sid="CA1") is None
