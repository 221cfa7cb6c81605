"""schemathesis, with our own description: whatever is sent, nothing breaks, and nothing is answered that is not described."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from assistants.models import Squad, SquadMember
from assistants.tests.factories import (
    make_assistant,
    make_realtime_model,
    make_transcription_model,
    make_voice,
)
from calls.live import control
from calls.models import Call
from calls.tests.factories import make_call, make_phone_number
from config.openapi.document import document
from config.openapi.parts import PARTS
from tools.access.keys import key_create
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DAILY, LONG = 4, 60


@functools.cache
def operations() -> dict[str, Any]:
    """What our document describes, by method and path; read when it is needed, and not by every process that collects tests."""
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document(server="http://localhost"))))
    schema.app = get_wsgi_application()
    every: Any = list(schema.get_all_operations())
    return {found.ok().label: found.ok() for found in every}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Ids of rows that are there, by the first step of a path."""
    # No process has the running call, and each order would be waited for.
    monkeypatch.setattr(control, "ANSWERED_WITHIN_S", 0.02)
    # Other tests may have flushed what a migration filled.
    make_realtime_model()
    make_transcription_model()
    make_voice()
    assistant = make_assistant(instructions="Be brief.")
    squad = Squad.objects.create(name="Everybody")
    SquadMember.objects.create(squad=squad, assistant=assistant, position=0)
    ended, running = make_call(status=Call.Status.ENDED), make_call(status=Call.Status.IN_PROGRESS)
    # At the end of a request Django would close the connection, and with it the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {
        "assistant": [str(assistant.pk)],
        "tool": [str(make_tool().pk)],
        "squad": [str(squad.pk)],
        "phone-number": [str(make_phone_number().pk)],
        "call": [str(ended.pk), str(running.pk)],
    }
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def cases(label: str, known: dict[str, list[str]]) -> st.SearchStrategy[Any]:
    """Requests as described and not, about rows that are there and not."""
    operation = operations()[label]
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    anywhere = [operation.as_strategy(mode) for mode in modes]
    ids = known.get(operation.path.split("/")[1], []) if "{id}" in operation.path else []
    return st.one_of(
        *anywhere,
        *(operation.as_strategy(mode, path_parameters={"id": one}) for mode in modes for one in ids),
    )


def fuzz(label: str, known: dict[str, list[str]], *, examples: int) -> None:
    @seed(20261122)
    @settings(
        max_examples=examples,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(label, known))
    def send(case: Any) -> None:
        with transaction.atomic():
            # A key each, which is undone with all the rest: none of them runs into the limit of requests.
            key = key_create(name="fuzz")[1]
            case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, checks=CHECKS)
            transaction.set_rollback(True)

    send()


@pytest.mark.parametrize("title", [part.title for part in PARTS])
def test_nothing_breaks_and_nothing_is_answered_that_is_not_described(
    title: str, known: dict[str, list[str]]
) -> None:
    for label in labels(title):
        fuzz(label, known, examples=DAILY)


@pytest.mark.long
@pytest.mark.parametrize("title", [part.title for part in PARTS])
def test_neither_does_it_after_many_more(title: str, known: dict[str, list[str]]) -> None:
    for label in labels(title):
        fuzz(label, known, examples=LONG)


def labels(title: str) -> list[str]:
    """The operations of one part."""
    return [f"{one.method} {one.path}" for part in PARTS if part.title == title for one in part.operations]
