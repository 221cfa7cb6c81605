"""The rows of the table, made of the code: rules say what becomes of a field, and the description says what is served."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from assistants.api.checking import RULES
from assistants.vapi.drafts import Verdict
from assistants.vapi.paths import ANY_ITEM, ANYTHING, pattern_steps
from assistants.vapi.rules import Origin, Rule, Rules
from assistants.vapi.shapes import TOOL_TYPES
from assistants.vapi.tool_kinds import kind_for
from assistants.vapi.tool_rules import STORED
from config.openapi.compatibility.notes import MESSAGES, NOTES, PATHS
from config.openapi.compatibility.outline import Outline, fields
from config.openapi.shapes import shape
from tools.kinds import why_not

Steps = tuple[str, ...]


class Status(StrEnum):
    """What a row says."""

    SAME = "same"
    DIFFERENT = "different"
    ABSENT = "absent"


STATUSES: Final = {
    Verdict.KEPT: Status.SAME,
    Verdict.CONVERTED: Status.DIFFERENT,
    Verdict.DECISION: Status.DIFFERENT,
    Verdict.DROPPED: Status.ABSENT,
}
_OF_KIND: Final = (
    "Used as the kind of the tool needs it; with a kind that Tandem does not run it is stored alone."
)
_NOT_READ: Final = "Refused by name: nothing reads it."
_LEGACY: Final = "No longer in Vapi's document."


@dataclass(frozen=True, slots=True)
class Row:
    """A path or a field, and what becomes of it. ``how`` is empty where there is nothing to say."""

    name: str
    status: Status
    how: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one subject, and the test of which each is a case, or by which each is checked."""

    title: str
    about: str
    backed_by: str
    rows: tuple[Row, ...]


class UnexplainedError(Exception):
    """Vapi has it, we have not, and no note says why; or a note says so of what is there. The text names all of it."""


# Paths ----------------------------------------------------------------------------------------------------------


def path_rows(document: Mapping[str, Any], known: Outline) -> Iterator[Row]:
    """A row for each path and method of Vapi's, then for those that Vapi's document does not have."""
    served = {
        (shape(path), method)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    unexplained = []
    for path, methods in known.paths.items():
        for method in methods:
            note = PATHS.match((method.upper(), *path.strip("/").split("/")))
            here = (shape(path), method) in served
            if here == (note is not None and note.verdict is Verdict.DROPPED):
                unexplained.append(f"{method.upper()} {path}")
            yield Row(
                f"{method.upper()} {path}",
                STATUSES[note.verdict] if note else Status.SAME,
                note.reason if note else "",
            )
    if unexplained:
        raise UnexplainedError(", ".join(unexplained))
    theirs = {(shape(path), method) for path, methods in known.paths.items() for method in methods}
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            if method != "parameters" and (shape(path), method) not in theirs:
                yield Row(
                    f"{method.upper()} {path}", Status.DIFFERENT, f"Not in Vapi's document. {one['summary']}."
                )


# Messages to servers --------------------------------------------------------------------------------------------

# What every message has; told once, before the kinds.
AROUND: Final = ("assistant", "assistantVersion", "artifact", "call", "chat", "customer", "phoneNumber", "timestamp", "type")  # fmt: skip
_SAME_AS_SENT: Final = (Verdict.KEPT, "")


def message_rows(document: Mapping[str, Any], known: Outline) -> Iterator[Row]:
    """A row for what all messages have, for each kind, and for each of its own fields; then for kinds that only we have."""
    sent = {
        kind: _fields_of(one["post"]["requestBody"]["content"]["application/json"]["schema"])
        for kind, one in document["webhooks"].items()
    }
    every = set[str]().union(*sent.values())
    unexplained = []

    def row(name: str, key: str, *, there: bool) -> Row:
        verdict, why = MESSAGES.get(key, _SAME_AS_SENT)
        if there == (verdict is Verdict.DROPPED):
            unexplained.append(key)
        return Row(name, STATUSES[verdict], why)

    for name in AROUND:
        yield row(f"message.{name}", name, there=name in every)
    for kind, names in known.messages.items():
        yield row(kind, kind, there=kind.partition("[")[0] in sent)
        # A kind that is narrowed down has the fields of the kind.
        for name in sorted({*names} - {*AROUND}) if kind in sent else ():
            yield row(f"{kind}: {name}", f"{kind} {name}", there=name in sent[kind])
    if unexplained:
        raise UnexplainedError(f"messages: {', '.join(unexplained)}")


def _fields_of(body: Mapping[str, Any]) -> set[str]:
    return set(body["properties"]["message"]["properties"])


# Fields that have rules -----------------------------------------------------------------------------------------


def rule_rows(kind: str, known: Outline) -> Iterator[Row]:
    """A row for each field of Vapi's bodies for such an object, then for fields of former years."""
    rules = RULES[kind]
    bodies = [
        one["body"]
        for path in (f"/{kind}", f"/{kind}/{{id}}")
        for one in known.paths[path].values()
        if "body" in one
    ]
    seen: dict[Steps, Rule] = {}
    unknown: dict[Steps, None] = {}
    for body in bodies:
        for path in fields(body, stops=_ends(rules)):
            rule = rules.match(path) or rules.match((*path, "anything"))
            if rule is None:
                unknown[path] = None
            else:
                seen.setdefault(path, rule)
    for path, rule in seen.items():
        yield _ruled(path_name(path), rule)
    for path in unknown:
        yield Row(path_name(path), Status.ABSENT, _NOT_READ)
    for rule in rules.all:
        if rule.origin is not Origin.SPEC:
            row = _ruled(rule.pattern, rule)
            yield Row(row.name, row.status, f"{_LEGACY} {row.how}")


def _ends(rules: Rules) -> Any:
    exact = [rule.pattern for rule in rules.all if not rule.pattern.endswith(ANYTHING)]

    def ends(path: Steps, _: str) -> bool:
        rule = rules.match(path)
        if rule is None or rule.whole or not rule.pattern.endswith(ANYTHING):
            return rule is not None and rule.whole
        # Something below it may have a rule of its own.
        return not any(one.startswith(f"{path_name(path)}.") for one in exact)

    return ends


def _ruled(name: str, rule: Rule) -> Row:
    if rule.reason == STORED:
        return Row(name, Status.DIFFERENT, _OF_KIND)
    status = STATUSES[rule.verdict]
    how = (
        f"Accepted and given back, without effect. {rule.reason}" if status is Status.ABSENT else rule.reason
    )
    return Row(name, status, how)


def kind_rows() -> Iterator[Row]:
    """A row for each type of a tool."""
    for one in sorted(TOOL_TYPES):
        why = why_not(kind_for(one, has_server=True)[0])
        yield Row(one, Status.ABSENT if why else Status.SAME, f"Stored and given back. {why}" if why else "")


# Fields that are described --------------------------------------------------------------------------------------


def described_rows(
    title: str, theirs: Any, ours: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[Row]:
    """A row for each of Vapi's fields, then for those that only we have. Notes say why fields differ or are missing."""
    notes = NOTES[title]
    unexplained = []
    seen: set[str] = set()

    def ends(path: Steps, name: str) -> bool:
        note = notes.match(path)
        covered = note is not None and (
            note.whole or (note.pattern.endswith(ANYTHING) and len(path) >= len(pattern_steps(note.pattern)))
        )
        return covered or name in WHOLE or _place(ours, path, document) == "open"

    for path in fields(theirs, stops=ends):
        note, place = notes.match(path), _place(ours, path, document)
        if note is not None and note.pattern.endswith(ANYTHING) and place == "there":
            note = None  # it is about the rest of what is there
        seen.add(path[0])
        if (place == "missing") != (note is not None and note.verdict is Verdict.DROPPED):
            unexplained.append(path_name(path))
        yield Row(
            path_name(path),
            STATUSES[note.verdict] if note is not None else Status.SAME,
            note.reason if note is not None else "",
        )
    if unexplained:
        raise UnexplainedError(f"{title}: {', '.join(unexplained)}")
    for name in _properties(ours, document):
        if name not in seen:
            note = notes.match((name,))
            yield Row(name, Status.DIFFERENT, note.reason if note else "Not in Vapi's document.")


# Schemas of Vapi's that have a table of their own, or are only given on.
WHOLE: Final = frozenset(
    {
        "CreateAssistantDTO",
        "AssistantOverrides",
        "CreateSquadDTO",
        "CreateWorkflowDTO",
        "WorkflowOverrides",
        "Server",
    }
)


def _place(schema: Mapping[str, Any], path: Steps, document: Mapping[str, Any]) -> str:
    """Whether our schema has this place: "there", "open" where it takes whatever is there, or "missing"."""
    found = [_place_in(one, path, document) for one in _schemas(schema, document)]
    return next((word for word in ("there", "open") if word in found), "missing")


def _place_in(schema: Mapping[str, Any], path: Steps, document: Mapping[str, Any]) -> str:
    if not path:
        return "there"
    if path[0] == ANY_ITEM:
        return _place(schema["items"], path[1:], document) if "items" in schema else "missing"
    inner = schema.get("properties", {}).get(path[0])
    if inner is not None:
        return _place(inner, path[1:], document)
    if schema.get("additionalProperties") is False or schema.get("type") not in ("object", None):
        return "missing"
    return "missing" if schema.get("properties") else "open"


def _schemas(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in schema:
        yield from _schemas(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _schemas(one, document)
    else:
        kinds = schema.get("type")
        several = [one for one in kinds if one != "null"] if isinstance(kinds, list) else []
        yield {**schema, "type": several[0]} if len(several) == 1 else schema


def _properties(schema: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    return [name for one in _schemas(schema, document) for name in one.get("properties", {})]


def path_name(path: Steps) -> str:
    """The place as people write it."""
    return ".".join(path).replace(f".{ANY_ITEM}", ANY_ITEM)
