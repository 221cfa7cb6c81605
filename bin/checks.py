"""Every check of this project; a failing one does not hide the next.

bin/test                      all of them
bin/test tools -k retry       only pytest, with these arguments
bin/test tools --workers 2    the same in two processes
bin/test -m long              what takes too long for every day
"""

import os
import queue
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
# Without a window it needs a third of the time, and Debian has it for itself.
CHROMIUM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
TALLY = re.compile(r"\d+ (passed|failed|skipped|error|deselected).* in \d")
MOST_WORKERS = 8
IN_BROWSER = "tests/browser"
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
    # Some fifty processes import this project; each would compile it for itself, with every assertion rewritten.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if arguments:
        return subprocess.run(_module("pytest", *arguments), check=False).returncode
    # The longest first: whole calls, which begin with the tests, are the last to end and mostly wait.
    chromium = find_chromium() or install_chromium()
    tests = begin("Tests", tests_command(chromium))
    types = begin("Types", _behind(_module("mypy", ".")))
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
    ]
    return summary([*results, types(), tests(), *no_browser(chromium)])


def tests_command(chromium: str | None) -> list[str]:
    """All daily tests, collected once and run by several processes, with those in a browser where there is one."""
    command = _module("pytest", "-q", "--workers", str(workers()))
    if chromium is None:
        return [*command, "--ignore", IN_BROWSER, "-p", "no:playwright"]
    os.environ["CHROMIUM"] = chromium
    return [*command, "-m", "not long"]


def no_browser(chromium: str | None) -> list[Result]:
    """What is to be said where no browser is to be had: its tests are skipped, but never in CI."""
    if chromium is not None:
        return []
    outcome = FAILED if _is_ci() else SKIPPED
    return [Result("Browser tests", outcome, 0.0, "no Chromium: apt-get install chromium")]


def check(title: str, command: list[str]) -> Result:
    """Run one command, its output passing through."""
    return begin(title, _behind(command))()


def begin(title: str, command: list[str]) -> Callable[[], Result]:
    """Begin a command beside the others. What is returned prints what it said, and goes on to until its end."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    said: queue.SimpleQueue[str | float] = queue.SimpleQueue()

    def listen() -> None:
        assert process.stdout
        for line in process.stdout:
            said.put(line)
        process.wait()
        said.put(time.monotonic())

    threading.Thread(target=listen).start()

    def result() -> Result:
        _header(title)
        closing = ""
        while isinstance(news := said.get(), str):
            print(news, end="", flush=True)
            # What pytest's process says while it ends comes after the tally.
            if TALLY.search(news) or not TALLY.search(closing):
                closing = news.strip() or closing
        return Result(title, FAILED if process.returncode else PASSED, news - started, closing)

    return result


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
    apt_get = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    subprocess.run([*apt_get, "update", "-qq"], stdout=subprocess.DEVNULL, check=False)
    for package in ("chromium-headless-shell", "chromium"):  # not every system has the first
        install = [*apt_get, "install", "-y", "-qq", "--no-install-recommends", package]
        if subprocess.run(install, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return find_chromium()
        print(f"`apt-get install {package}` failed.")
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
        if result.title == "Tests":
            print(f"{result.title}: {result.closing}")
    return 1 if failed else 0


def workers() -> int:
    """How many processes the tests get that have none of their own: one more than processors, since some wait, too; none on
    macOS, whose own libraries may not be used after a fork.
    """
    if sys.platform == "darwin":
        return 0
    return min((os.cpu_count() or 2) + 1, MOST_WORKERS)


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
