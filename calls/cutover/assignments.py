"""A table of numbers and the assistants that are to answer them: read, tried dry, and applied all at once or not at all."""

import csv
import io
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from assistants.models import Assistant
from calls.cutover.history import Who, who
from calls.models import E164_PATTERN, CutoverEvent, PhoneNumber
from tools.jsontext import text_clean

Fate = Literal["assign", "same", "error"]

LARGEST_BYTES: Final = 4 * 1024 * 1024
MOST_LINES: Final = 20_000
_NUMBER_WORDS: Final = {
    "did",
    "number",
    "phone",
    "phone number",
    "phonenumber",
    "phone_number",
    "telephone",
    "from",
}
_ASSISTANT_WORDS: Final = {
    "assistant",
    "assistant name",
    "assistant id",
    "assistant_id",
    "assistantid",
    "agent",
}


class TableError(Exception):
    """The file holds no table that could be read. The text is for people."""


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one line; ``line`` is its number in the file, from 1."""

    line: int
    did: str
    assistant: str
    fate: Fate
    message: str
    number_id: Any = None
    assistant_id: Any = None


@dataclass(frozen=True, slots=True)
class Assignments:
    """What becomes of a table. With any error nothing is applied."""

    lines: tuple[Line, ...]
    applied: bool = False

    @property
    def errors(self) -> tuple[Line, ...]:
        """The lines that are to be put right."""
        return tuple(line for line in self.lines if line.fate == "error")

    @property
    def changes(self) -> tuple[Line, ...]:
        """The lines that change who answers."""
        return tuple(line for line in self.lines if line.fate == "assign")


def assignments_try(content: bytes) -> Assignments:
    """What would become of every line; nothing is written. Raises TableError."""
    return Assignments(tuple(_judged(list(_rows(content)))))


def assignments_apply(
    content: bytes, *, reason: str, actor: User | None = None, actor_label: str = ""
) -> Assignments:
    """Assign as the table says, all of it or, with any error, nothing. Raises TableError.

    Whoever calls next is answered by the new assistant; calls under way stay with theirs.
    """
    actor_is = who(actor, actor_label)
    rows = list(_rows(content))
    with transaction.atomic():
        list(PhoneNumber.objects.select_for_update(of=("self",)).order_by("did").values_list("pk"))
        found = Assignments(tuple(_judged(rows)))
        if found.errors:
            return found
        _write(found.changes, reason, actor_is)
    return Assignments(found.lines, applied=True)


def _write(changes: Sequence[Line], reason: str, actor: Who) -> None:
    now = timezone.now()
    by_assistant: dict[Any, list[Any]] = {}
    for line in changes:
        by_assistant.setdefault(line.assistant_id, []).append(line.number_id)
    numbers = {
        number.pk: number
        for number in PhoneNumber.objects.select_related("assistant", "squad").filter(
            pk__in=[line.number_id for line in changes]
        )
    }
    for assistant_id, number_ids in by_assistant.items():
        PhoneNumber.objects.filter(pk__in=number_ids).update(
            assistant_id=assistant_id, squad=None, updated_at=now
        )
    CutoverEvent.objects.bulk_create(
        CutoverEvent(
            number_id=line.number_id,
            kind=CutoverEvent.Kind.ASSIGNED,
            from_state=numbers[line.number_id].state,
            to_state=numbers[line.number_id].state,
            actor=actor.user,
            actor_label=actor.label,
            reason=text_clean(f"{reason} (line {line.line} of a table)"),
            before={"assistant": _answered_by(numbers[line.number_id])},
            after={"assistant": line.assistant},
            at=now,
        )
        for line in changes
    )


# --- Reading --------------------------------------------------------------------------------------------------


def _rows(content: bytes) -> Iterator[tuple[int, str, str]]:
    """The number of each line, and its two cells."""
    text = _text(content)
    lines = text.splitlines()
    if len(lines) > MOST_LINES:
        raise TableError(f"The table has more than {MOST_LINES} lines. Cut it in two.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(lines))
    columns: tuple[int, int] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if columns is None:
                columns = _header(cells)
                if columns is not None:
                    continue
                columns = (0, 1)
            did, assistant = ((cells[at] if at < len(cells) else "") for at in columns)
            yield reader.line_num, did, assistant
    except csv.Error as exc:
        raise TableError(f"Line {reader.line_num} cannot be read as a table: {exc}.") from exc
    if columns is None:
        raise TableError("The table is empty. Give one line for each number: number, assistant.")


def _text(content: bytes) -> str:
    """The file as text, as spreadsheets write it: UTF-8 with or without a mark, UTF-16, or Windows' own."""
    if len(content) > LARGEST_BYTES:
        raise TableError("The file is larger than 4 MiB. Is it a table of numbers?")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise TableError("This is no text. Save the table as CSV, in UTF-8.")


def _delimiter(lines: Sequence[str]) -> str:
    """Comma, semicolon or tab: whichever the first line with any of them has most of, outside of quotes."""
    for line in lines:
        bare = re.sub(r'"[^"]*"', "", line)
        counted = {mark: bare.count(mark) for mark in (";", "\t", ",")}
        if any(counted.values()):
            return max(counted, key=lambda mark: counted[mark])
    return ","


def _header(cells: Sequence[str]) -> tuple[int, int] | None:
    """Where the two columns are, by the names in the first line; None when it has no names."""
    names = [cell.lower().strip() for cell in cells]
    number = next((at for at, name in enumerate(names) if name in _NUMBER_WORDS), None)
    assistant = next((at for at, name in enumerate(names) if name in _ASSISTANT_WORDS), None)
    if number is None and assistant is None:
        return None
    if number is None or assistant is None:
        raise TableError("The first line names one column only. Name two: number and assistant.")
    return number, assistant


# --- Judging --------------------------------------------------------------------------------------------------


def _judged(rows: Sequence[tuple[int, str, str]]) -> Iterator[Line]:
    numbers = {
        number.did: number
        for number in PhoneNumber.objects.select_related("assistant", "squad").defer(
            "assistant__instructions", "assistant__server_secret", "assistant__server_headers", "config"
        )
    }
    names = _Names()
    first_seen: dict[str, tuple[int, Any]] = {}
    for line, did_text, assistant_text in rows:
        judged = _line(line, did_text, assistant_text, numbers, names)
        if judged.fate == "error" or judged.did not in first_seen:
            first_seen.setdefault(judged.did, (line, judged.assistant_id))
            yield judged
            continue
        earlier, assistant_id = first_seen[judged.did]
        same = assistant_id == judged.assistant_id
        yield Line(
            line,
            judged.did,
            judged.assistant,
            "same" if same else "error",
            f"Says the same as line {earlier}."
            if same
            else f"Line {earlier} gives this number to another assistant.",
        )


def _line(
    line: int, did_text: str, assistant_text: str, numbers: dict[str, PhoneNumber], names: "_Names"
) -> Line:
    did, trouble = _did(did_text, numbers)
    if trouble:
        return Line(line, did_text, assistant_text, "error", trouble)
    assistant, trouble = names.find(assistant_text)
    if assistant is None:
        return Line(line, did, assistant_text, "error", trouble)
    number = numbers[did]
    if number.assistant_id == assistant.pk and number.squad_id is None:
        return Line(line, did, assistant.name, "same", "Is so already.", number.pk, assistant.pk)
    message = f"From {_answered_by(number) or 'nobody'} to {assistant.name}."
    if not assistant.enabled:
        message += " That assistant is switched off: callers hear an apology."
    elif assistant.live_version_id is None:
        message += " That assistant was never published: callers hear an apology."
    return Line(line, did, assistant.name, "assign", message, number.pk, assistant.pk)


def _answered_by(number: PhoneNumber) -> str:
    if number.squad is not None:
        return f"squad {number.squad}"
    return number.assistant.name if number.assistant else ""


def _did(text: str, numbers: dict[str, PhoneNumber]) -> tuple[str, str]:
    """The number that a cell means, or what is wrong with it. Spreadsheets take the plus away, and worse."""
    if not text:
        return "", "There is no number in this line."
    if re.fullmatch(r"\+?\d+([.,]\d+)?[eE]\+?\d+", text):
        return (
            "",
            f"“{text}” was a number once, and a spreadsheet has rounded it. Format that column as text, and enter it again.",
        )
    did = re.sub(r"[\s().\-\u00a0'\u2019]", "", text)
    tried = [did, f"+{did}"] + ([f"+{did[2:]}"] if did.startswith("00") else [])
    for one in tried:
        if one in numbers:
            return one, ""
    if not any(re.fullmatch(E164_PATTERN, one) for one in tried):
        return "", f"“{text[:40]}” is no telephone number with + and country code."
    return "", f"{text[:40]} is not in Tandem. Read the numbers from Twilio first, or add it under Numbers."


class _Names:
    """All assistants, by id and by name."""

    def __init__(self) -> None:
        self._by_id: dict[str, Assistant] = {}
        self._by_name: dict[str, list[Assistant]] = {}
        for assistant in Assistant.objects.only("id", "name", "enabled", "live_version_id"):
            self._by_id[str(assistant.pk)] = assistant
            self._by_name.setdefault(_folded(assistant.name), []).append(assistant)

    def find(self, text: str) -> tuple[Assistant | None, str]:
        """The assistant that a cell means, or None and what is wrong with it."""
        if not text:
            return None, "There is no assistant in this line."
        try:
            by_id = self._by_id.get(str(uuid.UUID(text)))
        except ValueError:
            by_id = None
        if by_id is not None:
            return by_id, ""
        named = self._by_name.get(_folded(text), [])
        if len(named) == 1:
            return named[0], ""
        if named:
            ids = ", ".join(str(one.pk) for one in named[:3])
            return None, f"{len(named)} assistants are named “{text[:60]}”. Give the id instead: {ids}."
        return None, f"There is no assistant “{text[:60]}”. Give its name, or its id."


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
