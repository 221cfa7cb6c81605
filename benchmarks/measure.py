"""One run: a fresh server, a fresh bridge, callers, a window, and what was seen in it."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import orjson

from benchmarks.bridges import Bridge, Mode, Tandem
from benchmarks.instruments import GAPS_PATH
from benchmarks.instruments.caller import Job, Outcome, Stream
from benchmarks.place import ROOT, plain_streams
from benchmarks.usage import usage_of
from config.run.children import Child, stop_all
from config.run.ports import next_free

READY_WITHIN_S = 30.0
CLOSED_WITHIN_S = 10.0
ANSWER_WITHIN_S = 60.0  # for a line of an instrument, beyond the window itself
CONNECT_PER_S = 50.0
FIRST_PORT = 18200
WARMUP_S = {"echo": 2.0, "talk": 4.0}


class BenchmarkError(Exception):
    """A run that tells nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """What to measure."""

    mode: Mode
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed. Times in ms; the floor is not yet taken off."""

    bridge: str
    calls: int
    cpu_ms: float  # per call-second
    system_share: float
    trip_ms: list[float]
    late_ms: list[float]
    kib_per_call: float
    frames: int
    lost: int
    doubled: int
    reordered: int
    foreign: int
    mixed: int
    unclean: int
    load: float
    gap_p99_ms: float | None = None
    gap_max_ms: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def faults(self) -> list[str]:
        """What must never happen, in words; empty when all is well."""
        named = {
            "lost": self.lost,
            "doubled": self.doubled,
            "out of order": self.reordered,
            "on the wrong call": self.mixed,
            "of unknown origin": self.foreign,
        }
        found = [f"{count} frames {name}" for name, count in named.items() if count]
        if self.unclean:
            found.append(f"{self.unclean} sockets not closed in order")
        return found + [f"the log says: {line}" for line in self.warnings]


class Instrument:
    """A process that is told and answers in lines of JSON, and ends when we do."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.name = module
        command = [sys.executable, "-m", f"benchmarks.instruments.{module}", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self) -> "Instrument":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, line: bytes) -> None:
        """Send a line."""
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def hear(self, *, within_s: float) -> dict[str, Any]:
        """The next line. Raises BenchmarkError when none comes in time."""
        assert self._process.stdout
        # A pipe has no timeout; ending the process ends the reading.
        watchdog = threading.Timer(within_s, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise BenchmarkError(f"The instrument {self.name} ended, or said nothing for {within_s:.0f} s.")
        answer: dict[str, Any] = orjson.loads(line)
        if answer.get("event") == "failed":
            raise BenchmarkError(str(answer["why"]))
        return answer


def measure(bridge: Bridge, window: Window, say: Callable[[str], None]) -> Run:
    """One run of one bridge. Raises BenchmarkError when it cannot be had."""
    warnings: list[str] = []
    with Instrument("realtime", window.mode) as server:
        url = _realtime_url(server)
        port = next_free(FIRST_PORT)
        say("starting")
        with _running(bridge, port, url, window.mode, warnings) as child:
            # One call first, or what is loaded once would be divided among the calls that are counted.
            _call(Window(window.mode, 1, 0.3), bridge.streams(1, port), lambda _: None)
            empty = usage_of(child.process.pid)
            say(f"{window.calls} calls connecting")
            usages = []
            stalls: dict[str, float] = {}

            def edge(name: str) -> None:
                say(f"measuring for {window.seconds:.0f} s" if name == "begin" else "hanging up")
                if isinstance(bridge, Tandem) and bridge.watch_loop:
                    stalls.update(_gaps(port))
                usages.append(usage_of(child.process.pid))

            outcome = _call(window, bridge.streams(window.calls, port), edge)
            load = os.getloadavg()[0]
            counts = _all_closed(server)
    begin, end = usages
    cpu_s = end.cpu_s - begin.cpu_s
    return Run(
        bridge=bridge.name,
        calls=window.calls,
        cpu_ms=cpu_s * 1000 / (window.calls * window.seconds),
        system_share=(end.system_s - begin.system_s) / cpu_s if cpu_s else 0.0,
        trip_ms=outcome.trip_ms,
        late_ms=outcome.late_ms,
        kib_per_call=(end.rss_kib - empty.rss_kib) / window.calls,
        frames=outcome.sent + (counts["received"] if window.mode == "talk" else 0),
        lost=outcome.lost + counts["lost"],
        doubled=outcome.doubled + counts["doubled"],
        reordered=outcome.reordered + counts["reordered"],
        foreign=outcome.foreign + counts["foreign"],
        mixed=outcome.mixed + counts["mixed"],
        unclean=outcome.not_closed + counts["open"] + counts["unclean"],
        load=load,
        gap_p99_ms=stalls.get("p99_ms"),
        gap_max_ms=stalls.get("max_ms"),
        warnings=_counted(warnings),
    )


def _counted(warnings: list[str]) -> tuple[str, ...]:
    """The first line of each kind of warning, and how often it came; ids are what differs."""
    kinds = Counter(re.sub(r"[0-9a-f-]{36}", "…", text.partition("\n")[0]) for text in warnings)
    return tuple(f"{text} ({count} times)" for text, count in kinds.items())


def floor(window: Window, say: Callable[[str], None]) -> list[float]:
    """Round trips with no bridge between, as percentiles in ms: what the instruments and the machine take themselves."""
    with Instrument("realtime", "echo") as server:
        say("the floor: callers straight to the server")
        streams = plain_streams(window.calls, _realtime_url(server))
        return _call(window, streams, lambda _: None, shape="realtime").trip_ms


def added(trip_ms: list[float], floor_ms: list[float]) -> list[float]:
    """What a bridge adds at each percentile."""
    return [round(trip - ground, 3) for trip, ground in zip(trip_ms, floor_ms, strict=True)]


def _realtime_url(server: Instrument) -> str:
    return f"ws://127.0.0.1:{server.hear(within_s=20)['port']}/v1/realtime"


@contextlib.contextmanager
def _running(bridge: Bridge, port: int, url: str, mode: Mode, warnings: list[str]) -> Iterator[Child]:
    child = bridge.start(port=port, realtime_url=url, mode=mode, warn=warnings.append)
    try:
        until = time.monotonic() + READY_WITHIN_S
        while not bridge.ready(port):
            if child.has_ended() or time.monotonic() > until:
                lines = "\n  ".join(child.last_lines)
                raise BenchmarkError(f"{bridge.name} did not start. The end of {child.log_path}:\n  {lines}")
            time.sleep(0.05)
        yield child
    finally:
        stop_all([child], hurry=lambda: False)


def _call(
    window: Window, streams: list[Stream], edge: Callable[[str], None], *, shape: str = "twilio"
) -> Outcome:
    """Have the callers call; `edge` is told when the window begins and ends."""
    job = Job(
        shape=shape,
        echo=window.mode == "echo",
        warmup_s=WARMUP_S[window.mode] if window.calls > 1 else 0.0,
        seconds=window.seconds,
        connect_per_s=CONNECT_PER_S,
        streams=streams,
    )
    with Instrument("caller") as caller:
        caller.tell(orjson.dumps(asdict(job)))
        while True:
            line = caller.hear(within_s=ANSWER_WITHIN_S + window.seconds)
            if line["event"] == "outcome":
                return Outcome(**line["outcome"])
            edge(str(line["event"]))


def _all_closed(server: Instrument) -> dict[str, int]:
    """The server's counts once every session is over, or when it has been long enough."""
    until = time.monotonic() + CLOSED_WITHIN_S
    while True:
        server.tell(b"")
        counts = server.hear(within_s=10)
        if not counts["open"] or time.monotonic() > until:
            return counts
        time.sleep(0.1)


def _gaps(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", GAPS_PATH)
        answer: dict[str, float] = orjson.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()
