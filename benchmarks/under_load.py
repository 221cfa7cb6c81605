"""The command load.py: see its --help."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from benchmarks.bridges import Tandem
from benchmarks.console import Progress, between, end_on_signals
from benchmarks.measure import BenchmarkError, Run, Window, added, floor, measure
from benchmarks.place import place
from benchmarks.report import write_json
from config.embedded import EmbeddedError

ABOUT = """\
Puts Tandem's media process under load: so many calls at once, each with 50 frames a second in and 50 out. Prints the
added latency (round trips less those without a bridge, measured just before), lost frames, CPU, memory, and how long
the event loop was held up. It needs no service and no network.
"""
EXAMPLE = """\
example:
  .venv/bin/python benchmarks/load.py --calls 100 --seconds 15 --json var/bench/load.json
"""


def options(arguments: list[str]) -> Namespace:
    """What was asked for."""
    parser = ArgumentParser(description=ABOUT, epilog=EXAMPLE, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=between(1, 500), default=100, help="calls at a time (default 100)")
    parser.add_argument(
        "--seconds", type=between(1, 300), default=15, help="length of the window (default 15)"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write everything there as JSON; - for standard output"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and print. Returns 1 when a frame was lost, doubled or out of order, or a socket not closed in order."""
    asked = options(arguments)
    end_on_signals()
    progress = Progress()
    try:
        progress.line("services, and a database of its own")
        with place() as here:
            ground = floor(Window("echo", asked.calls, min(5, asked.seconds)), progress.step("floor"))
            progress.line(f"floor: p50 {ground[0]:.2f}, p95 {ground[1]:.2f}, p99 {ground[2]:.2f} ms")
            window = Window("echo", asked.calls, asked.seconds)
            run = measure(Tandem(here, watch_loop=True), window, progress.step("Tandem"))
    except (BenchmarkError, EmbeddedError) as exc:
        progress.line(f"{exc}")
        return 2
    except KeyboardInterrupt:
        return 130
    extra = added(run.trip_ms, ground)
    print(lines(run, extra), file=sys.stderr if asked.json == "-" else sys.stdout)
    if asked.json:
        content = {
            "mode": "echo",
            "calls": asked.calls,
            "seconds": asked.seconds,
            "floor_ms": ground,
            "added_ms": extra,
        }
        write_json(asked.json, content, [run])
    for fault in run.faults:
        print(f"Wrong: {fault}", file=sys.stderr)
    return 1 if run.faults else 0


def lines(run: Run, extra: list[float]) -> str:
    """The run for a person."""
    return f"""
  calls                 {run.calls}
  frames there and back {run.frames}
  lost, doubled, out of order   {run.lost}, {run.doubled}, {run.reordered}
  added latency         p50 {extra[0]:.2f}, p95 {extra[1]:.2f}, p99 {extra[2]:.2f}, worst {extra[3]:.1f} ms
  CPU                   {run.cpu_ms:.2f} ms per call-second ({run.system_share:.0%} of it in the kernel): \
{1000 / max(0.001, run.cpu_ms):.0f} calls a core
  memory                {run.kib_per_call:.0f} KiB a call
  event loop held up    p99 {run.gap_p99_ms or 0:.1f}, worst {run.gap_max_ms or 0:.1f} ms
  instrument's lateness p99 {run.late_ms[2]:.2f}, worst {run.late_ms[3]:.1f} ms
  load of the machine   {run.load:.1f}"""
