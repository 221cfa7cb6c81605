"""Every check of this project; a failing one does not hide the next.

bin/test                      all of them
bin/test tools -k retry       only pytest, with these arguments
bin/test -m long              what takes too long for every day
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_TESTS = 5  # pytest's exit status
TALLY = re.compile(r"\d+ (passed|failed|skipped|error|deselected).* in \d")
MOST_WORKERS = 8
WHOLE_CALLS = "tests/integration"
CALL_WORKERS = 3  # one for each folder in it
PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


@dataclass(slots=True)
class Result:
    """How one check went. `closing` is its tally of tests, or else the last line it printed."""

    title: str
    outcome: str
    seconds: float
    closing: str = ""


def main(arguments: list[str]) -> int:
    """Run all checks, or only pytest when it is given arguments. Returns the exit status."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal may know no ─
    os.chdir(ROOT)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    if arguments:
        return subprocess.run(_module("pytest", *arguments), check=False).returncode
    results = [
        check("Format", _module("ruff", "format", "--check", ".")),
        check("Lint", _module("ruff", "check", ".")),
        templates(),
        check(
            "Layers",
            [
                sys.executable,
                "-c",
                "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())",
            ],
        ),
        check("Dependencies", _module("deptry", ".")),
        check("Migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]),
        *beside_each_other(),
    ]
    return summary(results)


def beside_each_other() -> list[Result]:
    """The long ones. Whole calls mostly wait for people to finish speaking; whatever else runs leaves them their time."""
    calls = begin(
        "Whole calls",
        _module(
            "pytest", WHOLE_CALLS, "-p", "tests.one_worker", "-n", str(CALL_WORKERS), "-q", "--dist", "load"
        ),
    )
    in_browser = browser()
    types = begin("Types", _behind(_module("mypy", ".")))
    tests = check(
        "Tests",
        _behind(_module("pytest", "--ignore", WHOLE_CALLS, "-n", str(workers()), "-q")),
    )
    return [types(), tests, calls(), in_browser()]


def begin(
    title: str, command: list[str], *, nothing: Callable[[int], bool] = lambda _: False
) -> Callable[[], Result]:
    """Begin a command beside the others. What is returned waits for its end and prints all it said."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    said: list[tuple[str, float]] = []
    listener = threading.Thread(target=lambda: said.append((process.communicate()[0], time.monotonic())))
    listener.start()

    def result() -> Result:
        listener.join()
        (output, ended), status = said[0], process.returncode
        _header(title)
        print(output, end="", flush=True)
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        closing = next(filter(TALLY.search, reversed(lines)), lines[-1] if lines else "")
        return Result(title, _outcome(status, nothing), ended - started, closing)

    return result


def check(title: str, command: list[str]) -> Result:
    """Run one command, its output passing through."""
    _header(title)
    started = time.monotonic()
    closing = ""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout
    try:
        for line in process.stdout:
            print(line, end="", flush=True)
            # What pytest's process says while it ends comes after the tally.
            if TALLY.search(line) or not TALLY.search(closing):
                closing = line.strip() or closing
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    return Result(title, _outcome(status), time.monotonic() - started, closing)


def _outcome(status: int, nothing: Callable[[int], bool] = lambda _: False) -> str:
    if nothing(status):
        return SKIPPED
    return FAILED if status else PASSED


def templates() -> Result:
    """Lint the templates, if there are any."""
    files = sorted(
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.html")
        if not {".venv", "var", "node_modules", "staticfiles"} & set(path.relative_to(ROOT).parts)
    )
    if not files:
        return Result("Templates", SKIPPED, 0.0, "there are none")
    return check("Templates", _module("djlint", "--lint", *files))


def browser() -> Callable[[], Result]:
    """The tests that need a real browser, begun; skipped where none is to be had, but never in CI."""
    chromium = find_chromium() or install_chromium()
    if chromium is None:
        outcome = FAILED if _is_ci() else SKIPPED
        return lambda: Result("Browser tests", outcome, 0.0, "no Chromium: apt-get install chromium")
    os.environ["CHROMIUM"] = chromium
    command = _behind(_module("pytest", "tests/browser", "-m", "browser", "-q", "-n", "0"))
    return begin("Browser tests", command, nothing=lambda status: status == NO_TESTS)


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on the PATH."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def install_chromium() -> str | None:
    """Install Chromium where we may without asking for a password. Returns its path, or None."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        sudo: list[str] = []
    elif (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        sudo = ["sudo", "-n"]
    else:
        return None
    _header("Installing Chromium for the browser tests (apt-get install chromium)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        if subprocess.run(
            [*sudo, *command], env=environment, stdout=subprocess.DEVNULL, check=False
        ).returncode:
            print(f"`{' '.join(command)}` failed.")
            return find_chromium()
    return find_chromium()


def summary(results: list[Result]) -> int:
    """Print the table, and below it what pytest itself said last. Returns the exit status."""
    _header("Summary")
    for result in results:
        mark = {PASSED: "✓", FAILED: "✗", SKIPPED: "-"}[result.outcome]
        remark = f"  ({result.closing})" if result.outcome == SKIPPED else ""
        print(f"  {mark} {result.title:<14} {result.outcome:<8} {result.seconds:6.1f} s{remark}")
    failed = [result.title for result in results if result.outcome == FAILED]
    print()
    print(f"Failed: {', '.join(failed)}." if failed else "Every check passed.")
    for result in results:
        if result.title in ("Tests", "Whole calls", "Browser tests") and result.outcome != SKIPPED:
            print(f"{result.title}: {result.closing}")
    return 1 if failed else 0


def workers() -> int:
    """How many processes the tests get that are no whole calls: two more than processors, since some wait, too."""
    return min((os.cpu_count() or 2) + 2, MOST_WORKERS)


def _behind(command: list[str]) -> list[str]:
    """So that a whole call, whose callers do not wait, has the processor as soon as it wants it."""
    return ["nice", "-n", "19", *command] if shutil.which("nice") else command


def _module(name: str, *arguments: str) -> list[str]:
    # Not the scripts beside Python: they hold the path of the folder in which they were installed.
    return [sys.executable, "-m", name, *arguments]


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _header(title: str) -> None:
    print(f"\n── {title} {'─' * max(3, 76 - len(title))}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
