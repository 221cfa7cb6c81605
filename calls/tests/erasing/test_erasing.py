"""Deleting is tested by looking into the tables: everywhere a canary was put, and then anywhere at all."""

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone
from pytest_django import Settings

from calls import tasks as call_tasks
from calls.erasing.erasing import StillTalkingError, call_erase, caller_erase, number_digests
from calls.erasing.numbers import NotANumberError, number_read
from calls.erasing.retention import stripped_again
from calls.erasing.tables import TABLES
from calls.history.reading import record_read
from calls.history.writing import calls_write
from calls.live.feed import stream_key
from calls.models import (
    Call,
    CallAnalysis,
    CallBreak,
    CallHandover,
    CallOpened,
    CallRequest,
    CallStripped,
    CallVariables,
    Erasure,
    FallbackCall,
    LiveOrder,
    Placing,
    Recording,
    Scenario,
    ScenarioVersion,
    ServerMessage,
    SmokePair,
    SocketCall,
    UnwrittenRecord,
    VapiCall,
    VapiCallImport,
    WarehouseDelivery,
)
from calls.privacy.access import call_opened
from calls.tests.factories import make_call, make_problem, make_transfer
from calls.tests.recordings.factories import make_recording
from calls.tests.smoke.factories import SCRIPT, make_desk, make_run, make_scenario
from tools.encryption import EncryptedTextField
from tools.models import Capture, CapturePoint, ToolAttempt, ToolCall
from tools.tests.factories import make_tool, make_tool_call
from transcripts.models import Utterance
from transcripts.services import utterances_write
from transcripts.tests.factories import make_transcript, make_utterance

pytestmark = pytest.mark.django_db

NUMBER = "+14155550132"
CANARY = "the canary that sings of bicycles"
FORMS = (NUMBER, "14155550132", "4155550132", "(415) 555-0132")
WORDS = {"text": f"I am {NUMBER}, {CANARY}", "json": {"said": [CANARY, NUMBER]}}


@pytest.fixture(autouse=True)
def spool(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder of journals."""
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.SPOOL_DIR.mkdir()
    return Path(settings.SPOOL_DIR)


def found_anywhere(*needles: str) -> list[str]:
    """Every table that holds one of these in any column, whatever its type, and every secret that does when it is opened."""
    found = []
    patterns = [f"%{one}%" for needle in needles for one in (needle, needle.encode().hex())]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" AS r WHERE r::text LIKE ANY(%s)', [patterns])  # noqa: S608
            if cursor.fetchone()[0]:
                found.append(table)
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedTextField):
                texts = model._base_manager.values_list(field.name, flat=True)
                found += [
                    f"{model._meta.db_table}.{field.name}" for one in texts if any(n in one for n in needles)
                ]
    return sorted(set(found))


def filled(model: type[models.Model], names: Any) -> dict[str, Any]:
    """Something of the caller for each of these columns."""
    values: dict[str, Any] = {}
    for name in names:
        field = model._meta.get_field(name)
        limit = getattr(field, "max_length", None)
        if isinstance(field, models.JSONField):
            values[name] = [WORDS["json"]] if field.default is list else WORDS["json"]
        elif name not in ("caller", "call_sid"):
            values[name] = str(WORDS["text"])[: limit or None]
    return values


def everything_of(caller: str, spool: Path, **fields: Any) -> Call:
    """A call with something of the caller in every column that may hold any, and wherever else it can be."""
    call = make_call(caller=caller, **fields)
    rows: list[models.Model] = [
        call,
        CallAnalysis.objects.create(call=call, state=CallAnalysis.State.DONE),
        CallBreak.objects.create(call=call, kind=CallBreak.Kind.LOST, began_at=timezone.now()),
        CallHandover.objects.create(call=call, how=CallHandover.How.REDIRECT, document="<Response/>", at=timezone.now()),
        make_problem(call=call),
        make_transfer(call=call),
        LiveOrder.objects.create(call=call, order_id=uuid.uuid4().hex, kind="say", by="user", asked_at=timezone.now()),
        VapiCall.objects.create(
            call=call, vapi_id=str(call.pk), source=VapiCall.Source.API, imported_at=timezone.now()
        ),
        make_utterance(transcript=make_transcript(call_id=call.pk)),
    ]  # fmt: skip
    tool_call = make_tool_call(call_id=call.pk, status=ToolCall.Status.ANSWERED)
    now = timezone.now()
    rows += [
        tool_call,
        ToolAttempt.objects.create(tool_call=tool_call, n=1, started_at=now, finished_at=now, sent=True),
    ]
    for row in rows:
        table = TABLES[row._meta.label]
        values = filled(type(row), [*table.cleared, *table.erased])
        type(row)._base_manager.filter(pk=row.pk).update(**values)
    beside(call, spool)
    return call


def beside(call: Call, spool: Path) -> None:
    """What no column of the call's own rows leads to."""
    UnwrittenRecord.objects.create(
        digest=uuid.uuid4().hex, task="x", call_id=call.pk, content=json.dumps(WORDS), tried_at=timezone.now(), error="E"
    )  # fmt: skip
    point = CapturePoint.objects.create(
        tool=make_tool(name=f"t{call.pk.hex[:8]}"), token_hash=uuid.uuid4().hex
    )
    Capture.objects.create(
        point=point, received_at=timezone.now(), body=json.dumps({"call": str(call.pk), **WORDS})
    )
    VapiCallImport.objects.create(status=VapiCallImport.Status.DONE, content=json.dumps([WORDS]))
    LogEntry.objects.create(
        user=User.objects.get_or_create(username="Ana")[0],
        content_type=ContentType.objects.get_for_model(Call),
        object_id=str(call.pk),
        object_repr=str(call),
        action_flag=CHANGE,
    )
    FallbackCall.objects.create(
        kind=FallbackCall.Kind.ERROR,
        call_sid=call.call_sid,
        error_url=f"https://x/?From={NUMBER}",
        at=timezone.now(),
    )
    WarehouseDelivery.objects.create(call_id=call.pk, revision=3, state=WarehouseDelivery.State.SENT)
    line = {
        "task": "transcripts.tasks.utterances_write",
        "kwargs": {"call_id": str(call.pk), "utterances": [WORDS]},
    }
    (spool / "0001-dead.jsonl").write_text(f'{{"task": "x", "kwargs": {{}}}}\n{json.dumps(line)}\n')
    CallVariables.objects.create(call=call, values={"name": CANARY}, secret_values=CANARY)
    asked = CallRequest.objects.create(
        by_label="API key", digest="d", errors=[{"customer": {"number": NUMBER}}], idempotency_key=f"{NUMBER} today"
    )  # fmt: skip
    now = timezone.now()
    customer: dict[str, Any] = {"number": NUMBER, "name": CANARY}
    given: dict[str, Any] = {"call": call, "customer": customer, "metadata": WORDS["json"]}
    placing = Placing.objects.create(request=asked, due_at=now, give_up_at=now, **given)
    LogEntry.objects.create(
        user=User.objects.get(username="Ana"),
        content_type=ContentType.objects.get_for_model(Placing),
        object_id=str(placing.pk),
        object_repr=f"Call to {CANARY}",
        action_flag=CHANGE,
    )
    SocketCall.objects.create(kind=SocketCall.Kind.WEBSOCKET, **given)
    ServerMessage.objects.create(call=call, kind="transcript", key="1", at=now, facts={"said": CANARY})
    UnwrittenRecord.objects.create(
        digest=uuid.uuid4().hex, task="calls.tasks.transfer_summarise", content=json.dumps(WORDS), tried_at=now, error="E"
    )  # fmt: skip
    (spool / "broken").mkdir(exist_ok=True)
    (spool / "broken" / "old.txt").write_text(f"half a line about {NUMBER}\n")


def test_a_caller_is_erased_from_every_column_of_every_table(
    spool: Path, redis_client: "redis.Redis", settings: Settings, tmp_path: Path
) -> None:
    call = everything_of(NUMBER, spool)
    redis_client.xadd(stream_key(call.pk), {"m": CANARY})
    assert len(found_anywhere(CANARY)) > 12

    receipt = caller_erase("415 555 0132", region="us")

    assert found_anywhere(CANARY, *FORMS) == []
    assert not redis_client.exists(stream_key(call.pk))
    assert (spool / "0001-dead.jsonl").read_text().strip() == '{"task": "x", "kwargs": {}}'
    assert (spool / "broken" / "old.txt").read_text().strip() == ""
    assert receipt.calls_n == 1
    assert receipt.counts["transcripts_utterance"] == 1
    assert receipt.counts["journal lines"] == 2
    assert NUMBER not in json.dumps(receipt.to_json())


def test_every_table_that_is_cleared_by_calls_has_something_in_these_tests(spool: Path) -> None:
    call = everything_of(NUMBER, spool)

    empty = [
        label
        for label, table in TABLES.items()
        if table.calls and not apps.get_model(label)._base_manager.filter(**{table.calls: call.pk}).exists()
    ]

    assert empty == []


def test_a_journals_lines_of_other_calls_stay_whatever_is_said_in_them(spool: Path) -> None:
    call, other = make_call(caller=NUMBER), make_call(caller="+14155550199")
    theirs = json.dumps({"task": "x", "kwargs": {"call_id": str(other.pk), "text": f"Call me at {NUMBER}."}})
    order = json.dumps({"task": "x", "kwargs": {"order": {"call_id": str(call.pk)}, "text": CANARY}})
    nobodys = json.dumps({"task": "x", "kwargs": {"transfer_id": "7", "request": f"Who is {NUMBER}?"}})
    journal = spool / "0001-dead.jsonl"
    journal.write_text(f"{theirs}\n{order}\n{nobodys}\n{theirs}\n")

    receipt = caller_erase(NUMBER)

    assert receipt.counts["journal lines"] == 2
    assert [line for line in journal.read_text().split("\n") if line] == [theirs, theirs]
    assert caller_erase(NUMBER).counts == {}


def test_a_crash_while_a_journal_is_cleared_costs_nobody_else_a_word(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, other = make_call(caller=NUMBER), make_call(caller="+14155550199")
    lines = [json.dumps({"task": "x", "kwargs": {"call_id": str(one.pk)}}) for one in (other, call, other)]
    journal = spool / "0001-dead.jsonl"
    journal.write_text("\n".join(lines) + "\n")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    for name in ("write", "pwrite"):
        monkeypatch.setattr(f"os.{name}", full)
    with pytest.raises(OSError, match="No space"):
        caller_erase(NUMBER)

    assert journal.read_text().splitlines().count(lines[0]) == 2


def test_what_comes_days_late_about_an_erased_call_is_deleted_as_it_is_written(spool: Path) -> None:
    call = everything_of(NUMBER, spool)
    caller_erase(NUMBER)
    CallStripped.objects.update(at=timezone.now() - timedelta(days=9))
    late = {
        "item_id": "late", "speaker": "caller", "text": CANARY, "heard_text": CANARY, "began_ms": 1, "ended_ms": 2,
        "generated_ms": 0, "heard_ms": 0, "interrupted": False, "latency_ms": None, "transcribed": True,
    }  # fmt: skip
    said = {"call_id": str(call.pk), "started_at": timezone.now().isoformat(), "utterances": [late]}
    line = json.dumps({"task": "transcripts.tasks.utterances_write", "kwargs": said})

    call_tasks.records_write(lines=line + "\n")

    assert Utterance.objects.filter(item_id="late", text="").exists()
    assert found_anywhere(CANARY) == []


def test_what_is_left_of_an_erased_call_is_its_skeleton(spool: Path) -> None:
    call = everything_of(NUMBER, spool)

    caller_erase(NUMBER)

    call.refresh_from_db()
    assert (call.status, call.duration_s, call.first_sound_ms) == (Call.Status.ENDED, 125, 640)
    assert (call.caller, call.call_sid) == ("", "")
    assert Utterance.objects.get(transcript__call_id=call.pk).ended_ms == 1500
    assert ToolCall.objects.get(call_id=call.pk).status == ToolCall.Status.ANSWERED
    assert WarehouseDelivery.objects.get(call_id=call.pk).task == WarehouseDelivery.Task.ERASE


def test_nobody_elses_calls_are_touched(spool: Path) -> None:
    other = everything_of("+14155550199", spool)
    everything_of(NUMBER, spool)

    caller_erase(NUMBER)

    other.refresh_from_db()
    assert other.caller == "+14155550199"
    assert CANARY in Utterance.objects.get(transcript__call_id=other.pk).text


def test_a_dry_run_counts_the_same_and_deletes_nothing(spool: Path) -> None:
    everything_of(NUMBER, spool)
    before = found_anywhere(CANARY)

    counted = caller_erase(NUMBER, dry_run=True)

    assert found_anywhere(CANARY) == before
    assert counted.id is None
    assert not Erasure.objects.exists()
    receipt = caller_erase(NUMBER)
    beyond = {"journal lines", "live feeds"}
    assert {k: v for k, v in receipt.counts.items() if k not in beyond} == counted.counts


def test_the_second_receipt_counts_nothing(spool: Path) -> None:
    everything_of(NUMBER, spool)
    caller_erase(NUMBER)

    again = caller_erase(NUMBER)

    assert (again.calls_n, again.counts) == (0, {})


def test_a_caller_on_the_line_is_not_erased(spool: Path) -> None:
    everything_of(NUMBER, spool)
    make_call(caller=NUMBER, status=Call.Status.IN_PROGRESS, ended_at=None)

    with pytest.raises(StillTalkingError, match="1 of these calls is still going on"):
        caller_erase(NUMBER)

    assert found_anywhere(CANARY)


def test_one_call_can_be_erased_alone(spool: Path) -> None:
    call, other = everything_of(NUMBER, spool), make_call(caller=NUMBER)

    receipt = call_erase(call.pk)

    assert receipt.id is not None
    assert Erasure.objects.get(pk=receipt.id).kind == Erasure.Kind.CALL
    other.refresh_from_db()
    assert other.caller == NUMBER


def test_recordings_are_deleted_with_their_files(spool: Path, settings: Settings) -> None:
    recording = make_recording(call=make_call(caller=NUMBER))
    storage, name = recording.file.storage, str(recording.file.name)

    caller_erase(NUMBER)

    assert not storage.exists(name)
    assert not Recording.objects.exists()


def test_what_comes_late_about_an_erased_call_is_deleted_by_the_second_look(spool: Path) -> None:
    call = everything_of(NUMBER, spool)
    caller_erase(NUMBER)
    late = {
        "item_id": "late", "speaker": "caller", "text": CANARY, "heard_text": CANARY, "began_ms": 1, "ended_ms": 2,
        "generated_ms": 0, "heard_ms": 0, "interrupted": False, "latency_ms": None, "transcribed": True,
    }  # fmt: skip
    utterances_write(call_id=call.pk, started_at=timezone.now(), utterances=[late])
    assert found_anywhere(CANARY)

    assert stripped_again(now=timezone.now()) > 0

    assert found_anywhere(CANARY) == []


def test_no_import_brings_an_erased_call_back(spool: Path) -> None:
    body = {
        "id": str(uuid.uuid4()), "status": "ended", "type": "inboundPhoneCall", "createdAt": "2026-06-01T10:00:00Z",
        "startedAt": "2026-06-01T10:00:01Z", "endedAt": "2026-06-01T10:01:00Z", "endedReason": "customer-ended-call",
        "customer": {"number": NUMBER},
        "artifact": {"messages": [{"role": "user", "message": CANARY, "time": 1780308002000, "secondsFromStart": 1}]},
    }  # fmt: skip
    record: Any = record_read(body, where="here")
    calls_write([record], source=VapiCall.Source.API)
    assert found_anywhere(CANARY, NUMBER)

    caller_erase(NUMBER)
    written = calls_write([record], source=VapiCall.Source.FILES)

    assert written.erased == 1
    assert found_anywhere(CANARY, NUMBER) == []


def test_scenarios_drafted_from_the_calls_go_and_comparisons_keep_their_verdict(spool: Path) -> None:
    number, assistant = make_desk()
    call = make_call(caller=NUMBER)
    scenario = make_scenario(assistant)
    script = {**SCRIPT, "goal": CANARY}
    ScenarioVersion.objects.create(scenario=scenario, number=2, script=script, drafted_from=call)
    run = make_run(number)
    pair = SmokePair.objects.get(run=run)
    judged = {"status": "judged", "outcome": "same", "call": call, "steps": [WORDS["json"]], "why": CANARY}
    SmokePair.objects.filter(pk=pair.pk).update(**judged)

    caller_erase(NUMBER)

    assert found_anywhere(CANARY) == []
    assert not Scenario.objects.filter(pk=scenario.pk).exists()
    pair.refresh_from_db()
    assert (pair.outcome, pair.script, pair.steps) == ("same", {}, [])


def test_a_receipt_and_an_access_row_can_neither_be_changed_nor_deleted(spool: Path) -> None:
    user = User.objects.create(username="Bob")
    call = make_call(caller=NUMBER)
    call_opened(call_id=call.pk, user=user)
    caller_erase(NUMBER, actor=user)

    for rows, values in (
        (CallOpened.objects.all(), {"what": "api"}),
        (Erasure.objects.all(), {"calls_n": 7}),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows.update(**values)
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows.delete()
    user.delete()
    assert CallOpened.objects.get().actor_label == Erasure.objects.get().actor_label == "Bob"


def test_a_receipt_is_found_by_the_number_and_tells_nobody_which_it_is(
    settings: Settings, spool: Path
) -> None:
    make_call(caller=NUMBER)
    receipt = caller_erase(NUMBER)
    old = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = ["x" * 43 + "=", *old]

    assert receipt.digest in number_digests(number_read("+1 (415) 555-0132"))
    assert receipt.digest not in number_digests(number_read("+14155550199"))


@pytest.mark.parametrize(
    ("given", "region"),
    [("+1 415 555 0132", ""), ("001 415 555 0132", "de"), ("(415) 555-0132", "US"), ("tel:+1-415-555-0132", ""),
     ("sip:+14155550132@example.com", "")],
)  # fmt: skip
def test_a_number_is_understood_in_every_form(given: str, region: str) -> None:
    assert number_read(given, region=region).canonical == NUMBER


@pytest.mark.parametrize("given", ["", "hello", "12", "415 555 0132"])
def test_what_is_no_whole_number_is_refused_with_what_to_do(given: str) -> None:
    with pytest.raises(NotANumberError, match="Write it with"):
        number_read(given)


def test_the_command_prints_a_receipt(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything_of(NUMBER, spool)

    call_command("erase_caller", NUMBER, "--dry-run")
    shown = capsys.readouterr().out
    call_command("erase_caller", NUMBER, "--json")
    receipt = json.loads(capsys.readouterr().out)

    assert "Nothing was deleted. 1 call would be stripped:" in shown
    assert receipt["calls"] == 1
    assert Erasure.objects.filter(pk=receipt["receipt"]).exists()
    with pytest.raises(CommandError, match="not a telephone number"):
        call_command("erase_caller", "nobody")
