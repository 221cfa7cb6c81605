"""The words in which a part of the API describes its routes, and the JSON Schemas of their bodies and answers.

Each part keeps a module ``described.py`` beside its views; ``config.openapi`` joins them. The words are those of OpenAPI 3.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tools.access.lists import BOUNDS, LIMIT, LIMIT_MAX

Schema = dict[str, Any]
Method = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query, or a header."""

    name: str
    schema: Schema
    description: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one route does.

    ``path`` has its parameters in braces. ``answer`` is the schema of the body that ``status`` comes with; None: there is none
    in JSON. ``scope`` is what a key needs, empty where no scope is asked for. ``errors`` are the statuses that this operation
    alone may answer: those that hold for all (400, 401, 403, 429, 503), for every body (413) and for every ``{id}`` (404) are
    known. ``public`` opens the operation to public keys, too; ``tokened`` to whoever has the address that a call was given.
    ``example`` is a body that can be sent as it stands; ``answered`` an example of the answer.
    """

    method: Method
    path: str
    id: str
    summary: str
    scope: str
    answer: Schema | None
    status: int = 200
    description: str = ""
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Schema | None = None
    body_required: bool = True
    errors: tuple[int, ...] = ()
    example: Mapping[str, Any] | None = None
    answered: Any = None
    public: bool = False
    tokened: bool = False


@dataclass(frozen=True, slots=True)
class Socket:
    """A WebSocket, for which OpenAPI has no words: it stands in the document as ``x-websockets``."""

    path: str
    summary: str
    scope: str
    description: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """What is sent to other servers. ``answer`` is the schema of what counts of an answer; None: it is not read."""

    kind: str
    summary: str
    body: Schema
    answer: Schema | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the API. ``schemas`` are what its operations refer to by ``ref``."""

    title: str
    description: str
    operations: tuple[Operation, ...]
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    sockets: tuple[Socket, ...] = ()
    webhooks: tuple[Webhook, ...] = ()


# --- Schemas -------------------------------------------------------------------------------------------------


def ref(name: str) -> Schema:
    """A schema of some part, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def typed(kind: str, description: str = "", **more: Any) -> Schema:
    """A value of a JSON type. ``more`` are further keywords."""
    return {"type": kind, **({"description": description} if description else {}), **more}


def text(description: str = "", **more: Any) -> Schema:
    """A string."""
    return typed("string", description, **more)


def one_of(values: Any, description: str = "") -> Schema:
    """One of these texts."""
    return text(description, enum=list(values))


def number(description: str = "", **more: Any) -> Schema:
    """A number."""
    return typed("number", description, **more)


def integer(description: str = "", **more: Any) -> Schema:
    """A whole number."""
    return typed("integer", description, **more)


def flag(description: str = "") -> Schema:
    """True or false."""
    return typed("boolean", description)


def moment(description: str = "") -> Schema:
    """A moment in UTC, to the millisecond."""
    return text(description, format="date-time")


def array(items: Schema, description: str = "", **more: Any) -> Schema:
    """A list of these."""
    return typed("array", description, items=items, **more)


def anything(description: str = "") -> Schema:
    """Any JSON value."""
    return {"description": description} if description else {}


def record(
    properties: Mapping[str, Schema], description: str = "", *, required: str = "", more: bool = False
) -> Schema:
    """An object with these properties, and no others unless ``more``; ``required`` names those that are always there."""
    return {
        **typed("object", description),
        "properties": dict(properties),
        **({"required": required.split()} if required else {}),
        **({} if more else {"additionalProperties": False}),
    }


def mapping(values: Schema | None = None, description: str = "") -> Schema:
    """An object with whatever keys."""
    return {**typed("object", description), **({"additionalProperties": values} if values else {})}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


# --- What all lists have in common ---------------------------------------------------------------------------

_LOOKUPS: Final[dict[str, str]] = {"gt": "after", "gte": "at or after", "lt": "before", "lte": "at or before"}


def list_parameters(*named: Parameter) -> tuple[Parameter, ...]:
    """What every list takes (``tools.access.lists``), and these besides."""
    limit = number(minimum=0, maximum=LIMIT_MAX, default=LIMIT)
    return (
        *named,
        Parameter("limit", limit, "How many are given at most, the newest first."),
        *(
            Parameter(name, moment(), f"Only what was {of} {_LOOKUPS[lookup]} this moment.")
            for name, (of, lookup) in BOUNDS.items()
        ),
    )
