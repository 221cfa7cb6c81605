"""The workers' side of the outbox: many records written in one stroke, each exactly once, and none given up silently.

What the database cannot take, or the code not write, becomes an `UnwrittenRecord`. While the database is away nothing is decided.
"""

import hashlib
import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from celery import current_app
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from calls.costs.together import Report, usages_keep, usages_settle
from calls.lasting.sorting import Rank, Sorting
from calls.models import CallProblem, UnwrittenRecord
from tools.observing.context import observing
from tools.services import Told, tool_calls_told
from transcripts.services import Said, utterances_write_many

logger = logging.getLogger(__name__)

UTTERANCES: Final = "transcripts.tasks.utterances_write"
USAGE: Final = "calls.costs.tasks.usage_write"
TOLD: Final = "tools.tasks.tool_call_told"
COST: Final = "calls.costs.tasks.call_cost"
GATHERING: Final = "calls.tasks.records_write"
# Tasks that do nothing but write a few rows, whatever else has or has not been written.
TOGETHER: Final = frozenset(
    {
        UTTERANCES,
        USAGE,
        "calls.orders.tasks.order_write",
        "calls.tasks.call_forwarded",
        "calls.tasks.part_write",
        "calls.tasks.problem_write",
        "tools.tasks.tool_call_done",
        "tools.tasks.tool_call_refuse",
        TOLD,
    }
)
# A caller or an operator waits for these.
AHEAD: Final = frozenset({"tools.tasks.tool_call_forward", "calls.tasks.transfer_summarise"})
_NEWS: Final = frozenset({"calls.tasks.problem_write", "calls.tasks.transfer_summarise"})
_PROGRAM_LIMIT_EXCEEDED: Final = "54"  # a class of SQLSTATE that Django files under OperationalError


@dataclass(frozen=True, slots=True)
class Record:
    """One task to be carried out, by name."""

    task: str
    kwargs: dict[str, Any]


def rank_of(task: str, kwargs: dict[str, Any]) -> Rank:
    """What of it goes first when the journal fills up: words before news, and the last word on a call before its parts."""
    if task in _NEWS:
        return Rank.NEWS
    # The closing write repeats what is written before it.
    return Rank.EARLY if task == UTTERANCES and not kwargs.get("closed_at") else Rank.LAST


def lost_told(call_id: str, count: int) -> tuple[str, dict[str, Any]]:
    """The problem by which ops learn that records of a call were not kept."""
    return "calls.tasks.problem_write", {
        "call_id": call_id,
        "key": f"spool:{uuid.uuid4().hex[:12]}",
        "source": CallProblem.Source.TANDEM.value,
        "code": "records_dropped",
        "message": f"The spool was full: {count} records of this call were not kept. Its transcript may lack words.",
        "benign": False,
        "at": timezone.now().isoformat(),
    }


SORTING: Final = Sorting(together=TOGETHER, gathering=GATHERING, ahead=AHEAD, rank=rank_of, lost=lost_told)


def records_write(lines: str) -> int:
    """Write the records, one JSON object a line; how many were put aside. Raises while the database is away."""
    records, put_aside = _records_in(lines), 0
    try:
        with transaction.atomic():
            _write_together(records)
    except Exception as exc:
        if database_away(exc):
            raise
        logger.warning("records could not be written together", extra={"why": type(exc).__name__})
        put_aside = sum(not _written_alone(one) for one in records)
    used = {call_id for one in records if one.task == USAGE and (call_id := _call_id(one.kwargs))}
    return put_aside + _settle(used)


def _records_in(lines: str) -> list[Record]:
    return [Record(one["task"], one["kwargs"]) for one in map(orjson.loads, filter(None, lines.split("\n")))]


def calls_in(lines: str) -> list[str]:
    """The calls that these lines are about, each once."""
    found = (_call_id(one["kwargs"]) for one in map(orjson.loads, filter(None, lines.split("\n"))))
    return list(dict.fromkeys(str(one) for one in found if one is not None))


def _write_together(records: Sequence[Record]) -> None:
    utterances_write_many([_said(one.kwargs) for one in records if one.task == UTTERANCES])
    for one in records:
        if one.task not in (UTTERANCES, USAGE, TOLD):
            record_write(one)
    tool_calls_told([_told(one.kwargs) for one in records if one.task == TOLD])
    usages_keep([_report(one.kwargs) for one in records if one.task == USAGE])


def _settle(call_ids: Collection[uuid.UUID]) -> int:
    """Reckon what use was written of these calls, now that it is committed; how many records were put aside for it."""
    try:
        usages_settle(call_ids, now=timezone.now())
    except Exception as exc:
        if database_away(exc):
            raise
        # One of them cannot be reckoned. It is what a person will try again; the others are reckoned all the same.
        return sum(not _written_alone(Record(COST, {"call_id": str(one)})) for one in sorted(call_ids))
    return 0


def record_write(record: Record) -> None:
    """Carry out one record's task, here and now. Raises what the task raises, and LookupError for an unknown one."""
    if record.task not in current_app.tasks:
        current_app.loader.import_default_modules()  # a web process knows only the tasks that it has met
    with observing(call_id=str(record.kwargs.get("call_id") or "")):
        current_app.tasks[record.task].run(**record.kwargs)


def _written_alone(record: Record) -> bool:
    try:
        with transaction.atomic():
            if record.task == USAGE:
                usages_keep([_report(record.kwargs)])
            else:
                record_write(record)
    except Exception as exc:
        if database_away(exc):
            raise
        unwritten_keep(record, exc)
        return False
    return True


def _said(kwargs: dict[str, Any]) -> Said:
    closed_at = kwargs.get("closed_at")
    return Said(
        call_id=uuid.UUID(kwargs["call_id"]),
        started_at=datetime.fromisoformat(kwargs["started_at"]),
        utterances=kwargs["utterances"],
        closed_at=datetime.fromisoformat(closed_at) if closed_at else None,
    )


def _told(kwargs: dict[str, Any]) -> Told:
    return Told(
        call_id=uuid.UUID(kwargs["call_id"]),
        item_id=kwargs["tool_call_id"],
        at=datetime.fromisoformat(kwargs["at"]),
        output=kwargs["output"],
        orphaned=kwargs["orphaned"],
        awaited=kwargs.get("awaited", True),
    )


def _report(kwargs: dict[str, Any]) -> Report:
    return Report(
        **{
            **kwargs,
            "call_id": uuid.UUID(kwargs["call_id"]),
            "usage": kwargs["usage"] or {},
            "at": datetime.fromisoformat(kwargs["at"]),
        }
    )


def database_away(exc: BaseException) -> bool:
    """Whether trying again later may help: the database is away, or two writers stood in each other's way."""
    if not isinstance(exc, OperationalError | InterfaceError):
        return False
    state = getattr(exc.__cause__, "sqlstate", None) or ""
    return not state.startswith(_PROGRAM_LIMIT_EXCEEDED)


# What could not be written --------------------------------------------------------------------------------------------


def unwritten_keep(record: Record, exc: BaseException) -> UnwrittenRecord:
    """Keep what could not be written where people see it, once. Raises DatabaseError while the database is away."""
    content = orjson.dumps(record.kwargs, option=orjson.OPT_SORT_KEYS)
    error = _kind(exc)
    now = timezone.now()
    kept, is_new = UnwrittenRecord.objects.get_or_create(
        digest=hashlib.sha256(record.task.encode() + b"\0" + content).hexdigest(),
        defaults={
            "task": record.task,
            "call_id": _call_id(record.kwargs),
            "content": content.decode(),
            "error": error[:200],
            "tried_at": now,
        },
    )
    if is_new:
        logger.error(
            "a record could not be written and was put aside",
            extra={"call_id": str(kept.call_id), "task": record.task, "why": error},
        )
    return kept


def _kind(exc: BaseException) -> str:
    # Texts of drivers may hold rows, so only the kind of error is kept, with PostgreSQL's own code for it.
    state = getattr(exc.__cause__, "sqlstate", None)
    return f"{type(exc).__name__} {state}" if state else type(exc).__name__


def unwritten_write(kept: UnwrittenRecord) -> bool:
    """Try once more to write what was put aside; gone from there when that works. Raises while the database is away."""
    record = Record(kept.task, orjson.loads(kept.content))
    try:
        with transaction.atomic():
            record_write(record)
            kept.delete()
    except Exception as exc:
        if database_away(exc):
            raise
        UnwrittenRecord.objects.filter(digest=kept.digest).update(
            error=_kind(exc)[:200], tries=F("tries") + 1, tried_at=timezone.now()
        )
        return False
    return True


def task_failed_keep(task: str, kwargs: dict[str, Any], exc: BaseException) -> bool:
    """Keep what a task of the outbox could not do; whether it is kept."""
    records = _records_in(kwargs["lines"]) if task == GATHERING else [Record(task, kwargs)]
    try:
        for one in records:
            unwritten_keep(one, exc)
    except DatabaseError:
        return False
    return True


def _call_id(kwargs: dict[str, Any]) -> uuid.UUID | None:
    found = kwargs.get("call_id") or (kwargs.get("order") or {}).get("call_id")
    try:
        return uuid.UUID(str(found))
    except ValueError:
        return None
