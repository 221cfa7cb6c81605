"""Who uses the services: each process holds a shared lock, and the last to leave turns off the light.

The kernel drops the lock of a process however it ends, so there is no count that could go wrong.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.errors import EmbeddedError

CHANGE_TIMEOUT_S = 120.0


@contextmanager
def changing(var: Path) -> Iterator[None]:
    """Alone in starting and stopping services. Raises EmbeddedError when another process does not finish."""
    handle = _open(var / "run" / "services.lock")
    try:
        deadline = time.monotonic() + CHANGE_TIMEOUT_S
        while not _lock(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    "Another process has been starting or stopping the services for two minutes."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def enter(var: Path) -> int:
    """Count this process among the users, until the returned handle is closed. Call it while `changing`."""
    handle = _open(var / "run" / "users.lock")
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def is_last(handle: int) -> bool:
    """Whether no other process uses the services. Call it while `changing`."""
    return _lock(handle, fcntl.LOCK_EX)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True
