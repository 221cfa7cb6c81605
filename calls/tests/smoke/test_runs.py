"""Runs as rows: planned, taken, given back, cancelled, taken up again, and judged."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.db import IntegrityError, InternalError, transaction
from django.utils import timezone

from calls.models import Call, DriftRules, ScenarioVersion, SmokePair, SmokeRun
from calls.selectors import call_for_stream
from calls.smoke import markers
from calls.smoke.answering import smoke_call_start
from calls.smoke.judging import baseline, pair_judge
from calls.smoke.markers import Placing, marker_make, marker_read
from calls.smoke.planning import RunError, Wish, run_create, usual_line, usual_speed
from calls.smoke.runs import (
    LOST_AFTER,
    pair_broke,
    pair_give_back,
    pair_take,
    progress,
    run_begin,
    run_cancel,
    run_finish,
    run_resume,
    runs_forgotten,
)
from calls.smoke.selectors import verdict_latest
from calls.tests.smoke.factories import (
    CALLED,
    make_desk,
    make_run,
    make_scenario,
    make_spoken_call,
    make_vapi_call,
    new_call_sid,
)
from tools.mocks import NOT_MOCKED_ERROR
from tools.models import ToolCall

pytestmark = pytest.mark.django_db
Status = SmokePair.Status


def taken(run: SmokeRun) -> SmokePair:
    """The run's next pair, in hand."""
    run_begin(run.pk)
    pair = pair_take(run.pk)
    assert pair is not None
    return pair


def answered(pair: SmokePair) -> Call:
    """The call that a placed pair gets."""
    marker = marker_make(Placing(pair.pk, pair.attempts))
    found = smoke_call_start(marker=marker, call_sid=new_call_sid(), account_sid="AC1", did="+1", caller="+2")
    assert found is not None
    return found.call


# Planned -----------------------------------------------------------------------------------------------------


def test_scenarios_are_played_in_turn_and_of_each_its_calls_at_vapi_in_turn() -> None:
    number, assistant = make_desk()
    first, second = make_vapi_call(assistant), make_vapi_call(assistant)
    make_scenario(assistant, name="A", references=[first, second])
    make_scenario(assistant, name="B")
    make_scenario(assistant, name="C", enabled=False)

    run = make_run(number, runs=5)

    pairs = list(run.pairs.all())
    assert [pair.title for pair in pairs] == ["A", "B", "A", "B", "A"]
    assert [pair.reference_id for pair in pairs] == [first.pk, None, second.pk, None, first.pk]
    assert [step["name"] for step in pairs[0].expected] == ["get_repair_status", "end_call"]


def test_vapis_name_for_hanging_up_is_ours() -> None:
    number, assistant = make_desk()
    reference = make_vapi_call(assistant, called=[("get_repair_status", {}), ("endCall", {})])
    make_scenario(assistant, references=[reference])

    pair = make_run(number).pairs.get()

    assert [step["name"] for step in pair.expected] == ["get_repair_status", "end_call"]


def test_what_is_tested_is_frozen_and_a_draft_has_no_version() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    live = make_run(number)
    assistant.instructions = "Something else."
    assistant.save()

    draft = make_run(number, draft=True)
    same = make_run(number, draft=False)

    assert live.assistant_version == same.assistant_version == assistant.live_version
    assert draft.assistant_version is None
    assert draft.snapshot["instructions"] == "Something else."
    assert draft.fingerprint != live.fingerprint == same.fingerprint


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runs": 0}, "must be 1 to 2,000"),
        ({"scenarios": []}, "has no scenario that is switched on"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_plain_words(change: dict[str, Any], words: str) -> None:
    number, assistant = make_desk()
    make_scenario(assistant)

    with pytest.raises(RunError, match=words):
        make_run(number, **{"runs": 1, **change})


def test_rules_that_cannot_be_read_are_named_before_a_call_is_placed() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    DriftRules.objects.create(assistant=assistant, orders="lookup book")

    with pytest.raises(RunError, match=r"declared orders cannot be read\. Line 1"):
        make_run(number)


def test_a_script_that_cannot_be_played_is_named_before_a_call_is_placed() -> None:
    number, assistant = make_desk()
    make_scenario(assistant, name="Odd", script={"turns": []})

    with pytest.raises(RunError, match="scenario “Odd” cannot be played"):
        make_run(number)


def test_the_newest_real_calls_are_played_again_and_smoke_tests_are_not() -> None:
    number, assistant = make_desk()
    said = [("caller", "Is it ready? My number is 415 555 0199."), ("assistant", "On Tuesday.")]
    real = make_spoken_call(assistant=assistant, said=said)
    make_spoken_call(assistant=assistant, said=said, smoke_test=True)
    make_spoken_call(assistant=assistant, said=[])

    run = make_run(number, scenarios=[], last_calls=5)

    pair = run.pairs.get()
    assert pair.reference == real
    assert [step["name"] for step in pair.expected] == [name for name, _ in CALLED]
    assert {mock["tool"] for mock in pair.script["mocks"]} == {"get_repair_status", "end_call"}


# Versions ----------------------------------------------------------------------------------------------------


def test_the_database_refuses_to_change_a_version_of_a_scenario() -> None:
    _, assistant = make_desk()
    version = make_scenario(assistant).versions.get()

    with pytest.raises((IntegrityError, InternalError), match="cannot be changed"), transaction.atomic():
        ScenarioVersion.objects.filter(pk=version.pk).update(script={"turns": []})
    ScenarioVersion.objects.filter(pk=version.pk).update(drafted_from=None)


# Taken -------------------------------------------------------------------------------------------------------


def test_no_more_pairs_are_in_hand_than_may_be_side_by_side() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=3, side_by_side=2)
    run_begin(run.pk)

    pairs = [pair_take(run.pk) for _ in range(3)]

    assert [pair is not None for pair in pairs] == [True, True, False]


def test_a_pair_whose_player_died_is_given_out_again_and_breaks_the_second_time() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)
    for attempt in (1, 2):
        pair = taken(run)
        assert pair.attempts == attempt
        SmokePair.objects.filter(pk=pair.pk).update(
            placed_at=timezone.now() - LOST_AFTER - timedelta(seconds=1)
        )

    assert pair_take(run.pk) is None
    pair = run.pairs.get()
    assert (pair.outcome, "was lost" in pair.why) == ("errored", True)


def test_a_pair_that_broke_is_tried_once_more_and_a_hopeless_one_is_not() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=2)
    first, second = taken(run), taken(run)

    pair_broke(first, "The exchange is busy.")
    pair_broke(second, "The script is wrong.", final=True)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.why) == (
        Status.WAITING,
        Status.JUDGED,
        "The script is wrong.",
    )


def test_a_cancelled_run_keeps_what_was_found_and_goes_on_with_the_rest() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=2)
    done, let_go = taken(run), taken(run)
    pair_judge(done, make_spoken_call(smoke_test=True))

    assert run_cancel(run.pk, why="Cancelled by Alice.")
    pair_give_back(let_go)

    assert pair_take(run.pk) is None
    assert run_finish(run.pk) is None
    assert run_resume(run.pk)
    again = pair_take(run.pk)
    assert again is not None
    assert (again.pk, again.attempts) == (let_go.pk, 1)
    assert progress(run)["judged"] == 1


def test_a_spent_budget_stops_the_run_and_a_larger_one_lets_it_go_on() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=3, budget_minutes=1, side_by_side=1)
    pair_judge(taken(run), make_spoken_call(smoke_test=True))
    SmokePair.objects.filter(run=run, status=Status.JUDGED).update(seconds=61)

    assert pair_take(run.pk) is None
    run.refresh_from_db()
    assert (run.status, "1 minutes of conversation is used up" in run.stopped_because) == ("stopped", True)
    assert run_resume(run.pk, budget_minutes=5)
    assert pair_take(run.pk) is not None


def test_a_budget_in_dollars_is_reckoned_by_the_estimate() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=2, budget_usd=Decimal("0.50"), usd_per_minute=Decimal("0.30"), side_by_side=1)
    pair_judge(taken(run), make_spoken_call(smoke_test=True))
    SmokePair.objects.filter(run=run, status=Status.JUDGED).update(seconds=101)

    assert pair_take(run.pk) is None
    run.refresh_from_db()
    assert "0.50 USD is used up" in run.stopped_because


def test_a_run_in_which_nothing_moves_is_found() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)
    run_begin(run.pk)
    assert not runs_forgotten().exists()

    SmokeRun.objects.filter(pk=run.pk).update(moved_at=timezone.now() - LOST_AFTER - timedelta(minutes=2))

    assert list(runs_forgotten()) == [run]


# Answered ----------------------------------------------------------------------------------------------------


def test_a_marked_call_runs_on_what_the_run_has_frozen_and_knows_no_secret() -> None:
    number, assistant = make_desk(server_url="https://assistant.example.com", server_secret="s3cret")
    make_scenario(assistant)
    run = make_run(number, draft=True)

    call = answered(taken(run))

    stream = call_for_stream(call.pk)
    assert call.smoke_test
    assert stream is not None
    assert stream.snapshot.instructions == assistant.instructions
    assert stream.smoke is not None
    assert [mock["tool"] for mock in stream.smoke.mocks] == ["get_repair_status"]
    assert (stream.tool_auths, stream.assistant_auth.secret_token) == ({}, "")


def test_a_call_of_a_smoke_test_that_lost_its_answers_is_opened_by_nobody() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    call = answered(taken(make_run(number)))

    SmokePair.objects.filter(call=call).update(call=None)

    assert call.version is not None
    assert call_for_stream(call.pk) is None


def test_a_mark_opens_one_call_and_a_repeated_webhook_gets_the_same() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    pair = taken(make_run(number))
    marker = marker_make(Placing(pair.pk, pair.attempts))
    form = {"account_sid": "AC1", "did": "+1", "caller": "+2"}

    first = smoke_call_start(marker=marker, call_sid="CA1", **form)
    again = smoke_call_start(marker=marker, call_sid="CA1", **form)
    other = smoke_call_start(marker=marker, call_sid="CA2", **form)

    assert first is not None
    assert again is not None
    assert (again.call, again.token, other) == (first.call, first.token, None)
    assert Call.objects.count() == 1


@pytest.mark.parametrize("spoil", ["cancelled", "given back", "old", "forged", "unknown"])
def test_a_mark_that_is_not_good_any_more_opens_nothing(spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)
    pair = taken(run)
    marker = marker_make(Placing(pair.pk, pair.attempts))
    match spoil:
        case "cancelled":
            run_cancel(run.pk, why="No more.")
        case "given back":
            pair_give_back(pair)
            taken(run)
            SmokePair.objects.filter(pk=pair.pk).update(attempts=2)
        case "old":
            monkeypatch.setattr(markers, "LIVES", timedelta(seconds=-1))
        case "forged":
            marker = signing.TimestampSigner(salt="another").sign(f"{pair.pk.hex}.1")
        case _:
            marker = marker_make(Placing(uuid.uuid4(), 1))

    assert smoke_call_start(marker=marker, call_sid="CA1", account_sid="", did="", caller="") is None
    assert not Call.objects.exists()


def test_what_is_no_mark_is_none() -> None:
    assert marker_read("") is None
    assert marker_read(signing.TimestampSigner(salt="calls.smoke.marker").sign("nonsense.x")) is None


# Judged ------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_the_verdict_that_the_gate_reads() -> None:
    number, assistant = make_desk()
    make_scenario(assistant, references=[make_vapi_call(assistant)])
    run = make_run(number, runs=2)
    pair_judge(taken(run), make_spoken_call(smoke_test=True))
    assert run_finish(run.pk) is None
    assert verdict_latest(number=number) is None

    pair_judge(taken(run), make_spoken_call(called=CALLED[1:], smoke_test=True))
    done = run_finish(run.pk)

    assert done is not None
    assert (done.outcome, done.verdict["drifted"], done.verdict["compared"]) == ("fail", 1, 2)
    latest = verdict_latest(number=number)
    assert latest is not None
    assert (latest.outcome, latest.rate, latest.compared) == ("fail", 0.5, 2)
    assert latest.assistant_version_id == assistant.live_version_id
    assert run_finish(run.pk) is None


def test_a_check_of_a_draft_is_no_verdict_on_a_number() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, purpose=SmokeRun.Purpose.PUBLISHING)
    pair_judge(taken(run), make_spoken_call(smoke_test=True))
    assert run_finish(run.pk) is not None

    assert verdict_latest(number=number) is None


def test_a_call_that_broke_off_is_kept_apart_from_one_that_differs() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)
    broken = make_spoken_call(
        called=[], smoke_test=True, ended_reason="call.in-progress.error-providerfault-openai-llm-failed"
    )

    found = pair_judge(taken(run), broken)

    assert (found.outcome, "broke off" in found.why) == ("errored", True)


@pytest.mark.parametrize(
    ("called", "late_s", "ended_reason", "outcome"),
    [
        (CALLED[:1], 12.0, "silence-timed-out", "errored"),
        (CALLED[:1], 12.0, "exceeded-max-duration", "errored"),
        (CALLED[:1], 0.5, "silence-timed-out", "drifted"),
        (CALLED[:1], 12.0, "customer-ended-call", "drifted"),  # whoever is late does all the same
        (CALLED, 12.0, "silence-timed-out", "same"),
    ],
)
def test_a_call_that_ended_over_a_caller_who_was_late_broke_and_did_not_differ(
    called: list[Any], late_s: float, ended_reason: str, outcome: str
) -> None:
    number, assistant = make_desk()
    make_scenario(assistant, references=[make_vapi_call(assistant)])
    call = make_spoken_call(called=called, smoke_test=True, ended_reason=ended_reason)

    found = pair_judge(taken(make_run(number)), call, late_s=late_s)

    assert (found.outcome, "12 s late" in found.why) == (outcome, outcome == "errored")


def test_a_call_for_which_the_scenario_had_no_answer_breaks_its_pair() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)
    call = make_spoken_call(called=CALLED, smoke_test=True)
    ToolCall.objects.filter(call_id=call.pk, name="get_repair_status").update(
        status=ToolCall.Status.FAILED, error=NOT_MOCKED_ERROR
    )

    found = pair_judge(taken(run), call)

    assert (found.outcome, "no answer" in found.why) == ("errored", True)


def test_a_request_made_twice_in_one_breath_is_one_call() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    call = make_spoken_call(called=[CALLED[0], *CALLED], smoke_test=True)
    twin = ToolCall.objects.filter(call_id=call.pk, name="get_repair_status").first()
    assert twin is not None
    ToolCall.objects.filter(pk=twin.pk).update(status=ToolCall.Status.REFUSED, error="duplicate_call")

    assert pair_judge(taken(make_run(number)), call).outcome == "same"


def test_vapi_is_compared_with_itself_each_call_once() -> None:
    number, assistant = make_desk()
    calls = [make_vapi_call(assistant) for _ in range(4)] + [make_vapi_call(assistant, called=[])]
    ToolCall.objects.filter(call_id=calls[1].pk).delete()
    make_scenario(assistant, name="A", references=calls)
    make_scenario(assistant, name="B", references=calls)

    counted = baseline(make_run(number, runs=2))

    assert (counted.hits, counted.n) == (1, 2)


def test_the_planned_run_asks_for_the_published_version() -> None:
    _, assistant = make_desk()
    make_scenario(assistant)
    assistant.live_version = None

    with pytest.raises(RunError, match="never published"):
        run_create(Wish(assistant=assistant, runs=1))


@pytest.mark.parametrize(
    ("simulator", "realtime", "line", "speed"),
    [
        ("http://127.0.0.1:8002", "ws://127.0.0.1:8002/v1/realtime", "simulator", 4.0),
        ("http://127.0.0.1:8002", "wss://api.openai.com/v1/realtime", "loopback", 1.0),
        ("", "wss://api.openai.com/v1/realtime", "loopback", 1.0),
    ],
)
def test_a_real_model_is_met_on_our_own_line_where_speech_is_speech(
    settings: Any, simulator: str, realtime: str, line: str, speed: float
) -> None:
    settings.SIMULATOR_URL, settings.OPENAI_REALTIME_URL = simulator, realtime

    assert (usual_line(), usual_speed(usual_line())) == (line, speed)
