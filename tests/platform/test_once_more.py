"""Whole calls are placed once more where the machine was too slow for them, and only there."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.reports import pytest_report_from_serializable, pytest_report_to_serializable

from tests.integration import again
from tests.integration.slowness import LATE_S, Slowness


class Item:
    """A test of pytest's, as far as it is needed to run one, and what was reported of it."""

    def __init__(self, *outcomes: str) -> None:
        self.outcomes = list(outcomes)
        self.told: list[str] = []
        self.torn_down: list[Any] = []
        self.stash = pytest.Stash()
        self.user_properties: list[tuple[str, object]] = []
        self.reports: list[pytest.TestReport] = []
        self.nodeid, self.location, self.parent = (
            "test_call.py::test_call",
            ("test_call.py", 1, "test_call"),
            None,
        )
        self.session = SimpleNamespace(_setupstate=SimpleNamespace(teardown_exact=self.torn_down.append))
        self.ihook = SimpleNamespace(
            pytest_runtest_logstart=lambda **_: self.told.append("start"),
            pytest_runtest_logreport=self.report,
            pytest_runtest_logfinish=lambda **_: self.told.append("finish"),
        )

    def run(self, *_: Any, **__: Any) -> list[pytest.TestReport]:
        outcome: Any = self.outcomes.pop(0)
        why = "E   no greeting" if outcome == "failed" else None
        return [
            pytest.TestReport(
                self.nodeid, self.location, {}, outcome, why, "call", user_properties=self.user_properties
            )
        ]

    def report(self, report: pytest.TestReport) -> None:
        self.told.append(report.outcome)
        # As from a worker.
        written: Any = pytest_report_to_serializable(report)
        came = pytest_report_from_serializable(json.loads(json.dumps(written)))
        assert isinstance(came, pytest.TestReport)
        self.reports.append(came)


@pytest.mark.parametrize(
    ("outcomes", "late_s", "told"),
    [
        (["passed"], 9.0, "passed"),
        (["failed", "passed"], 0.3, "passed"),
        (["failed", "failed", "passed"], 0.3, "passed"),
        (["failed", "failed", "failed"], 0.3, "failed"),
        (["failed"], 0.0, "failed"),
        (["failed"], None, "failed"),
    ],
    ids=["passed", "then passed", "at last passed", "failed each time", "nobody was late", "nobody can tell"],
)
def test_a_test_is_run_once_more_if_it_failed_while_somebody_was_late(
    monkeypatch: pytest.MonkeyPatch, outcomes: list[str], late_s: float | None, told: str
) -> None:
    item, times = Item(*outcomes), len(outcomes)
    monkeypatch.setattr(again, "runtestprotocol", item.run)
    following: Any = object()

    again.run(
        item,  # type: ignore[arg-type]
        following,
        late_of=lambda: None if late_s is None else lambda *_: (late_s, "media"),
    )

    assert item.told == ["start", told, "finish"]
    assert item.outcomes == []
    assert item.torn_down == [following]
    lines = again.told([object(), *item.reports])
    assert "\n".join(lines).count("no greeting\nIt failed while media was 0.30 s late.") == times - 1
    how = {"passed": f"passed the {times}{'nd' if times == 2 else 'rd'} time", "failed": "failed each time"}
    assert lines[:1] == ([f"{item.nodeid}: {how[told]}"] if times > 1 else [])


def test_who_was_late_longest_since_then_is_known() -> None:
    slowness = Slowness()
    slowness.note("web", 9.0)
    since = time.monotonic()

    assert slowness.longest(since) == (0.0, "")
    slowness.note("web", LATE_S / 2)
    assert slowness.longest(since) == (0.0, "")
    slowness.note("web", 0.4)
    slowness.note("media", 0.5)
    assert slowness.longest(since) == (0.5, "media")
    assert slowness.longest(since, since - 0.6) == (0.0, ""), "it was late after that"


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_process_that_answers_late_is_noticed() -> None:
    answered, slowness = threading.Semaphore(0), Slowness()

    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(2 * LATE_S)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            answered.release()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with serving(Late) as port, slowness.watching("media", port):
        for _ in range(2):
            assert answered.acquire(timeout=60)
    late_s, who = slowness.longest(0.0)
    assert (who, late_s > LATE_S) == ("media", True)
