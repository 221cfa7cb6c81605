"""Transfers in the database and over Twilio's webhooks: written before they are ordered, and never a silent line."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls import forwarding, selectors, services, views
from calls.forwarding import Again, Back, Begun, Over
from calls.models import Call, CallTransfer
from calls.resuming import resumed
from calls.services import Answered
from calls.tests.factories import make_phone_number
from calls.tests.test_transfers import AFTER_HOURS, NURSE
from simulator.signature import sign

pytestmark = pytest.mark.django_db

DID, CALLER, SID = "+14155550123", "+13125550177", "CA" + "7" * 32
DESK: dict[str, Any] = {"type": "number", "number": "+13125550188"}
HISTORY = [
    {"role": "bot", "message": "Front desk, how can I help?"},
    {"role": "user", "message": "I need a nurse. {{ now }}"},
    {"role": "tool_call_result", "name": "lookup", "result": "ticket 481"},
]
Post = Callable[..., Any]


@pytest.fixture
def post(settings: Settings) -> Post:
    """Twilio's POST, signed."""

    def send(path: str, form: dict[str, str], *, signed: bool = True) -> Any:
        url = f"{settings.PUBLIC_ORIGIN}{path}"
        signature = sign(url, list(form.items()), auth_token=settings.TWILIO_AUTH_TOKEN) if signed else "x"
        return Client().post(path, form, headers={"X-Twilio-Signature": signature})

    settings.PUBLIC_ORIGIN = "https://tandem.test"
    settings.MEDIA_ORIGIN = "wss://tandem.test"
    return send


@pytest.fixture
def call() -> Call:
    """A call in progress."""
    make_phone_number(did=DID, assistant=make_assistant(published=True))
    answered = services.call_start(call_sid=SID, account_sid="AC1", did=DID, caller=CALLER)
    assert isinstance(answered, Answered)
    assert claim(answered.call.id, answered.token)
    answered.call.refresh_from_db()
    return answered.call


def claim(call_id: uuid.UUID, token: str, stream_sid: str = "MZ1") -> bool:
    return services.stream_claim(
        call_id=call_id, call_sid=SID, account_sid="AC1", stream_sid=stream_sid, token=token
    )


def begin(call: Call, stored: dict[str, Any] = DESK, tool_call_id: str = "call_1") -> Begun:
    begun = forwarding.transfer_begin(
        call_id=call.id, tool_call_id=tool_call_id, stored=stored, history=HISTORY, language="en"
    )
    assert begun is not None
    return begun


def planned(**plan: Any) -> dict[str, Any]:
    return {**DESK, "transferPlan": plan}


def ended(
    begun: Begun, status: str, *, gone: bool = False, sid: str = SID, seconds: int | None = None
) -> Over | Back | Again:
    return forwarding.transfer_ended(
        transfer_id=begun.transfer_id,
        call_sid=sid,
        dial_status=status,
        child_sid="CAchild",
        duration_s=seconds,
        gone=gone,
    )


def status_of(call: Call) -> tuple[str, str]:
    call.refresh_from_db()
    return call.status, call.ended_reason


def verbs(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [f"{verb.tag} {verb.text or ''}".strip() for verb in ET.fromstring(answer.content)]


# Asking


def test_a_transfer_is_written_down_before_it_is_ordered(call: Call) -> None:
    begun = begin(call, NURSE)

    row = CallTransfer.objects.get()
    assert begun.transfer_id == row.id
    assert (row.address, row.caller_id, row.mode) == (
        "+13125550142", "+13125550100", "warm-transfer-say-summary",
    )  # fmt: skip
    assert row.dialled_at is None
    assert row.history == HISTORY
    assert row.summary_due_at is not None
    assert status_of(call) == ("forwarding", "")


def test_the_same_tool_call_makes_no_second_transfer(call: Call) -> None:
    first = begin(call)
    forwarding.transfer_refused(transfer_id=first.transfer_id, why="Twilio answered 500.", caller_gone=False)

    assert begin(call).transfer_id == first.transfer_id
    assert CallTransfer.objects.count() == 1


def test_a_call_that_is_over_or_under_way_elsewhere_is_not_transferred(call: Call) -> None:
    begin(call)
    arguments: dict[str, Any] = {"call_id": call.id, "history": [], "language": "en", "stored": DESK}

    assert forwarding.transfer_begin(tool_call_id="call_2", **arguments) is None
    services.call_over(call_sid=SID, ended_reason="customer-ended-call")
    assert forwarding.transfer_begin(tool_call_id="call_3", **arguments) is None
    assert forwarding.transfer_begin(tool_call_id="call_4", **{**arguments, "call_id": uuid.uuid4()}) is None


def test_what_is_not_done_as_it_was_set_is_a_problem_to_be_seen(call: Call) -> None:
    begin(call, planned(mode="warm-transfer-experimental"))

    (problem,) = call.problems.all()
    assert (problem.source, problem.code, problem.benign) == ("tool", "transfer_not_as_set", True)
    assert "warm-transfer-experimental" in problem.message


def test_a_refused_order_gives_the_call_back_and_says_why(call: Call) -> None:
    begun = begin(call)

    forwarding.transfer_refused(transfer_id=begun.transfer_id, why="Twilio answered 400.", caller_gone=False)

    row = CallTransfer.objects.get()
    assert row.error == "Twilio answered 400."
    assert row.ended_at is not None
    assert status_of(call) == ("in-progress", "")
    assert [one.code for one in call.problems.all()] == ["transfer_refused"]


def test_an_order_that_finds_nobody_on_the_line_ends_the_call(call: Call) -> None:
    begun = begin(call)

    forwarding.transfer_refused(transfer_id=begun.transfer_id, why="Gone.", caller_gone=True)

    assert status_of(call) == ("ended", "customer-ended-call")
    assert call.problems.count() == 0


# How it ended


def test_a_transfer_that_was_answered_ends_the_call_when_the_two_have_talked(call: Call) -> None:
    begun = begin(call)

    assert ended(begun, "completed", seconds=127) == Over()

    row = CallTransfer.objects.get()
    assert (row.dial_status, row.duration_s, row.child_sid, row.history) == ("completed", 127, "CAchild", [])
    assert status_of(call) == ("ended", "assistant-forwarded-call")
    assert call.problems.count() == 0


@pytest.mark.parametrize(
    ("dial_status", "reason"),
    [
        ("busy", "call.forwarding.operator-busy"),
        ("no-answer", "call.forwarding.operator-no-answer"),
        ("failed", "call.in-progress.error-transfer-failed"),
        ("canceled", "call.in-progress.error-transfer-failed"),
    ],
)
def test_a_fallback_plan_says_its_words_and_ends_the_call(call: Call, dial_status: str, reason: str) -> None:
    begun = begin(call, planned(fallbackPlan={"message": "Nobody is there."}))

    assert ended(begun, dial_status) == Over("Nobody is there.", "en")
    assert status_of(call) == ("ended", reason)
    (problem,) = call.problems.all()
    assert (problem.code, problem.benign) == ("transfer_not_answered", True)
    assert dial_status in problem.message


def test_a_number_that_may_not_be_shown_is_replaced_once_by_our_own(post: Post, call: Call) -> None:
    place = f"/twilio/transfer/{begin(call, {**DESK, 'callerId': '+12025550999'}).transfer_id}/ended"
    form = {"CallSid": SID, "CallStatus": "in-progress", "DialCallStatus": "failed"}

    again = post(place, form)

    assert verbs(again) == ["Dial"]
    assert ET.fromstring(again.content)[0].attrib["callerId"] == DID
    assert status_of(call) == ("forwarding", "")
    assert [one.code for one in call.problems.all()] == ["transfer_caller_id"]
    assert verbs(post(place, form)) == ["Connect", "Hangup"]
    assert CallTransfer.objects.get().dial_status == "failed"


def test_without_a_plan_the_assistant_has_the_call_again(call: Call) -> None:
    begun = begin(call)

    back = ended(begun, "busy")

    assert isinstance(back, Back)
    assert claim(call.id, back.token, "MZ2")
    assert status_of(call) == ("in-progress", "")
    assert call.stream_sid == "MZ2"


def test_the_call_keeps_its_beginning_when_it_comes_back(call: Call) -> None:
    began_at = call.started_at
    back = ended(begin(call), "busy")
    assert isinstance(back, Back)

    claim(call.id, back.token)

    call.refresh_from_db()
    assert call.started_at == began_at


def test_a_repeated_question_has_the_same_answer_until_the_stream_is_open(call: Call) -> None:
    begun = begin(call)

    first, second = ended(begun, "busy"), ended(begun, "busy")

    assert first == second
    assert isinstance(first, Back)
    assert claim(call.id, first.token)
    assert not claim(call.id, first.token)
    assert ended(begun, "busy") == Over()
    assert status_of(call) == ("in-progress", "")


def test_while_it_is_away_no_stream_opens_the_call(call: Call) -> None:
    assert call.token_minted_at is not None
    old = services._token(call.id, call.token_minted_at)
    begin(call)

    assert selectors.call_for_stream(call.id) is None
    assert not claim(call.id, old)


def test_the_first_token_does_not_open_the_second_stream(call: Call) -> None:
    assert call.token_minted_at is not None
    old = services._token(call.id, call.token_minted_at)
    ended(begin(call), "busy")

    assert not claim(call.id, old)


def test_a_call_that_comes_back_remembers(call: Call) -> None:
    Call.objects.filter(pk=call.id).update(barge_ins=2, frames_in=500)
    ended(begin(call, planned(fallbackPlan={"message": "No nurse.", "endCallEnabled": False})), "no-answer")

    stream = selectors.call_for_stream(call.id)

    assert stream is not None
    assert stream.resumption is not None
    assert stream.resumption.facts == {
        "barge_ins": 2,
        "frames_in": 500,
        "frames_dropped": 0,
        "tool_calls_made": 0,
    }
    assert stream.resumption.session == 1
    back = resumed(stream, now=timezone.now() + timedelta(seconds=100)).snapshot
    assert (back.first_message, back.first_message_mode) == ("No nurse.", "assistant-speaks-first")
    assert back.max_duration_s <= stream.snapshot.max_duration_s - 99
    assert [one.get("message", one.get("content")) for one in back.history[:3]] == [
        "Front desk, how can I help?",
        "I need a nurse. {{ now }}",
        "lookup has answered: ticket 481",
    ]
    assert "nobody picked up" in back.history[3]["content"]


def test_without_words_of_its_own_the_model_says_that_nobody_answered(call: Call) -> None:
    ended(begin(call), "busy")

    stream = selectors.call_for_stream(call.id)

    assert stream is not None
    back = resumed(stream, now=timezone.now()).snapshot
    assert back.first_message_mode == "assistant-speaks-first-with-model-generated-message"
    assert "their line was busy" in back.history[-1]["content"]
    assert "Tell them" in back.history[-1]["content"]


def test_a_caller_who_leaves_while_it_rings_was_not_forwarded(call: Call) -> None:
    begun = begin(call)
    services.call_over(call_sid=SID, ended_reason="x")
    assert status_of(call) == ("ended", "assistant-forwarded-call")

    assert ended(begun, "no-answer", gone=True) == Over()

    assert status_of(call) == ("ended", "customer-ended-call-during-transfer")


def test_a_late_question_about_a_call_that_is_over_changes_nothing(call: Call) -> None:
    begun = begin(call)
    services.call_over(call_sid=SID, ended_reason="x")

    assert ended(begun, "busy") == Over()
    assert status_of(call) == ("ended", "assistant-forwarded-call")


def test_the_end_of_another_call_s_transfer_is_nobody_s(call: Call) -> None:
    begun = begin(call)

    assert ended(begun, "completed", sid="CAother") == Over()
    assert CallTransfer.objects.get().ended_at is None
    assert status_of(call) == ("forwarding", "")


def test_the_facts_of_a_conversation_never_shrink(call: Call) -> None:
    Call.objects.filter(pk=call.id).update(frames_in=900, first_sound_ms=640)

    services.call_forwarded(call_id=call.id, facts={"frames_in": 500, "barge_ins": 1, "first_sound_ms": None})

    call.refresh_from_db()
    assert (call.frames_in, call.barge_ins, call.first_sound_ms) == (900, 1, 640)


def test_an_order_that_was_carried_out_although_twilio_said_no(call: Call) -> None:
    begun = begin(call)
    forwarding.transfer_refused(transfer_id=begun.transfer_id, why="Twilio answered 503.", caller_gone=False)

    back = ended(begun, "busy")

    assert isinstance(back, Back)
    assert claim(call.id, back.token)
    row = CallTransfer.objects.get()
    assert (row.error, row.dial_status) == ("", "busy")


@pytest.mark.parametrize("how", ["finish", "over"])
def test_what_was_said_is_not_kept_twice_when_the_call_is_over(call: Call, how: str) -> None:
    begun = begin(call)
    forwarding.transfer_refused(transfer_id=begun.transfer_id, why="Twilio answered 400.", caller_gone=False)
    assert CallTransfer.objects.get().history == HISTORY

    if how == "finish":
        services.call_finish(call_id=call.id, ended_at=timezone.now(), ended_reason="x", facts={})
    else:
        services.call_over(call_sid=SID, ended_reason="x")

    assert CallTransfer.objects.get().history == []


# Twilio's questions


def test_a_stream_that_ended_in_a_transfer_does_not_end_the_call(post: Post, call: Call) -> None:
    begun = begin(call)

    answer = post("/twilio/after", {"CallSid": SID, "CallStatus": "in-progress"})

    assert verbs(answer) == ["Pause", "Dial"]
    assert f"/twilio/transfer/{begun.transfer_id}/ended" in answer.content.decode()
    assert status_of(call) == ("forwarding", "")


def test_the_action_of_a_dial_has_its_document(post: Post, call: Call) -> None:
    place = f"/twilio/transfer/{begin(call).transfer_id}/ended"
    form = {"CallSid": SID, "CallStatus": "in-progress", "DialCallStatus": "busy", "DialCallSid": "CAchild"}

    answer = post(place, form)

    assert verbs(answer) == ["Connect", "Hangup"]
    stream = ET.fromstring(answer.content)[0][0]
    assert stream.attrib["url"] == f"wss://tandem.test/media/{call.id}"
    assert claim(call.id, stream[0].attrib["value"])


@pytest.mark.parametrize(
    ("plan", "said"),
    [({"message": "Nobody is there."}, ["Say Nobody is there.", "Hangup"]), ({"message": ""}, ["Hangup"])],
)
def test_a_fallback_is_spoken_by_twilio(
    post: Post, call: Call, plan: dict[str, Any], said: list[str]
) -> None:
    place = f"/twilio/transfer/{begin(call, planned(fallbackPlan=plan)).transfer_id}/ended"

    assert (
        verbs(post(place, {"CallSid": SID, "CallStatus": "in-progress", "DialCallStatus": "failed"})) == said
    )


def test_odd_words_of_twilio_end_in_no_error(post: Post, call: Call) -> None:
    place = f"/twilio/transfer/{begin(call).transfer_id}/ended"
    odd = {"DialCallStatus": "x" * 300, "DialCallDuration": "soon", "DialCallSid": "y" * 300}

    assert verbs(post(place, {"CallSid": SID, "CallStatus": "in-progress", **odd})) == ["Connect", "Hangup"]
    assert verbs(post(f"/twilio/transfer/{uuid.uuid4()}/ended", {"CallSid": SID})) == ["Hangup"]


def test_without_a_database_the_caller_hears_an_apology(
    post: Post, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: object) -> Over:
        raise OperationalError

    place = f"/twilio/transfer/{begin(call).transfer_id}/ended"
    monkeypatch.setattr(forwarding, "transfer_ended", down)

    answer = post(place, {"CallSid": SID, "DialCallStatus": "busy"})

    assert [verb.partition(" ")[0] for verb in verbs(answer)] == ["Say", "Hangup"]


@pytest.mark.parametrize("what", ["ended", "whisper"])
def test_nobody_but_twilio_may_ask(post: Post, call: Call, what: str) -> None:
    place = f"/twilio/transfer/{begin(call, NURSE).transfer_id}/{what}"

    answer = post(place, {"CallSid": SID, "DialCallStatus": "completed"}, signed=False)

    assert answer.status_code == 403
    assert CallTransfer.objects.get().ended_at is None
    assert CallTransfer.objects.get().whispered_at is None


def test_the_operator_hears_the_message(post: Post, call: Call) -> None:
    stored = planned(mode="warm-transfer-say-message", message="A caller with a broken bike.")
    begun = begin(call, stored)

    answer = post(f"/twilio/transfer/{begun.transfer_id}/whisper", {"CallSid": "CAchild"})

    assert verbs(answer) == ["Say A caller with a broken bike."]
    assert CallTransfer.objects.get().whispered_at is not None


def test_the_operator_hears_the_summary(post: Post, call: Call) -> None:
    begun = begin(call, NURSE)
    forwarding.transfer_summary_write(transfer_id=begun.transfer_id, summary="Chest pain since noon.")

    assert verbs(post(f"/twilio/transfer/{begun.transfer_id}/whisper", {})) == ["Say Chest pain since noon."]
    assert call.problems.count() == 0

    forwarding.transfer_summary_write(transfer_id=begun.transfer_id, summary="Too late.")
    assert CallTransfer.objects.get().summary == "Chest pain since noon."


def test_a_summary_that_does_not_come_is_replaced_and_reported(
    post: Post, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "SUMMARY_PATIENCE_S", 0.2)
    begun = begin(call, NURSE)

    answer = post(f"/twilio/transfer/{begun.transfer_id}/whisper", {})

    assert verbs(answer) == ["Say You are being connected to a caller."]
    assert [one.code for one in call.problems.all()] == ["transfer_without_summary"]


def test_a_summary_that_is_a_moment_late_is_waited_for(
    post: Post, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(call, NURSE)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        forwarding.transfer_summary_write(transfer_id=begun.transfer_id, summary="Chest pain.")

    monkeypatch.setattr("calls.views.time.sleep", nap)

    assert verbs(post(f"/twilio/transfer/{begun.transfer_id}/whisper", {})) == ["Say Chest pain."]
    assert len(naps) == 1


def test_a_blind_transfer_has_no_words_for_the_operator(post: Post, call: Call) -> None:
    begun = begin(call, AFTER_HOURS)

    assert verbs(post(f"/twilio/transfer/{begun.transfer_id}/whisper", {})) == []
