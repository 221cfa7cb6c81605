"""A pair played: it is judged by all that its call did, and by nothing less."""

import threading
from collections.abc import Callable

import pytest

from calls.models import Call, SmokePair
from calls.smoke import playing
from calls.smoke.lines import Played
from calls.smoke.playing import pair_play
from calls.smoke.runs import pair_take, run_begin
from calls.tests.smoke.factories import make_desk, make_run, make_scenario, make_spoken_call, make_vapi_call
from tools import outcomes
from tools.models import ToolCall

pytestmark = pytest.mark.django_db


class Looks(threading.Event):
    """Nobody stops the playing; between two looks into the tables ``between`` happens."""

    def __init__(self, between: Callable[[], object]) -> None:
        super().__init__()
        self._between = between

    def wait(self, timeout: float | None = None) -> bool:
        """Let happen what happens; nobody has stopped."""
        self._between()
        return False


class Line:
    """Has played a call already."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        """That call."""
        return Played(self._call.call_sid)


def taken() -> SmokePair:
    number, assistant = make_desk()
    make_scenario(assistant, references=[make_vapi_call(assistant)])
    run = make_run(number)
    run_begin(run.pk)
    pair = pair_take(run.pk)
    assert pair is not None
    return pair


def ended_call() -> Call:
    return make_spoken_call(smoke_test=True, status=Call.Status.ENDED, tool_calls_made=2)


def test_a_tool_call_that_is_written_after_the_last_word_counts() -> None:
    pair, call = taken(), ended_call()
    late = ToolCall.objects.get(call_id=call.pk, name="end_call")
    late.delete()

    pair_play(pair, Line(call), Looks(lambda: late.save(force_insert=True)))

    pair.refresh_from_db()
    assert (pair.outcome, pair.causes) == ("same", [])


def test_a_row_that_knows_only_what_the_model_was_told_is_no_tool_call_yet() -> None:
    pair, call = taken(), ended_call()
    row = ToolCall.objects.filter(call_id=call.pk, item_id="call_1")
    row.update(name="", status=ToolCall.Status.REFUSED, error=outcomes.NEVER_TAKEN)

    pair_play(
        pair,
        Line(call),
        Looks(lambda: row.update(name="end_call", status=ToolCall.Status.ANSWERED, error="")),
    )

    pair.refresh_from_db()
    assert pair.outcome == "same"


def test_a_call_whose_tool_calls_are_never_written_broke_and_did_not_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(playing, "WRITTEN_WITHIN_S", 0.05)
    monkeypatch.setattr("calls.smoke.runs.MOST_ATTEMPTS", 1)
    pair, call = taken(), ended_call()
    ToolCall.objects.filter(call_id=call.pk, name="end_call").delete()

    pair_play(pair, Line(call), threading.Event())

    pair.refresh_from_db()
    assert pair.outcome == "errored"
    assert "not written down" in pair.why
