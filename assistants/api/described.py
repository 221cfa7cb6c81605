"""What `/assistant`, `/tool` and their like take and answer: made of the tables that the views check bodies against."""

from collections.abc import Mapping
from typing import Any, Final

from assistants.api.checking import NAME_MAX, READ_ONLY, RULES
from assistants.vapi.rule_schemas import rules_schema
from assistants.vapi.shapes import TOOL_TYPES
from tools.access.described import (
    Operation,
    Part,
    Schema,
    array,
    list_parameters,
    moment,
    nullable,
    one_of,
    ref,
    text,
)

_IGNORED: Final[Schema] = {"readOnly": True, "description": "Set by Tandem; ignored where it is sent."}
_IDENTITY: Final[dict[str, Schema]] = {
    "id": text("Vapi's id of what was imported with one; a UUID otherwise."),
    "orgId": text("Vapi's, where it was imported; otherwise that of this installation."),
    "createdAt": moment(),
    "updatedAt": moment(),
}
_WORDS: Final = {"assistant": "Assistant", "tool": "Tool", "squad": "Squad", "phone-number": "PhoneNumber"}
_ABOUT: Final = {
    "assistant": "An assistant that is created or changed is in force at once. It goes the way of an import: what Tandem does "
    "differently or not at all is told here with each field, and in the admin under *Imported objects*.",
    "tool": "Tools that assistants offer to their model. What stands inside an assistant (`model.tools`) is not listed.",
    "squad": "Assistants that hand calls over to each other.",
}
_TYPE: Final = one_of(sorted(TOOL_TYPES), "The kind of the tool.")
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "assistant": {
        "name": "Front desk",
        "firstMessage": "Harbour Bikes, how can I help?",
        "maxDurationSeconds": 600,
        "model": {
            "provider": "openai",
            "model": "gpt-realtime",
            "messages": [
                {"role": "system", "content": "You answer the telephone of Harbour Bikes. Be brief."}
            ],
            "tools": [{"type": "endCall"}],
        },
        "server": {"url": "https://hooks.example.com/vapi"},
    },
    "squad": {
        "name": "Front desk and workshop",
        "members": [
            {
                "assistant": {
                    "name": "Front desk",
                    "model": {
                        "provider": "openai",
                        "model": "gpt-realtime",
                        "messages": [
                            {"role": "system", "content": "You answer the telephone of Harbour Bikes."}
                        ],
                    },
                }
            }
        ],
    },
    "tool": {
        "type": "function",
        "function": {
            "name": "find_slots",
            "description": "The free times of a day.",
            "parameters": {
                "type": "object",
                "properties": {"day": {"type": "string"}},
                "required": ["day"],
            },
        },
        "server": {"url": "https://hooks.example.com/vapi"},
    },
}
_CHANGES: Final[dict[str, dict[str, Any]]] = {
    "assistant": {"firstMessage": "Good morning, Harbour Bikes."},
    "tool": {"async": True},
    "squad": {"name": "The workshop"},
}
# What must be sent with a new one.
_REQUIRED: Final = {"tool": ("type",), "squad": ("members",), "phone-number": ("provider",)}


def _body(kind: str, *, change: bool) -> Schema:
    """What may be sent. A new tool needs its type, which a change may leave out; so do others."""
    instead: dict[str, Schema] = dict.fromkeys(READ_ONLY, _IGNORED)
    if kind == "tool":
        instead["type"] = _TYPE
    else:
        instead["name"] = nullable(text("The name of it.", maxLength=NAME_MAX))
    if kind == "assistant":
        instead["model.tools[]"] = ref("CreateTool")
    if kind == "squad":
        instead["members[].assistant"] = nullable(ref("CreateAssistant"))
    required = () if change else _REQUIRED.get(kind, ())
    return rules_schema(RULES[kind], strict=True, instead=instead, required=required)


def _answer(kind: str) -> Schema:
    instead = dict(_IDENTITY)
    if kind == "assistant":
        instead["model.tools[]"] = {"type": "object", "description": "A tool, as it was sent."}
    return rules_schema(RULES[kind], strict=False, instead=instead, required=tuple(_IDENTITY))


def part_of(
    kind: str,
    title: str,
    about: str,
    *,
    example: Mapping[str, Any],
    change: Mapping[str, Any],
) -> Part:
    """The five operations on objects of a kind that has a table of rules."""
    word, read, write = _WORDS[kind], f"{kind}:read", f"{kind}:write"
    one, path, name, said = ref(word), f"/{kind}", kind.replace("-", "_"), kind.replace("-", " ")
    a = "an" if said[0] in "aeiou" else "a"
    operations = (
        Operation("GET", path, f"{name}_list", f"List {said}s", read, array(one), query=list_parameters()),
        Operation(
            "POST", path, f"{name}_create", f"Create {a} {said}", write, one, 201,
            body=ref(f"Create{word}"), body_required=kind in _REQUIRED, example=example, errors=(409,),
        ),
        Operation("GET", f"{path}/{{id}}", f"{name}_get", f"Read {a} {said}", read, one),
        Operation(
            "PATCH", f"{path}/{{id}}", f"{name}_update", f"Change {a} {said}", write, one,
            description="Replaces whole keys; null takes one out.",
            body=ref(f"Update{word}"), body_required=False, example=change, errors=(409,),
        ),
        Operation(
            "DELETE", f"{path}/{{id}}", f"{name}_delete", f"Delete {a} {said}", write, one,
            description="Answers with what was deleted; 409 while something else uses it.", errors=(409,),
        ),
    )  # fmt: skip
    schemas = {
        word: _answer(kind),
        f"Create{word}": _body(kind, change=False),
        f"Update{word}": _body(kind, change=True),
    }
    return Part(title, about, operations, schemas)


def _part(kind: str) -> Part:
    return part_of(kind, f"{_WORDS[kind]}s", _ABOUT[kind], example=_EXAMPLES[kind], change=_CHANGES[kind])


ASSISTANTS: Final = _part("assistant")
TOOLS: Final = _part("tool")
SQUADS: Final = _part("squad")
