"""Calls of Vapi's in our tables: once, in whatever order they are told of, and gone when they are to be gone."""

import copy
import itertools
import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.forms.models import model_to_dict
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistants.models import VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.history.reading import CallRecord, record_read
from calls.history.writing import calls_erase, calls_link, calls_write
from calls.models import Call, VapiCall
from calls.tests.factories import make_call, make_phone_number
from calls.tests.history.test_reading import JSON, SMALL, SMALL_PLACES, damaged
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

pytestmark = pytest.mark.django_db

FIXTURES = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "vapi"
VAPI_ID = "91e4c7a2-0d3b-4f58-9c26-6a7b8d9e0f66"
ASSISTANT = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"
API, RECORDER, FILES = VapiCall.Source.API, VapiCall.Source.RECORDER, VapiCall.Source.FILES


def body(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def read(value: Any) -> CallRecord:
    record = record_read(value, where="a test")
    assert isinstance(record, CallRecord), record
    return record


def write(value: Any, source: VapiCall.Source = API) -> Any:
    return calls_write([read(value)], source=source)


def imported_assistant() -> Any:
    assistant = make_assistant(name="Riverbend front desk")
    run = VapiImport.objects.create(source="a test")
    VapiObject.objects.create(
        kind="assistant",
        key=ASSISTANT,
        raw={},
        assistant=assistant,
        last_import=run,
        imported_at=datetime.now(UTC),
    )
    return assistant


def everything() -> list[Any]:
    """All rows of all calls, without what tells when and by which way they came."""
    left_out = ["id", "imported_at", "completed_at", "source", "transcript", "notes"]
    rows: list[Any] = []
    for model in (Call, VapiCall, Transcript, Utterance, ToolCall):
        found = model._default_manager.all()
        rows += [(model.__name__, model_to_dict(row, exclude=left_out)) for row in found]
    return sorted(rows, key=repr)


def test_a_call_becomes_rows_like_our_own() -> None:
    assistant = imported_assistant()
    number = make_phone_number(did="+13125550100")

    written = write(body("call.json"))

    assert (written.created, written.completed, written.unchanged) == (1, 0, 0)
    call = Call.objects.get()
    assert (call.pk, call.stack, call.status) == (uuid.UUID(VAPI_ID), "vapi", "ended")
    assert (call.assistant, call.phone_number, call.did) == (assistant, number, "+13125550100")
    assert (call.caller, call.ended_reason) == ("+13125550177", "assistant-ended-call")
    assert call.created_at == datetime(2026, 6, 10, 14, 3, 16, 512000, tzinfo=UTC)
    assert (call.duration_s, call.first_sound_ms) == (36, 1300)
    assert call.vapi_call.cost == Decimal("0.071")
    assert call.vapi_call.analysis["structuredData"]["outcome"] == "booked"
    assert list(ToolCall.objects.values_list("name", "status")) == [
        ("find_slots", "answered"),
        ("book_appointment", "answered"),
        ("log_complaint", "failed"),
        ("endCall", "answered"),
    ]
    booked = ToolCall.objects.get(name="book_appointment")
    assert booked.arguments["when"] == {"slotId": "n-0611-0930"}
    assert (booked.item_id, booked.duration_ms) == ("call_bK2zT7", 2800)
    said = Utterance.objects.filter(transcript__call_id=call.pk)
    assert [one.speaker for one in said] == [
        *("assistant", "caller", "assistant", "assistant", "caller", "assistant", "assistant", "caller"),
        "assistant",
    ]
    assert said[1].text.startswith("Hi, I need a tetanus booster")
    assert said[2].latency_ms == 1100


def test_a_second_time_nothing_changes() -> None:
    write(body("call.json"))
    before = everything()
    kept = list(Utterance.objects.values_list("pk")), list(ToolCall.objects.values_list("pk"))

    again = write(body("call.json"), FILES)

    assert (again.created, again.completed, again.unchanged) == (0, 0, 1)
    assert everything() == before
    assert kept == (list(Utterance.objects.values_list("pk")), list(ToolCall.objects.values_list("pk")))
    assert VapiCall.objects.get().completed_at is None


def poorer() -> Any:
    """An early answer of REST: no cost yet, one tool call without its result, the first words."""
    value = body("call.json")
    for key in (
        "cost",
        "costBreakdown",
        "costs",
        "analysis",
        "summary",
        "artifact",
        "transcript",
        "recordingUrl",
    ):
        del value[key]
    value["messages"] = value["messages"][:4]
    value["updatedAt"] = "2026-06-10T14:03:58.000Z"
    return value


def transcript_only() -> Any:
    """A report from 2024: text, no messages, no cost."""
    message = body("end-of-call-report.json")["message"]
    kept = ("type", "endedReason", "transcript", "summary", "call", "phoneNumber", "customer")
    return {"message": {key: message[key] for key in kept}}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_rows_do_not_depend_on_who_tells_first(order: tuple[int, ...]) -> None:
    bodies = [poorer(), transcript_only(), body("call.json"), body("end-of-call-report.json")]
    calls_write([read(one) for one in bodies], source=API)
    together = everything()
    calls = VapiCall.objects.all()
    ToolCall.objects.all().delete()
    Transcript.objects.all().delete()
    Call.objects.all().delete()
    assert not calls.exists()

    for n in order:
        write(bodies[n], RECORDER)

    assert everything() == together
    assert [one["name"] for kind, one in together if kind == "ToolCall"].count("find_slots") == 1


def test_a_fuller_body_completes_a_poorer_one() -> None:
    write(poorer(), RECORDER)
    assert ToolCall.objects.get().status == "timed_out"
    assert VapiCall.objects.get().cost is None

    written = write(body("end-of-call-report.json"))

    assert (written.created, written.completed) == (0, 1)
    assert ToolCall.objects.count() == 4
    vapi_call = VapiCall.objects.get()
    assert (vapi_call.cost, vapi_call.source, vapi_call.assistant_version) == (
        Decimal("0.071"),
        "recorder",
        "v7",
    )
    assert vapi_call.completed_at is not None


def test_a_poorer_body_that_comes_later_takes_nothing_away() -> None:
    write(body("call.json"))
    late = poorer()
    late["updatedAt"] = "2026-07-01T00:00:00.000Z"

    write(late)

    assert ToolCall.objects.count() == 4
    assert Utterance.objects.count() == 9
    assert VapiCall.objects.get().cost == Decimal("0.071")


def test_calls_that_still_run_are_left_for_later() -> None:
    value = body("call.json")
    value["status"] = "in-progress"
    for key in ("endedAt", "endedReason"):
        del value[key]

    assert write(value).running == 1
    assert not Call.objects.exists()


def test_a_call_that_we_sent_to_vapi_keeps_its_row() -> None:
    sent = make_call(stack="vapi", call_sid="CA00000000000000000000000000004471", ended_reason="", caller="")

    write(body("call.json"))

    call = Call.objects.get()
    assert call.pk == sent.pk
    assert call.caller == "+13125550177"
    assert call.vapi_call.vapi_id == VAPI_ID
    assert set(ToolCall.objects.values_list("call_id", flat=True)) == {sent.pk}


def test_our_own_calls_are_never_touched() -> None:
    ours = make_call(id=uuid.UUID(VAPI_ID), call_sid="CA00000000000000000000000000004471")
    before = model_to_dict(ours)

    write(body("call.json"))
    write(body("end-of-call-report.json"))

    ours.refresh_from_db()
    assert model_to_dict(ours) == before
    theirs = Call.objects.get(stack="vapi")
    assert theirs.call_sid == ""
    assert theirs.vapi_call.call_sid == "CA00000000000000000000000000004471"


def test_parallel_tool_calls_keep_their_order_when_a_fuller_body_brings_the_first() -> None:
    value = body("call.json")
    del value["artifact"]
    both = next(one for one in value["messages"] if len(one.get("toolCalls", [])) == 2)
    part = copy.deepcopy(value)
    for one in part["messages"]:
        if len(one.get("toolCalls", [])) == 2:
            one["toolCalls"] = one["toolCalls"][1:]
    write(part)
    write(value)

    names = list(ToolCall.objects.order_by("requested_at").values_list("name", flat=True))

    assert names == ["find_slots", "book_appointment", "log_complaint", "endCall"]
    assert len(both["toolCalls"]) == 2


def test_a_call_finds_the_assistant_that_is_imported_after_it() -> None:
    write(body("call.json"))
    assert Call.objects.get().assistant is None
    assistant, number = imported_assistant(), make_phone_number(did="+13125550100")

    assert calls_link() == 1
    assert calls_link() == 0

    call = Call.objects.get()
    assert (call.assistant, call.phone_number) == (assistant, number)


def test_the_number_is_known_by_vapis_id_of_it_too() -> None:
    value = body("call.json")
    del value["artifact"]["variableValues"]
    run = VapiImport.objects.create(source="a test")
    VapiObject.objects.create(
        kind="phone-number",
        key=value["phoneNumberId"],
        raw={"number": "+13125550100"},
        last_import=run,
        imported_at=datetime.now(UTC),
    )

    write(value)

    assert Call.objects.get().did == "+13125550100"


def test_an_erased_call_is_gone_with_all_rows_and_stays_away() -> None:
    write(body("call.json"))
    other = body("call.json") | {"id": str(uuid.uuid4()), "phoneCallProviderId": "", "transport": {}}
    write(other)

    assert calls_erase(VapiCall.objects.filter(vapi_id=VAPI_ID)) == 1

    assert [str(call.pk) for call in Call.objects.all()] == [other["id"]]
    assert {str(one) for one in Transcript.objects.values_list("call_id", flat=True)} == {other["id"]}
    assert {str(one) for one in ToolCall.objects.values_list("call_id", flat=True)} == {other["id"]}
    assert write(body("end-of-call-report.json"), RECORDER).erased == 1
    assert Call.objects.count() == 1


def rows_after(*bodies: CallRecord) -> tuple[list[Any], Any]:
    """What is there after these bodies came one by one, and what the last one did; nothing of it stays.

    The moment at which they come is always the same: a body without any time is put there.
    """
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(timezone, "now", lambda: datetime(2026, 11, 22, tzinfo=UTC))
        done = [calls_write([one], source=API) for one in bodies]
        rows = everything()
        transaction.set_rollback(True)
    return rows, done[-1]


@pytest.mark.parametrize("missing", ["startedAt", "endedAt"])
def test_a_conversation_moves_with_a_beginning_or_end_that_is_known_later(missing: str) -> None:
    whole = body("call.json")
    poorer = {key: value for key, value in whole.items() if key != missing}

    first, last = rows_after(read(poorer), read(whole)), rows_after(read(whole), read(poorer))

    assert first[0] == last[0]


def test_a_body_without_any_time_makes_no_difference_to_the_order_either() -> None:
    whole = body("call.json")
    timeless = {key: SMALL[key] for key in SMALL if key not in ("messages", "createdAt", "startedAt")}

    first, last = rows_after(read(timeless), read(whole)), rows_after(read(whole), read(timeless))

    assert first[0] == last[0]
    assert rows_after(read(timeless))[0] == rows_after(read(timeless), read(timeless))[0]


@hypothesis_settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.sampled_from(SMALL_PLACES), JSON | st.just("gone")), max_size=5))
def test_whatever_is_damaged_in_a_body_it_is_written_and_order_makes_no_difference(
    changes: list[Any],
) -> None:
    broken = record_read(damaged(SMALL, changes), where="a test")
    if not isinstance(broken, CallRecord) or not broken.finished or broken.vapi_id != VAPI_ID:
        return
    report = read(body("end-of-call-report.json"))

    once, twice = rows_after(broken), rows_after(broken, broken)
    first, last = rows_after(broken, report), rows_after(report, broken)

    assert twice[1].unchanged == 1
    assert once[0] == twice[0]
    assert first[0] == last[0]
