"""Whole calls that are placed once more: those that failed while the machine kept somebody waiting (`slowness`)."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

MOST_TIMES: Final = 3
LASTED = pytest.StashKey[
    tuple[float, float]
]()  # from when to when what a test is about, by the monotonic clock
AGAIN = pytest.StashKey[bool]()
# By how much somebody was late between two moments at the most, and who.
Late = Callable[[float, float], tuple[float, str]]
_WHY: Final = "placed again"  # of a report's properties: what failed the time before, and who was late


def run(item: pytest.Item, nextitem: pytest.Item | None, *, late_of: Callable[[], Late | None]) -> None:
    """Run a test, and once more if it has failed while somebody was late who is not to be.

    What fails on a machine that has the time has failed, and so has what fails each time. ``late_of`` gives who can tell of that, once
    the test has got as far as to need them.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []
    for left in reversed(range(MOST_TIMES)):
        item.stash[LASTED] = (time.monotonic(), math.inf)
        # What this test shares with others stays, for it may be run again.
        reports = runtestprotocol(item, log=False, nextitem=item.parent)  # type: ignore[arg-type]  # its parents are asked for
        failures = [_all_of(report) for report in reports if report.failed]
        late = late_of()
        if not failures or not left or late is None:
            break
        late_s, who = late(*item.stash[LASTED])
        if not late_s:
            break
        item.user_properties.append((_WHY, f"{failures[0]}\nIt failed while {who} was {late_s:.2f} s late."))
        item.stash[AGAIN] = True
    ended = pytest.CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(nextitem),
        "teardown",
        reraise=(pytest.exit.Exception, KeyboardInterrupt),
    )
    if ended.excinfo:
        reports.append(item.ihook.pytest_runtest_makereport(item=item, call=ended))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _all_of(report: pytest.TestReport) -> str:
    """What the processes logged meanwhile, and what failed. That last: whoever keeps the end of an output only has it."""
    logs = [f"{title}\n{text}" for title, text in report.sections if title.startswith("log of")]
    return "\n".join([*logs, report.longreprtext])


def told(reports: Iterable[object]) -> list[str]:
    """What is to be said at the end of a run, whoever ran the tests: which were run again, how that ended, and what had failed."""
    whys: dict[str, list[str]] = {}
    failed: set[str] = set()
    for report in reports:
        if not isinstance(report, pytest.TestReport):
            continue
        if found := [str(value) for name, value in report.user_properties if name == _WHY]:
            whys[report.nodeid] = found
        if report.failed:
            failed.add(report.nodeid)
    lines: list[str] = []
    for nodeid, found in whys.items():
        how = "failed each time" if nodeid in failed else f"passed the {('2nd', '3rd')[len(found) - 1]} time"
        lines += [f"{nodeid}: {how}", *found, ""]
    return lines
