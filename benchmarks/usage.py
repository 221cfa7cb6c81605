"""What a process and its children have used, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start, user and kernel, and resident memory now."""

    user_s: float
    system_s: float
    rss_kib: int

    @property
    def cpu_s(self) -> float:
        """Both together."""
        return self.user_s + self.system_s


def usage_of(pid: int) -> Usage:
    """The sum over a process and all its descendants. Raises OSError when it is gone."""
    user = system = rss = 0
    for member in (pid, *_descendants(pid)):
        try:
            fields = _stat(member)
            status = (PROC / str(member) / "status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            if member == pid:
                raise
            continue
        user += int(fields[11])
        system += int(fields[12])
        rss += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return Usage(user / TICKS_PER_S, system / TICKS_PER_S, rss)


def parent_of(pid: int) -> int:
    """The process that has started it. Raises OSError when it is gone."""
    return int(_stat(pid)[1])


def peak_reset(pid: int) -> None:
    """Let the peak of a process's memory begin anew from what it holds now."""
    (PROC / str(pid) / "clear_refs").write_text("5", encoding="ascii")


def peak_kib(pid: int) -> int:
    """The most memory that a process has held since then."""
    lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    found: list[int] = []
    queue = [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may itself hold blanks and parentheses."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
