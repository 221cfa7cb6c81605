"""Many at once, each with overrides of their own: made as each would be alone, in as many queries as one takes."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from assistants.models import Assistant, Squad, SquadMember, Transient
from assistants.snapshots import Snapshot
from assistants.tests.api.test_objects import imported
from assistants.tests.factories import make_assistant, make_version
from assistants.transient import once
from calls.choosing.services import Choice, RefusedError, choices_pin, choose, choose_each
from calls.models import Call, CallMember, CallPart
from calls.tests.choosing.test_services import (
    BOOK,
    INLINE,
    PROMPT,
    catalogue,
    desk,
    handing_over,
    snapshot_of,
)
from calls.tests.factories import make_call
from tools.tests.factories import make_tool

__all__ = ["catalogue"]
pytestmark = pytest.mark.django_db

SETTINGS: list[dict[str, Any]] = [
    {"firstMessage": "Hello {{ who }}."},
    {"firstMessage": "Hello.", "metadata": {"k": 1}, "maxDurationSeconds": 77},
    {"model": {**PROMPT, "messages": [{"role": "system", "content": "Be brief."}]}},
    {"tools:append": [BOOK]},
    {"model": {"tools": [BOOK]}},
    {"model": {"toolIds": []}},
    {"server": {"url": "https://other.example.com/hooks", "timeoutSeconds": 7}},
    {"server": {"headers": {"X-Api-Key": "k3y"}}},
    {"voice": {"provider": "openai", "voiceId": "alloy"}, "transcriber": {"language": "de"}},
    {"silenceTimeoutSeconds": 12, "serverMessages": ["end-of-call-report"], "endCallPhrases": ["bye"]},
]


def customers(overrides: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"assistantOverrides": one} for one in overrides]


def good(found: Choice | RefusedError) -> Choice:
    assert isinstance(found, Choice), found.messages
    return found


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as made:
        work()
    # Savepoints are those of the test's own transaction.
    return sum("SAVEPOINT" not in one["sql"] for one in made.captured_queries)


def undone(work: Callable[[], Any]) -> Any:
    """What comes of it, and nothing else."""
    with transaction.atomic():
        found = work()
        transaction.set_rollback(True)
    return found


def told(found: Choice | RefusedError) -> Snapshot | list[str]:
    return found.messages if isinstance(found, RefusedError) else snapshot_of(found)


def alone(body: dict[str, Any], customer: dict[str, Any]) -> Snapshot | list[str]:
    try:
        return snapshot_of(choose(body, customer=customer))
    except RefusedError as exc:
        return exc.messages


@pytest.mark.parametrize("of", ["our own", "imported"])
def test_each_of_many_is_made_as_it_would_be_alone(of: str) -> None:
    if of == "imported":
        imported("tools.json")
        key = imported("assistant-clinic.json")[0]["id"]
        make_version(assistant=Assistant.objects.get(vapi_objects__key=key))
    else:
        key = str(desk(server_headers='{"X-Api-Key": "old"}').pk)
    body, given = {"assistantId": key}, customers(SETTINGS)

    together = undone(lambda: [told(one) for one in choose_each(body, given)])

    # The same document again would be what is there already.
    assert together == [undone(lambda one=one: alone(body, one)) for one in given]  # type: ignore[misc]
    assert sum(isinstance(one, Snapshot) for one in together) >= len(SETTINGS) - 1


@pytest.mark.parametrize("which", ["assistant", "inline", "squad"])
def test_many_take_as_many_queries_as_few(which: str) -> None:
    body = bodies(which)

    def chosen(n: int, tag: str) -> None:
        given = customers([{"firstMessage": f"{tag} {k}", "tools:append": [BOOK]} for k in range(n)])
        made = [(make_call(**good(one).columns()), good(one)) for one in choose_each(body, given)]
        with transaction.atomic():
            choices_pin(made)

    def asked(n: int, tag: str) -> int:
        calls = Call.objects.count()
        told = queries(lambda: chosen(n, tag))
        return told - (Call.objects.count() - calls)  # the rows of the calls themselves are the test's

    few, many = asked(2, "few"), asked(9, "many")

    assert many == few
    known = asked(9, "many")
    assert known < many


def bodies(which: str) -> dict[str, Any]:
    if which == "inline":
        return {"assistant": INLINE}
    if which == "assistant":
        return {"assistantId": str(desk().pk)}
    other = make_assistant(name="Billing", published=True)
    handing = make_tool(
        name="handoff", kind="handoff", server_url="", settings={"destinations": [handing_over("Billing")]}
    )
    squad = Squad.objects.create(name="Both")
    first = make_assistant(published=True, tools=[handing], server_url="https://desk.example.com/hooks")
    for position, one in enumerate([first, other]):
        SquadMember.objects.create(squad=squad, assistant=one, position=position)
    return {"squadId": str(squad.pk)}


def test_who_shares_each_of_many_calls_is_frozen_for_each() -> None:
    body = bodies("squad")
    chosen = [
        good(one) for one in choose_each(body, customers([{"firstMessage": f"Hi {n}."} for n in range(3)]))
    ]
    made = [(make_call(**one.columns()), one) for one in chosen]

    with transaction.atomic():
        choices_pin(made)

    for call, choice in made:
        rows = CallMember.objects.filter(call=call).order_by("position")
        assert {row.assistant_id: row.version for row in rows} == choice.versions
        assert [part.version for part in CallPart.objects.filter(call=call)] == [choice.version]


def test_one_of_many_that_cannot_be_made_is_refused_alone_and_leaves_nothing() -> None:
    body = {"assistantId": str(desk().pk)}
    bad: dict[str, Any] = {"firstMessage": "Hello {{ who }", "tools:append": [BOOK]}
    unknown: dict[str, Any] = {"model": {"toolIds": ["00000000-0000-4000-8000-000000000000"]}}
    wrong: dict[str, Any] = {"firstMesage": "Hello."}

    found = choose_each(body, customers([{"firstMessage": "One."}, bad, unknown, wrong, {}]))

    assert [type(one) for one in found] == [Choice, RefusedError, RefusedError, RefusedError, Choice]
    words = [" ".join(one.messages) for one in found if isinstance(one, RefusedError)]
    assert "first message" in words[0]
    assert "Does Not Exist" in words[1]
    assert "firstMesage should not exist" in words[2]
    assert Transient.objects.count() == 1


def test_a_secret_that_no_key_opens_refuses_those_alone_that_take_it_along() -> None:
    assistant = desk()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE assistants_assistant SET server_secret = 'broken'")
    elsewhere = {"server": {"url": "https://other.example.com/hooks"}}

    found = choose_each({"assistantId": str(assistant.pk)}, customers([{"firstMessage": "One."}, elsewhere]))

    assert [type(one) for one in found] == [RefusedError, Choice]
    assert isinstance(found[0], RefusedError)
    assert "cannot be decrypted" in found[0].messages[0]


def test_the_same_overrides_of_many_are_made_once() -> None:
    body = {"assistantId": str(desk().pk)}

    found = choose_each(body, customers([{"firstMessage": "One."}, {"firstMessage": "Two."}] * 4))

    assert Transient.objects.count() == 2
    assert [good(one).version for one in found] == [good(found[0]).version, good(found[1]).version] * 4


def test_what_somebody_else_makes_of_many_meanwhile_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = {"assistantId": str(desk().pk)}
    known = good(choose_each(body, customers([{"firstMessage": "One."}]))[0])
    looked, first_look = once._used, iter([True])
    # The second one has looked before the first was done.
    monkeypatch.setattr(once, "_used", lambda ids, now: {} if next(first_look, False) else looked(ids, now))

    found = choose_each(body, customers([{"firstMessage": "One."}, {"firstMessage": "Two."}]))

    assert good(found[0]).version == known.version
    assert Transient.objects.count() == 2


def test_however_many_others_are_a_step_ahead_of_a_batch_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"assistantId": str(desk().pk)}
    given = customers([{"firstMessage": f"Number {n}."} for n in range(6)])
    known = [good(one).version for one in choose_each(body, given)]
    looked, looks = once._used, count()

    def behind(ids: Any, now: Any) -> Any:
        """Of what others have made, one is seen with each look after the first."""
        return dict(sorted(looked(ids, now).items())[: min(next(looks), 1)])

    monkeypatch.setattr(once, "_used", behind)

    assert [good(one).version for one in choose_each(body, given)] == known
    assert next(looks) == len(given) + 1
