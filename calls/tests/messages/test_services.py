"""What is written into the outbox: what the rows call for, once, for those who want it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from assistants.tests.factories import make_assistant
from calls.erasing.erasing import call_erase
from calls.messages.services import calls_untold, messages_notice, status_changed
from calls.models import Call, CallAnalysis, CallProblem, NumberServer, ServerMessage
from calls.tests.factories import make_call, make_phone_number, make_refused_call, make_transfer
from calls.tests.messages.factories import BEGAN, URL, make_desk, make_parts, make_told_call, say
from transcripts.models import Transcript

pytestmark = pytest.mark.django_db

NOW = BEGAN + timedelta(seconds=62)


def notice(*calls: Call, now: Any = NOW) -> list[str]:
    messages_notice([one.pk for one in calls], now=now)
    return list(ServerMessage.objects.order_by("id").values_list("key", flat=True))


def kinds(call: Call) -> list[str]:
    return list(call.server_messages.order_by("id").values_list("kind", flat=True))


def test_an_assistant_without_a_list_has_vapis_own_messages_sent_in_their_order() -> None:
    notice(make_told_call())

    assert list(ServerMessage.objects.order_by("id").values_list("key", flat=True)) == [
        "status:in-progress",
        "assistant.started:0",
        "conversation:item0",
        "conversation:item1",
        "interrupted:item2",
        "conversation:item2",
        "status:ended",
        "report",
    ]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], []),
        (["end-of-call-report"], ["end-of-call-report"]),
        (["tool-calls", "function-call", "voice-input", "phone-call-control"], []),
        (["transcript"], ["transcript"] * 3),
        (['transcript[transcriptType="final"]'], ['transcript[transcriptType="final"]'] * 3),
        (["transcript", 'transcript[transcriptType="final"]'], ["transcript"] * 3),
        (["model-output", "assistant.speechStarted"], ["assistant.speechStarted", "model-output"] * 2),
        (["status-update"], ["status-update"] * 2),
        (["speech-update"], []),  # told in passing, of which there are no rows
    ],
)
def test_a_list_says_what_is_sent(listed: list[str], expected: list[str]) -> None:
    call = make_told_call(assistant=make_desk(server_messages=listed))

    notice(call)

    assert kinds(call) == expected


def test_noticing_again_writes_nothing_twice() -> None:
    call = make_told_call()

    first = notice(call)
    again = notice(call, call)

    assert again == first


def test_what_a_running_call_has_told_is_not_told_again_when_it_ends() -> None:
    call = make_told_call(over=False)
    running = notice(call)
    Call.objects.filter(pk=call.pk).update(status="ended", ended_at=BEGAN + timedelta(seconds=60))

    told = notice(call, now=BEGAN + timedelta(minutes=10))

    assert told[: len(running)] == running
    assert told[len(running) :] == ["status:ended", "report"]


def test_a_word_that_comes_after_the_report_is_told_to_nobody() -> None:
    call = make_told_call()
    before = notice(call)
    say(Transcript.objects.get(call_id=call.pk), "item9", "caller", "Bye.", 9000, 9900)

    assert notice(call) == before


def test_the_report_waits_for_costs_words_and_the_analysis_but_not_for_ever() -> None:
    call = make_told_call()
    call.cost.delete()
    assert "report" not in notice(call)
    CallAnalysis.objects.create(call=call, state=CallAnalysis.State.WAITING)
    assert "report" not in notice(call)

    assert "report" in notice(call, now=BEGAN + timedelta(minutes=7))


def test_the_report_waits_for_tool_calls_that_are_still_to_be_written() -> None:
    call = make_told_call()
    Call.objects.filter(pk=call.pk).update(tool_calls_made=2)

    assert "report" not in notice(call)


def test_a_call_that_nobody_answered_tells_its_end_to_the_numbers_server() -> None:
    number = make_phone_number()
    NumberServer.objects.create(number=number, server_url=URL)
    call = make_refused_call(phone_number=number, ended_at=BEGAN)

    notice(call)

    assert kinds(call) == ["status-update", "end-of-call-report"]
    assert set(call.server_messages.values_list("server_from", flat=True)) == {"number"}


@pytest.mark.parametrize(
    "call",
    [
        {"smoke_test": True},
        {"stack": "vapi"},
    ],
)
def test_smoke_tests_and_calls_at_vapi_tell_nothing(call: dict[str, Any]) -> None:
    assert notice(make_told_call(**call)) == []


def test_a_call_without_any_server_tells_nothing() -> None:
    silent = make_told_call(assistant=make_assistant(published=True))

    assert notice(silent) == []
    assert not status_changed(silent.pk, "queued", NOW)


def test_the_organisations_server_is_told_where_there_is_no_other(settings: Settings) -> None:
    settings.ORGANISATION_SERVER_URL = URL
    call = make_told_call(assistant=make_assistant(published=True))

    notice(call)

    assert set(call.server_messages.values_list("server_from", flat=True)) == {"organisation"}


def test_an_erased_call_loses_what_waits_and_tells_nothing_more() -> None:
    call = make_told_call()
    notice(call)

    call_erase(call.pk, by="test")

    assert not ServerMessage.objects.exists()
    assert notice(call) == []


def test_transfers_and_handovers_are_told_as_they_happened() -> None:
    desk = make_desk(server_messages=["status-update", "transfer-update", "assistant.started"])
    other = make_desk(name="Workshop", server_messages=["assistant.started"])
    call = make_told_call(assistant=desk)
    make_parts(call, desk, other)
    transfer = make_transfer(
        call=call, requested_at=BEGAN + timedelta(seconds=9), dialled_at=BEGAN + timedelta(seconds=10),
        resumed_at=BEGAN + timedelta(seconds=15),
    )  # fmt: skip
    make_transfer(call=call, requested_at=BEGAN + timedelta(seconds=16), error="Twilio refused.")

    assert notice(call) == [
        "status:in-progress",
        "assistant.started:0",
        f"transfer:{transfer.pk}",
        f"status:forwarding:{transfer.pk}",
        f"status:in-progress:{transfer.pk}",
        # From here on the other assistant has the call, and says what it wants to hear.
        "assistant.started:1",
    ]
    assert call.server_messages.get(key="assistant.started:1").part == 1


def test_an_answer_that_the_model_owed_is_a_hang() -> None:
    call = make_told_call(assistant=make_desk(server_messages=["hang"]))
    CallProblem.objects.create(call=call, key="3", source="openai", code="no_answer", at=BEGAN)

    assert notice(call) == ["hang:3"]


def test_a_status_is_told_once_however_often_it_is_said() -> None:
    call = make_told_call(over=False)

    assert status_changed(call.pk, "queued", BEGAN)
    status_changed(call.pk, "queued", BEGAN)
    notice(call)

    assert list(call.server_messages.order_by("id").values_list("key", flat=True))[:2] == [
        "status:queued",
        "status:in-progress",
    ]


def test_calls_that_nobody_has_told_of_are_found() -> None:
    told, untold = make_told_call(), make_told_call()
    Call.objects.update(ended_at=timezone.now())
    make_call(smoke_test=True)
    notice(told, now=timezone.now() + timedelta(minutes=6))

    assert calls_untold(now=timezone.now()) == [untold.pk]
    assert calls_untold(now=timezone.now() + timedelta(hours=3)) == []


def test_a_call_that_tells_nothing_costs_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    silent = make_told_call(assistant=make_assistant(published=True))

    with django_assert_num_queries(1):
        messages_notice([silent.pk], now=NOW)
