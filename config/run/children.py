"""Child processes: started in groups of their own, their output kept in a file, their warnings shown, none left behind."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.logs import open_log

KEPT_LINES = 15
SHOWN_LEVELS = {"WARNING", "ERROR", "CRITICAL"}
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(slots=True)
class Child:
    """One running process of ours, leader of its own group."""

    name: str
    log_path: Path
    process: subprocess.Popen[bytes]
    grace_s: float  # from SIGTERM to SIGKILL
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    reader: threading.Thread | None = None
    status: int | None = None  # once ended and swept up

    def has_ended(self) -> bool:
        """Whether the process itself has ended; what is left of its group is killed then."""
        if self.status is not None:
            return True
        # Not reaped yet, so its number, which is also the number of its group, cannot belong to anybody else.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            return False
        self._signal_group(signal.SIGKILL)
        self.status = self.process.wait()
        if self.reader:
            self.reader.join(2)
        return True

    def terminate(self) -> None:
        """Ask the process itself to end; it decides what that means for children of its own."""
        if not self.has_ended():
            # Popen's own looks whether it has ended meanwhile, and reaps it then behind our back.
            os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group at once."""
        if not self.has_ended():
            self._signal_group(signal.SIGKILL)
            self.status = self.process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            pass


def start(
    name: str,
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log_path: Path,
    grace_s: float,
    show: Callable[[str], None] | None,
) -> Child:
    """Start a process whose output goes to the log file; lines that are a warning or worse are handed to `show` too.

    Call it from the main thread: on Linux a child is ended when the thread that started it ends.
    """
    process = subprocess.Popen(  # noqa: S603 - our own commands
        list(command),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches only us, and we end the children in order
        preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - one libc call, loaded before the fork
    )
    child = Child(name, log_path, process, grace_s)
    child.reader = threading.Thread(target=_read, args=(child, show), name=f"log of {name}", daemon=True)
    child.reader.start()
    return child


def run(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], output: int | None
) -> subprocess.Popen[bytes]:
    """Start a short command in a group of its own. Its output goes to the given descriptor, or to ours."""
    return subprocess.Popen(  # noqa: S603 - our own commands
        list(command),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - as above
    )


def stop_all(children: Sequence[Child], *, hurry: Callable[[], bool]) -> None:
    """Ask all to end, wait, and kill whoever has not ended in its time, or at once when in a hurry."""
    for child in children:
        child.terminate()
    begin = time.monotonic()
    waiting = list(children)
    while waiting:
        waiting = [child for child in waiting if not child.has_ended()]
        for child in waiting:
            if hurry() or time.monotonic() - begin > child.grace_s:
                child.kill()
        time.sleep(0.02)


def _end_with(parent: int) -> Callable[[], None] | None:
    libc = _libc
    if libc is None:
        return None

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_kernel


def _read(child: Child, show: Callable[[str], None] | None) -> None:
    assert child.process.stdout
    with open_log(child.log_path) as log, child.process.stdout as output:
        for raw in output:
            try:
                log.write(raw)
                log.flush()
            except OSError:  # a full disk must not block the child on a full pipe
                pass
            line = raw.decode("utf-8", errors="replace").rstrip("\n")
            child.last_lines.append(line)
            if show and (text := worth_showing(line)):
                show(f"{child.name}: {text}")


def worth_showing(line: str) -> str:
    """A log line of ours that is a warning or worse, for people; empty for any other line."""
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(record, dict) or record.get("level") not in SHOWN_LEVELS:
        return ""
    rest = {
        name: value
        for name, value in record.items()
        if name not in ("time", "level", "logger", "message", "traceback", "stack")
    }
    fields = "".join(f" {name}={value}" for name, value in rest.items())
    traceback = "\n" + str(record["traceback"]) if record.get("traceback") else ""
    return f"{str(record['level']).lower()}: {record.get('message', '')}{fields}{traceback}"
