"""Several workers run each test once, and what goes wrong with one of them is told."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import LANES, OTHERS, lane_of

ROOT = Path(__file__).resolve().parents[2]
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
TESTS = """
import os, signal, sys, threading, time
from pathlib import Path
import pytest

KEPT = sys.stderr

def note(what):
    with Path("notes").open("a") as notes:
        notes.write(f"{what} {os.getpid()}\\n")

@pytest.fixture(scope="session", autouse=True)
def built():
    yield
    note("down")

@pytest.mark.parametrize("number", range(5))
def test_fine(number, tmp_path):
    assert list(tmp_path.iterdir()) == []
    note(f"ran-{number}")

def test_wrong():
    print("what it said")
    KEPT.write("what a logger said")
    assert [1, 2] == [1, 3]

def test_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def test_gone():
    os._exit(0)

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait).start()

def test_last():
    note("ran-last")
"""
HANGING = """
def test_hangs(number):
    note(f"began-{number}")
    while not Path("end").exists():
        time.sleep(0.01)

def pytest_generate_tests(metafunc):
    if metafunc.function is test_hangs:
        metafunc.parametrize("number", range(9))
"""


def begin(folder: Path, *arguments: str, tests: str = TESTS) -> "subprocess.Popen[str]":
    """A run of these tests; it has a group of processes for itself, as one in a terminal has."""
    (folder / "test_it.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.forked",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    return subprocess.Popen(
        [*command, "-p", "no:cacheprovider", f"--basetemp={folder / 'made'}", *arguments, "test_it.py"],
        cwd=folder,
        env=os.environ | ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *arguments: str, tests: str = TESTS) -> "subprocess.CompletedProcess[str]":
    with begin(folder, *arguments, tests=tests) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def notes(folder: Path) -> list[str]:
    path = folder / "notes"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def until_noted(folder: Path, what: str, count: int) -> None:
    until = time.monotonic() + 300
    while sum(one.startswith(what) for one in notes(folder)) < count:
        assert time.monotonic() < until, notes(folder)
        time.sleep(0.02)


def test_each_test_runs_once_and_who_fails_or_dies_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "--workers", "2")

    assert done.returncode == 1
    assert "1 failed, 7 passed, 2 errors" in done.stdout
    assert "what it said" in done.stdout
    assert "what a logger said" in done.stdout
    assert done.stdout.count("what it said") == 2, "in the test's source, and captured"
    assert "At index 1 diff: 2 != 3" in done.stdout
    assert "During handling of the above" not in done.stdout
    assert re.search(r"ERROR test_it.py::test_killed - Its process died: exit code -9", done.stdout)
    assert re.search(r"ERROR test_it.py::test_gone - Its process died: exit code 0", done.stdout)
    ran = notes(tmp_path)
    assert sorted(set(ran)) == ["down", "ran-0", "ran-1", "ran-2", "ran-3", "ran-4", "ran-last"]
    assert len(ran) - ran.count("down") == 6  # nothing ran twice


def test_the_first_failure_ends_all_when_asked_to(tmp_path: Path) -> None:
    tests = "def test_before():\n    raise OSError\n" + TESTS
    done = run(tmp_path, "--workers", "1", "-x", tests=tests)

    assert done.returncode == 1
    assert "stopping after 1 failures" in done.stdout
    assert notes(tmp_path) == ["down"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_take_down_what_they_built_and_end_with_the_run(tmp_path: Path, how: signal.Signals) -> None:
    with begin(tmp_path, "--workers", "3", "-k", "hangs", tests=TESTS + HANGING) as process:
        until_noted(tmp_path, "began", 3)
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # as Ctrl-C does
        else:
            process.kill()
            process.wait()
        (tmp_path / "end").touch()

        until_noted(tmp_path, "down", 3)
        process.communicate()

    assert process.returncode == (2 if how is signal.SIGINT else -how)
    assert notes(tmp_path).count("down") == 3


def test_threads_that_would_be_lost_are_refused(tmp_path: Path) -> None:
    tests = "import threading\nthreading.Thread(target=threading.Event().wait, name='mill', daemon=True).start()\n"
    done = run(tmp_path, "--workers", "2", tests=tests + TESTS)

    assert done.returncode == 4
    assert "an import has started some: mill" in done.stderr + done.stdout


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_each_lane_has_tests(lane: object) -> None:
    files = [path.relative_to(ROOT) for path in ROOT.glob("*/tests/**/test_*.py")]
    files += [path.relative_to(ROOT) for path in ROOT.glob("tests/**/test_*.py")]

    assert [path for path in files if lane_of(str(path)) is lane]
    assert lane_of("tools/tests/test_models.py::test_it") is OTHERS
