"""One stack for all of these tests, and one worker of xdist."""

from collections.abc import Generator, Iterator

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
    request: pytest.FixtureRequest, _running: Stack, django_db_blocker: DjangoDbBlocker
) -> Iterator[dict[str, Begun]]:
    """Every story that a selected test asks for, begun."""
    asked: dict[str, Story] = {}
    for item in request.session.items:
        story = item.callspec.params.get("told") if hasattr(item, "callspec") else None
        if isinstance(story, Story):
            asked[story.id()] = story
    begun: dict[str, Begun] = {}
    with django_db_blocker.unblock(), _running.database():
        for name, story in asked.items():
            begun[name] = story.begin(_running)
    yield begun
    _running.outside.wait_until_quiet()


@pytest.fixture
def told(request: pytest.FixtureRequest, stack: Stack, tellings: dict[str, Begun]) -> Told:
    """The story of this test, told to its end and written down."""
    begun = tellings[request.param.id()]
    report = begun.live.report()
    return Told(begun.desk, report, written(report.call_sid))
