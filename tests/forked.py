"""Tests in several processes, all forked from the one that collected them: `--workers 3`. A plugin, loaded by `-p`.

To import Tandem and collect its tests takes a process longer than most of its files take to run, so one does it for
all. Forked and not begun anew, the workers have the same tests in the same order, and are told numbers only.
"""

import multiprocessing
import os
import re
import resource
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from _pytest.capture import CaptureManager, FDCapture

END_WITHIN_S = 60.0
LOST = -1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Tests that keep to a worker of their own, since they share something expensive or mostly wait. `nice`: see nice(1)."""

    name: str
    paths: re.Pattern[str]
    nice: int


# Somebody is on the telephone in these, and does not wait. Whatever else runs leaves them their time.
LANES = (
    Lane("calls told", re.compile(r"tests/integration/told/"), 0),
    Lane("calls moving", re.compile(r"tests/integration/moving/"), 0),
    Lane("calls broken", re.compile(r"tests/integration/broken/"), 0),
    Lane(
        "waiting",
        re.compile(
            r"simulator/tests/test_(calls|numbers_dialled|outbound)\.py|tests/platform/test_embedded\.py"
        ),
        0,
    ),
    Lane("browser", re.compile(r"tests/browser/"), 19),
    # Vapi's client takes a process half a minute of processor to load.
    Lane("Vapi's client", re.compile(r"\w+/tests/.*test_client_library\.py"), 19),
)
OTHERS = Lane("others", re.compile(""), 19)


@dataclass(frozen=True, slots=True)
class Begins:
    """A worker begins this test and asks what comes after it, for pytest takes down what the next one does not share."""

    index: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A report of the test that a worker is at, as pytest writes one down."""

    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker has done all that it was given, in so many seconds of processor."""

    own_s: float
    children_s: float


@dataclass(slots=True)
class Worker:
    """A process that runs tests of one lane."""

    number: int
    lane: Lane
    process: BaseProcess
    pipe: "Connection[int | None, Begins | Reported | Ended]"
    running: int | None = None
    following: int | None = None
    tests: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    own_s: float = LOST
    children_s: float = 0.0


class Hooks:
    """What others may do about it."""

    def pytest_worker_begins(self, number: int) -> None:
        """In a process that has just been forked: whatever is not to be shared is to be made anew."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("forked")
    group.addoption(
        "--workers", type=int, default=0, help="run the tests in this many processes, and some in others"
    )


def pytest_configure(config: pytest.Config) -> None:
    if count := config.getoption("--workers"):
        config.pluginmanager.register(Foreman(count), "foreman")


class Foreman:
    """Hands out the tests, takes the reports, and notices who dies."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: dict[Lane, deque[int]] = {}
        self._workers: list[Worker] = []
        self._left: list[Worker] = []
        self._done: set[int] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run all tests, instead of pytest's own loop. Failures are those of `Session`, which sees all reports."""
        option = session.config.option
        if session.testsfailed or option.collectonly or option.usepdb:  # a debugger needs the terminal
            return None
        self._refuse_threads()
        # Made here, so that the workers' lie inside it.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        for index, item in enumerate(session.items):
            self._waiting.setdefault(lane_of(item.nodeid), deque()).append(index)
        try:
            for lane in sorted(self._waiting, key=lambda lane: lane.nice):
                for _ in range(self._count if lane is OTHERS else 1):
                    self._hire(session, lane)
            while self._workers:
                by_pipe = {worker.pipe: worker for worker in self._workers}
                for pipe in wait(list(by_pipe)):
                    self._listen(session, by_pipe[pipe])  # type: ignore[index]  # typeshed says it may be a socket
        finally:
            self._dismiss_all()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        if missing := set(range(len(session.items))) - self._done:
            raise session.Interrupted(f"{len(missing)} tests did not run: nobody was left to run them")
        return True

    @staticmethod
    def _refuse_threads() -> None:
        others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if others:
            raise pytest.UsageError(
                f"Threads do not outlive a fork, and an import has started some: {', '.join(others)}."
                " Import what starts them inside the test or the fixture that needs it."
            )

    def _hire(self, session: pytest.Session, lane: Lane) -> None:
        queue = self._waiting[lane]
        if not queue:
            return
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe()
        number = len(self._workers) + len(self._left)
        foremans = [ours, *(other.pipe for other in self._workers)]
        process = fork.Process(target=work, args=(session, number, lane, theirs, foremans))
        worker = Worker(number, lane, process, ours)
        process.start()
        theirs.close()  # so that ours ends with the process
        self._workers.append(worker)
        worker.following = queue.popleft()
        _send(worker, worker.following)

    def _listen(self, session: pytest.Session, worker: Worker) -> None:
        message: Begins | Reported | Ended | None = None
        with suppress(EOFError, OSError):
            message = worker.pipe.recv()
        match message:
            case None:
                self._part(session, worker)
            case Reported(data):
                report = session.config.hook.pytest_report_from_serializable(config=session.config, data=data)
                session.config.hook.pytest_runtest_logreport(report=report)
            case Begins(index):
                self._finish(session, worker)
                worker.running = index
                stopping = session.shouldfail or session.shouldstop
                queue = self._waiting[worker.lane]
                worker.following = queue.popleft() if queue and not stopping else None
                _send(worker, worker.following)
            case Ended(own_s, children_s):
                self._finish(session, worker)
                worker.own_s, worker.children_s = own_s, children_s

    def _finish(self, session: pytest.Session, worker: Worker) -> None:
        if worker.running is None:
            return
        item = session.items[worker.running]
        session.config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        self._done.add(worker.running)
        worker.running = None
        worker.tests += 1

    def _part(self, session: pytest.Session, worker: Worker) -> None:
        """Take leave of a worker that has ended; if it died, tell over which test, and hire another one."""
        worker.process.join()
        worker.ended = time.monotonic()
        self._workers.remove(worker)
        self._left.append(worker)
        if worker.own_s != LOST:
            return
        if worker.following is not None:
            self._waiting[worker.lane].appendleft(worker.following)
        if worker.running is None:
            raise session.Interrupted(f"a worker ({worker.lane.name}) died before its first test")
        item = session.items[worker.running]
        died = f"Its process died: exit code {worker.process.exitcode}."
        report = pytest.TestReport(
            item.nodeid, item.location, {}, "failed", died, "teardown", start=time.time(), stop=time.time()
        )
        session.config.hook.pytest_runtest_logreport(report=report)
        self._finish(session, worker)
        if not (session.shouldfail or session.shouldstop):
            self._hire(session, worker.lane)

    def _dismiss_all(self) -> None:
        """Let nobody outlive us, whatever happened: who finds nobody to talk to takes down what he built and ends."""
        for worker in self._workers:
            worker.pipe.close()
        until = time.monotonic() + END_WITHIN_S
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Who was busy for how long: what ends last should begin first, or be made shorter."""
        if not self._left:
            return
        terminalreporter.section("workers")
        start = min(worker.began for worker in self._left)
        for worker in sorted(self._left, key=lambda worker: worker.number):
            if worker.own_s == LOST:
                spent = "died"
            else:
                spent = f"{worker.own_s:.0f} s of processor, its processes {worker.children_s:.0f} s"
            terminalreporter.line(
                f"{worker.lane.name:<13} {worker.tests:>5} tests until {worker.ended - start:4.0f} s; {spent}"
            )


def lane_of(nodeid: str) -> Lane:
    """Where a test runs."""
    return next((lane for lane in LANES if lane.paths.match(nodeid)), OTHERS)


def _send(worker: Worker, index: int | None) -> None:
    # One that has died is noticed when it is listened to.
    with suppress(BrokenPipeError):
        worker.pipe.send(index)


# In the worker -----------------------------------------------------------------------------------------------


class _Reporting:
    """Sends what pytest would print."""

    def __init__(self, config: pytest.Config, pipe: "Connection[Any, Any]") -> None:
        self._config, self._pipe = config, pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        written = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._pipe.send(Reported(written))


def work(
    session: pytest.Session,
    number: int,
    lane: Lane,
    pipe: "Connection[Any, Any]",
    foremans: "Sequence[Connection[Any, Any]]",
) -> None:
    """Run the tests that are asked for, one after another, in a process of their own."""
    for end in foremans:
        end.close()  # so that ours, and those of who was hired before, end with the foreman
    # Ctrl-C reaches all of us; the foreman has us end in order. No SIG_IGN, which our own processes would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    os.nice(lane.nice)
    config = session.config
    plugins = config.pluginmanager
    capture = plugins.getplugin("capturemanager")
    _capture_alone(capture)
    plugins.unregister(name="foreman")
    plugins.unregister(name="terminalreporter")
    plugins.register(_Reporting(config, pipe))
    worker = f"gw{number}"
    config.workerinput = {"workerid": worker}  # type: ignore[attr-defined]  # by it pytest-django names databases
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / worker
    factory._basetemp.mkdir(mode=0o700)
    config.hook.pytest_worker_begins(number=number)
    try:
        with suppress(EOFError, BrokenPipeError):
            _work(session, pipe)
            session._setupstate.teardown_exact(None)
            own, children = (
                resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            )
            pipe.send(Ended(own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime))
    finally:
        session._setupstate.teardown_exact(None)
        capture.suspend_global_capture(in_=True)  # what this process ends with is for people
    os._exit(0)  # a thread that a test has left would be waited for, and nobody told why


def _capture_alone(capture: CaptureManager) -> None:
    """Give pytest files of our own to capture into. Who has kept `sys.stderr`, as loggers do, has what leads there."""
    capture.suspend_global_capture(in_=False)
    capturing = capture._global_capturing
    for stream in (capturing.out, capturing.err) if capturing else ():
        if isinstance(stream, FDCapture):
            with tempfile.TemporaryFile() as own:
                os.dup2(own.fileno(), stream.tmpfile.fileno(), inheritable=False)
    capture.resume_global_capture()


def _work(session: pytest.Session, pipe: "Connection[Any, Any]") -> None:
    current: int | None = pipe.recv()
    while current is not None:
        pipe.send(Begins(current))
        following: int | None = pipe.recv()
        session.config.hook.pytest_runtest_protocol(
            item=session.items[current],
            nextitem=None if following is None else session.items[following],
        )
        if session.shouldfail or session.shouldstop:
            return
        current = following
