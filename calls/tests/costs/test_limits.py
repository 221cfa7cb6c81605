"""Spending limits: told once, a goodbye where it is wanted, and nothing that a caller notices where it is not."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.costs import tasks, together
from calls.costs.goodbye import goodbye_say
from calls.costs.limits import day_limit_spent, limits_check
from calls.costs.refusing import ENDED_REASON, call_refuse_if_spent
from calls.live.control import Outcome, Result
from calls.models import Call, CallCost, CallProblem, SpendingAlert, SpendingLimit
from calls.tests.costs.factories import make_limit, make_usage
from calls.tests.factories import make_call, make_phone_number

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("midday")]

END = {"when_call": SpendingLimit.WhenCall.END}


class Told:
    """Remembers which calls were told what."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def __call__(self, call: Call, sentence: str) -> None:
        self.sentences.append(sentence)


def running(answers: int = 1, **fields: Any) -> Call:
    """A call on no telephone line that has used so many answers, of 0.75 cents each."""
    call = make_call(status=Call.Status.IN_PROGRESS, ended_at=None, smoke_test=True, **fields)
    for _ in range(answers):
        make_usage(call)
    return call


def check(call: Call, told: Told | None = None, *, later_s: int = 0) -> list[str]:
    now = timezone.now() + timedelta(seconds=later_s)
    return [alert.level for alert in limits_check(call, now=now, tell=told or Told())]


def test_without_a_limit_nothing_is_summed_up() -> None:
    call = running(9)

    assert check(call) == []
    assert not CallCost.objects.exists()


def test_a_limit_is_told_of_when_it_is_near_and_when_it_is_spent_once_each() -> None:
    make_limit(call_usd=Decimal("0.02"))
    call = running(1)

    assert check(call) == []
    make_usage(call)
    make_usage(call)
    assert check(call) == ["spent"]
    assert check(call) == []
    (problem,) = CallProblem.objects.filter(call=call)
    assert (problem.code, problem.benign) == ("call_limit_spent", False)
    assert problem.message == "$0.0225 of the $0.02 that a call of all assistants may cost. The call goes on."


def test_a_warning_comes_before() -> None:
    make_limit(call_usd=Decimal("0.02"), warn_percent=50)
    call = running(2)

    assert check(call) == ["near"]
    assert CallProblem.objects.get(call=call).benign


def test_a_call_that_only_warns_is_never_ended() -> None:
    make_limit()
    told = Told()

    check(running(5), told)

    assert told.sentences == []


def test_a_call_that_has_spent_its_limit_is_told_to_say_goodbye_and_again_only_when_it_goes_on() -> None:
    limit = make_limit(**END)
    call, told = running(5), Told()

    check(call, told)
    check(call, told, later_s=10)
    assert told.sentences == [limit.closing_sentence]

    check(call, told, later_s=40)
    assert len(told.sentences) == 2


def test_a_call_that_is_over_is_told_nothing() -> None:
    make_limit(**END)
    call, told = running(5), Told()
    Call.objects.filter(pk=call.pk).update(status=Call.Status.ENDED, ended_at=timezone.now())
    call.refresh_from_db()

    tasks.call_cost(call_id=str(call.pk))
    check(call, told)

    assert told.sentences == []
    assert SpendingAlert.objects.filter(call=call, level="spent").count() == 1


def test_an_assistants_own_limit_takes_the_place_of_the_one_for_all() -> None:
    assistant = make_assistant()
    make_limit(call_usd=Decimal("0.01"), **END)
    make_limit(assistant=assistant, call_usd=Decimal(9), **END)
    told = Told()

    check(running(5, assistant=assistant), told)
    assert told.sentences == []
    check(running(5, assistant=make_assistant()), told)
    assert len(told.sentences) == 1


def test_a_day_is_of_all_calls_and_an_assistants_day_of_its_own() -> None:
    assistant = make_assistant()
    make_limit(call_usd=None, day_usd=Decimal("0.04"))
    make_limit(assistant=assistant, call_usd=None, day_usd=Decimal("0.02"))

    assert check(running(2)) == []
    assert check(running(3, assistant=assistant)) == ["spent", "near"]
    assert check(running(2)) == ["spent"]
    assert SpendingAlert.objects.filter(call__isnull=True).count() == 3


def test_a_call_is_ended_by_the_order_that_live_calls_understand(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[uuid.UUID, dict[str, Any]]] = []

    def order(call_id: uuid.UUID, message: dict[str, Any]) -> Outcome:
        given.append((call_id, message))
        return Outcome(Result.NOBODY)

    monkeypatch.setattr("calls.live.control.order", order)
    call = running(0)

    goodbye_say(call, "Goodbye.")  # a call that nobody has any more is no error

    ((call_id, message),) = given
    assert call_id == call.pk
    assert (message["type"], message["content"], message["end_after"]) == ("call.say", "Goodbye.", True)
    assert (message["reason"], message["interruptible"]) == (
        "assistant-ended-call-after-message-spoken",
        False,
    )


def test_the_report_of_an_answer_sees_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    make_limit(**END)
    told = Told()
    monkeypatch.setattr(together, "goodbye_say", told)
    call = running(1)
    usage = call.usages.get().usage

    tasks.usage_write(
        call_id=str(call.pk),
        kind="response",
        session="0",
        item="resp_last",
        model="gpt-realtime-2.1",
        status="completed",
        usage=usage,
        at=timezone.now().isoformat(),
    )

    assert len(told.sentences) == 1


# --- New calls on a day whose money is spent


def incoming(did: str, call_sid: str = "CA1") -> Any:
    return call_refuse_if_spent(call_sid=call_sid, account_sid="AC1", did=did, caller="+13125550177")


def spend(limit: SpendingLimit) -> None:
    call = running(9)
    check(call)
    assert limit.day_usd is not None
    assert CallCost.objects.get(call=call).total_usd > limit.day_usd


def answered_number() -> str:
    return make_phone_number(assistant=make_assistant()).did


def test_a_spent_day_that_only_warns_answers_every_call() -> None:
    spend(make_limit(day_usd=Decimal("0.01")))

    assert incoming(answered_number()) is None


def test_callers_hear_the_sentence_when_the_day_is_spent_and_the_call_says_why() -> None:
    limit = make_limit(day_usd=Decimal("0.01"), when_day=SpendingLimit.WhenDay.REFUSE)
    did = answered_number()
    assert incoming(did, "CA0") is None

    spend(limit)
    first, again = incoming(did), incoming(did)

    assert (first.sentence, first.forward_to) == (limit.refusal_sentence, "")
    assert first.call == again.call
    call = Call.objects.get(call_sid="CA1")
    assert (call.status, call.ended_reason) == (Call.Status.REFUSED, ENDED_REASON)
    assert "may be spent in a day are spent" in call.refused_because


def test_callers_are_connected_to_the_other_number_where_there_is_one() -> None:
    limit = make_limit(
        day_usd=Decimal("0.01"), when_day=SpendingLimit.WhenDay.FORWARD, forward_to="+13125550142"
    )
    spend(limit)

    assert incoming(answered_number()).forward_to == "+13125550142"


def test_a_call_that_was_answered_before_is_not_refused_by_a_repeated_webhook() -> None:
    limit = make_limit(day_usd=Decimal("0.01"), when_day=SpendingLimit.WhenDay.REFUSE)
    spend(limit)
    make_call(call_sid="CA9", status=Call.Status.RINGING, ended_at=None, ended_reason="")

    assert incoming(answered_number(), "CA9") is None


def test_a_number_that_nobody_answers_keeps_its_own_reason() -> None:
    spend(make_limit(day_usd=Decimal("0.01"), when_day=SpendingLimit.WhenDay.REFUSE))

    assert incoming(make_phone_number().did) is None
    assert incoming("+14155559999") is None


def test_tomorrow_is_another_day() -> None:
    limit = make_limit(day_usd=Decimal("0.01"), when_day=SpendingLimit.WhenDay.REFUSE)
    spend(limit)

    assert day_limit_spent(None, now=timezone.now()) == limit
    assert day_limit_spent(None, now=timezone.now() + timedelta(days=1)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"call_usd": None},
        {"day_usd": Decimal(5), "when_day": SpendingLimit.WhenDay.FORWARD},
        {"forward_to": "0800 1"},
        {"call_usd": Decimal(0)},
        {"warn_percent": 0},
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpendingLimit(**{"call_usd": Decimal(1), **fields}).full_clean()


def test_there_is_one_limit_for_all() -> None:
    make_limit()

    with pytest.raises(ValidationError):
        SpendingLimit(call_usd=Decimal(1)).full_clean()
