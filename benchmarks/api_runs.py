"""What the API is measured with, what is run for it, and what is printed and written."""

import os
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.api_asking import Asked, Caller, Meter, Spent, Timed, WrongAnswerError, measure, percentile
from benchmarks.console import Progress, between, end_on_signals
from benchmarks.options import parser_with
from benchmarks.place import ROOT, VAR, Place, place
from benchmarks.report import machine
from benchmarks.usage import parent_of, peak_kib, peak_reset, usage_of
from config.embedded import EmbeddedError
from config.run import roles
from config.run.children import start, stop_all
from config.run.ports import next_free
from config.run.ready import http_ready

ABOUT: Final = """\
Starts the web process of bin/run on a database of its own with calls in it, and asks it as a program does, over one connection:
lists of calls and of assistants, and placing a call. Each request is followed by one to a view that does nothing, so that what
the machine and the server take themselves is seen beside it. Calls are placed as always: written down and answered at once; no
worker runs, so nobody dials.
"""
EXAMPLE: Final = """\
example:
  .venv/bin/python benchmarks/api.py --times 50     a quick look, two minutes
  .venv/bin/python benchmarks/api.py --report       writes docs/performance-api.md
"""
REPORT: Final = ROOT / "docs" / "performance-api.md"
PAGE_TARGET_MS: Final = 300.0
ASSISTANTS: Final = 100
FIRST_PORT: Final = 18400
READY_WITHIN_S: Final = 60.0


def options(arguments: list[str]) -> Namespace:
    """What was asked for."""
    parser = parser_with(
        about=ABOUT, example=EXAMPLE, report=REPORT, calls=20_000, calls_least=1000, calls_most=1_000_000
    )
    parser.add_argument(
        "--turns", type=between(1, 200), default=20, help="turns of a call on average (default 20)"
    )
    parser.add_argument(
        "--times",
        type=between(5, 10_000),
        default=200,
        help="requests of each kind (default 200; a fifth for 1,000 rows)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and print. Returns 1 when something takes longer than it may, 2 when nothing could be measured."""
    asked = options(arguments)
    end_on_signals()
    progress = Progress()
    try:
        with place() as here:
            progress.line(f"seeding {asked.calls:,} calls")
            named = _seeded(asked)
            with _server(here, progress) as (port, pid):
                timed = _measured(asked, named, port, pid, progress)
    except (EmbeddedError, WrongAnswerError) as exc:
        progress.line(str(exc))
        return 2
    except KeyboardInterrupt:
        return 130
    text = _document(asked, timed)
    print(text)
    if asked.json:
        Path(asked.json).write_bytes(orjson.dumps([_facts(one) for one in timed], option=orjson.OPT_INDENT_2))
    if asked.report:
        REPORT.write_text(text, encoding="utf-8")
    return 1 if any(one.missed for one in timed) else 0


def _seeded(asked: Namespace) -> dict[str, str]:
    """A key, and what a call is placed with."""
    from assistants.models import Assistant  # noqa: PLC0415
    from calls.models import PhoneNumber  # noqa: PLC0415
    from calls.reporting.seeding import calls_seed, seeded_version  # noqa: PLC0415
    from tools.access.keys import key_create  # noqa: PLC0415

    calls_seed(asked.calls, turns=asked.turns)
    for n in range(Assistant.objects.count(), ASSISTANTS):
        seeded_version(n)
    number = PhoneNumber.objects.order_by("did")[0]
    # As a sync with Twilio would have found it.
    PhoneNumber.objects.filter(pk=number.pk).update(
        account_sid=os.environ["TWILIO_ACCOUNT_SID"], twilio_sid=f"PN{'c' * 32}"
    )
    assistant = Assistant.objects.order_by("name")[0]
    return {
        "key": key_create(name="benchmark")[1],
        "assistantId": str(assistant.pk),
        "phoneNumberId": str(number.pk),
    }


def _kinds(asked: Namespace, named: dict[str, str]) -> list[Asked]:
    def call(n: int) -> dict[str, Any]:
        return {
            "assistantId": named["assistantId"],
            "phoneNumberId": named["phoneNumberId"],
            # Nobody is called twice, or it would be one request that was repeated.
            "customer": {"number": f"+1312555{n % 10_000:04}"},
        }

    times = asked.times
    return [
        Asked("GET /call, 100 rows", "GET", "/call", times, least_rows=100),
        Asked("GET /call?limit=1000", "GET", "/call?limit=1000", max(5, times // 5), least_rows=1000, target_ms=PAGE_TARGET_MS),
        Asked("GET /call?limit=1", "GET", "/call?limit=1", times, least_rows=1),
        Asked("GET /assistant, 100 rows", "GET", "/assistant", times, least_rows=ASSISTANTS),
        Asked("POST /call", "POST", "/call", times, 201, body=call),
    ]  # fmt: skip


@contextmanager
def _server(here: Place, progress: Progress) -> Iterator[tuple[int, int]]:
    """The port and the process of a server like that of bin/run."""
    port = next_free(FIRST_PORT)
    role = roles.web(roles.Ports(web=port, media=0, simulator=0))
    environment = {
        **here.environment,
        "DJANGO_SETTINGS_MODULE": "benchmarks.instruments.api_settings",
        "API_REQUESTS_PER_MINUTE": "10000000",
        "OUTBOUND_CONCURRENCY": "100000",
        # Without limits of how many are placed.
        "OUTBOUND_CALLS_PER_MINUTE": "0",
        "OUTBOUND_CALLS_PER_DAY": "0",
    }
    child = start(
        "web", role.command, cwd=ROOT, environment=environment, log_path=VAR / "log" / "web.log",
        grace_s=role.grace_s, show=progress.line,
    )  # fmt: skip
    try:
        ready, until = http_ready(port, "/readyz"), time.monotonic() + READY_WITHIN_S
        while not ready() and not child.has_ended() and time.monotonic() < until:
            time.sleep(0.1)
        if not ready():
            lines = "\n  ".join(child.last_lines)
            raise WrongAnswerError(f"The server did not start. The end of {child.log_path}:\n  {lines}")
        yield port, child.process.pid
    finally:
        stop_all([child], hurry=lambda: False)


def _measured(
    asked: Namespace, named: dict[str, str], port: int, pid: int, progress: Progress
) -> list[Timed]:
    caller, meter = Caller(port, named["key"]), _meter(pid)
    try:
        found = []
        for one in _kinds(asked, named):
            timed = measure(one, caller, meter)
            progress.line(
                f"{one.name}: {percentile(timed.took_ms, 50):.1f} ms, bare {percentile(timed.bare_ms, 50):.1f} ms"
            )
            found.append(timed)
        return found
    finally:
        caller.close()


def _meter(server: int) -> Meter:
    """What the server and PostgreSQL use."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone() or (0,)
    database = parent_of(backend)
    return Meter(
        spent=lambda: Spent(usage_of(server).cpu_s, usage_of(database).cpu_s),
        peak_reset=lambda: peak_reset(server),
        peak_mib=lambda: peak_kib(server) / 1024,
    )


def _facts(timed: Timed) -> dict[str, Any]:
    return {
        "name": timed.asked.name,
        "times": timed.asked.times,
        "took_ms": timed.took_ms,
        "bare_ms": timed.bare_ms,
        "bytes": timed.bytes_n,
        "cpu_ms": timed.cpu_ms,
        "postgres_ms": timed.postgres_ms,
        "peak_mib": timed.peak_mib,
    }


def _document(asked: Namespace, timed: list[Timed]) -> str:
    where, load = machine(), os.getloadavg()[0]
    busy = " (others were at work on this machine: these figures are an upper bound)" if load > 1.5 else ""
    lines = [
        "# The API: how quickly it answers",
        "",
        (
            "Written by `benchmarks/api.py --report`. One program, one connection, the web process of `bin/run` (daphne) on a database "
            f"with {asked.calls:,} calls of {asked.turns} turns each on average. The bare view does nothing, and is asked in the same "
            "run, in turn with the others. CPU is the server's own, and PostgreSQL's stands beside it; both count in ticks of 10 ms over all "
            "requests of a row. While a page of calls is written both work at once. Peak is the most memory that the server held during it. Placed calls are written down and answered; who "
            "dials them is a worker, which does not run here."
        ),
        "",
        f"{where['cpu']}, {where['cores']} cores; {where['at']}; load average {load:.1f}{busy}.",
        "",
        "| request | times | KiB | p50 ms | p99 ms | bare p50 | bare p99 | CPU ms | PostgreSQL ms | peak MiB | may be |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(one) for one in timed),
        "",
        (
            "Lists take the same number of queries however long they are: `test_a_longer_list_takes_no_more_queries` and "
            "`test_a_hundred_calls_take_as_many_queries_as_one` hold that in every run of the tests."
        ),
    ]
    return "\n".join(lines) + "\n"


def _line(one: Timed) -> str:
    target = f"{one.asked.target_ms:.0f}{' **missed**' if one.missed else ''}" if one.asked.target_ms else ""
    middle, late = percentile(one.took_ms, 50), percentile(one.took_ms, 99)
    return (
        f"| {one.asked.name} | {one.asked.times} | {one.bytes_n / 1024:,.0f} | {middle:.1f} | {late:.1f} | "
        f"{percentile(one.bare_ms, 50):.1f} | {percentile(one.bare_ms, 99):.1f} | {one.cpu_ms:.1f} | "
        f"{one.postgres_ms:.1f} | {one.peak_mib:.0f} | {target} |"
    )
