"""What a call ran on, as Vapi tells it: ids of what was named, and the documents that came with the call. Pure."""

from typing import Any

from assistants.models import Transient
from calls.api.records import Named, Record

_OVERRIDES = Transient.Kind.OVERRIDES


def chosen(record: Record) -> dict[str, Any]:
    """`assistantId` or `assistant`, `squadId` or `squad`, the overrides, and the version; what is not known is None."""
    assistant, squad, vapi, ran_on = record.assistant, record.squad, record.vapi, record.ran_on
    came_with_it = ran_on is not None and ran_on.document is not None
    overrides = {
        **(ran_on.document if ran_on and ran_on.document and ran_on.made_of == _OVERRIDES else {}),
        **({"variableValues": record.values} if record.values else {}),
    }
    return {
        "assistantId": (vapi.assistant_id if vapi is not None else "") or _id(assistant),
        "assistant": _document(assistant) if squad is None else None,
        "assistantVersion": f"v{record.version}"
        if record.version is not None and not came_with_it and not record.parts
        else None,
        "squadId": (vapi.squad_id if vapi is not None else "") or _id(squad),
        "squad": _document(squad),
        ("assistantOverrides" if squad is None else "squadOverrides"): overrides or None,
    }


def _id(named: Named | None) -> str | None:
    return named.known_id if named is not None else None


def _document(named: Named | None) -> dict[str, Any] | None:
    return dict(named.document) if named is not None and named.document is not None else None
