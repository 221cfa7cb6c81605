"""Writing records: what so many calls at a time cost the workers and PostgreSQL, beside plain INSERTs of the same rows."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

SPOKEN_EVERY_S = 4.0
TOOL_EVERY_S = 30.0
TARGET_CORES = 0.10
TEXT = "I would like to know whether the bicycle that I brought in last week is ready by now. " * 2
USAGE = {
    "input_tokens": 1200, "output_tokens": 160, "total_tokens": 1360,
    "input_token_details": {"text_tokens": 400, "audio_tokens": 800, "cached_tokens": 640},
    "output_token_details": {"text_tokens": 40, "audio_tokens": 120},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """One way of writing: CPU seconds of ours and of PostgreSQL, for so many seconds of so many calls."""

    name: str
    records: int
    client_s: float
    server_s: float
    call_seconds: float

    def cores(self, calls: int) -> float:
        """How much of one core so many calls at a time need."""
        return (self.client_s + self.server_s) / self.call_seconds * calls


def writings(calls: int, seconds: int, show: Callable[[str], None]) -> list[Written]:
    """Together as the outbox hands them over, one by one, and as plain INSERTs of the words alone."""
    ids = _calls_make(calls)
    entries = list(_entries(ids, seconds))
    found = []
    for name, work in (
        ("together", _together),
        ("one by one", _one_by_one),
        ("plain INSERT of the turns alone (psycopg)", _plain),
    ):
        show(name)
        # Each way writes rows of its own.
        own = [_renamed(one, name) for one in entries]
        client, server = time.process_time(), _server_s()
        work(own)
        found.append(
            Written(
                name, len(own), time.process_time() - client, _server_s() - server, calls * float(seconds)
            )
        )
    return found


def _calls_make(count: int) -> list[uuid.UUID]:
    from calls.models import Call  # noqa: PLC0415
    from calls.reporting.seeding import seeded_version  # noqa: PLC0415

    version, now = seeded_version(0), datetime.now(UTC)
    made = [
        Call(
            call_sid=f"CAwriting{uuid.uuid4().hex[:20]}",
            did="+12025550000",
            caller="+13125550177",
            assistant=version.assistant,
            version=version,
            status=Call.Status.IN_PROGRESS,
            started_at=now,
        )
        for _ in range(count)
    ]
    return [one.pk for one in Call.objects.bulk_create(made)]


def _entries(ids: list[uuid.UUID], seconds: int) -> Iterator[dict[str, Any]]:
    """What so many calls say and use in so many seconds, in the order in which it comes."""
    began = datetime.now(UTC)
    for second in range(seconds):
        for n, call_id in enumerate(ids):
            at = (began + timedelta(seconds=second)).isoformat()
            tick = second + n  # calls do not speak in step
            if tick % SPOKEN_EVERY_S == 0:
                yield _utterance(call_id, began, second)
                yield _usage(call_id, second, at, transcription=tick % (2 * SPOKEN_EVERY_S) == 0)
            if tick % TOOL_EVERY_S == 0:
                yield {
                    "task": "tools.tasks.tool_call_told",
                    "kwargs": {
                        "call_id": str(call_id), "tool_call_id": f"call_{second}", "at": at, "output": "{}",
                        "orphaned": False, "awaited": True,
                    },
                }  # fmt: skip


def _utterance(call_id: uuid.UUID, began: datetime, second: int) -> dict[str, Any]:
    spoken = {
        "item_id": f"item_{second}", "speaker": "assistant" if second % 8 else "caller", "text": TEXT, "heard_text": TEXT,
        "began_ms": second * 1000, "ended_ms": second * 1000 + 3000, "generated_ms": 3000, "heard_ms": 3000,
        "interrupted": False, "latency_ms": 800, "transcribed": True, "assistant": "",
    }  # fmt: skip
    kwargs = {
        "call_id": str(call_id),
        "started_at": began.isoformat(),
        "utterances": [spoken],
        "closed_at": None,
    }
    return {"task": "transcripts.tasks.utterances_write", "kwargs": kwargs}


def _usage(call_id: uuid.UUID, second: int, at: str, *, transcription: bool) -> dict[str, Any]:
    kwargs = {
        "call_id": str(call_id),
        "kind": "transcription" if transcription else "response",
        "session": "0",
        "item": f"item_{second}",
        "model": "gpt-transcribe" if transcription else "gpt-realtime-2.1",
        "status": "completed",
        "usage": {"type": "duration", "seconds": 3} if transcription else USAGE,
        "at": at,
    }
    return {"task": "calls.costs.tasks.usage_write", "kwargs": kwargs}


def _renamed(entry: dict[str, Any], way: str) -> dict[str, Any]:
    kwargs = dict(entry["kwargs"])
    for name in ("item", "tool_call_id"):
        if name in kwargs:
            kwargs[name] = f"{way[:8]}_{kwargs[name]}"
    if "utterances" in kwargs:
        kwargs["utterances"] = [
            {**one, "item_id": f"{way[:8]}_{one['item_id']}"} for one in kwargs["utterances"]
        ]
    return {"task": entry["task"], "kwargs": kwargs}


def _server_s() -> float:
    """CPU seconds of the servers' process behind this connection and of those that it started."""
    from django.db import connection  # noqa: PLC0415

    from benchmarks.usage import usage_of  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        row = cursor.fetchone()
    assert row is not None
    return usage_of(int(row[0])).cpu_s


def _together(entries: list[dict[str, Any]]) -> None:
    from calls.lasting.records import records_write  # noqa: PLC0415
    from calls.lasting.waiting import GATHER_MOST  # noqa: PLC0415

    for begin in range(0, len(entries), GATHER_MOST // 4):
        batch = entries[begin : begin + GATHER_MOST // 4]
        records_write(b"".join(orjson.dumps(one) + b"\n" for one in batch).decode())


def _one_by_one(entries: list[dict[str, Any]]) -> None:
    from calls.lasting.records import Record, record_write  # noqa: PLC0415

    for one in entries:
        record_write(Record(one["task"], one["kwargs"]))


def _plain(entries: list[dict[str, Any]]) -> None:
    # The connection of Django without its ORM, so that the same process of PostgreSQL is measured.
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        for one in entries:
            for said in one["kwargs"].get("utterances", ()):
                cursor.execute(_INSERT, {**said, "call_id": one["kwargs"]["call_id"]})


_INSERT = """
INSERT INTO transcripts_utterance (transcript_id, item_id, speaker, assistant, text, heard_text, began_ms, ended_ms,
    generated_ms, heard_ms, interrupted, latency_ms, transcribed)
SELECT id, %(item_id)s, %(speaker)s, '', %(text)s, %(heard_text)s, %(began_ms)s, %(ended_ms)s, %(generated_ms)s,
    %(heard_ms)s, %(interrupted)s, %(latency_ms)s, %(transcribed)s
FROM transcripts_transcript WHERE call_id = %(call_id)s
"""


def clean_up() -> None:
    """Take away what was written."""
    from calls.models import Call  # noqa: PLC0415
    from transcripts.models import Transcript  # noqa: PLC0415

    ours = Call.objects.filter(call_sid__startswith="CAwriting")
    Transcript.objects.filter(call_id__in=ours.values("pk")).delete()
    ours.delete()
