"""The command: what it prints, writes and answers, with a line that plays by the numbers."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from calls.models import Call, SmokePair, SmokeRun
from calls.smoke import playing
from calls.smoke.answering import smoke_call_start
from calls.smoke.lines import Played, PlayError, StoppedError
from calls.smoke.markers import Placing, marker_make
from calls.smoke.playing import run_play
from calls.smoke.runs import run_resume
from calls.smoke.tasks import smoke_run_play
from calls.tests.smoke.factories import (
    CALLED,
    make_desk,
    make_run,
    make_scenario,
    make_spoken_call,
    new_call_sid,
)
from tools.models import ToolCall
from transcripts.models import Transcript

# The players are threads with connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


class PlayedLine:
    """A line on which every call is made of rows at once. ``calls`` says which tools each one calls, in turn."""

    def __init__(self, calls: list[list[Any] | Exception], stop_after: int | None = None) -> None:
        self.calls = calls
        self.stop_after = stop_after
        self.stop: threading.Event | None = None
        self._lock = threading.Lock()
        self.n = 0

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        with self._lock:
            called = self.calls[self.n % len(self.calls)]
            self.n += 1
            # Not by the event: the call before may not have come to look at it yet.
            stopped = self.stop_after is not None and self.n > self.stop_after
        if stopped:
            assert self.stop is not None
            self.stop.set()
            stop.wait(60)
            raise StoppedError
        if isinstance(called, Exception):
            raise called
        marker = marker_make(Placing(pair.pk, pair.attempts))
        sid = new_call_sid()
        answered = smoke_call_start(marker=marker, call_sid=sid, account_sid="AC1", did="+1", caller="+2")
        if answered is None:
            raise PlayError("Our own webhook refused the call.")
        made = make_spoken_call(called=called)
        ToolCall.objects.filter(call_id=made.pk).update(call_id=answered.call.pk)
        Transcript.objects.filter(call_id=made.pk).update(call_id=answered.call.pk)
        Call.objects.filter(pk=answered.call.pk).update(
            status=Call.Status.ENDED,
            started_at=made.started_at,
            ended_at=made.ended_at,
            ended_reason="assistant-ended-call",
        )
        made.delete()
        return Played(sid)


def on(monkeypatch: pytest.MonkeyPatch, calls: list[list[Any] | Exception]) -> PlayedLine:
    """Have every run played on such a line."""
    line = PlayedLine(calls)
    monkeypatch.setattr(playing, "line_for", lambda _: line)
    return line


def status_of(*arguments: str, **options: Any) -> int:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as ended:
        call_command("smoke_test", *arguments, **options)
    return int(ended.value.code or 0)


def test_a_run_that_fails_says_so_with_its_status_and_its_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    on(monkeypatch, [CALLED, CALLED[1:]])
    number, assistant = make_desk()
    make_scenario(assistant, name="Asks")
    files = {"html": str(tmp_path / "report.html"), "jsonl": str(tmp_path / "calls.jsonl")}

    assert status_of(number.did, runs=4, side_by_side=2, **files) == 1

    told = capsys.readouterr().out
    assert "Failed: 2 of 4 calls differ from Vapi (50.0 %)" in told
    assert "get_repair_status was not called." in told
    assert "proposed for the prompt: " in told
    assert "Failed: 2 of 4" in (tmp_path / "report.html").read_text()
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("calls", "runs", "status"),
    [([CALLED], 2, 2), ([CALLED], 73, 0), ([PlayError("The line is dead.", final=True)], 2, 3)],
)
def test_the_status_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, calls: list[Any], runs: int, status: int
) -> None:
    on(monkeypatch, calls)
    number, assistant = make_desk()
    make_scenario(assistant)

    assert status_of(number.did, runs=runs, side_by_side=4) == status


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    on(monkeypatch, [CALLED])
    number, assistant = make_desk()
    make_scenario(assistant)

    status_of(number.did, runs=1, json=True)

    document = json.loads(capsys.readouterr().out)
    assert (document["format"], document["verdict"]["compared"]) == ("tandem-smoke-test/1", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+19995550100"], "is not in Tandem"),
        ([], "Say which number"),
        (["--resume", "nonsense"], "There is no run nonsense"),
    ],
)
def test_what_cannot_be_begun_is_said_in_plain_words(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as refused:
        call_command("smoke_test", *arguments)

    assert refused.value.returncode == 4


def test_a_scenario_that_does_not_exist_is_named_with_those_that_do() -> None:
    number, assistant = make_desk()
    make_scenario(assistant, name="Asks")

    with pytest.raises(CommandError, match=r"There is no scenario “Books”\. There are: Asks"):
        call_command("smoke_test", number.did, scenario=["Books"])


def test_a_line_that_fails_once_is_tried_again() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)

    run_play(run.pk, line=PlayedLine([PlayError("Busy."), CALLED]))

    pair = run.pairs.get()
    assert (pair.outcome, pair.attempts) == ("same", 2)


def test_a_run_that_is_told_to_stop_lets_its_calls_go_and_can_go_on() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=6, side_by_side=2)
    line = PlayedLine([CALLED], stop_after=3)
    line.stop = threading.Event()

    more = run_play(run.pk, line=line, stop=line.stop)

    judged = run.pairs.filter(status=SmokePair.Status.JUDGED).count()
    assert (more, judged, run.pairs.filter(status=SmokePair.Status.WAITING).count()) == (True, 3, 3)
    assert not run_play(run.pk, line=PlayedLine([CALLED]))
    run.refresh_from_db()
    assert (run.status, run.verdict["compared"]) == ("done", 6)


def test_a_run_that_is_cancelled_meanwhile_ends_at_once() -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=4, side_by_side=1)
    line = PlayedLine([CALLED])

    def cancel(counted: Any) -> None:
        if counted["judged"]:
            SmokeRun.objects.filter(pk=run.pk).update(status=SmokeRun.Status.CANCELLED)

    assert not run_play(run.pk, line=line, tell=cancel)
    assert run.pairs.filter(status=SmokePair.Status.JUDGED).count() < 4
    assert run_resume(run.pk)


def test_a_task_has_the_rest_played_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, [CALLED])
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=3, side_by_side=1)
    again: list[str] = []
    monkeypatch.setattr(smoke_run_play, "delay", lambda *, run_id: again.append(run_id))
    monkeypatch.setattr("calls.smoke.tasks.PLAYS_FOR_S", 0.0)

    smoke_run_play(run_id=str(run.pk))
    assert again == [str(run.pk)]
    monkeypatch.setattr("calls.smoke.tasks.PLAYS_FOR_S", 60.0)
    smoke_run_play(run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.status, again) == ("done", [str(run.pk)])


def test_a_line_that_is_not_set_up_stops_the_run_with_the_reason(settings: Any) -> None:
    settings.SIMULATOR_URL = ""
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number)

    smoke_run_play(run_id=str(run.pk))

    run.refresh_from_db()
    assert (run.status, "No simulator is running" in run.stopped_because) == ("stopped", True)
