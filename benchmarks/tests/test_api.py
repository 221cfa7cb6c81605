"""The benchmark of the API: what it makes of what it measured, and once a whole short run. No time is asserted."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.api_asking import Asked, Caller, Meter, Spent, Timed, WrongAnswerError, measure, percentile
from benchmarks.api_runs import _document, options

ROOT = Path(__file__).resolve().parents[2]


class Scripted(Caller):
    """A connection whose other side answers as told."""

    def __init__(self, status: int, content: bytes) -> None:
        self.asked: list[tuple[str, str, bytes | None]] = []
        self._answer = (status, content, 2.0)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, float]:
        self.asked.append((method, path, body))
        return (200, b"{}", 1.0) if path == "/bare" else self._answer


def metered() -> Meter:
    """A server that takes 10 ms each time it is looked at, and a database that takes 20."""
    looks = itertools.count()
    return Meter(lambda: Spent((n := next(looks)) / 100, n / 50), lambda: None, lambda: 7.0)


@pytest.mark.parametrize(("share", "value"), [(0, 1.0), (50, 3.0), (99, 5.0), (100, 5.0)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], share) == value


def test_each_request_stands_beside_one_to_the_bare_view_and_bodies_differ() -> None:
    caller = Scripted(201, b"{}")
    timed = measure(Asked("POST", "POST", "/call", 3, 201, body=lambda n: {"n": n}), caller, metered())

    assert (round(timed.cpu_ms), round(timed.postgres_ms), timed.peak_mib) == (10, 20, 7.0)
    assert (timed.took_ms, timed.bare_ms) == ([2.0] * 3, [1.0] * 3)
    bodies = [body for _, path, body in caller.asked if path == "/call"]
    assert len(set(bodies)) == len(bodies)


@pytest.mark.parametrize(("status", "content"), [(500, b"[]"), (200, b"[1]")])
def test_an_answer_that_is_none_stops_the_measurement(status: int, content: bytes) -> None:
    with pytest.raises(WrongAnswerError):
        measure(Asked("list", "GET", "/call", 1, least_rows=2), Scripted(status, content), metered())


def test_the_page_says_what_took_longer_than_it_may() -> None:
    asked: Any = options(["--calls", "1000"])
    slow = Timed(Asked("slow list", "GET", "/x", 1, target_ms=300), [301.0], [1.0])
    quick = Timed(Asked("quick list", "GET", "/x", 1, target_ms=300), [299.0], [1.0])

    text = _document(asked, [slow, quick])

    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("|")}
    assert "**missed**" in lines["| slow list"]
    assert "**missed**" not in lines["| quick list"]
    assert "1,000 calls" in text


@pytest.mark.long
def test_a_short_run_measures_all_of_it(tmp_path: Path) -> None:
    report = tmp_path / "api.json"
    command = [
        sys.executable,
        "benchmarks/api.py",
        "--calls",
        "1000",
        "--turns",
        "2",
        "--times",
        "5",
        "--json",
        str(report),
    ]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)

    assert done.returncode in (0, 1), done.stderr[-3000:]
    found = json.loads(report.read_text())
    assert len(found) == 5
    assert all(len(one["took_ms"]) == len(one["bare_ms"]) >= 5 for one in found)
