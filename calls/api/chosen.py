"""What a call ran on, as Vapi tells it: ids of what was named, and the documents that came with the call. Pure."""

from typing import Any

from assistants.models import Assistant, Squad, Transient
from assistants.vapi.reverse import without_marks
from calls.models import Call, VapiCall

_OVERRIDES = Transient.Kind.OVERRIDES


def chosen(call: Call, vapi: VapiCall | None) -> dict[str, Any]:
    """`assistantId` or `assistant`, `squadId` or `squad`, the overrides, and the version; what is not known is None.

    The row carries its assistant, its squad, what its version was made of, and the values that it was given.
    """
    assistant, squad, version = call.assistant, call.squad, call.version
    made_of = version.assistant.transient if version is not None else None
    overrides = {
        **(without_marks(made_of.document) if made_of is not None and made_of.kind == _OVERRIDES else {}),
        **({"variableValues": values} if (values := variables_given(call)) else {}),
    }
    return {
        "assistantId": (vapi.assistant_id if vapi is not None else "") or id_of(assistant),
        "assistant": _document(assistant) if squad is None else None,
        "assistantVersion": f"v{version.number}"
        if version is not None and made_of is None and not call.api_parts  # type: ignore[attr-defined]  # an annotation
        else None,
        "squadId": (vapi.squad_id if vapi is not None else "") or id_of(squad),
        "squad": _document(squad),
        ("assistantOverrides" if squad is None else "squadOverrides"): overrides or None,
    }


def variables_given(call: Call) -> dict[str, Any]:
    """The values that a program gave with the call, without those that are secret."""
    given = getattr(call, "given", None)
    return dict(given.values) if given is not None else {}


def id_of(row: Assistant | Squad | None) -> str | None:
    """Vapi's id of it, where it was imported with one; none of what came with a call."""
    if row is None or row.transient_id is not None:
        return None
    keys = [one.key for one in sorted(row.vapi_objects.all(), key=lambda one: one.pk)]
    named = next((key for key in keys if ":" not in key and "#" not in key and "/" not in key), "")
    return named or str(row.pk)


def _document(row: Assistant | Squad | None) -> dict[str, Any] | None:
    made_of = row.transient if row is not None else None
    return dict(without_marks(made_of.document)) if made_of is not None else None
