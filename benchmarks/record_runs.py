"""Both measurements of records, what they are run with, and what is printed and written of them."""

import os
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.console import Progress, between, end_on_signals
from benchmarks.options import parser_with
from benchmarks.place import ROOT
from benchmarks.record_place import TooFullError, calls_fill, record_place
from benchmarks.record_reading import SLOW_MS, TARGET_MS, Timed, measure, readings
from benchmarks.record_writing import TARGET_CORES, Written, clean_up, writings
from benchmarks.report import machine
from config.embedded import EmbeddedError

ABOUT = """\
Seeds a PostgreSQL of its own under var/records with many calls, each with its turns, tool calls, cost lines and problems, every
tenth from Vapi, and measures what people open there: the lists of the admin with their filters and searches, calls' pages, the
search over what was said, the API and every question of Metabase. Then it measures what writing costs.
"""
EXAMPLE = """\
example:
  .venv/bin/python benchmarks/records.py --calls 50000                     a quick look, ten minutes
  .venv/bin/python benchmarks/records.py --calls 1000000 --keep --report   writes docs/performance-records.md; 15 GB, an hour
"""
REPORT: Final = ROOT / "docs" / "performance-records.md"
WRITING: Final = "writing"
# A reader wants the figures; plans are for whoever mends something, and all of them are in the JSON.
_PLANS_MOST: Final = 5
_PLAN_LINES: Final = 24
_PLAN_WIDTH: Final = 150
_ROWS_MOST: Final = 25


def options(arguments: list[str]) -> Namespace:
    """What was asked for."""
    parser = parser_with(
        about=ABOUT, example=EXAMPLE, report=REPORT, calls=1_000_000, calls_least=2000, calls_most=10_000_000
    )
    parser.add_argument("--keep", action="store_true", help="leave the database for the next run")
    parser.add_argument(
        "--times", type=between(1, 20), default=3, help="how often each is opened (default 3)"
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only what has one of these words in its name, separated by commas; 'writing' is one of them",
    )
    parser.add_argument(
        "--live", type=between(1, 2000), default=200, help="calls at a time that write (default 200)"
    )
    parser.add_argument("--seconds", type=between(4, 600), default=20, help="of writing (default 20)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure and print. Returns 1 when something takes longer than it may, 2 when nothing could be measured."""
    asked = options(arguments)
    end_on_signals()
    progress = Progress()
    try:
        with record_place(asked.calls, keep=asked.keep):
            calls_fill(asked.calls, progress)
            facts = _facts(asked)
            timed = _read(asked, progress)
            written = _write(asked, progress)
    except (EmbeddedError, TooFullError) as exc:
        progress.line(f"{exc}")
        return 2
    except KeyboardInterrupt:
        return 130
    text = _document(facts, timed, written, asked)
    print(text)
    if asked.json:
        _json_write(Path(asked.json), facts, timed, written)
    if asked.report:
        REPORT.write_text(text, encoding="utf-8")
    slow = [one for one in timed if one.failed or one.worst_ms > TARGET_MS]
    return 1 if slow else 0


def _facts(asked: Namespace) -> dict[str, Any]:
    from django.db import connection  # noqa: PLC0415

    from calls.reporting.seeding import SEEDED  # noqa: PLC0415

    rows: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for model in SEEDED:
            cursor.execute(
                "SELECT greatest(reltuples, 0)::bigint, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class WHERE oid = %s::regclass",
                [model._meta.db_table],
            )
            rows[str(model._meta.verbose_name_plural)] = cursor.fetchone()
        cursor.execute(
            "SELECT pg_database_size(current_database()), current_setting('shared_buffers'), version()"
        )
        size, buffers, version = cursor.fetchone() or (0, "", "")
    return {
        "calls": asked.calls,
        "rows": rows,
        "bytes": size,
        "shared_buffers": buffers,
        "version": version,
        "machine": machine(),
    }


def _words(asked: Namespace) -> list[str]:
    return [word.strip().lower() for word in str(asked.only).split(",") if word.strip()]


def _read(asked: Namespace, progress: Progress) -> list[Timed]:
    words = _words(asked)
    wanted = [
        one
        for one in readings()
        if not words or any(word in f"{one.group} {one.name}".lower() for word in words if word != WRITING)
    ]
    progress.line(f"{len(wanted)} things to open, {asked.times} times each")
    timed = []
    for one in measure(wanted, times=asked.times, show=progress.step("reading")):
        timed.append(one)
        if one.failed or one.worst_ms > SLOW_MS:
            progress.line(
                f"{one.group}, {one.name}: {one.typical_ms:.0f} ms, at worst {one.worst_ms:.0f} {one.failed}"
            )
    return timed


def _write(asked: Namespace, progress: Progress) -> list[Written]:
    if _words(asked) and WRITING not in _words(asked):
        return []
    progress.line(f"{asked.live} calls write for {asked.seconds} s")
    try:
        return writings(asked.live, asked.seconds, progress.step("writing"))
    finally:
        clean_up()


def _document(
    facts: dict[str, Any], timed: Sequence[Timed], written: Sequence[Written], asked: Namespace
) -> str:
    """Everything as a page."""
    where = facts["machine"]
    load = os.getloadavg()[0]
    parts = [
        "# Records: how quickly they are read and written",
        "",
        (
            "Written by `benchmarks/records.py --report`. Calls of a year, with twenty turns each on average, every tenth from Vapi; "
            "the database has its defaults and the indices of the migrations, the figures of past days are kept, and questions run with the settings of the reporting role."
        ),
        "",
        f"{where['cpu']}, {where['cores']} cores, {facts['version'].split(' on ')[0]} with shared_buffers {facts['shared_buffers']}; "
        f"{where['at']}; load average {load:.1f}"
        + (
            " (others were at work on this machine: these figures are an upper bound)." if load > 1.5 else "."
        ),
        "",
        f"## {facts['calls']:,} calls, {facts['bytes'] / 1024**3:.1f} GiB",
        "",
        "| table | rows | table, MiB | indices, MiB |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {name} | {rows:,} | {table / 1024**2:,.0f} | {index / 1024**2:,.0f} |"
            for name, (rows, table, index) in facts["rows"].items()
        ),
    ]
    if timed:
        parts += ["", *_reading_part(timed)]
    if written:
        parts += ["", *_writing_part(written, asked)]
    return "\n".join(parts) + "\n"


def _reading_part(timed: Sequence[Timed]) -> list[str]:
    slow = [one for one in timed if one.failed or one.worst_ms > TARGET_MS]
    parts = [
        "## Reading",
        "",
        (
            f"Milliseconds of a whole page (the answer of a question), the first time, the usual time after that, and at worst. "
            f"{len(timed)} things were opened; {len(slow)} took longer than {TARGET_MS:.0f} ms."
        ),
    ]
    for group, title in (
        ("list", "Lists of the admin"), ("page", "Pages"), ("search", "Search"), ("api", "API"), ("question", "Questions of Metabase"),
    ):  # fmt: skip
        ours = [one for one in timed if one.group == group]
        if not ours:
            continue
        parts += ["", f"### {title}", "", "| what | first | usual | worst |", "| --- | ---: | ---: | ---: |"]
        by_time = sorted(ours, key=lambda one: -one.worst_ms)
        parts += [
            f"| {one.name.replace('|', '/')} | {one.first_ms:.0f} | {one.typical_ms:.0f} | {one.worst_ms:.0f}{' ' + one.failed if one.failed else ''} |"
            for one in by_time[:_ROWS_MOST]
        ]
        if rest := by_time[_ROWS_MOST:]:
            parts.append(f"| {len(rest)} others, at most | | | {rest[0].worst_ms:.0f} |")
    plans = sorted((one for one in timed if one.plan), key=lambda one: -one.worst_ms)[:_PLANS_MOST]
    if plans:
        parts += ["", f"### Plans of what took longer than {SLOW_MS:.0f} ms"]
        for one in plans:
            parts += [
                "",
                f"{one.name}: {one.statement_ms:.0f} ms in its slowest statement",
                "",
                "```",
                _shortened(one.plan),
                "```",
            ]
    return parts


def _shortened(plan: str) -> str:
    """The plan without what tells little, each line as wide as a page."""
    lines = [
        line
        for line in plan.split("\n")
        if not line.lstrip().startswith(("Buffers:", "Index Searches:", "Planning:"))
    ]
    kept = [line if len(line) <= _PLAN_WIDTH else f"{line[:_PLAN_WIDTH]} …" for line in lines[:_PLAN_LINES]]
    return "\n".join(
        [*kept, *([f"… and {len(lines) - _PLAN_LINES} lines more"] if len(lines) > _PLAN_LINES else [])]
    )


def _writing_part(written: Sequence[Written], asked: Namespace) -> list[str]:
    plain = written[-1]
    cost = (plain.client_s + plain.server_s) or 0.001
    together = written[0].cores(asked.live)
    return [
        "## Writing",
        "",
        (
            f"What {asked.live} calls at a time write in {asked.seconds} s: an utterance and its usage every 4 s, a word on a tool call "
            "every 30 s. CPU of the worker's code and of its process of PostgreSQL. Celery's own part and the broker's are not in it."
        ),
        "",
        "| way | records | ms of ours a call-second | ms of PostgreSQL | cores for all calls | ratio to plain INSERT |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {one.name} | {one.records:,} | {one.client_s / one.call_seconds * 1000:.3f} | {one.server_s / one.call_seconds * 1000:.3f} "
            f"| {one.cores(asked.live):.3f} | {(one.client_s + one.server_s) / cost:.1f} |"
            for one in written
        ),
        "",
        f"The target is {TARGET_CORES:.2f} of a core; together they need {together:.3f}.",
    ]


def _json_write(
    path: Path, facts: dict[str, Any], timed: Sequence[Timed], written: Sequence[Written]
) -> None:
    content = {"facts": facts, "reading": list(timed), "writing": list(written), "at": time.time()}
    path.write_bytes(
        orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_SUBCLASS, default=str)
    )
