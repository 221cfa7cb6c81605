"""Calls that go on in another media stream."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from calls import forwarding, services
from calls.lines import after, breaks
from calls.lines.after import GoesOn, call_after_stream
from calls.models import SHUT_DOWN, STREAM_CLOSED, Call, CallBreak
from calls.resumptions import sessions_before
from calls.selectors import call_for_stream
from calls.services import Refused
from calls.tests.factories import make_call, make_transfer
from calls.tests.test_services import SID, answered, claim
from tools.models import ToolCall

pytestmark = pytest.mark.django_db

ASKED = {"tool_call_id": "call_1", "name": "dtmf", "arguments": {"keys": "12"}}
SAID = [{"role": "user", "message": "Press one."}]
Status = Call.Status


def talking() -> services.Answered:
    """A call whose stream has begun."""
    decision = answered()
    assert claim(decision)
    return decision


def keys(decision: services.Answered) -> breaks.Begun:
    begun = breaks.keys_begin(call_id=decision.call.id, asked=ASKED, history=SAID)
    assert begun is not None
    return begun


def comes_back(decision: services.Answered, token: str) -> bool:
    """The next stream opens."""
    return claim(decision, token=token, stream_sid="MZ2")


def finish(call: Call, reason: str, *, session: int = 0, **facts: Any) -> None:
    now = timezone.now()
    services.call_finish(call_id=call.id, ended_at=now, ended_reason=reason, facts=facts, session=session)


def age(row: CallBreak, by: timedelta) -> None:
    """As if the break had begun that much earlier."""
    Call.objects.filter(pk=row.call_id, token_minted_at=row.began_at).update(
        token_minted_at=row.began_at - by
    )
    CallBreak.objects.filter(pk=row.pk).update(began_at=row.began_at - by)


# Keys -------------------------------------------------------------------------------------------------------------------


def test_a_call_comes_back_from_keys_once_and_remembers() -> None:
    decision = talking()
    begun = keys(decision)
    assert not claim(decision, stream_sid="MZ2")  # the first token is used up for good

    back = call_for_stream(decision.call.id)

    assert back is not None
    assert back.resumption is not None
    assert (back.resumption.kind, back.resumption.asked, back.resumption.messages) == ("keys", ASKED, SAID)
    assert back.resumption.session == 1
    assert comes_back(decision, begun.token)
    assert not comes_back(decision, begun.token)
    assert call_for_stream(decision.call.id) is None
    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.stream_sid) == (Status.IN_PROGRESS, "MZ2")
    row = CallBreak.objects.get()
    assert (row.history, row.asked) == ([], {})


def test_keys_that_twilio_refused_let_no_other_stream_in() -> None:
    decision = talking()
    begun = keys(decision)

    breaks.keys_refused(break_id=begun.break_id)

    assert not comes_back(decision, begun.token)
    assert call_for_stream(decision.call.id) is None
    row = CallBreak.objects.get()
    assert (row.refused, row.history, row.asked) == (True, [], {})
    assert sessions_before(decision.call) == 0
    finish(decision.call, "customer-ended-call")
    decision.call.refresh_from_db()
    assert decision.call.ended_reason == "customer-ended-call"


def test_a_refusal_that_comes_when_the_stream_is_there_all_the_same_takes_nothing_away() -> None:
    decision = talking()
    begun = keys(decision)
    assert comes_back(decision, begun.token)
    Call.objects.update(token_used_at=None)
    Call.objects.update(token_minted_at=timezone.now())

    breaks.keys_refused(break_id=begun.break_id)

    assert Call.objects.get().token_used_at is None


@pytest.mark.parametrize("status", [Status.ENDED, Status.FORWARDING, Status.RINGING])
def test_no_keys_are_pressed_in_a_call_that_is_not_going_on(status: str) -> None:
    call = make_call(status=status, ended_at=None, token_used_at=timezone.now())

    assert breaks.keys_begin(call_id=call.id, asked=ASKED, history=SAID) is None
    assert breaks.keys_begin(call_id=uuid.uuid4(), asked=ASKED, history=SAID) is None
    assert not CallBreak.objects.exists()


def test_two_tools_do_not_press_keys_at_the_same_time() -> None:
    decision = talking()
    keys(decision)

    assert breaks.keys_begin(call_id=decision.call.id, asked=ASKED, history=SAID) is None


def test_a_call_that_does_not_come_back_from_keys_ends_its_tool_call_honestly() -> None:
    decision = talking()
    keys(decision)

    services.call_over(call_sid=SID, ended_reason=services.CARRIER_COMPLETED)
    services.call_over(call_sid=SID, ended_reason=services.CARRIER_COMPLETED)

    row = ToolCall.objects.get(call_id=decision.call.id)
    assert (row.item_id, row.name, row.arguments) == ("call_1", "dtmf", {"keys": "12"})
    assert (row.status, row.orphaned, row.told_at) == (ToolCall.Status.REFUSED, True, None)
    assert "may have been pressed, or not" in row.error
    assert CallBreak.objects.get().history == []


def test_a_call_that_came_back_from_keys_says_no_more_of_them_when_it_ends() -> None:
    decision = talking()
    assert comes_back(decision, keys(decision).token)

    finish(decision.call, "customer-ended-call", session=1)

    assert not ToolCall.objects.exists()


def test_the_end_of_an_earlier_stream_is_not_the_calls_end_but_what_it_counted_counts() -> None:
    decision = talking()
    assert comes_back(decision, keys(decision).token)

    finish(decision.call, "customer-ended-call", session=0, barge_ins=3, frames_in=100, first_sound_ms=None)

    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_reason) == (Status.IN_PROGRESS, "")
    assert (decision.call.barge_ins, decision.call.frames_in) == (3, 100)
    finish(decision.call, "silence-timed-out", session=1)
    decision.call.refresh_from_db()
    assert decision.call.ended_reason == "silence-timed-out"


# Lost streams -----------------------------------------------------------------------------------------------------------


def test_a_call_whose_bridge_never_said_a_word_goes_on_in_another_stream() -> None:
    decision = talking()

    goes_on = call_after_stream(call_sid=SID)
    again = call_after_stream(call_sid=SID)

    assert isinstance(goes_on, GoesOn)
    assert again == goes_on
    assert [problem.code for problem in decision.call.problems.all()] == ["stream_lost"]
    assert comes_back(decision, goes_on.token)
    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_at) == (Status.IN_PROGRESS, None)


def test_it_does_so_once_then_there_is_an_apology() -> None:
    decision = talking()
    goes_on = call_after_stream(call_sid=SID)
    assert isinstance(goes_on, GoesOn)
    assert comes_back(decision, goes_on.token)

    ending = call_after_stream(call_sid=SID)

    assert isinstance(ending, Refused)
    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_reason) == (Status.ENDED, services.WORKER_DIED)
    finish(decision.call, "customer-ended-call", session=1)
    decision.call.refresh_from_db()
    assert decision.call.ended_reason == "customer-ended-call"


def test_a_stream_that_cannot_be_opened_anew_is_not_tried_for_ever() -> None:
    decision = talking()
    assert isinstance(call_after_stream(call_sid=SID), GoesOn)
    age(CallBreak.objects.get(), breaks.RECONNECT_FOR / 2)
    assert isinstance(call_after_stream(call_sid=SID), GoesOn)

    age(CallBreak.objects.get(), breaks.RECONNECT_FOR)
    ending = call_after_stream(call_sid=SID)

    assert isinstance(ending, Refused)
    decision.call.refresh_from_db()
    assert decision.call.ended_reason == services.WORKER_DIED


@pytest.mark.parametrize("reason", [SHUT_DOWN, STREAM_CLOSED])
@pytest.mark.parametrize("told_first", [True, False], ids=["bridge first", "twilio first"])
def test_a_stream_that_was_closed_under_its_bridge_is_lost_whoever_comes_first(
    reason: str,
    told_first: bool,
) -> None:
    decision = talking()
    if told_first:
        finish(decision.call, reason)
    goes_on = call_after_stream(call_sid=SID)
    if not told_first:
        finish(decision.call, reason)

    assert isinstance(goes_on, GoesOn)
    assert comes_back(decision, goes_on.token)
    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_at, decision.call.ended_reason) == (
        Status.IN_PROGRESS,
        None,
        "",
    )


def test_a_stream_that_does_not_come_after_keys_is_the_same_one_again_and_knows_of_them() -> None:
    decision = talking()
    begun = keys(decision)
    age(CallBreak.objects.get(), breaks.KEYS_TAKE)

    goes_on = call_after_stream(call_sid=SID)

    # Twilio may also ask this before it presses them, and forget the answer: its own document must stay good.
    token = services.token_renew(call_id=decision.call.id, since=CallBreak.objects.get().began_at)
    assert goes_on == GoesOn(decision.call.id, token)
    assert [row.id for row in CallBreak.objects.all()] == [begun.break_id]
    back = call_for_stream(decision.call.id)
    assert back is not None
    assert back.resumption is not None
    assert (back.resumption.kind, back.resumption.asked) == ("keys", ASKED)
    assert comes_back(decision, token)


def test_a_stream_that_does_not_come_from_a_transfer_is_the_same_one_again() -> None:
    decision = talking()
    Call.objects.update(status=Status.FORWARDING)
    begun = forwarding.transfer_ended(
        transfer_id=make_transfer(call=decision.call).id, call_sid=SID, dial_status="busy", child_sid="",
        duration_s=None, gone=False,
    )  # fmt: skip
    assert isinstance(begun, forwarding.Back)

    goes_on = call_after_stream(call_sid=SID)

    assert goes_on == GoesOn(decision.call.id, begun.token)
    assert comes_back(decision, begun.token)


@pytest.mark.parametrize("of", ["keys", "transfer"])
def test_a_stream_that_never_comes_is_not_waited_for_for_ever(of: str) -> None:
    decision = talking()
    if of == "keys":
        keys(decision)
    else:
        Call.objects.update(status=Status.FORWARDING, token_used_at=None)
    Call.objects.update(
        token_minted_at=timezone.now() - breaks.RECONNECT_FOR - breaks.KEYS_TAKE - timedelta(seconds=1)
    )

    assert isinstance(call_after_stream(call_sid=SID), Refused)
    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_reason) == (Status.ENDED, services.WORKER_DIED)


def test_a_call_that_is_over_meanwhile_is_not_brought_back() -> None:
    decision = talking()
    decision.call.refresh_from_db()
    services.call_over(call_sid=SID, ended_reason=services.CARRIER_COMPLETED)

    breaks.lost_begin(call=decision.call)  # by whoever read it a moment before

    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_reason) == (Status.ENDED, services.CARRIER_COMPLETED)


@pytest.mark.parametrize(
    "fields",
    [
        {"ended_reason": "customer-ended-call"},
        {"ended_reason": services.MODEL_FAILED},
        {"status": Status.IN_PROGRESS, "ended_at": None, "ended_reason": services.HUNG_UP},
        {"status": Status.RINGING, "ended_at": None, "ended_reason": "", "started_at": None},
        {"ended_reason": SHUT_DOWN, "started_at": None},
        {"ended_reason": SHUT_DOWN, "smoke_test": True},
    ],
    ids=["hung up", "model failed", "leaving", "never began", "never began, closed", "smoke test"],
)
def test_only_a_conversation_that_had_begun_and_that_nobody_ended_goes_on(fields: dict[str, Any]) -> None:
    version = answered().call.version
    Call.objects.all().delete()
    make_call(call_sid=SID, version=version, **fields)

    assert not isinstance(call_after_stream(call_sid=SID), GoesOn)
    assert not CallBreak.objects.exists()


def test_a_transfer_is_dialled_and_not_taken_for_a_lost_stream() -> None:
    call = make_call(
        call_sid=SID, status=Status.FORWARDING, ended_at=None, ended_reason="", token_used_at=timezone.now()
    )
    transfer = make_transfer(call=call)

    assert after.call_after_stream(call_sid=SID) == transfer


def test_a_lost_call_that_nobody_opens_again_is_ended_by_the_carrier() -> None:
    decision = talking()
    assert isinstance(call_after_stream(call_sid=SID), GoesOn)

    services.call_over(call_sid=SID, ended_reason=services.CARRIER_COMPLETED)

    decision.call.refresh_from_db()
    assert (decision.call.status, decision.call.ended_reason) == (Status.ENDED, services.CARRIER_COMPLETED)
    assert call_for_stream(decision.call.id) is None


def test_a_session_that_is_lost_leaves_its_history_and_the_tools_it_was_waiting_for() -> None:
    decision = talking()
    common = {"call_id": decision.call.id, "requested_at": timezone.now()}
    ToolCall.objects.create(item_id="c1", name="told", outcome="x", told_at=timezone.now(), **common)
    ToolCall.objects.create(item_id="c2", name="awaited", status=ToolCall.Status.SENT, **common)

    begun = breaks.session_lost(call_id=decision.call.id, history=SAID)

    assert begun is not None
    back = call_for_stream(decision.call.id)
    assert back is not None
    assert back.resumption is not None
    assert back.resumption.messages[:-1] == SAID
    assert back.resumption.messages[-1]["name"] == "awaited"
    assert comes_back(decision, begun.token)
    finish(decision.call, services.MODEL_FAILED)
    decision.call.refresh_from_db()
    assert decision.call.status == Status.IN_PROGRESS
    assert breaks.session_lost(call_id=decision.call.id, history=SAID) is None
    assert breaks.session_lost(call_id=uuid.uuid4(), history=SAID) is None
