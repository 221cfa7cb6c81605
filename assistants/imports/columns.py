"""Our columns as JSON-ready values, in both directions, and their names in words."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models

from assistants.models import Assistant, Squad
from tools.models import Tool
from tools.snapshots import MCP_LIST, settings_typed

_MODELS: dict[str, type[models.Model]] = {"assistant": Assistant, "tool": Tool, "squad": Squad}
# Where a label of the page says more than the column's name.
_LABELS = {
    "assistant": {
        "instructions": "Prompt",
        "first_message_mode": "How the call begins",
        "first_message_interruptible": "First message can be interrupted",
        "end_call_message": "Last message",
        "end_call_phrases": "Phrases that end the call",
        "history": "Messages before the call",
        "max_output_tokens": "Longest answer (tokens)",
        "idle_messages": "Said when the caller is silent",
        "speed": "Speaking speed",
        "transcription_model": "Transcription",
        "analysis_plan": "Analysis after the call",
        "plans": "Settings kept for after the call",
        "tools": "Tools",
    },
    "tool": {"parameters": "Arguments", "static_parameters": "Fixed values sent along"},
    "squad": {"members": "Members"},
}


_PLAIN = frozenset({str, int, bool, float, dict, list, type(None)})


def column(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    """The column of that name, or of a foreign key's attribute name."""
    found = model._meta.get_field(name)
    assert isinstance(found, models.Field)
    return found


def label(kind: str, name: str) -> str:
    """The name of one of our settings as the pages call it. Takes any name."""
    from_page = _LABELS.get(kind, {}).get(name)
    if from_page:
        return from_page
    owner = _MODELS.get(kind)
    try:
        found = owner._meta.get_field(name) if owner else None
    except FieldDoesNotExist:
        found = None
    words = str(getattr(found, "verbose_name", "") or name.replace("_", " "))
    return words[:1].upper() + words[1:]


def plain(value: Any) -> Any:
    """A value of a column as JSON has it."""
    match value:
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case _:
            return value


@cache
def _attribute(model: type[models.Model], name: str) -> str:
    return column(model, name).attname


def column_read(row: models.Model, name: str) -> Any:
    """The value that a row has now; without what no import brings: the list of an MCP server's tools."""
    value = plain(getattr(row, _attribute(type(row), name)))
    if isinstance(row, Tool) and name == "settings":
        return settings_typed(value)
    return value


def columns_read(row: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """The same of many columns."""
    model, held = type(row), row.__dict__
    found = {}
    for name in names:
        attribute = _attribute(model, name)
        # What was read with the row stands there; only what was not needs the column's own way.
        value = held[attribute] if attribute in held else getattr(row, attribute)
        found[name] = value if type(value) in _PLAIN else plain(value)
    if isinstance(row, Tool) and "settings" in found:
        found["settings"] = settings_typed(found["settings"])
    return found


def columns_checked(
    model: type[models.Model], values: Mapping[str, Any], *, keys: Mapping[str, frozenset[Any]]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that the model's columns accept, as JSON has them, and for the others why not.

    ``keys`` are the primary keys that the foreign keys among them may have.
    """
    good: dict[str, Any] = {}
    bad: dict[str, str] = {}
    for name, value in values.items():
        field = column(model, name)
        if isinstance(field, models.ForeignKey):
            if value in keys.get(field.name, frozenset()) or (value is None and field.null):
                good[name] = value
            else:
                bad[name] = f"There is no {field.verbose_name} of that name."
            continue
        try:
            good[name] = plain(field.clean(value, None))
        except ValidationError as exc:
            bad[name] = " ".join(exc.messages)
    return good, bad


def columns_set(row: models.Model, values: Mapping[str, Any]) -> list[str]:
    """Sets them. Returns the names of the columns to save."""
    for name, value in values.items():
        field = column(type(row), name)
        wanted = value
        if isinstance(row, Tool) and name == "settings" and MCP_LIST in row.settings:
            wanted = {**value, MCP_LIST: row.settings[MCP_LIST]}
        setattr(row, field.attname, field.to_python(wanted))
    return [column(type(row), name).name for name in values]
