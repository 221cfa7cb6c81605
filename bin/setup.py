"""Makes .venv and keeps it equal to requirements files. Standard library only: it runs before anything is installed.

    python3 bin/setup.py requirements.txt requirements-embedded.txt

Ends with 0 when everything is there, else with 1 and lines that say what to do.
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MARKER = VENV / "installed.json"  # the digest of each requirements file that was installed from
LOG = ROOT / "var" / "log" / "pip.log"
OLDEST = (3, 11)
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class SetupError(Exception):
    """Something a person must do first; the text says what."""


def main(names: list[str]) -> int:
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal may know no ✓
    try:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        lock = (ROOT / "var" / "setup.lock").open("w")
    except OSError as exc:
        print(f"This folder must be writable: {exc}", file=sys.stderr)
        return 1
    with lock:
        try:
            _wait_for(lock.fileno())
            install(names)
        except SetupError as exc:
            print(f"\n{exc}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


def install(names: list[str]) -> None:
    """Make the environment if need be, and install what changed. Raises SetupError."""
    wanted = digests(names)
    if wanted.items() <= _installed().items() and _works(PYTHON):
        return
    if not _works(PYTHON, "-m", "pip", "--version") or not _works(PYTHON):
        _make()
    _pip(names)
    MARKER.write_text(json.dumps(_installed() | wanted, indent=2) + "\n", encoding="utf-8")


def digests(names: list[str]) -> dict[str, str]:
    """The digest of each file, and of the files these include by `-r`."""
    found: dict[str, str] = {}
    queue = list(names)
    while queue:
        name = queue.pop()
        content = (ROOT / name).read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
        queue += [
            other
            for other in re.findall(r"^-r\s+(\S+)", content.decode(), re.MULTILINE)
            if other not in found
        ]
    return found


def _installed() -> dict[str, str]:
    try:
        found = json.loads(MARKER.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and PYTHON.exists() else {}
    except (OSError, ValueError):
        return {}


def _works(python: Path, *arguments: str) -> bool:
    test = arguments or ("-c", f"import sys; sys.exit(sys.version_info < {OLDEST})")
    try:
        return subprocess.run([python, *test], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _make() -> None:
    # From within a virtual environment, perhaps this very one, the Python that it was made from.
    base = Path(getattr(sys, "_base_executable", sys.executable))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for module in ("venv", "ensurepip"):
        if not _works(base, "-c", f"import {module}"):
            sudo = "" if os.geteuid() == 0 else "sudo "
            raise SetupError(
                f"This Python ({version}) cannot make virtual environments. Install what is missing, then try again:\n"
                f"  {sudo}apt-get update && {sudo}apt-get install -y python{version}-venv"
                "\n(On other systems: the package that holds Python's venv and ensurepip.)"
            )
    with Step(f"Making .venv with Python {version}") as step, LOG.open("ab") as log:
        process = subprocess.Popen(
            [str(base), "-m", "venv", "--clear", str(VENV)], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
        )
        step.follow(process)
    if process.returncode != 0:
        raise SetupError(f"Making .venv failed. The end of {LOG.relative_to(ROOT)}:\n{_tail()}")


def _pip(names: list[str]) -> None:
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
    ]
    for name in names:
        command += ["-r", name]
    begin = LOG.stat().st_size if LOG.exists() else 0
    with Step("Installing packages") as step, LOG.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        step.follow(process, count=lambda: _packages(begin))
    if process.returncode != 0:
        raise SetupError(
            f"Installing packages failed. Check the network (and a proxy, if you need one), then try again.\n"
            f"The end of {LOG.relative_to(ROOT)}:\n{_tail()}"
        )


def _packages(begin: int) -> str:
    with LOG.open("rb") as file:
        file.seek(begin)
        text = file.read().decode(errors="replace")
    collected = len(re.findall(r"^(?:Collecting|Requirement already satisfied)", text, re.MULTILINE))
    if "Installing collected packages" in text:
        return f"{collected} found, writing them to disk"
    return f"{collected} found"


def _tail() -> str:
    return "\n".join(
        "  " + line for line in LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    )


def _wait_for(lock: int) -> None:
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                print("Another bin/run or bin/test is installing packages; waiting for it.", flush=True)
                told = True
            time.sleep(0.2)
        else:
            return


class Step:
    """One line on the terminal that moves while something runs; on a pipe, a line now and then."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begin = time.monotonic()
        self._live = sys.stdout.isatty()

    def __enter__(self) -> "Step":
        if not self._live:
            print(f"  … {self._title}", flush=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._live:
            print("\r\033[K", end="")

    def follow(self, process: "subprocess.Popen[bytes]", count: Callable[[], str] = str) -> None:
        """Wait for the process, and show that it goes on. Ends it when we are interrupted."""
        turn = 0
        try:
            while True:
                try:
                    process.wait(0.15 if self._live else 5)
                except subprocess.TimeoutExpired:
                    turn += 1
                    self._show(turn, count())
                    continue
                break
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if process.returncode == 0:
            clear = "\r\033[K" if self._live else ""
            print(f"{clear}  ✓ {self._title}  {self._seconds()}", flush=True)

    def _show(self, turn: int, detail: str) -> None:
        text = f"{self._title}{f': {detail}' if detail else ''}  {self._seconds()}"
        if self._live:
            print(f"\r\033[K  {SPINNER[turn % len(SPINNER)]} {text}", end="", flush=True)
        else:
            print(f"    {text}", flush=True)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._begin:.1f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
