"""One stack for all tests of a folder, which with `--workers` has one of them for itself."""

import itertools
import math
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.integration import again
from tests.integration.outside import Outside
from tests.integration.rows import written
from tests.integration.stack import LogMark, Stack
from tests.integration.stories import Begun, Story, Told

LOG_SHOWN = 3000
# What processes log without end while nothing happens to them.
_HUM = ('"logger": "celery.beat"', '"logger": "config.observing.requests"')
HERE = Path(__file__).parent
_marks = pytest.StashKey[tuple[Stack, LogMark]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Whole calls are placed once more where the machine had no time for them."""
    if not item.path.is_relative_to(HERE):
        return None

    def late() -> again.Late | None:
        return item.stash[_marks][0].outside.slowness.longest if _marks in item.stash else None

    again.run(item, nextitem, late_of=late)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was placed once more may have hidden a bug, so nobody is to overlook it."""
    if lines := again.told(itertools.chain(*terminalreporter.stats.values())):
        terminalreporter.section("whole calls placed again", bold=True, yellow=True)
        terminalreporter.write_line("\n".join(lines))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes logged in a test that failed."""
    report = yield
    if report.failed and _marks in item.stash:
        stack, since = item.stash[_marks]
        for name in stack.names():
            report.sections.append((f"log of {name}", _without_hum(stack.log(name, since))[-LOG_SHOWN:]))
        report.sections.append(("log of what was on its way", stack.on_its_way()))
    return report


def _without_hum(log: str) -> str:
    return "".join(line for line in log.splitlines(keepends=True) if not any(hum in line for hum in _HUM))


@pytest.fixture(scope="session")
def outside() -> Iterator[Outside]:
    with Outside() as playing:
        yield playing


@pytest.fixture(scope="session")
def _running(
    tmp_path_factory: pytest.TempPathFactory, outside: Outside, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    with django_db_blocker.unblock(), Stack(tmp_path_factory.mktemp("stack"), outside).running() as stack:
        yield stack


@pytest.fixture
def stack(
    _running: Stack, request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    """The running processes; the ORM works on their database for the length of the test."""
    request.node.stash[_marks] = (_running, _running.log_mark())
    with django_db_blocker.unblock(), _running.database():
        yield _running


@pytest.fixture
def alone(stack: Stack, request: pytest.FixtureRequest) -> Stack:
    """The stack while nobody else is calling: for tests that break something."""
    stack.outside.wait_until_quiet()
    stack.revive()
    request.node.stash[again.LASTED] = (time.monotonic(), math.inf)
    return stack


@pytest.fixture(scope="session")
def tellings(
    _running: Stack, django_db_blocker: DjangoDbBlocker
) -> Iterator[Callable[[pytest.Item], dict[str, Begun]]]:
    """Begins every story that the selected tests of an item's folder ask for, at the first of them."""
    begun: dict[Path, dict[str, Begun]] = {}

    def begin(item: pytest.Item) -> dict[str, Begun]:
        folder = item.path.parent
        if folder not in begun:
            # Other folders may be another worker's, which would tell them a second time.
            asked = {one.id(): one for other in item.session.items if (one := _story(other, folder))}
            begun[folder] = {name: story.begin(_running) for name, story in asked.items()}
        return begun[folder]

    yield begin
    with django_db_blocker.unblock(), _running.database():
        _running.outside.wait_until_quiet()


def _story(item: pytest.Item, folder: Path) -> Story | None:
    """What a test of this folder is about, if it is about a story."""
    if item.path.parent != folder or not hasattr(item, "callspec"):
        return None
    story = item.callspec.params.get("told")
    return story if isinstance(story, Story) else None


@pytest.fixture
def told(
    request: pytest.FixtureRequest,
    stack: Stack,
    tellings: Callable[[pytest.Item], dict[str, Begun]],
) -> Told:
    """The story of this test, told to its end and written down; once more, where that is asked for."""
    stories, name = tellings(request.node), request.param.id()
    if request.node.stash.get(again.AGAIN, False):
        stories[name] = request.param.begin(stack)
    begun = stories[name]
    try:
        report = begun.live.report()
    finally:
        request.node.stash[again.LASTED] = (begun.live.began, begun.live.ended)
    return Told(begun.desk, report, written(report.call_sid))
