"""The options that benchmarks of a seeded database share."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from benchmarks.console import between
from benchmarks.place import ROOT


def parser_with(
    *, about: str, example: str, report: Path, calls: int, calls_least: int, calls_most: int
) -> ArgumentParser:
    """A parser that knows how many calls are in the database and where what was measured is written; more may be added."""
    parser = ArgumentParser(description=about, epilog=example, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--calls",
        type=between(calls_least, calls_most),
        default=calls,
        help=f"calls in the database (default {calls:,})",
    )
    parser.add_argument("--json", metavar="FILE", help="write everything there as JSON")
    parser.add_argument("--report", action="store_true", help=f"write {report.relative_to(ROOT)}")
    return parser
