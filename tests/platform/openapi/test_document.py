"""The description of the API, held against what is really served."""

import json
import uuid
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import get_resolver
from jsonschema import Draft202012Validator
from pytest_django import Settings

from assistants.tests.factories import make_realtime_model, make_transcription_model, make_voice
from calls.routing import websocket_urlpatterns
from config.openapi import routes
from config.openapi.document import document, statuses
from config.openapi.parts import PARTS
from config.openapi.shapes import shape
from tests.platform.openapi.asking import Program
from tools.access.described import Operation
from tools.access.keys import SCOPES
from tools.models import ApiKey

OPERATIONS = [one for part in PARTS for one in part.operations]
DOCUMENT: Any = json.loads(json.dumps(document()))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def valid(schema: Any, value: Any) -> list[str]:
    """What a schema of the document has against a value."""
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def test_every_route_is_described_and_every_described_one_is_served() -> None:
    described = {shape(one.path) for one in OPERATIONS}
    assert sorted(routes.api_paths()) == sorted(described)


def test_every_websocket_is_described_and_every_described_one_is_served() -> None:
    described = [shape(one.path) for part in PARTS for one in part.sockets]
    assert sorted(routes.socket_paths()) == sorted(described)


def test_every_line_about_what_is_no_api_stands_for_a_route() -> None:
    served = [str(one.pattern) for one in get_resolver().url_patterns]
    for included in [one for one in get_resolver().url_patterns if not str(one.pattern)]:
        served += [str(one.pattern) for one in getattr(included, "url_patterns", ())]
    served += [str(one.pattern) for one in websocket_urlpatterns]
    assert [line for line in routes.ELSEWHERE if not any(one.startswith(line) for one in served)] == []


def test_the_document_holds_together() -> None:
    ids = [one.id for one in OPERATIONS]
    assert len(set(ids)) == len(ids)
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    named = {one.rpartition("/")[2] for one in references(DOCUMENT)}
    assert named == set(schemas), "a reference leads nowhere, or nobody refers to a schema"
    assert {one.scope for one in OPERATIONS if one.scope} <= set(SCOPES)


@pytest.mark.django_db
def test_a_method_is_answered_where_it_is_described_and_nowhere_else() -> None:
    program = Program()
    by_path: dict[str, set[str]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, set()).add(one.method)
    for path, described in by_path.items():
        for method in METHODS:
            refused = program.answer(method, path, None if method == "GET" else {}).status_code == 405
            assert refused == (method not in described), (method, path)


@pytest.mark.django_db
def test_nothing_is_answered_without_a_key_or_without_the_scope_that_is_described(settings: Settings) -> None:
    settings.API_FAILURES_PER_MINUTE = 0
    nobody, powerless = Program(with_key=False), Program(scopes=[])
    public = Program(kind="public")
    for one in OPERATIONS:
        assert nobody.ask(one.method, one.path, status=401)["statusCode"] == 401
        if one.scope:
            assert f"lacks {one.scope}." in powerless.ask(one.method, one.path, status=403)["message"]
        if not one.public:
            public.ask(one.method, one.path, status=401)


def test_every_operation_answers_as_described_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("couldn't get a connection after 5.00 sec")

    monkeypatch.setattr(ApiKey.objects, "filter", away)
    program = Client(headers={"Authorization": "Bearer tandem_any"})
    for one in OPERATIONS:
        path = one.path.replace("{id}", str(uuid.uuid4()))
        answer = program.generic(one.method, path, "{}", content_type="application/json")
        described = DOCUMENT["paths"][one.path][one.method.lower()]["responses"]["503"]

        assert answer.status_code == 503, one.id
        assert valid(described["content"]["application/json"]["schema"], answer.json()) == []
        assert set(described["headers"]) == {"Retry-After"}
        assert int(answer["Retry-After"]) > 0, one.id


@pytest.mark.django_db
@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.example is not None], ids=lambda one: str(one.id)
)
def test_every_example_is_as_its_schema_says_and_no_field_of_it_is_refused(operation: Operation) -> None:
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()
    example = json.loads(json.dumps(operation.example))
    assert operation.body is not None
    assert valid(operation.body, example) == []

    answer = Program().answer(operation.method, operation.path, example)

    told = json.loads(answer.content)
    if "{" in operation.path:
        assert answer.status_code == 404, told
    elif answer.status_code == operation.status:
        assert operation.answer is not None
        assert valid(operation.answer, told) == []
    else:
        # It names objects that are not here.
        assert answer.status_code in statuses(operation), told
        assert "should not exist" not in str(told), told
        assert "Does Not Exist" in str(told), told
