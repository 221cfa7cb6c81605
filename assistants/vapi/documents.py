"""Bytes that should be JSON, to values that every store accepts, or to one message that says what is wrong.

Messages name the file, the place inside it and what to do. They never quote what the file says: it may hold prompts,
keys and telephone numbers.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tools.jsontext import MAX_DEPTH

MAX_BYTES: Final = 20 * 1024 * 1024
# Top-level keys under which lists of objects stand: a place inside them is counted as an item.
CONTAINERS: Final = frozenset(
    {"results", "assistants", "tools", "squads", "phoneNumbers", "phone-numbers", "phone_numbers"}
    | {"assistant", "tool", "squad", "phone-number", "phoneNumber"}
)
_BLANK: Final = " \t\r\n"
_MAGIC: Final = (
    (b"PK\x03\x04", "a ZIP archive. Unpack it and give the JSON files inside"),
    (b"\x1f\x8b", "compressed with gzip. Unpack it first (gunzip, or curl --compressed)"),
    (b"%PDF", "a PDF document. Give the JSON that Vapi's API answers"),
)
# No integer that Vapi knows comes near; beyond 4300 digits Python refuses to convert at all.
_MAX_DIGITS: Final = 300
# What may stand where a file was cut: a word, a sign, or what follows the whole part of a number.
_BEGINNINGS: Final = ("true", "false", "null", "-", ".", "e+", "e-", "E+", "E-")
_SHOWN_STEPS: Final = 6
_SHOWN_KEY: Final = 40

Step = str | int


class ExportError(ValueError):
    """An export that cannot be used. The text is for people: it names the file, the place in it and what to do."""


@dataclass(frozen=True, slots=True)
class Document:
    """One JSON value of a file. `name` is the file, with the line where it holds several."""

    name: str
    value: Any
    notes: tuple[str, ...] = ()


def documents_read(content: bytes, *, name: str) -> list[Document]:
    """The JSON values of a file: one, or several one after the other (JSON lines).

    NUL characters are taken out and lone surrogates replaced, because neither can be stored; a note says so. Nothing
    else changes, and keys keep their order. Raises ExportError.
    """
    name = storable(name)
    text = _text(content, name)
    found = list(_values(text, name))
    several = len(found) > 1
    return [_cleaned(f"{name}, line {line}" if several else name, value) for line, value in found]


def storable(text: str) -> str:
    """The text as every store takes it: without NUL, and with \ufffd for what is no character, as in names of files."""
    return text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def place(name: str, path: Sequence[Step]) -> str:
    """A place inside a file, for people: "assistants.json, item 3, model.tools[0].function". Items count from 1."""
    steps, parts = list(path), [name]
    if steps and steps[0] in CONTAINERS:
        parts.append(str(steps.pop(0)))
    if steps and isinstance(steps[0], int):
        parts.append(f"item {int(steps.pop(0)) + 1}")
    shown = "".join(_step(step) for step in steps[:_SHOWN_STEPS]).removeprefix(".")
    if len(steps) > _SHOWN_STEPS:
        shown += "…"
    return ", ".join([*parts, shown] if shown else parts)


def json_word(value: object) -> str:
    """What JSON calls a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case _:
            return "an array"


# --- Bytes to text -------------------------------------------------------------------------------------------


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise too_large(name)
    if not content.strip(b"\x00" + _BLANK.encode()):
        raise ExportError(
            f"{name} is empty. The download probably failed: save it again and look at what curl says."
        )
    for magic, what in _MAGIC:
        if content.startswith(magic):
            raise ExportError(f"{name} is not JSON but {what}.")
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as exc:
        raise ExportError(
            f"{name}, byte {exc.start + 1}: this is not text in {encoding.upper().removesuffix('-SIG')}. Give JSON saved as "
            "UTF-8, as Vapi's API answers it, not a binary file."
        ) from exc
    text = text.removeprefix("\ufeff")
    start = text.lstrip(_BLANK + "\x00")
    if start[:1] not in ("{", "["):
        raise ExportError(f"{name}{_no_json(start)}")
    return text


def too_large(name: str) -> ExportError:
    """The error for more than the limit."""
    return ExportError(
        f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB, the limit for one import. Import in parts: "
        "assistants with their tools, a few at a time."
    )


def _no_json(start: str) -> str:
    head = start[:1000].lower()
    if head.startswith("<"):
        what = "an HTML page" if "<html" in head or "<!doctype html" in head else "XML or HTML"
        return (
            f" is {what}, not JSON: a proxy, a login or an error page was saved. Check the address (https://api.vapi.ai) "
            "and the key, and save it again."
        )
    if head.startswith("http/"):
        return " begins with HTTP headers, not with JSON. Save it again with curl without -i."
    if head.startswith("curl:"):
        return " holds an error message of curl, not JSON. Save it again, and see that curl succeeds."
    # A lone literal is valid JSON, which is worth telling from text that is none.
    try:
        value = json.loads(start)
    except (ValueError, RecursionError):
        return ", line 1, column 1: this is not JSON. An export begins with { or [; give it as Vapi's API answers it."
    return (
        f" holds {json_word(value)} where an object or an array is due. "
        "Give what GET /assistant or GET /assistant/{id} answers."
    )


# --- Text to values ------------------------------------------------------------------------------------------


class _Doubled(dict[str, Any]):
    """An object in which a key stands twice."""

    __slots__ = ("key",)
    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    doubled.key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return doubled


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


# NaN, Infinity and numbers beyond all bounds become floats that are refused below, where their place is known.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer)


def _values(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Each JSON value with the line in which it begins."""
    # A NUL as such is not allowed in JSON; as an escape it is, and is then noted where it stands.
    text = text.strip("\x00").replace("\x00", "\\u0000")
    start = _skip_blank(text, 0)
    line = 1 + text.count("\n", 0, start)
    while True:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as exc:
            raise _broken(name, text, exc) from exc
        except RecursionError as exc:
            raise ExportError(_too_deep(name)) from exc
        yield line, value
        begun, start = start, _skip_blank(text, end)
        line += text.count("\n", begun, start)
        if start == len(text):
            return
        if text[start] not in "{[":
            column = start - text.rfind("\n", 0, start)
            raise ExportError(
                f"{name}, line {line}, column {column}: more text follows after the end of the JSON. Remove it, or save the "
                "export again."
            )


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _broken(name: str, text: str, error: json.JSONDecodeError) -> ExportError:
    where = f"{name}, line {error.lineno}, column {error.colno}"
    rest = text[error.pos :].rstrip(_BLANK)
    begun = any(word.startswith(rest) for word in _BEGINNINGS)
    in_text = error.msg.startswith("Unterminated string") or ("\\u" in error.msg and len(rest) < 6)
    if begun or in_text:
        return ExportError(
            f"{where}: the file ends in the middle, probably because a download was interrupted. Save it again."
        )
    return ExportError(
        f"{where}: this is not JSON ({error.msg}). Correct it there, or save the export again."
    )


def _too_deep(where: str) -> str:
    return (
        f"{where}: nested deeper than {MAX_DEPTH} levels. No assistant is; check that the right file was given, or "
        "flatten the schema there."
    )


# --- Values that can be stored -------------------------------------------------------------------------------


def _cleaned(name: str, value: Any) -> Document:
    cleaner = _Cleaner(name)
    cleaned = cleaner.clean(value)
    return Document(name, cleaned, tuple(cleaner.notes()))


class _Cleaner:
    """Goes through a value once, knowing where it is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._path: list[Step] = []
        self._changed: dict[str, tuple[str, int]] = {}  # what was done, where first, and how often

    def clean(self, value: Any) -> Any:
        """The value without what cannot be stored. Raises ExportError for what cannot be understood."""
        match value:
            case str():
                return self._string(value)
            case float() if not math.isfinite(value):
                raise ExportError(
                    f"{self._here()}: NaN, Infinity or a number too large for JSON. Write a plain number or null there."
                )
            case dict():
                return self._dict(value)
            case list():
                self._go_deeper()
                return [self._at(position, item) for position, item in enumerate(value)]
            case _:
                return value

    def notes(self) -> Iterator[str]:
        """What was changed, for people."""
        for what, (first, count) in self._changed.items():
            more = f" and {count - 1} more" if count > 1 else ""
            yield f"{first}{more}: {what}."

    def _note(self, what: str) -> None:
        first, count = self._changed.get(what, ("", 0))
        self._changed[what] = (first or self._here(), count + 1)

    def _dict(self, value: dict[str, Any]) -> dict[str, Any]:
        self._go_deeper()
        if isinstance(value, _Doubled):
            raise self._doubled(value.key)
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            clean_key = self._string(key)
            if clean_key in cleaned:
                raise self._doubled(clean_key)
            cleaned[clean_key] = self._at(clean_key, item)
        return cleaned

    def _doubled(self, key: str) -> ExportError:
        shown = key[:_SHOWN_KEY].encode("utf-8", "replace").decode()
        return ExportError(
            f"{self._here()}: the key {shown!r} stands twice in one object, and readers differ about which "
            "counts. Remove one of the two."
        )

    def _at(self, step: Step, item: Any) -> Any:
        self._path.append(step)
        cleaned = self.clean(item)
        self._path.pop()
        return cleaned

    def _go_deeper(self) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise ExportError(_too_deep(self._here()))

    def _string(self, text: str) -> str:
        if "\x00" in text:
            self._note("NUL characters were taken out, because the database cannot hold them")
            text = text.replace("\x00", "")
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            self._note("halves of characters (lone surrogates) were replaced by \ufffd")
            return storable(text)
        return text

    def _here(self) -> str:
        return place(self._name, self._path)


def _step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step[:_SHOWN_KEY]}"
