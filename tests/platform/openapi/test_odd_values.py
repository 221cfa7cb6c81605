"""One odd value in an otherwise good body, at each place that the description names: refused in words, or taken, and never broken.

schemathesis sends bodies that are odd all over, of which the first thing that is wrong is told; these get further in.
"""

import json
import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.db import transaction
from django.test import Client

from calls.models import Call
from calls.tests.factories import make_call
from calls.tests.placing.conftest import desk, kicked
from calls.tests.placing.desk import Desk
from config.openapi.document import document, statuses
from config.openapi.parts import PARTS
from tests.platform.surface.routes import UNKNOWN
from tools.access.described import Operation
from tools.access.keys import key_create
from tools.tests.factories import make_tool

__all__ = ["desk", "kicked"]
pytestmark = pytest.mark.django_db

DAILY, LONG = 2, 60
SCHEMAS: Final[dict[str, Any]] = document()["components"]["schemas"]
ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**31, 2**63, 2**64 - 1, -(2**63), 1e308, 0.1,
    "", " ", "x" * 5000, "x" * 100_000, "a\r\nb: c", "\u00e9\u202e\U0001f600", "\ufffe\uffff", "%s%n", "{{ x", "{% for",
    "0000-00-00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+99:00",
    "(", "(a+)+$", "https://[::1", "http://a:99999/", "+1" * 8, UNKNOWN, UNKNOWN.upper(), "../../etc/passwd",
    [], [None], [[]], [1] * 300, ["a"] * 300, {}, {"": ""}, {"$ref": "#"}, {"__proto__": {}},
)  # fmt: skip
PLACED: Final = ("/call", "/call/phone", "/assistant/start")

Place = tuple[str | int, ...]


def places(schema: dict[str, Any], above: Place = (), within: tuple[str, ...] = ()) -> Iterator[Place]:
    """Where values stand in a body: names, and 0 for the first of a list. No schema is gone into within itself."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name not in within:
            yield from places(SCHEMAS[name], above, (*within, name))
        return
    if above:
        yield above
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, ()):
            yield from places(one, above, within)
    for name, one in schema.get("properties", {}).items():
        yield from places(one, (*above, name), within)
    if isinstance(schema.get("items"), dict):
        yield from places(schema["items"], (*above, 0), within)


OPERATIONS: Final = [
    one for part in PARTS for one in part.operations if one.body is not None and any(places(one.body))
]


def put(body: Any, place: Place, value: Any) -> Any:
    """The body with the value at that place, and what it takes to stand there."""
    if not place:
        return value
    step, *further = place
    if step == 0:
        inner = body[0] if isinstance(body, list) and body else None
        return [put(inner, tuple(further), value)]
    known = body if isinstance(body, dict) else {}
    return {**known, step: put(known.get(step), tuple(further), value)}


def bases(operation: Operation, desk: Desk) -> list[Any]:
    """Bodies that are good, but for objects that are not here."""
    if operation.path not in PLACED:
        return [operation.example]
    who: dict[str, Any] = {"phoneNumberId": str(desk.number.pk), "customer": {"number": "+12025550177"}}
    inline = {
        "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Hi"}]}
    }
    sound = {"format": "mulaw", "container": "raw", "sampleRate": 8000}
    return [
        {"assistantId": str(desk.assistant.pk), **who},
        {"assistant": inline, "phoneNumberId": who["phoneNumberId"], "customers": [who["customer"]]},
        {
            "assistantId": str(desk.assistant.pk),
            "transport": {"provider": "vapi.websocket", "audioFormat": sound},
        },
    ]


def probe(operation: Operation, desk: Desk, *, times: int) -> None:
    choice = random.Random(f"20261122 {operation.id}")  # noqa: S311  # the same each time
    assert operation.body is not None
    known = sorted(set(places(operation.body)), key=str)
    ids = {
        "assistant": desk.assistant.pk,
        "tool": make_tool().pk,
        "phone-number": desk.number.pk,
        "call": make_call(status=Call.Status.ENDED).pk,
    }
    path = operation.path.replace("{id}", str(ids.get(operation.path.split("/")[1], UNKNOWN)))
    described = {operation.status, *statuses(operation)}
    program = Client(raise_request_exception=False)
    for _ in range(times):
        place, value = choice.choice(known), choice.choice(ODD)
        body = put(choice.choice(bases(operation, desk)), place, value)
        with transaction.atomic():
            # A key each, which is undone with all the rest: none of them runs into the limit of requests.
            key = key_create(name="odd")[1]
            answer = program.generic(
                operation.method,
                path,
                json.dumps(body),
                content_type="application/json",
                headers={"Authorization": f"Bearer {key}"},
            )
            transaction.set_rollback(True)
        told = (operation.id, place, repr(value)[:60], answer.status_code, answer.content[:300])
        assert answer.status_code in described, told
        if answer.status_code >= 400:
            assert answer.json()["message"], told


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: str(one.id))
def test_an_odd_value_breaks_nothing(operation: Operation, desk: Desk) -> None:
    probe(operation, desk, times=DAILY)


@pytest.mark.long
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: str(one.id))
def test_neither_do_many_more(operation: Operation, desk: Desk) -> None:
    probe(operation, desk, times=LONG)


def test_every_place_of_a_body_is_known() -> None:
    assert {("model", "messages", 0, "content"), ("server", "url"), ("name",)} <= set(
        places({"$ref": "/CreateAssistant"})
    )
    assert put({"a": 1, "b": [{"c": 2, "d": 3}]}, ("b", 0, "c"), "x") == {"a": 1, "b": [{"c": "x", "d": 3}]}
    assert put(None, ("a", 0, "b"), 1) == {"a": [{"b": 1}]}
