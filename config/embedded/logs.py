"""Log files of the services."""

from pathlib import Path
from typing import BinaryIO

KEPT_BYTES = 5_000_000


def open_log(path: Path) -> BinaryIO:
    """The file, opened to append; begun anew once it has grown large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > KEPT_BYTES:
        path.replace(path.with_suffix(".1.log"))
    file = path.open("ab")
    file.seek(0, 2)
    return file


def tail(path: Path, *, lines: int = 15, since: int = 0) -> str:
    """The last lines of the file, of what stands after byte `since`."""
    try:
        with path.open("rb") as file:
            file.seek(since)
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
