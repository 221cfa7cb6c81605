"""A run played: so many pairs side by side as it allows, each judged as soon as its call is written down."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final

from django.db import close_old_connections, connections

from calls.models import Call, SmokePair, SmokeRun
from calls.selectors import calls_written
from calls.smoke.judging import pair_judge
from calls.smoke.lines import Line, Played, PlayError, StoppedError
from calls.smoke.loopback_line import loopback_line
from calls.smoke.runs import (
    pair_broke,
    pair_give_back,
    pair_take,
    progress,
    run_begin,
    run_finish,
    run_stop,
)
from calls.smoke.simulator_line import simulator_line
from calls.smoke.telephone_line import telephone_line
from tools.models import ToolCall

logger = logging.getLogger(__name__)

WRITTEN_WITHIN_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.1
_IDLE_S: Final = 0.5
_OPEN: Final = (ToolCall.Status.REQUESTED, ToolCall.Status.SENT)

Tell = Callable[[Mapping[str, int]], None]


def line_for(run: SmokeRun) -> Line:
    """What plays the calls of this run. Raises PlayError where it is not set up."""
    match run.line:
        case SmokeRun.Line.SIMULATOR:
            return simulator_line()
        case SmokeRun.Line.LOOPBACK:
            return loopback_line()
        case SmokeRun.Line.TELEPHONE:
            return telephone_line()
        case _:
            raise PlayError(f"There is no line “{run.line}”.", stops=True)


def run_play(
    run_id: uuid.UUID,
    *,
    stop: threading.Event | None = None,
    tell: Tell = lambda _: None,
    until_s: float | None = None,
    line: Line | None = None,
) -> bool:
    """Play what is left of a run; whether something is still left, because ``stop`` was set or ``until_s`` have passed.

    A run that somebody cancels lets its calls go. What is judged is never lost.
    """
    stop = stop or threading.Event()
    if not run_begin(run_id):
        return False
    run = SmokeRun.objects.defer("snapshot").get(pk=run_id)
    line = line or line_for(run)
    ends_at = time.monotonic() + until_s if until_s is not None else None
    let_go = threading.Event()
    with ThreadPoolExecutor(max_workers=run.side_by_side, thread_name_prefix="smoke") as pool:
        try:
            _keep_playing(run, lambda pair: pool.submit(_hand, pair, line, let_go), stop, tell, ends_at)
        finally:
            if stop.is_set() or run.status != SmokeRun.Status.RUNNING:
                let_go.set()
    tell(progress(run))
    run.refresh_from_db(fields=["status"])
    return run.status == SmokeRun.Status.RUNNING


def _keep_playing(
    run: SmokeRun,
    begin: Callable[[SmokePair], Future[None]],
    stop: threading.Event,
    tell: Tell,
    ends_at: float | None,
) -> None:
    """Begin pairs and wait for them until the run is over, somebody stops it, or no further one may begin."""
    hands: set[Future[None]] = set()
    while not stop.is_set():
        run.refresh_from_db(fields=["status"])
        if run.status != SmokeRun.Status.RUNNING:
            return
        out_of_time = ends_at is not None and time.monotonic() >= ends_at
        while not out_of_time and len(hands) < run.side_by_side and (pair := pair_take(run.pk)):
            hands.add(begin(pair))
        tell(progress(run))
        if hands:
            done, hands = wait(hands, timeout=_IDLE_S, return_when=FIRST_COMPLETED)
            for one in done:
                one.result()
        elif out_of_time or run_finish(run.pk) is not None:
            return
        else:
            stop.wait(_IDLE_S)  # others have the rest in hand


def _hand(pair: SmokePair, line: Line, stop: threading.Event) -> None:
    """One pair played and judged, on a thread of its own."""
    close_old_connections()
    try:
        pair_play(pair, line, stop)
    finally:
        connections.close_all()


def pair_play(pair: SmokePair, line: Line, stop: threading.Event) -> None:
    """Play a pair that is in our hands, and write down what became of it."""
    try:
        played = line.play(pair, stop)
        call = _written(played, stop)
    except PlayError as exc:
        if not SmokeRun.objects.filter(pk=pair.run_id, status=SmokeRun.Status.RUNNING).exists():
            pair_give_back(pair)  # it was refused because the run was cancelled meanwhile
            return
        logger.warning("a call of a smoke test could not be played", extra={"pair_id": str(pair.pk)})
        if exc.stops:
            pair_give_back(pair)
            run_stop(pair.run_id, why=str(exc))
        else:
            pair_broke(pair, str(exc), final=exc.final)
        return
    except StoppedError:
        pair_give_back(pair)
        return
    pair_judge(pair, call, caller=played.caller, at_vapi=played.at_vapi, late_s=played.late_s)


def _written(played: Played, stop: threading.Event) -> Call:
    """The call once all of it is written down; the workers do that a moment after its end. Raises PlayError, StoppedError."""
    until = time.monotonic() + WRITTEN_WITHIN_S
    while time.monotonic() < until:
        call = Call.objects.filter(call_sid=played.call_sid, smoke_test=True).first()
        if call is not None and call.status == Call.Status.ENDED and _complete(call):
            return call
        if stop.wait(_LOOK_EVERY_S):
            raise StoppedError
    raise PlayError(
        f"The call was not written down within {WRITTEN_WITHIN_S:.0f} s of its end. Is the worker running?"
    )


def _complete(call: Call) -> bool:
    if ToolCall.objects.filter(call_id=call.pk, status__in=_OPEN).exists():
        return False
    # Nothing was said to nobody.
    return call.started_at is None or bool(calls_written([call.pk]))
