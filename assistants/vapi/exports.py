"""What a customer has at Vapi, read from files into one clean structure.

Nothing is translated here, and nothing that Vapi might have written is lost: an object's `raw` is what was read.
"""

import json
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from assistants.vapi.documents import (
    MAX_BYTES,
    Document,
    ExportError,
    Step,
    documents_read,
    json_word,
    place,
    storable,
    too_large,
)
from assistants.vapi.references import References, references_in
from assistants.vapi.shapes import ASSISTANT_MARKS, DUE_WORDS, Kind, fits, kind_of, misfit, mistake

__all__ = [
    "MAX_BYTES",
    "Export",
    "ExportError",
    "Item",
    "Kind",
    "Missing",
    "export_join",
    "export_missing",
    "export_read",
    "export_read_path",
    "item_make",
    "items_make",
]

Missing = References

_KEYS: Final[dict[str, Kind]] = {
    "assistants": "assistant",
    "tools": "tool",
    "squads": "squad",
    "phoneNumbers": "phone-number",
    "phone-numbers": "phone-number",
    "phone_numbers": "phone-number",
}
# As the paths of the API are called: a script may have put an answer, or one object, under that name.
_PATH_KEYS: Final[dict[str, Kind]] = {
    "assistant": "assistant",
    "tool": "tool",
    "squad": "squad",
    "phone-number": "phone-number",
    "phoneNumber": "phone-number",
}
_WORDS: Final[dict[Kind, str]] = {
    "assistant": "an assistant",
    "tool": "a tool",
    "squad": "a squad",
    "phone-number": "a phone number",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One object of an export. `where` is for messages: "assistants.json, item 3", "GET /assistant/{id}"."""

    kind: Kind
    raw: dict[str, Any]
    where: str

    @property
    def id(self) -> str | None:
        """Vapi's id, None where the object was written by hand."""
        found = self.raw.get("id")
        return found if isinstance(found, str) and found else None


@dataclass(frozen=True, slots=True)
class Export:
    """What was read. `notes` tells people what was changed or left out; `unresolved` are ids that Vapi does not know."""

    assistants: tuple[Item, ...] = ()
    tools: tuple[Item, ...] = ()
    squads: tuple[Item, ...] = ()
    phone_numbers: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()
    unresolved: Missing = field(default_factory=References)

    @property
    def items(self) -> tuple[Item, ...]:
        """All objects."""
        return (*self.assistants, *self.tools, *self.squads, *self.phone_numbers)


# --- Reading -------------------------------------------------------------------------------------------------


def export_read(content: bytes, *, name: str) -> Export:
    """The objects of one file, of standard input or of a paste. Raises ExportError.

    Understood are one object, an array of objects (what a list of Vapi's API answers), a page of results, a bundle
    such as {"assistants": […], "tools": […]}, and several of these one after the other.
    """
    return export_join(_document_export(document) for document in documents_read(content, name=name))


def export_read_path(path: Path) -> Export:
    """The objects of a file, or of all *.json in a folder and in the folders directly inside it. Raises ExportError.

    A pipe or a device is read where it is named itself; in a folder it is passed over, and a note says so.
    """
    if not path.is_dir():
        return export_read(_file_content(path, MAX_BYTES), name=str(path))
    named = sorted(_json_files(path))
    files = [file for file in named if _is_regular(file)]
    notes = tuple(
        f"{storable(str(file))}: passed over, because it is a pipe, a socket or a device and not a file."
        for file in named
        if file not in files
    )
    if not files:
        raise ExportError(
            f"{storable(str(path))} holds no file that ends in .json. Save there what GET /assistant, GET /tool, GET /squad "
            f"and GET /phone-number answer, or name the file itself.{''.join(f' {note}' for note in notes)}"
        )
    parts: list[Export] = [Export(notes=notes)]
    left = MAX_BYTES
    for file in files:
        content = _file_content(file, left, whole=path)
        left -= len(content)
        parts.append(export_read(content, name=str(file)))
    return export_join(parts)


def _json_files(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        for file in _entries(entry) if entry.is_dir() else [entry]:
            if file.suffix.lower() == ".json" and not file.is_dir():
                yield file


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden. Not by `glob`, which passes over what it may not read."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as exc:
        raise _unreadable(folder, exc) from exc


def _is_regular(file: Path) -> bool:
    """Whether it is a file or a link to one. Opening a pipe would wait for whoever writes to it."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError as exc:
        raise _unreadable(file, exc) from exc


def _file_content(file: Path, limit: int, *, whole: Path | None = None) -> bytes:
    """The content; at most one byte beyond the limit is read, since the file may be a pipe."""
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as exc:
        raise _unreadable(file, exc) from exc
    if len(content) > limit:
        raise too_large(storable(str(whole or file)))
    return content


def _unreadable(path: Path, error: OSError) -> ExportError:
    name = storable(str(path))
    if isinstance(error, FileNotFoundError):
        return ExportError(f"{name} does not exist. Check the spelling and the folder.")
    reason = error.strerror or type(error).__name__
    return ExportError(f"{name} cannot be read ({reason}). Check its permissions.")


# --- From a document to items --------------------------------------------------------------------------------


def _document_export(document: Document) -> Export:
    value, name = document.value, document.name
    if isinstance(value, list):
        read = _array(value, name=name)
    elif "results" in value and not mistake(value):
        read = _page(value, name=name)
    elif _is_bundle(value):
        read = _bundle(value, name=name)
    else:
        read = _export_of([item_make(value, name=name)])
    return replace(read, notes=(*read.notes, *document.notes))


def _array(value: list[Any], *, name: str) -> Export:
    note = ""
    if not value:
        note = f"{name}: an empty array, so there is nothing in it to import."
    if len(value) in _LIST_LIMITS:
        note = (
            f"{name}: exactly {len(value)} objects, which is where Vapi's lists end. If there are more, "
            "ask for the others too (?limit=1000, then createdAtLt)."
        )
    return _export_of(items_make(value, name=name), (note,) if note else ())


# What a list is cut to when nothing is asked for, and at the most.
_LIST_LIMITS: Final = frozenset({100, 1000})


def _page(value: dict[str, Any], *, name: str) -> Export:
    results = _due_list(value["results"], name, "results")
    read = _export_of(items_make(results, name=name, path=["results"]))
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and metadata.get("hasNextPage"):
        note = f"{name}: a page of a longer list. Ask for the pages that follow, too."
        return export_join([read, Export(notes=(note,))])
    return read


def _is_bundle(value: dict[str, Any]) -> bool:
    if ASSISTANT_MARKS & value.keys() or "type" in value or mistake(value):
        return False
    return any(
        isinstance(value[key], list | dict) for key in value.keys() & (_KEYS.keys() | _PATH_KEYS.keys())
    )


def _bundle(value: dict[str, Any], *, name: str) -> Export:
    parts: list[Export] = []
    for key, held in value.items():
        kind = _KEYS.get(key) or _PATH_KEYS.get(key)
        if kind is None:
            parts.append(
                Export(notes=(f"{place(name, [key])}: not imported, its key is none that is known.",))
            )
        elif held is None:
            continue
        elif key in _PATH_KEYS and isinstance(held, dict):
            parts.append(_export_of([item_make(held, name=name, path=[key], kind=kind)]))
        else:
            listed = _due_list(held, name, key)
            parts.append(_export_of(items_make(listed, name=name, path=[key], kind=kind)))
    return export_join(parts)


def _due_list(value: Any, name: str, key: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ExportError(
        f"{place(name, [key])}: {json_word(value)} where an array is due. Put it in square brackets, or give the "
        "answer of Vapi's API as it came."
    )


def items_make(
    values: list[Any], *, name: str, path: Sequence[Step] = (), kind: Kind | None = None
) -> list[Item]:
    """The items of an array of objects that stands at `path`. Raises ExportError."""
    return [
        item_make(value, name=name, path=[*path, position], kind=kind)
        for position, value in enumerate(values)
    ]


def item_make(value: Any, *, name: str, path: Sequence[Step] = (), kind: Kind | None = None) -> Item:
    """The item that a value is; `kind` is what its place says that it is. Raises ExportError."""
    where = place(name, path)
    if not isinstance(value, dict):
        raise ExportError(
            f"{where}: {json_word(value)} where an object is due. Each entry must be one whole assistant, tool, squad "
            "or phone number; take this one out, or save the export again."
        )
    if wrong := mistake(value):
        raise ExportError(f"{where}: this is {wrong}.")
    found = _kind(value, kind, where)
    if wrong_type := misfit(found, value):
        inner, due, held = wrong_type
        raise ExportError(
            f"{place(name, [*path, *inner])}: {json_word(held)} where {DUE_WORDS[due]} is due. Correct it there, "
            "or save the export again."
        )
    return Item(found, value, where)


def _kind(value: dict[str, Any], said: Kind | None, where: str) -> Kind:
    found = kind_of(value)
    if said is None:
        if found is None:
            raise ExportError(
                f"{where}: this is neither an assistant nor a tool, a squad or a phone number. Give what "
                "GET /assistant, GET /tool, GET /squad or GET /phone-number of Vapi's API answers, unchanged."
            )
        return found
    # Almost nothing tells an assistant, so what looks like something else is no assistant.
    if found == said or (fits(said, value) and (found is None or said != "assistant")):
        return said
    is_found = f"this is {_WORDS[found]}" if found else "this is none"
    raise ExportError(f"{where}: {_WORDS[said]} is due here, and {is_found}. Move it to where it belongs.")


def _export_of(items: Iterable[Item], notes: tuple[str, ...] = ()) -> Export:
    by_kind: dict[Kind, list[Item]] = {"assistant": [], "tool": [], "squad": [], "phone-number": []}
    for item in items:
        by_kind[item.kind].append(item)
    return Export(
        assistants=tuple(by_kind["assistant"]),
        tools=tuple(by_kind["tool"]),
        squads=tuple(by_kind["squad"]),
        phone_numbers=tuple(by_kind["phone-number"]),
        notes=notes,
    )


# --- Joining and looking for what is missing -----------------------------------------------------------------


def export_join(parts: Iterable[Export]) -> Export:
    """All parts as one export, in their order. What was read twice and is the same counts once.

    Raises ExportError when two objects of one id differ.
    """
    kept: dict[tuple[Kind, str], Item] = {}
    notes: dict[str, None] = {}
    unresolved: list[References] = []
    for part in parts:
        for item in part.items:
            _keep(item, kept)
        notes.update(dict.fromkeys(part.notes))
        unresolved.append(part.unresolved)
    joined = _export_of(kept.values(), tuple(notes))
    return replace(joined, unresolved=_without(_merged(unresolved), joined))


def _keep(item: Item, kept: dict[tuple[Kind, str], Item]) -> None:
    other = kept.setdefault((item.kind, item.id or _content(item)), item)
    if other is item or _content(other) == _content(item):
        return
    raise ExportError(
        f"{item.where} and {other.where}: {_WORDS[item.kind]} with the same id ({item.id}) but different content"
        f"{_newer(item, other)}. Keep the newer one and take the other out."
    )


def _content(item: Item) -> str:
    return json.dumps(item.raw, sort_keys=True)


def _newer(item: Item, other: Item) -> str:
    moments = [found.raw.get("updatedAt") for found in (item, other)]
    if not all(isinstance(moment, str) and moment for moment in moments) or moments[0] == moments[1]:
        return ""
    return f", updated at {str(moments[0])[:30]} and at {str(moments[1])[:30]}"


def export_missing(export: Export) -> Missing:
    """The ids that the objects of an export mention and that it does not contain."""
    mentioned = [references_in(item.raw) for item in export.items]
    return _without(_merged([*mentioned, export.unresolved]), export)


def _merged(found: list[References]) -> References:
    return References(
        tools=tuple(dict.fromkeys(one for each in found for one in each.tools)),
        assistants=tuple(dict.fromkeys(one for each in found for one in each.assistants)),
        squads=tuple(dict.fromkeys(one for each in found for one in each.squads)),
    )


def _without(wanted: References, export: Export) -> References:
    held = {(item.kind, item.id) for item in export.items}
    return References(
        tools=tuple(one for one in wanted.tools if ("tool", one) not in held),
        assistants=tuple(one for one in wanted.assistants if ("assistant", one) not in held),
        squads=tuple(one for one in wanted.squads if ("squad", one) not in held),
    )
