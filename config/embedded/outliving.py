"""The servers that this process started: others use them too, and they may outlive it."""

import atexit
import subprocess

_kept: list[subprocess.Popen[bytes]] = []


def keep(process: subprocess.Popen[bytes]) -> None:
    """Hold on to a server, so that its end is noticed and no zombie is left."""
    _kept.append(process)


def notice_ends() -> None:
    """Wait for those that have ended, so that nothing of them is left in the process table."""
    for process in _kept:
        process.poll()


def _let_go() -> None:
    """At our own end: Python would complain that a process still runs, and this is meant."""
    notice_ends()
    for process in _kept:
        if process.returncode is None:
            process.returncode = 0


# Registered on import, thus carried out after all that stops servers.
atexit.register(_let_go)
