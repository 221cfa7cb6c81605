"""The command tools.py: see its --help."""

import asyncio
import os
import random
import sys
import threading
import time
import uuid
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson
import redis
import requests
import uvloop

from benchmarks import hops as places
from benchmarks.console import Progress, between, end_on_signals
from benchmarks.hops import Hops
from benchmarks.measure import BenchmarkError, Instrument
from benchmarks.place import ACCOUNT_SID, DID, ROOT, VAR, Place, place
from benchmarks.report import machine
from config.embedded import EmbeddedError
from config.run import children, roles
from config.run.children import stop_all

ABOUT = """\
Measures a tool call from the moment in which the live call hears of it to the first byte at the tool server, and from
the server's answer to the live call: through the outbox, Celery and Redis, a real worker, PostgreSQL and the channel
layer. Beside it, in turns and in the same run, a plain requests.post from a new thread.

The calls are live in all but their audio: each has its rows, its history, its transcript that is written, and its channel.
"""
EXAMPLE = """\
example:
  .venv/bin/python benchmarks/tools.py --calls 100 --seconds 20 --json var/bench/tools.json
  .venv/bin/python benchmarks/tools.py --report      also writes the figures to docs/performance.md
"""
READY_WITHIN_S = 90.0
LEFT_OVER_WITHIN_S = 20
HISTORY = 20
REPORT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- benchmarks/tools.py: begin -->", "<!-- benchmarks/tools.py: end -->"
TARGETS_MS = {"there": (10.0, 40.0), "back": (10.0, None)}


@dataclass(slots=True)
class Way:
    """The figures of one way: milliseconds there and back, and what never came."""

    name: str
    there_ms: list[float] = field(default_factory=list)
    back_ms: list[float] = field(default_factory=list)
    lost: int = 0

    def took(self, asked_ns: int, stamps: dict[str, int], arrived_ns: int) -> None:
        """Note one tool call that came back."""
        self.there_ms.append((stamps["first_ns"] - asked_ns) / 1e6)
        self.back_ms.append((arrived_ns - stamps["left_ns"]) / 1e6)


def options(arguments: list[str]) -> Namespace:
    """What was asked for."""
    parser = ArgumentParser(description=ABOUT, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--calls", type=between(1, 500), default=100, help="live calls at a time (default 100)"
    )
    parser.add_argument("--seconds", type=between(2, 300), default=20, help="length of a window (default 20)")
    parser.add_argument("--rounds", type=between(1, 10), default=2, help="windows of each way (default 2)")
    parser.add_argument(
        "--every", type=between(1, 60), default=5, help="mean seconds between a call's tool calls (default 5)"
    )
    parser.add_argument("--hops", action="store_true", help="also say where the time goes, place by place")
    parser.add_argument("--json", metavar="FILE", help="write everything there as JSON")
    parser.add_argument("--report", action="store_true", help="write the figures to docs/performance.md")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and print. Returns 1 when a tool call never came back."""
    asked = options(arguments)
    end_on_signals()
    progress = Progress()
    try:
        progress.line("services, a database of its own, and the workers")
        os.environ["WEBHOOK_ALLOW_LOOPBACK"] = "1"
        hops = Hops(VAR / f"hops-{os.getpid()}.jsonl") if asked.hops else None
        with place() as here, Instrument("tool_server") as server, _workers(here, hops):
            url = f"http://127.0.0.1:{server.hear(within_s=10)['port']}/vapi"
            tandem, direct, since = uvloop.run(_measure(asked, url, progress, hops))
            stages = _stages(since)
    except (BenchmarkError, EmbeddedError) as exc:
        progress.line(f"{exc}")
        return 2
    except KeyboardInterrupt:
        return 130
    load = os.getloadavg()[0]
    text = _table(tandem, direct, stages, asked, load)
    steps = places.figures(hops.complete(), _points) if hops else []
    if hops:
        text += "\n\n" + "\n".join(places.table(steps))
        hops.path.unlink()
    print(text)
    if asked.json:
        content = {
            "calls": asked.calls,
            "every_s": asked.every,
            "load": load,
            "machine": machine(),
            "stages": stages,
            "hops": steps,
            "paths": [
                {"name": one.name, "there_ms": one.there_ms, "back_ms": one.back_ms, "lost": one.lost}
                for one in (tandem, direct)
            ],
        }
        Path(asked.json).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    if asked.report:
        report_write(REPORT, text)
    return 1 if tandem.lost or direct.lost else 0


def report_write(path: Path, text: str) -> None:
    """Put the figures between their marks in the document, or at its end where it has none."""
    document = path.read_text(encoding="utf-8")
    block = f"{BEGIN}\n{text}\n{END}"
    if BEGIN in document and END in document:
        before, _, rest = document.partition(BEGIN)
        document = before + block + rest.partition(END)[2]
    else:
        document = f"{document.rstrip()}\n\n## Tool calls\n\n{block}\n"
    path.write_text(document, encoding="utf-8")


# The calls ------------------------------------------------------------------------------------------------------------


def _workers(here: Place, hops: Hops | None) -> ExitStack:
    """The workers as bin/run starts them, ready."""
    ending = ExitStack()
    mark = f"{os.getpid()}@localhost"
    environment = {**here.environment, "WEBHOOK_ALLOW_LOOPBACK": "1"}
    stamping = ["--include", "benchmarks.instruments.worker_hops"] if hops else []
    if hops:
        environment["HOPS_FILE"] = str(hops.path)
    started = []
    for role in (
        roles.tools_worker(f"tools-{mark}", environment, roles.Ports(web=0, media=0, simulator=0)),
        roles.worker(f"bench-{mark}", VAR / f"beat-{os.getpid()}", queues=roles.ALL_BUT_TOOLS),
    ):
        child = children.start(
            role.name,
            [*role.command, *stamping],
            cwd=ROOT,
            environment=environment,
            log_path=VAR / role.log,
            grace_s=role.grace_s,
            show=None,
        )
        ending.callback(stop_all, [child], hurry=lambda: False)
        started.append(child)
    from config.celery import app  # noqa: PLC0415 - Django is set up by now

    deadline = time.monotonic() + READY_WITHIN_S
    while len(app.control.ping(timeout=0.5) or ()) < len(started):
        if time.monotonic() > deadline or any(one.has_ended() for one in started):
            ending.close()
            raise BenchmarkError("A worker did not start; see worker.log and worker-tools.log in var/bench.")
    return ending


def _live_calls(count: int, url: str) -> list[Any]:
    """So many calls as their media streams would have read them, with the tool's server here."""
    from calls.selectors import call_for_stream  # noqa: PLC0415
    from calls.services import Answered, call_start  # noqa: PLC0415
    from tools.models import Tool  # noqa: PLC0415

    Tool.objects.filter(name="get_repair_status").update(server_url=url)
    calls = []
    for _ in range(count):
        sid = f"CA{uuid.uuid4().hex}"
        answer = call_start(call_sid=sid, account_sid=ACCOUNT_SID, did=DID, caller="+12025550147")
        if not isinstance(answer, Answered):
            raise BenchmarkError("A call was refused.")
        call = call_for_stream(answer.call.id)
        if call is None:
            raise BenchmarkError("A call could not be read.")
        tools = tuple(replace(tool, server_url=url) for tool in call.snapshot.tools)
        calls.append(replace(call, snapshot=replace(call.snapshot, tools=tools)))
    return calls


def _spoken(number: int) -> Any:
    from calls.bridge import commands as do  # noqa: PLC0415

    speaker = do.Speaker.CALLER if number % 2 else do.Speaker.ASSISTANT
    text = "I would like to know whether the bicycle that I brought in last week is ready by now. " * 2
    return do.Spoken(
        item_id=f"item_{number}",
        speaker=speaker,
        text=text,
        heard_text=text,
        began_ms=number * 4000,
        ended_ms=number * 4000 + 3000,
        generated_ms=3000,
        heard_ms=3000,
    )


async def _measure(
    asked: Namespace, url: str, progress: Progress, hops: Hops | None
) -> tuple[Way, Way, datetime]:
    from calls.recorder import Recorder  # noqa: PLC0415

    if hops:
        hops.watch()
    calls = await asyncio.to_thread(_live_calls, asked.calls, url)
    recorders = [Recorder(call) for call in calls]
    from calls.bridge import commands as do  # noqa: PLC0415

    for recorder in recorders:
        for number in range(HISTORY):
            recorder.note(do.UtteranceEnded(_spoken(number)))
    await asyncio.to_thread(recorders[0].safe, 10)
    tandem, direct = Way("Tandem"), Way("requests.post")
    live = _Tandem(recorders, tandem, hops)
    bare = _Direct(url, _body_size(recorders[0]), direct)
    await live.open()
    progress.line("warming up")
    await _window(asked, 3, [live.ask] * asked.calls, live)
    await asyncio.to_thread(_records_written)
    since = datetime.now(UTC)
    if hops:
        hops.clear()
    for path in (tandem, direct):
        path.there_ms.clear()
        path.back_ms.clear()
        path.lost = 0
    for turn in range(asked.rounds):
        for name, way, asks in (("Tandem", live, live.ask), ("requests.post", bare, bare.ask)):
            progress.line(f"round {turn + 1} of {asked.rounds}: {name}")
            await _window(asked, asked.seconds, [asks] * asked.calls, way)
    await live.close()
    return tandem, direct, since


async def _window(
    asked: Namespace, seconds: float, asks: Iterable[Callable[[int], Awaitable[None]]], way: Any
) -> None:
    """Let every call ask now and then for so long, and wait for what is still on its way."""
    until = time.monotonic() + seconds

    async def one(number: int, ask: Callable[[int], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(random.expovariate(1 / asked.every))
            if time.monotonic() >= until:
                return
            await ask(number)

    await asyncio.gather(*(one(number, ask) for number, ask in enumerate(asks)))
    for _ in range(LEFT_OVER_WITHIN_S * 20):
        if not way.open_requests:
            break
        await asyncio.sleep(0.05)
    way.path.lost += len(way.open_requests)
    way.open_requests.clear()


class _Tandem:
    """Our way: what the media process does with RunTool and with tool.result."""

    def __init__(self, recorders: list[Any], path: Way, hops: Hops | None) -> None:
        self.path = path
        self._hops = hops
        self.open_requests: dict[str, int] = {}
        self._recorders = recorders
        self._channels: list[str] = []
        self._listeners: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        from channels.layers import get_channel_layer  # noqa: PLC0415

        layer: Any = get_channel_layer()
        self._layer = layer
        for _ in self._recorders:
            channel = await self._layer.new_channel()
            self._channels.append(channel)
            self._listeners.append(asyncio.ensure_future(self._listen(channel)))

    async def close(self) -> None:
        for listener in self._listeners:
            listener.cancel()

    async def ask(self, number: int) -> None:
        from calls.bridge import commands as do  # noqa: PLC0415

        call_id = f"call_{uuid.uuid4().hex[:16]}"
        asked_ns = self.open_requests[call_id] = time.monotonic_ns()
        run = do.RunTool(call_id, "get_repair_status", {"ticket": "481"}, 20.0)
        self._recorders[number].tool_forward(run, reply_channel=self._channels[number])
        if self._hops:
            self._hops.stamp(call_id, "asked", asked_ns)
            self._hops.stamp(call_id, "put")

    async def _listen(self, channel: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            arrived_ns = time.monotonic_ns()
            asked_ns = self.open_requests.pop(message.get("tool_call_id", ""), None)
            if asked_ns is None:
                continue
            if message["status"] != "answered":
                raise BenchmarkError(f"A tool call failed: {message['output'][:200]}")
            told = orjson.loads(message["output"])
            self.path.took(asked_ns, told, arrived_ns)
            if self._hops:
                self._hops.stamp(message["tool_call_id"], "arrived", arrived_ns)
                self._hops.stamp(message["tool_call_id"], "first", told["first_ns"])
                self._hops.stamp(message["tool_call_id"], "left", told["left_ns"])


class _Direct:
    """The plain way: a thread, a requests.post, and back to the loop."""

    def __init__(self, url: str, size: int, path: Way) -> None:
        self.path = path
        self.open_requests: dict[str, int] = {}
        self._url = url
        self._filler = "x" * size

    async def ask(self, number: int) -> None:
        call_id = f"call_{uuid.uuid4().hex[:16]}"
        loop = asyncio.get_running_loop()
        self.open_requests[call_id] = time.monotonic_ns()
        threading.Thread(target=self._post, args=(call_id, loop), daemon=True).start()

    def _post(self, call_id: str, loop: asyncio.AbstractEventLoop) -> None:
        body = {"message": {"toolCallList": [{"id": call_id}], "artifact": self._filler}}
        answer = requests.post(self._url, json=body, timeout=20)
        result = answer.json()["results"][0]["result"]
        loop.call_soon_threadsafe(self._arrived, call_id, result)

    def _arrived(self, call_id: str, result: str) -> None:
        arrived_ns = time.monotonic_ns()
        asked_ns = self.open_requests.pop(call_id, None)
        if asked_ns is not None:
            self.path.took(asked_ns, orjson.loads(result), arrived_ns)


def _body_size(recorder: Any) -> int:
    """How large our bodies are, so that both ways carry the same."""
    return len(orjson.dumps(recorder._said.messages)) * 2 + 2000


# The figures ----------------------------------------------------------------------------------------------------------


def _records_written() -> None:
    """Wait until the worker has written down all that was said before."""
    from django.conf import settings  # noqa: PLC0415

    deadline = time.monotonic() + 120
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        while client.llen("records"):
            if time.monotonic() > deadline:
                raise BenchmarkError("The worker does not get through with the records.")
            time.sleep(0.2)


def _stages(since: datetime) -> dict[str, list[float]]:
    """What the ledger says of the same tool calls: milliseconds of each step, p50, p95 and p99."""
    from tools.models import ToolAttempt, ToolCall  # noqa: PLC0415

    rows = ToolCall.objects.filter(status="answered", sent_at__isnull=False, requested_at__gte=since)
    attempts = ToolAttempt.objects.filter(tool_call__requested_at__gte=since)
    taken = [
        (sent - requested).total_seconds() * 1000
        for requested, sent in rows.values_list("requested_at", "sent_at")
        if sent is not None
    ]
    # The row is taken at the moment that stands in it; its UPDATE and all that prepares the request come after.
    begun = [
        (started - sent).total_seconds() * 1000
        for started, sent in attempts.values_list("started_at", "tool_call__sent_at")
        if sent is not None and started is not None
    ]
    steps: dict[str, list[float]] = {
        "asked to taken up by a worker": taken,
        "taken up to the attempt begun (row written, body made)": begun,
    }
    for column, name in (
        ("resolve_ms", "address looked at"),
        ("connect_ms", "connected, where no connection was kept"),
        ("first_byte_ms", "at the server"),
        ("whole_ms", "the whole attempt"),
    ):
        values = attempts.exclude(**{column: None}).values_list(column, flat=True)
        steps[name] = [float(value) for value in values]
    return {name: [*_points(values), float(len(values))] for name, values in steps.items() if len(values) > 1}


def _points(values: list[float]) -> list[float]:
    cuts = quantiles(values, n=100, method="inclusive")
    return [round(cuts[49], 2), round(cuts[94], 2), round(cuts[98], 2)]


def _table(tandem: Way, direct: Way, stages: dict[str, list[float]], asked: Namespace, load: float) -> str:
    """The figures as Markdown."""
    where = machine()
    about = (
        f"{asked.calls} live calls, each with a tool call every {asked.every} s on average, {asked.rounds} windows of "
        f"{asked.seconds} s of each way in turns; load average {load:.1f}; {where.get('cpu', '')}."
    )
    lines = [
        about,
        "",
        "| way | tool calls | first byte p50 / p95 / p99 ms | answer back p50 / p95 / p99 ms | lost |",
        "| --- | --- | --- | --- | --- |",
    ]
    for path in (tandem, direct):
        there, back = (_points(values) for values in (path.there_ms, path.back_ms))
        lines.append(
            f"| {path.name} | {len(path.there_ms)} | {_slashed(there)} | {_slashed(back)} | {path.lost} |"
        )
    lines += [
        "",
        "Of Tandem's way, by the ledger:",
        "",
        "| step | p50 / p95 / p99 ms | of |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {name} | {_slashed(points[:3])} | {points[3]:.0f} |" for name, points in stages.items()]
    lines += ["", _verdict(tandem)]
    return "\n".join(lines)


def _slashed(points: list[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in points)


def _verdict(path: Way) -> str:
    found = []
    for name, values in (("there", path.there_ms), ("back", path.back_ms)):
        p50, _, p99 = _points(values)
        for what, value, most in zip(("p50", "p99"), (p50, p99), TARGETS_MS[name], strict=True):
            if most is not None:
                found.append(
                    f"{name} {what} {value:.1f} ms, target {most:.0f}: {'met' if value <= most else 'missed'}"
                )
    return "; ".join(found) + "."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
