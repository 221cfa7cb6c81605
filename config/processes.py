"""Processes by identity: a pid together with its start time, so that a reused pid is never mistaken or signalled."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """One process. `started` is an opaque text that no other process with the same pid has."""

    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The running process with this pid, or None; one that has ended and only waits for its parent counts as ended."""
    started = _started_linux(pid) if sys.platform == "linux" else _ps(pid, "lstart")
    return Identity(pid, started) if started else None


def is_running(process: Identity) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def command_of(pid: int) -> str:
    """The command line of a process, words joined by blanks; empty when it cannot be read."""
    if sys.platform != "linux":
        return _ps(pid, "command")
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def stop(process: Identity, steps: list[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn and wait up to its seconds. Returns whether the process has ended."""
    for number, wait_s in steps:
        if not is_running(process):
            return True
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return True
        if wait_ended(process, wait_s):
            return True
    return not is_running(process)


def wait_ended(process: Identity, timeout_s: float) -> bool:
    """Whether the process ended within so many seconds."""
    deadline = time.monotonic() + timeout_s
    while is_running(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def _started_linux(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may itself hold blanks and parentheses
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot}/{ticks}"


def _ps(pid: int, column: str) -> str:
    answer = subprocess.run(  # noqa: S603 - fixed words and a number
        ["/bin/ps", "-o", "stat=", "-o", f"{column}=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, rest = answer.stdout.strip().partition(" ")
    return "" if not state or state.startswith("Z") else rest.strip()
