"""The pages of running calls: what they show, what they cost, and who may do what."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from assistants.tests.factories import make_assistant
from calls.bridge import commands as do
from calls.live import admin
from calls.live.control import Outcome, Result
from calls.live.feed import CallFeed, Feed
from calls.models import Call
from calls.orders.by import By
from calls.tests.factories import make_call
from tools import shared_state

LIST = "/admin/calls/livecall/"


def somebody(*permissions: str) -> Client:
    user = User.objects.create_user(f"u{uuid.uuid4().hex[:6]}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def running(**fields: Any) -> Call:
    return make_call(
        **{
            "status": Call.Status.IN_PROGRESS,
            "ended_at": None,
            "ended_reason": "",
            "started_at": timezone.now() - timedelta(seconds=75),
            **fields,
        }
    )


def says(client: "Redis", call: Call, text: str) -> None:
    told = CallFeed(call.pk)
    told._feed = Feed(client)
    spoken = do.Spoken("u1", do.Speaker.CALLER, text, text, 0, 500)
    told.spoken(spoken, clock=timezone.now(), away=timedelta())
    told._feed.flush()


def test_the_list_shows_running_calls_with_their_last_words(db: None, redis_client: "Redis") -> None:
    call = running(assistant=make_assistant(name="Front desk"))
    make_call()
    says(redis_client, call, "Is my <b>bicycle</b> ready?")
    client = somebody("view_call")

    (row,) = client.get(f"{LIST}state/").json()["calls"]

    assert (row["assistant"], row["did"], row["status"]) == ("Front desk", call.did, "In progress")
    assert (row["who"], row["last"]) == ("Caller", "Is my <b>bicycle</b> ready?")
    assert 75 <= row["seconds"] < 100
    page = client.get(LIST).content.decode()
    assert "<b>bicycle" not in page, "what callers say is no markup"


def test_the_list_costs_the_same_for_many_calls(
    db: None, redis_client: "Redis", django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        running(assistant=make_assistant())

    with django_assert_num_queries(1):
        assert len(admin._state()["calls"]) == 5


def test_it_works_without_redis_and_with_nothing(
    db: None, redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    assert admin._state() == {"calls": [], "words": True}
    running(caller="", did="")
    away = Redis(host="127.0.0.1", port=9, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(shared_state, "store", lambda: away)

    state = admin._state()

    assert (state["words"], state["calls"][0]["caller"], state["calls"][0]["last"]) == (False, "Withheld", "")
    assert somebody("view_call").get(LIST).status_code == 200


def test_of_a_private_call_no_words_are_in_the_list(db: None, redis_client: "Redis") -> None:
    assistant = make_assistant()
    version = assistant.versions.create(number=99, snapshot={"hipaa": True})
    call = running(assistant=assistant, version=version)
    says(redis_client, call, "It is about my knee.")

    assert admin._state()["calls"][0]["last"] == ""


def test_without_the_right_there_is_neither_list_nor_page_nor_order(db: None) -> None:
    call, client = running(), somebody()

    statuses = [client.get(url).status_code for url in (LIST, f"{LIST}state/", f"{LIST}{call.pk}/change/")]

    assert statuses == [403] * 3
    assert client.post(f"{LIST}{call.pk}/order/", {}).status_code == 403
    assert Client().get(LIST).status_code == 302


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was ordered; the call takes it."""
    orders: list[dict[str, Any]] = []

    def order(_call_id: uuid.UUID, message: dict[str, Any], *, by: By) -> Outcome:
        orders.append(message)
        return Outcome(Result.TAKEN)

    monkeypatch.setattr(admin, "order_by", order)
    return orders


def test_whoever_may_control_calls_gives_orders_and_the_history_says_who_did(
    db: None, given: list[dict[str, Any]]
) -> None:
    call, client = running(), somebody("view_call", "control_call")
    url = f"{LIST}{call.pk}/order/"

    said = client.post(url, {"type": "say", "content": "Hello."}, content_type="application/json")
    wrong = client.post(url, {"type": "say", "content": ""}, content_type="application/json")

    assert (said.status_code, said.json()) == (200, {"text": "Done."})
    assert (wrong.status_code, wrong.json()["text"]) == (400, "Content should not be empty.")
    assert [one["type"] for one in given] == ["call.say"]
    (entry,) = LogEntry.objects.all()
    assert entry.object_id == str(call.pk)
    assert entry.change_message == "Live: say, taken.", "and not what was said"
    assert "Intervene" in client.get(f"{LIST}{call.pk}/change/").content.decode()


def test_whoever_may_only_look_is_told_so(db: None, given: list[dict[str, Any]]) -> None:
    call, client = running(), somebody("view_call")

    refused = client.post(f"{LIST}{call.pk}/order/", {"type": "end-call"}, content_type="application/json")

    assert (refused.status_code, given) == (403, [])
    assert "takes the right" in refused.json()["text"]
    assert ">Hang up<" not in client.get(f"{LIST}{call.pk}/change/").content.decode()


def test_an_order_needs_the_form_s_token_and_a_call_that_goes_on(
    db: None, given: list[dict[str, Any]]
) -> None:
    over, client = make_call(), somebody("view_call", "control_call")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.latest("pk"))
    body = {"type": "end-call"}

    forged = strict.post(f"{LIST}{over.pk}/order/", body, content_type="application/json")
    late = client.post(f"{LIST}{over.pk}/order/", body, content_type="application/json")
    unknown = client.post(f"{LIST}{uuid.uuid4()}/order/", body, content_type="application/json")

    assert (forged.status_code, late.status_code, unknown.status_code) == (403, 400, 404)
    assert given == []


def test_a_transfer_can_go_to_the_places_that_the_assistant_knows(db: None) -> None:
    assistant = make_assistant()
    tool = {"settings": {"destinations": [{"type": "number", "number": "+14155550199"}, {"type": "number"}]}}
    version = assistant.versions.create(number=99, snapshot={"tools": [tool, {"settings": None}, "x"]})
    call = running(assistant=assistant, version=version)

    page = somebody("view_call", "control_call").get(f"{LIST}{call.pk}/change/").content.decode()

    assert '<option value="+14155550199">' in page
