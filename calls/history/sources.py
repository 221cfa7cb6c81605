"""JSON from files, folders and standard input: whole documents, lists, and JSON lines of any length, one call at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from assistants.vapi.documents import MAX_BYTES, ExportError, documents_read, storable
from calls.history.reading import CallRecord, Unreadable, records_read

SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson"})
# One call with every word's confidence stays far below; a list of calls is read whole.
MAX_LINE: Final = 64 * 1024 * 1024
MAX_WHOLE: Final = 512 * 1024 * 1024
_UNPACK: Final = (b"PK\x03\x04", b"\x1f\x8b")

Read = CallRecord | Unreadable


def path_read(path: Path) -> Iterator[Read]:
    """The calls of a file, or of all JSON files in a folder and below it, by name. Raises ExportError."""
    try:
        files = (
            sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
            if path.is_dir()
            else [path]
        )
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not files:
        raise ExportError(f"{storable(str(path))} holds no files that end in .json, .jsonl or .ndjson.")
    for file in files:
        try:
            with file.open("rb") as opened:
                yield from stream_read(opened, name=storable(file.name), size=file.stat().st_size)
        except OSError as exc:
            raise _unreadable(file, exc) from exc


def stream_read(stream: BinaryIO, *, name: str, size: int | None = None) -> Iterator[Read]:
    """The calls of one stream. Lines that are JSON each are read one by one, so they may be any number.

    Raises ExportError for what is no JSON at all; a broken line among good ones is told as unreadable.
    """
    first = stream.readline(MAX_LINE)
    if first.startswith(_UNPACK):
        raise ExportError(f"{name} is compressed. Unpack it first.")
    if not first.strip():
        first = next((line for line in iter(lambda: stream.readline(MAX_LINE), b"") if line.strip()), b"")
    first = first.removeprefix(b"\xef\xbb\xbf")
    if not first:
        yield Unreadable(name, "It is empty.")
        return
    try:
        value = orjson.loads(first)
    except ValueError:
        yield from _whole_read(first, stream, name=name, size=size)
        return
    yield from records_read(value, where=f"{name}, line 1")
    del value
    for n, line in enumerate(iter(lambda: stream.readline(MAX_LINE), b""), start=2):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except ValueError:
            yield Unreadable(f"{name}, line {n}", "It is no JSON.")
        else:
            yield from records_read(value, where=f"{name}, line {n}")


def bytes_read(content: bytes, *, name: str) -> Iterator[Read]:
    """The calls of what is in memory already. Raises ExportError."""
    try:
        value = orjson.loads(content)
    except ValueError:
        lines = content.splitlines()
        if len(lines) > 1 and _is_json(lines[0]):
            for n, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                if _is_json(line):
                    yield from records_read(orjson.loads(line), where=f"{name}, line {n}")
                else:
                    yield Unreadable(f"{name}, line {n}", "It is no JSON.")
            return
        # The slow reader takes more, and says where and why it cannot.
        for document in documents_read(content, name=name):
            yield from records_read(document.value, where=document.name)
    else:
        yield from records_read(value, where=name)


def _whole_read(first: bytes, stream: BinaryIO, *, name: str, size: int | None) -> Iterator[Read]:
    """A document over several lines."""
    if size is not None and size > MAX_WHOLE:
        raise ExportError(_too_large(name))
    content = first + stream.read(MAX_WHOLE + 1 - len(first))
    if len(content) > MAX_WHOLE:
        raise ExportError(_too_large(name))
    try:
        value = orjson.loads(content)
    except ValueError:
        if len(content) > MAX_BYTES:
            raise ExportError(f"{name} is no JSON. Save it again, one call on each line.") from None
        for document in documents_read(content, name=name):
            yield from records_read(document.value, where=document.name)
    else:
        del content
        yield from records_read(value, where=name)


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except ValueError:
        return False
    return True


def _too_large(name: str) -> str:
    return f"{name} is larger than {MAX_WHOLE // 1024 // 1024} MiB. Write one call on each line (JSON lines), then any size will do."


def _unreadable(path: Path, error: OSError) -> ExportError:
    return ExportError(f"{storable(str(path))} cannot be read ({error.strerror}).")
