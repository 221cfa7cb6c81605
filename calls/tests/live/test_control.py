"""`POST /call/{id}/control`: who may, what is answered, and that the answer is the call's own."""

import asyncio
import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from redis import Redis

from assistants.tests.factories import make_assistant
from calls.bridge.control import OVER
from calls.groups import call_group
from calls.live import control, flood, views
from calls.live.control import Outcome, Result
from calls.live.entering import monitor_token
from calls.models import Call, LiveOrder
from calls.orders.by import By
from calls.tests.factories import make_call
from tools.access.keys import key_create, keys_revoke
from tools.models import ApiKey

SAY = {"type": "say", "content": "A colleague will call you back."}


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was given to the call, which takes it."""
    given: list[dict[str, Any]] = []

    def order(_call_id: uuid.UUID, message: dict[str, Any], *, by: By) -> Outcome:
        given.append(message)
        return Outcome(Result.TAKEN)

    monkeypatch.setattr(views, "order_by", order)
    return given


@pytest.fixture
def key(db: None, redis_client: "Redis") -> str:
    return key_create(name="dashboard", scopes=["call:write"])[1]


def live_call(**fields: Any) -> Call:
    return make_call(**{"status": Call.Status.IN_PROGRESS, "ended_at": None, "ended_reason": "", **fields})


def post(call_id: object, body: Any, *, bearer: str = "", token: str = "", **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return Client(enforce_csrf_checks=True).post(
        f"/call/{call_id}/control{'?token=' + token if token else ''}",
        body,
        content_type="application/json",
        headers=headers,
        **more,
    )


def test_an_order_with_a_key_is_answered_200_once_the_call_has_taken_it(
    key: str, orders: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    call = live_call()

    with caplog.at_level(logging.INFO):
        response = post(call.pk, SAY, bearer=key)

    assert (response.status_code, response.json()) == (200, {})
    assert orders[0]["content"] == SAY["content"]
    assert response["Cache-Control"] == "no-store"
    assert any("key tandem_" in str(vars(one).get("by")) for one in caplog.records), "it can be attributed"
    assert SAY["content"] not in "".join(str(vars(one)) for one in caplog.records)


def test_the_address_that_the_call_was_given_opens_it_without_a_key(
    db: None, orders: list[dict[str, Any]]
) -> None:
    call, other = live_call(), live_call()

    assert post(call.pk, SAY, token=monitor_token(call.pk)).status_code == 200
    assert post(other.pk, SAY, token=monitor_token(call.pk)).status_code == 401, "but no other call"
    assert post(call.pk, SAY).status_code == 401, "and the id alone, which many know, opens nothing"
    assert len(orders) == 1


def test_an_assistant_may_demand_a_key_or_allow_nothing(key: str, orders: list[dict[str, Any]]) -> None:
    def call_with(**plan: bool) -> Call:
        assistant = make_assistant()
        version = assistant.versions.create(number=99, snapshot={"monitor_plan": plan})
        return live_call(assistant=assistant, version=version)

    demanding, closed = call_with(controlAuthenticationEnabled=True), call_with(controlEnabled=False)

    assert post(demanding.pk, SAY, token=monitor_token(demanding.pk)).status_code == 401
    assert post(demanding.pk, SAY, bearer=key).status_code == 200
    assert post(closed.pk, SAY, bearer=key).status_code == 403


def test_a_public_key_opens_monitors_as_at_vapi(db: None, orders: list[Any], redis_client: "Redis") -> None:
    _, text = key_create(name="browser", kind=ApiKey.Kind.PUBLIC, scopes=["call:write"])

    assert post(live_call().pk, SAY, bearer=text).status_code == 200


def test_keys_that_open_nothing_open_nothing(db: None, orders: list[Any], redis_client: "Redis") -> None:
    call = live_call()
    _, reading = key_create(name="reads", scopes=["call:read"])
    past = timezone.now() - timedelta(days=1)
    _, expired = key_create(name="expired", scopes=["call:write"], expires_at=past)
    revoked_key, revoked = key_create(name="revoked", scopes=["call:write"])
    keys_revoke(ApiKey.objects.filter(pk=revoked_key.pk))

    statuses = [
        post(call.pk, SAY, bearer=one).status_code for one in (reading, expired, revoked, "tandem_x", "x y")
    ]

    assert statuses == [403, 401, 401, 401, 401]
    assert orders == []


def test_a_bad_body_an_unknown_call_and_one_that_is_over_are_told_apart(
    key: str, orders: list[dict[str, Any]]
) -> None:
    running, over = live_call(), make_call()

    bad = post(running.pk, {"type": "say"}, bearer=key)
    unknown = post(uuid.uuid4(), SAY, bearer=key)
    ended = post(over.pk, SAY, bearer=key)

    assert bad.json() == {
        "message": ["content must be a string"],
        "error": "Bad Request",
        "statusCode": 400,
    }
    assert (unknown.status_code, unknown.json()["error"]) == (404, "Not Found")
    assert (ended.status_code, "Has Ended" in ended.json()["message"]) == (400, True)
    assert post("no-id", SAY, bearer=key).status_code == 404
    assert post(running.pk, "{", bearer=key).status_code == 400
    assert post(running.pk, '{"a":' * 60 + "1" + "}" * 60, bearer=key).status_code == 400
    assert post(running.pk, b"x" * 2_100_000, bearer=key).status_code == 413
    assert Client().get(f"/call/{running.pk}/control").status_code == 405
    assert orders == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(Result.REFUSED, "The call is over, or about to be."), 400),
        (Outcome(Result.NOBODY, "Nobody."), 400),
        (Outcome(Result.AWAY, "Away."), 503),
    ],
)
def test_what_the_call_has_not_taken_is_no_success(
    key: str, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, status: int
) -> None:
    monkeypatch.setattr(views, "order_by", lambda *_, **__: outcome)

    response = post(live_call().pk, SAY, bearer=key)

    assert (response.status_code, response.json()["message"]) == (status, outcome.why)


def test_while_the_database_is_away_nothing_is_ordered_and_the_answer_says_so(
    key: str, orders: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = live_call()

    def away(*_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(views, "_call", away)
    answer = post(call.pk, SAY, bearer=key)

    assert answer.status_code == 503
    assert answer.json()["message"].startswith("The database does not answer")
    assert answer["Retry-After"] == "5"
    assert orders == []


def test_orders_are_limited_where_no_key_is(
    key: str, orders: list[dict[str, Any]], redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    call, other = live_call(), live_call()
    monkeypatch.setattr(flood, "MOST_A_MINUTE", 2)
    monkeypatch.setattr("calls.live.flood.time.time", lambda: 1_000_000_000.0)

    statuses = [post(call.pk, SAY, token=monitor_token(call.pk)).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert post(call.pk, SAY, token=monitor_token(call.pk))["Retry-After"] == "20"
    assert post(other.pk, SAY, bearer=key).status_code == 200
    assert len(orders) == 3


def test_an_assistant_that_took_the_call_over_decides_about_orders(
    db: None, orders: list[dict[str, Any]]
) -> None:
    def assistant_with(plan: Any) -> Any:
        assistant = make_assistant()
        return assistant, assistant.versions.create(number=99, snapshot={"monitor_plan": plan})

    first, open_version = assistant_with({"controlEnabled": True})
    second, closed_version = assistant_with({"controlEnabled": False})
    call = live_call(assistant=first, version=open_version)
    call.parts.create(n=0, assistant=first, version=open_version, began_at=timezone.now())
    before = post(call.pk, SAY, token=monitor_token(call.pk)).status_code

    call.parts.create(n=1, assistant=second, version=closed_version, began_at=timezone.now())

    assert (before, post(call.pk, SAY, token=monitor_token(call.pk)).status_code) == (200, 403)


def test_what_no_process_took_is_written_down_by_whoever_waited_for_it(
    db: None, redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWERED_WITHIN_S", 0.05)
    call = live_call()

    response = post(call.pk, SAY, token=monitor_token(call.pk))

    assert response.status_code == 400
    row = LiveOrder.objects.get(call=call)
    assert (row.kind, row.result, row.by, row.words) == ("say", "nobody", "address", "")


# Between processes --------------------------------------------------------------------------------------------


async def ordered(call_id: uuid.UUID) -> Outcome:
    """What becomes of an order that is answered, however slow this machine is."""
    return await control.order_give(call_id, {"type": "call.end"}, within_s=60)


async def test_an_order_reaches_whoever_has_the_call_and_brings_its_answer_back(
    redis_client: "Redis",
) -> None:
    call_id, layer = uuid.uuid4(), get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(call_group(call_id), channel)

    async def the_call(refusal: str) -> dict[str, Any]:
        asked: dict[str, Any] = await layer.receive(channel)
        answer = {"type": "call.answered", "order_id": asked["order_id"], "refusal": refusal}
        await layer.send(asked["reply_to"], answer)
        return asked

    taken, asked = await asyncio.gather(ordered(call_id), the_call(""))
    refused, _ = await asyncio.gather(ordered(call_id), the_call("No."))

    assert taken == Outcome(Result.TAKEN)
    assert asked["type"] == "call.end"
    assert refused == Outcome(Result.REFUSED, "No.")


async def test_where_nobody_has_the_call_that_is_the_answer(redis_client: "Redis") -> None:
    outcome = await control.order_give(uuid.uuid4(), {"type": "call.end"}, within_s=0.2)

    assert outcome.result is Result.NOBODY


async def test_while_a_stream_takes_over_the_word_of_the_one_that_is_over_is_not_the_last(
    redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_ANOTHER_WITHIN_S", 60.0)
    call_id, layer = uuid.uuid4(), get_channel_layer()
    assert layer is not None
    old, new = await layer.new_channel(), await layer.new_channel()
    for channel in (old, new):
        await layer.group_add(call_group(call_id), channel)

    async def answers() -> None:
        asked = await layer.receive(old)
        await layer.receive(new)
        for refusal in (OVER, ""):
            await layer.send(asked["reply_to"], {"type": "call.answered", "refusal": refusal})

    outcome, _ = await asyncio.gather(ordered(call_id), answers())

    assert outcome == Outcome(Result.TAKEN), (
        "or whoever ordered it would order it again, and have it done twice"
    )


async def test_where_the_call_is_over_that_is_said_soon(redis_client: "Redis") -> None:
    call_id, layer = uuid.uuid4(), get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(call_group(call_id), channel)

    async def the_call() -> None:
        asked = await layer.receive(channel)
        assert asked["order_id"].startswith("order_")
        assert asked["by"]["kind"] == "tandem"
        await layer.send(asked["reply_to"], {"type": "call.answered", "refusal": OVER})

    outcome, _ = await asyncio.gather(ordered(call_id), the_call())

    assert outcome == Outcome(Result.REFUSED, OVER)
