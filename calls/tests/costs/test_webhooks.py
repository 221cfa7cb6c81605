"""Money where calls come in and go out: Twilio's webhooks, the bridge's reports, the notes for operators."""

import uuid
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from twilio.base.exceptions import TwilioRestException

from assistants.tests.factories import make_assistant
from calls import clients, recorder, views
from calls import tasks as call_tasks
from calls.bridge import commands as do
from calls.costs import carrier, tasks
from calls.costs.refusing import ENDED_REASON
from calls.models import Call, CallCost, CallUsage, CarrierCall, SpendingLimit
from calls.recorder import Recorder
from calls.summaries import SummaryError
from calls.tests.costs.factories import MODEL, make_limit
from calls.tests.costs.test_usage import EXAMPLE
from calls.tests.factories import make_call, make_phone_number, make_transfer
from calls.tests.stage import CALL, FakeOutbox
from calls.tests.test_views import DID, FORM, SID, Post, post, verbs

__all__ = ["post"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("midday")]


def spent_day(**fields: Any) -> None:
    """A day on which nothing may be spent any more, and a number that an assistant answers."""
    assistant = make_assistant(published=True)
    make_phone_number(did=DID, assistant=assistant)
    make_limit(call_usd=None, day_usd=Decimal("0.01"), refusal_sentence="Not today.", **fields)
    CallCost.objects.create(call=make_call(), day=timezone.now().date(), total_usd=Decimal("0.02"))


def test_on_a_spent_day_callers_hear_the_sentence_for_that(post: Post) -> None:
    spent_day(when_day=SpendingLimit.WhenDay.REFUSE)

    assert verbs(post("/twilio/voice", FORM)) == ["Say Not today.", "Hangup"]
    assert verbs(post("/twilio/voice", FORM)) == ["Say Not today.", "Hangup"]
    assert Call.objects.get(call_sid=SID).ended_reason == ENDED_REASON


def test_on_a_spent_day_callers_are_connected_where_the_limit_says(post: Post) -> None:
    spent_day(when_day=SpendingLimit.WhenDay.FORWARD, forward_to="+13125550142")

    assert verbs(post("/twilio/voice", FORM)) == ["Dial +13125550142", "Say Not today.", "Hangup"]


def test_a_spent_day_that_only_warns_is_a_day_like_any_other(post: Post) -> None:
    spent_day()

    assert verbs(post("/twilio/voice", FORM)) == ["Connect", "Hangup"]


@pytest.mark.parametrize(("seconds", "kept"), [("61", True), ("", False), ("-1", False), ("9999999", False)])
def test_twilios_count_of_the_seconds_is_kept(
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    seconds: str,
    kept: bool,
) -> None:
    outbox = FakeOutbox()
    monkeypatch.setattr(views, "process_outbox", lambda: outbox)

    post("/twilio/status", {"CallSid": SID, "CallStatus": "completed", "CallDuration": seconds})

    assert outbox.of("carrier_call_write") == ([{"call_sid": SID, "duration_s": 61}] if kept else [])


# --- What Twilio charged


def price_told(price: Any, unit: str = "USD") -> Any:
    """A Twilio that says so."""
    call = SimpleNamespace(fetch=lambda: SimpleNamespace(price=price, price_unit=unit))
    return lambda _account: SimpleNamespace(calls=lambda _sid: call)


@pytest.mark.parametrize(
    ("price", "unit", "read"),
    [
        ("-0.0136", "USD", Decimal("0.0136")),
        (None, "USD", None),
        ("-0.01", "EUR", None),
        ("much", "USD", None),
        ("nan", "usd", None),
    ],
)
def test_a_price_of_twilios_is_read_or_left_alone(
    monkeypatch: pytest.MonkeyPatch, price: Any, unit: str, read: Decimal | None
) -> None:
    monkeypatch.setattr(clients, "twilio_client", price_told(price, unit))

    assert clients.call_price(call_sid=SID, account_sid="AC1") == read


def test_a_call_that_twilio_does_not_know_has_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_account: str) -> Any:
        raise TwilioRestException(404, "/Calls")

    monkeypatch.setattr(clients, "twilio_client", gone)

    assert clients.call_price(call_sid=SID, account_sid="AC1") is None


def test_twilio_is_asked_half_an_hour_after_a_call_until_it_says(settings: Settings) -> None:
    now = timezone.now()
    call = make_call(started_at=now - timedelta(hours=2), ended_at=now - timedelta(hours=1))
    make_call()  # over just now
    make_call(started_at=now - timedelta(days=9), ended_at=now - timedelta(days=8))
    answers: list[Decimal | None] = [None, Decimal("0.0068")]
    asked: list[str] = []

    def ask(*, call_sid: str, account_sid: str) -> Decimal | None:
        if call_sid != call.call_sid:
            return None  # the one that was over just now is asked about later, too
        asked.append(call_sid)
        return answers[len(asked) - 1]

    settings.TWILIO_PRICES = False
    assert carrier.carrier_prices_fetch(now=now, ask=ask) == []
    settings.TWILIO_PRICES = True
    assert carrier.carrier_prices_fetch(now=now, ask=ask) == []
    assert carrier.carrier_prices_fetch(now=now, ask=ask) == []  # asked a moment ago
    assert carrier.carrier_prices_fetch(now=now + timedelta(hours=7), ask=ask) == [call.pk]
    assert asked == [call.call_sid, call.call_sid]
    assert CarrierCall.objects.get(call=call).price_usd == Decimal("0.0068")


def test_a_twilio_that_is_away_is_asked_by_the_next_run() -> None:
    now = timezone.now()
    make_call(started_at=now - timedelta(hours=2), ended_at=now - timedelta(hours=1))

    def away(**_: str) -> Decimal | None:
        raise clients.TwilioRefusedError("Twilio answered 503.", unsure=True)

    assert carrier.carrier_prices_fetch(now=now, ask=away) == []
    assert not CarrierCall.objects.exists()


# --- What the bridge reports


def test_what_the_bridge_reports_is_what_the_worker_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: outbox)
    one = Recorder(CALL)
    one.note(do.Used(1, do.UsedFor.RESPONSE, "resp_1", MODEL, "cancelled", EXAMPLE, 900))
    one.note(do.Used(0, do.UsedFor.RESPONSE, "resp_2", MODEL, "unfinished", None, 950))
    call = make_call(pk=CALL.call_id)

    for entry in outbox.of("usage_write"):
        tasks.usage_write(**entry)

    first, second = CallUsage.objects.filter(call=call).order_by("item")
    assert (first.session, first.status, first.usage) == ("1", "cancelled", EXAMPLE)
    assert (second.session, second.status, second.usage) == ("0", "unfinished", {})


def test_a_note_for_an_operator_is_charged_to_its_call_even_if_it_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transfer = make_transfer(dialled_at=timezone.now())
    sent: list[dict[str, Any]] = []

    def write(*_: object, used: Any, **__: object) -> str:
        used({"id": "resp_9", "status": "completed", "usage": EXAMPLE})
        raise SummaryError("The model wrote nothing.")

    monkeypatch.setattr(call_tasks, "summary_write", write)
    monkeypatch.setattr(tasks.usage_write, "delay", lambda **kwargs: sent.append(kwargs))

    call_tasks.transfer_summarise(
        transfer_id=str(transfer.pk),
        model=MODEL,
        request={"instructions": "Sum up.", "texts": []},
        expires_at=(timezone.now() + timedelta(minutes=5)).isoformat(),
    )

    (kwargs,) = sent
    tasks.usage_write(**kwargs)
    usage = CallUsage.objects.get(call=transfer.call)
    assert (usage.kind, usage.item, usage.usage, uuid.UUID(usage.session)) == (
        "summary", "resp_9", EXAMPLE, transfer.pk,
    )  # fmt: skip
