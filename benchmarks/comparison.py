"""The command bridge.py: see its --help."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from benchmarks.bridges import Bridge, Tandem, Unavailable, node_reference, python_reference
from benchmarks.console import Progress, between, end_on_signals
from benchmarks.measure import BenchmarkError, Run, Window, added, floor, measure
from benchmarks.place import Place, place
from benchmarks.report import summary, table, write_json
from config.embedded import EmbeddedError

ABOUT = """\
Measures Tandem's media process beside two small bridges of our own: `websockets` with json in Python, and `ws` in
Node where Node is installed. Every run is a fresh process, and the bridges take turns. It needs no service and no
network: callers and the Realtime server are played on the loopback address.

The ratio to Node is what to look at; absolute figures depend on the machine and on what else it does.
"""
EXAMPLE = """\
example:
  .venv/bin/python benchmarks/bridge.py --calls 50 --seconds 10 --rounds 3 --mode echo --json var/bench/echo.json
"""
NODE = "Node ws"


def options(arguments: list[str]) -> Namespace:
    """What was asked for."""
    parser = ArgumentParser(description=ABOUT, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=between(1, 500), default=50, help="calls at a time (default 50)")
    parser.add_argument("--seconds", type=between(1, 120), default=10, help="length of a window (default 10)")
    parser.add_argument("--rounds", type=between(1, 20), default=3, help="runs of each bridge (default 3)")
    parser.add_argument(
        "--mode",
        choices=("echo", "talk"),
        default="echo",
        help="echo: every frame comes back, and is timed; talk: realistic turns (default echo)",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write everything there as JSON; - for standard output"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, print the table. Returns 1 when Tandem lost or mixed up a frame."""
    asked = options(arguments)
    end_on_signals()
    progress = Progress()
    try:
        progress.line("services, and a database of its own")
        with place() as here:
            by_bridge, floors = compare(here, asked, progress)
    except (BenchmarkError, EmbeddedError) as exc:
        progress.line(f"{exc}")
        return 2
    except KeyboardInterrupt:
        return 130
    rows = summary(by_bridge, floors, NODE)
    print(
        f"\n{asked.mode}, {asked.calls} calls, {asked.seconds} s, {asked.rounds} rounds: median (range)\n",
        file=sys.stderr,
    )
    print(table(rows, NODE), file=sys.stderr if asked.json == "-" else sys.stdout)
    runs = [run for one in by_bridge.values() for run in one]
    if asked.json:
        content = {
            "mode": asked.mode,
            "calls": asked.calls,
            "seconds": asked.seconds,
            "floors_ms": floors,
            "rows": rows,
        }
        write_json(asked.json, content, runs)
    faults = [fault for run in by_bridge["Tandem"] for fault in run.faults]
    for fault in faults:
        print(f"Tandem: {fault}", file=sys.stderr)
    return 1 if faults else 0


def compare(
    here: Place, asked: Namespace, progress: Progress
) -> tuple[dict[str, list[Run]], list[list[float]]]:
    """All rounds, bridges in turns, and the floor of each round."""
    bridges: list[Bridge] = [Tandem(here), python_reference(here)]
    try:
        bridges.append(node_reference(here))
    except Unavailable as exc:
        progress.line(f"{exc}")
    window = Window(asked.mode, asked.calls, asked.seconds)
    by_bridge: dict[str, list[Run]] = {bridge.name: [] for bridge in bridges}
    floors: list[list[float]] = []
    for turn in range(1, asked.rounds + 1):
        title = f"round {turn} of {asked.rounds}"
        if asked.mode == "echo":
            ground = floor(Window("echo", asked.calls, min(5, asked.seconds)), progress.step(title))
            floors.append(ground)
            progress.line(f"{title}: floor p50 {ground[0]:.2f} p99 {ground[2]:.2f} ms")
        for bridge in bridges:
            run = measure(bridge, window, progress.step(f"{title}, {bridge.name}"))
            by_bridge[bridge.name].append(run)
            progress.line(f"{title}: {in_words(run, floors)}")
    return by_bridge, floors


def in_words(run: Run, floors: list[list[float]]) -> str:
    """One run on one line."""
    text = f"{run.bridge:<18} {run.cpu_ms:6.2f} ms CPU per call-second, {run.kib_per_call:5.0f} KiB a call"
    if run.trip_ms:
        extra = added(run.trip_ms, floors[-1])
        text += f", added p50 {extra[0]:.2f} p95 {extra[1]:.2f} p99 {extra[2]:.2f} ms"
    return text + f", load {run.load:.1f}" + "".join(f"; {fault}" for fault in run.faults)
