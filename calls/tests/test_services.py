"""What becomes of a call in the database: decided once, claimed once, ended once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connections
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from assistants.tests.factories import make_assistant, make_version
from calls import services
from calls.lines.after import call_after_stream
from calls.models import SHUT_DOWN, STREAM_CLOSED, Call, CallProblem, CallTransfer, CallVariables, PhoneNumber
from calls.services import Answered, Refused
from calls.tests.factories import make_call, make_phone_number, make_transfer

pytestmark = pytest.mark.django_db

DID = "+14155550123"
SID = "CA" + "7" * 32


def make_number(*, number: dict[str, Any] | None = None, **assistant: Any) -> PhoneNumber:
    """A number that is answered."""
    fields = {"published": True, **assistant}
    return make_phone_number(**{"did": DID, "assistant": make_assistant(**fields), **(number or {})})


def start(*, did: str = DID, call_sid: str = SID) -> Answered | Refused:
    """A caller rings."""
    return services.call_start(call_sid=call_sid, account_sid="AC1", did=did, caller="+13125550177")


def answered() -> Answered:
    """A call that was answered, with its token."""
    make_number()
    decision = start()
    assert isinstance(decision, Answered)
    return decision


def claim(decision: Answered, **changes: Any) -> bool:
    """Its stream begins."""
    stream = {"call_id": decision.call.id, "call_sid": SID, "account_sid": "AC1", "stream_sid": "MZ1"}
    return services.stream_claim(**{**stream, "token": decision.token, **changes})


# Starting


def test_a_call_runs_on_the_version_that_was_live_when_it_came() -> None:
    number = make_number()
    assert number.assistant is not None
    version = number.assistant.live_version

    decision = start()
    make_version(assistant=number.assistant)
    again = start()

    assert isinstance(decision, Answered)
    assert isinstance(again, Answered)
    assert decision.call.version == again.call.version == version
    assert decision.token == again.token
    assert decision.call.status == Call.Status.RINGING


@pytest.mark.parametrize(
    ("number", "why", "ended_reason"),
    [
        ({"number": {"enabled": False}}, "switched off", "assistant-not-valid"),
        (
            {"number": {"assistant": None}},
            "no assistant",
            "call-start-error-neither-assistant-nor-server-set",
        ),
        ({"enabled": False}, "switched off", "assistant-not-valid"),
        ({"published": False}, "never published", "assistant-not-valid"),
    ],
)
def test_who_cannot_answer_refuses_and_says_why(number: dict[str, Any], why: str, ended_reason: str) -> None:
    make_number(apology="Closed today.", language="de", **number)

    decision = start()

    assert isinstance(decision, Refused)
    assert why in decision.call.refused_because
    assert decision.call.ended_reason == ended_reason
    assert decision.call.status == Call.Status.REFUSED
    assert decision.call.ended_at is not None
    if decision.call.assistant:
        assert (decision.apology, decision.language) == ("Closed today.", "de")
    else:
        assert decision.apology == services.DEFAULT_APOLOGY


def test_a_foreign_number_refuses() -> None:
    decision = start(did="+19995550000")

    assert isinstance(decision, Refused)
    assert "not in Tandem" in decision.call.refused_because


def test_without_a_key_for_the_model_nobody_answers(settings: Settings) -> None:
    make_number()
    settings.OPENAI_API_KEY = ""

    decision = start()

    assert isinstance(decision, Refused)
    assert "OPENAI_API_KEY" in decision.call.refused_because


def test_a_refused_call_stays_refused_when_the_webhook_comes_again() -> None:
    number = make_number(enabled=False)
    start()
    Assistant.objects.update(enabled=True)
    assert number.assistant is not None

    assert isinstance(start(), Refused)


def test_a_token_that_grew_old_unused_is_replaced() -> None:
    first = answered()
    Call.objects.update(token_minted_at=timezone.now() - services.TOKEN_LIVES - timedelta(seconds=1))

    second = start()

    assert isinstance(second, Answered)
    assert second.token != first.token
    assert not claim(first)
    assert claim(second)


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_comes_many_times_at_once_makes_one_row() -> None:
    make_number()

    decisions = _at_once(8, start)

    assert Call.objects.count() == 1
    assert len({decision.token for decision in decisions if isinstance(decision, Answered)}) == 1
    assert all(isinstance(decision, Answered) for decision in decisions)


# Claiming


def test_a_stream_with_its_token_opens_the_call() -> None:
    decision = answered()

    assert claim(decision)

    decision.call.refresh_from_db()
    assert decision.call.status == Call.Status.IN_PROGRESS
    assert decision.call.stream_sid == "MZ1"
    assert decision.call.started_at is not None
    assert decision.call.token_used_at is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ""},
        {"token": "0" * 64},
        {"token": "ü"},
        {"call_sid": "CA2"},
        {"account_sid": "AC2"},
        {"call_id": uuid.uuid4()},
    ],
)
def test_a_stream_with_anything_wrong_opens_nothing_and_uses_nothing_up(changes: dict[str, Any]) -> None:
    decision = answered()

    assert not claim(decision, **changes)
    assert claim(decision)


def test_a_token_opens_once() -> None:
    decision = answered()

    assert [claim(decision) for _ in range(3)] == [True, False, False]


def test_a_call_that_is_over_cannot_be_opened() -> None:
    decision = answered()
    services.call_over(call_sid=SID, ended_reason="customer-did-not-wait")

    assert not claim(decision)


@pytest.mark.django_db(transaction=True)
def test_of_many_streams_that_come_at_once_exactly_one_wins() -> None:
    decision = answered()

    assert sum(_at_once(8, lambda: claim(decision))) == 1


# Ending


def finish(call_id: uuid.UUID, reason: str = "customer-ended-call", **fields: Any) -> bool:
    """The bridge's last word."""
    facts = {"barge_ins": 2, "frames_in": 100, "frames_dropped": 1, "first_sound_ms": 300}
    return services.call_finish(
        **{"call_id": call_id, "ended_at": timezone.now(), "ended_reason": reason, "facts": facts, **fields}
    )


def test_the_bridge_knows_better_than_the_carrier_whoever_comes_first() -> None:
    decision = answered()
    claim(decision)

    services.call_over(call_sid=SID, ended_reason="call.in-progress.twilio-completed-call")
    assert finish(decision.call.id)
    services.call_over(call_sid=SID, ended_reason="call.in-progress.twilio-completed-call")

    decision.call.refresh_from_db()
    assert decision.call.ended_reason == "customer-ended-call"
    assert (decision.call.barge_ins, decision.call.frames_in, decision.call.frames_dropped) == (2, 100, 1)


def test_an_end_before_the_beginning_is_put_right() -> None:
    decision = answered()
    claim(decision)

    assert finish(decision.call.id, ended_at=timezone.now() - timedelta(minutes=1))

    decision.call.refresh_from_db()
    assert decision.call.ended_at == decision.call.started_at


def test_the_end_of_an_unknown_call_is_nothing() -> None:
    assert not finish(uuid.uuid4())
    assert services.call_over(call_sid="CA0", ended_reason="x") is None
    assert call_after_stream(call_sid="CA0") is None
    services.stream_failed(call_sid="CA0", stream_sid="MZ0", error="x")
    services.call_leaving(call_id=uuid.uuid4(), reason="x")


@pytest.mark.parametrize(
    ("ended_reason", "apologises"),
    [
        ("customer-ended-call", False),
        ("assistant-ended-call", False),
        ("silence-timed-out", False),
        (services.MODEL_FAILED, True),
        (services.WORKER_DIED, True),
        (SHUT_DOWN, True),
    ],
)
def test_only_a_conversation_that_broke_off_ends_in_an_apology(ended_reason: str, apologises: bool) -> None:
    make_call(call_sid=SID, ended_reason=ended_reason, assistant=make_assistant(apology="Sorry!"))

    decision = call_after_stream(call_sid=SID)

    assert (decision is not None) is apologises
    assert decision is None or (isinstance(decision, Refused) and decision.apology == "Sorry!")


def test_why_our_side_leaves_stands_there_when_twilio_asks() -> None:
    decision = answered()
    claim(decision)

    services.call_leaving(call_id=decision.call.id, reason=services.HUNG_UP)

    assert call_after_stream(call_sid=SID) is None


# Problems


def problem(call_id: uuid.UUID, **fields: Any) -> bool:
    """Something went wrong."""
    usual = {
        "call_id": call_id,
        "key": "1",
        "source": CallProblem.Source.OPENAI,
        "code": "response_failed",
        "message": "It failed.",
        "benign": False,
        "at": timezone.now(),
    }
    return services.problem_write(**{**usual, **fields})


def test_a_problem_is_written_once_however_often_it_comes() -> None:
    call = make_call()

    assert [problem(call.id) for _ in range(3)] == [True, True, True]
    assert problem(call.id, key="2")

    assert call.problems.count() == 2


def test_a_problem_of_an_unknown_call_is_left_out() -> None:
    assert not problem(uuid.uuid4())


def test_a_problem_of_any_length_and_with_any_character_is_written() -> None:
    call = make_call()

    assert problem(call.id, code="c" * 500, message="a\x00b" + "m" * 9000)

    (row,) = call.problems.all()
    assert len(row.code) == 120
    assert "\x00" not in row.message
    assert len(row.message) <= 2000


def test_a_stream_that_twilio_lost_is_a_problem_once() -> None:
    call = make_call(call_sid=SID, status=Call.Status.IN_PROGRESS, ended_at=None)

    for _ in range(2):
        services.stream_failed(call_sid=SID, stream_sid="MZ1", error="31920 Handshake Error")

    (row,) = call.problems.all()
    assert (row.source, row.code, row.benign) == ("twilio", "stream_error", False)


def _at_once(n: int, work: Any) -> list[Any]:
    """The results of the same work in so many threads."""

    def run(_: int) -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    close_old_connections()
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


@pytest.mark.parametrize("hipaa", [True, False])
def test_what_is_kept_for_a_call_that_never_comes_back_goes_though_nobody_tells_of_its_end(
    hipaa: bool,  # a parameter
) -> None:
    assistant, now = make_assistant(hipaa=hipaa, published=True), timezone.now()
    call = make_call(
        status=Call.Status.IN_PROGRESS, ended_at=None, assistant=assistant, version=assistant.live_version
    )
    given = {"who": "Ida"}
    CallVariables.objects.create(call=call, values=given, secret_values="token")
    make_transfer(call=call, history=[{"role": "user", "message": "Hello"}], resumed_at=now)
    services.call_finish(call_id=call.pk, ended_at=now, ended_reason=STREAM_CLOSED, facts={}, session=1)
    assert services.calls_left(now=now) == 0, "it may still come back"
    assert CallVariables.objects.get().values == given

    later = now + timedelta(hours=1)
    assert [services.calls_left(now=later) for _ in range(2)] == [1, 0]

    assert CallTransfer.objects.get().history == []
    kept = CallVariables.objects.get()
    assert (kept.values, kept.secret_values) == (({}, "") if hipaa else (given, "token"))
