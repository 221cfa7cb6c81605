"""Every check of this project, one after the other; a failing one does not hide the next.

bin/test                      all of them
bin/test tools -k retry       only pytest, with these arguments
bin/test -m long              what takes too long for every day
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_TESTS = 5  # pytest's exit status
TALLY = re.compile(r"\d+ (passed|failed|skipped|error|deselected).* in \d")
MOST_WORKERS = 8
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
        check("Types", _module("mypy", ".")),
        check("Migrations", [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]),
        check(
            "Tests", _module("pytest", "-p", "tests.one_worker", "-n", str(workers()), "--dist", "load", "-q")
        ),
        browser(),
    ]
    return summary(results)


def check(title: str, command: list[str], *, nothing: Callable[[int], bool] = lambda _: False) -> Result:
    """Run one command, its output passing through. `nothing` says which exit status means that there was nothing to do."""
    _header(title)
    begin = time.monotonic()
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
    outcome = SKIPPED if nothing(status) else FAILED if status else PASSED
    return Result(title, outcome, time.monotonic() - begin, closing)


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


def browser() -> Result:
    """The tests that need a real browser; skipped where none is to be had, but never in CI."""
    chromium = find_chromium() or install_chromium()
    if chromium is None:
        outcome = FAILED if _is_ci() else SKIPPED
        return Result("Browser tests", outcome, 0.0, "no Chromium: apt-get install chromium")
    os.environ["CHROMIUM"] = chromium
    command = _module("pytest", "tests/browser", "-m", "browser", "-q", "-n", "0")
    return check("Browser tests", command, nothing=lambda status: status == NO_TESTS)


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
        if result.title in ("Tests", "Browser tests") and result.outcome != SKIPPED:
            print(f"{result.title}: {result.closing}")
    return 1 if failed else 0


def workers() -> int:
    """How many processes pytest gets: two more than processors, since whole calls take their time and little else."""
    return min((os.cpu_count() or 2) + 2, MOST_WORKERS)


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
