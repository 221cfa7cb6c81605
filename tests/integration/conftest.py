"""One stack for all tests of a folder, and one worker of xdist."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.integration.outside import Outside
from tests.integration.rows import written
from tests.integration.stack import LogMark, Stack
from tests.integration.stories import Begun, Story, Told
from tests.one_worker import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]  # so that a run of this folder alone keeps to one worker too

LOG_SHOWN = 6000
_marks = pytest.StashKey[tuple[Stack, LogMark]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes logged in a test that failed."""
    report = yield
    if report.failed and _marks in item.stash:
        stack, since = item.stash[_marks]
        for name in stack.names():
            report.sections.append((f"log of {name}", stack.log(name, since)[-LOG_SHOWN:]))
    return report


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
def alone(stack: Stack) -> Stack:
    """The stack while nobody else is calling: for tests that break something."""
    stack.outside.wait_until_quiet()
    stack.revive()
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
    """The story of this test, told to its end and written down."""
    begun = tellings(request.node)[request.param.id()]
    report = begun.live.report()
    return Told(begun.desk, report, written(report.call_sid))
