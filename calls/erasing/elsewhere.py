"""What is kept of calls where no column of their own rows leads to: captures, scenarios, journals on disk, live feeds."""

import os
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import redis
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from calls.erasing.tables import GONE
from calls.lasting.journal import BROKEN, open_locked, take_out
from calls.live.feed import stream_key
from calls.models import (
    Call,
    CallBreak,
    CallProblem,
    CallRequest,
    CallTransfer,
    FallbackCall,
    Scenario,
    ScenarioVersion,
    ServerMessage,
    SmokeLeg,
    SmokePair,
    UnwrittenRecord,
    VapiCallImport,
)
from tools.encryption import SecretUnreadableError
from tools.models import Capture, ToolCall
from transcripts.models import Transcript

_TIMEOUT_S: Final = 5.0
_IN_BATCHES: Final = 200


def rows_of_calls(call_ids: Sequence[uuid.UUID], *, erased: bool) -> Counter[str]:
    """Delete and clear what is kept of these calls beside their own rows; how many rows it were in which table."""
    counts: Counter[str] = Counter()
    counts["calls_unwrittenrecord"] += UnwrittenRecord.objects.filter(call_id__in=call_ids).delete()[0]
    # What waits is told to nobody any more: its body would be made of rows that are empty now.
    counts["calls_servermessage"] += ServerMessage.objects.filter(call_id__in=call_ids).delete()[0]
    counts += pairs_clear(call_ids)
    if erased:
        counts["calls_fallbackcall"] += fallbacks_clear(call_ids)
        counts["calls_scenario"] += scenarios_delete(call_ids)
        counts["django_admin_log"] += log_clear(call_ids)
    return counts


def pairs_clear(call_ids: Sequence[uuid.UUID]) -> Counter[str]:
    """Leave of the pairs of smoke tests that use these calls nothing but what came out of them."""
    pairs = SmokePair.objects.filter(Q(call_id__in=call_ids) | Q(reference_id__in=call_ids))
    ids = list(
        pairs.exclude(script={}, expected=[], steps=[], edits=[], causes=[]).values_list("pk", flat=True)
    )
    rows = SmokePair.objects.filter(pk__in=ids)
    rows.exclude(why="").update(why=GONE)
    cleared = rows.update(
        script={}, expected=[], steps=[], edits=[], causes=[], caller_note="", scenario_version=None
    )
    legs = SmokeLeg.objects.filter(pair_id__in=ids)
    legs.exclude(why="").update(why=GONE)
    return Counter(
        {
            "calls_smokepair": cleared,
            "calls_smokeleg": legs.update(
                document="", ended_because="", said_never=[], call_sid="", far_sid=""
            ),
        }
    )


def fallbacks_clear(call_ids: Sequence[uuid.UUID]) -> int:
    """Forget Twilio's id of calls that took the way back, and the address that it reported."""
    sids = list(Call.objects.filter(pk__in=call_ids).exclude(call_sid="").values_list("call_sid", flat=True))
    found = 0
    for row in FallbackCall.objects.filter(call_sid__in=sids):
        # Of one call there is a row for each error, told apart by the id.
        row.call_sid, row.error_url = f"{GONE}-{row.pk}", ""
        row.save(update_fields=["call_sid", "error_url"])
        found += 1
    return found


def scenarios_delete(call_ids: Sequence[uuid.UUID]) -> int:
    """Delete the scenarios that were drafted from these calls; what was compared with them keeps its verdict."""
    ids = set(
        ScenarioVersion.objects.filter(drafted_from_id__in=call_ids).values_list("scenario_id", flat=True)
    )
    SmokePair.objects.filter(scenario_version__scenario_id__in=ids).update(scenario_version=None, script={})
    Scenario.objects.filter(pk__in=ids).delete()
    return len(ids)


def log_clear(call_ids: Sequence[uuid.UUID]) -> int:
    """Take the names of these calls, which are made of numbers, out of the admin's log."""
    # Rows that share the call's id are found by that; those with numbers of their own only among their kind.
    ours = Q(object_id__in=[str(one) for one in call_ids])
    models: tuple[Any, ...] = (Transcript, ToolCall, CallTransfer, CallBreak, CallProblem)
    for model in models:
        found = model._base_manager.filter(call_id__in=call_ids).values_list("pk", flat=True)
        kind = {"app_label": model._meta.app_label, "model": model._meta.model_name}
        ours |= Q(object_id__in=[str(pk) for pk in found]) & Q(
            **{f"content_type__{name}": value for name, value in kind.items()}
        )
    rows = LogEntry.objects.filter(ours).exclude(object_repr=GONE)
    return rows.update(object_repr=GONE, change_message="")


def captures_delete(call_ids: Collection[uuid.UUID], needles: Collection[str]) -> int:
    """Delete the captured requests of Vapi's that are about these calls or hold the number. They are few, and sealed."""
    wanted = [*(str(one) for one in call_ids), *needles]
    found = []
    for pk in list(Capture.objects.values_list("pk", flat=True)):
        try:
            row = Capture.objects.get(pk=pk)
        except Capture.DoesNotExist:
            continue
        except SecretUnreadableError:
            found.append(pk)  # nobody can tell what is in it, and nobody can read it any more
            continue
        if _holds(f"{row.body}\n{row.answer}\n{row.headers}", wanted):
            found.append(pk)
    return Capture.objects.filter(pk__in=found).delete()[0] if found else 0


def imports_clear(call_ids: Collection[uuid.UUID], needles: Collection[str]) -> int:
    """Empty the uploads that hold the number and that no run is reading; how many."""
    wanted = [*(str(one) for one in call_ids), *needles]
    done = VapiCallImport.objects.exclude(
        status__in=[VapiCallImport.Status.WAITING, VapiCallImport.Status.RUNNING]
    ).defer("api_key")
    found = 0
    for row in done:
        if row.content and _holds(row.content, wanted):
            VapiCallImport.objects.filter(pk=row.pk).update(content="")
            found += 1
    return found


def log_clear_number(needles: Collection[str]) -> int:
    """The same for every line of the admin's log that names the number."""
    something = Q()
    for needle in needles:
        something |= Q(object_repr__contains=needle) | Q(change_message__contains=needle)
    rows = LogEntry.objects.filter(something) if needles else LogEntry.objects.none()
    return rows.update(object_repr=GONE, change_message="")


def requests_clear(needles: Collection[str]) -> int:
    """Empty what requests for calls say of customers that were not called, where it names the number; how many."""
    something = Q()
    for needle in needles:
        something |= Q(told__contains=needle) | Q(idempotency_key__contains=needle)
    rows = CallRequest.objects.annotate(told=Cast("errors", TextField())).filter(something)
    return rows.update(errors=[], idempotency_key="") if needles else 0


def unwritten_delete(call_ids: Collection[uuid.UUID], needles: Collection[str]) -> int:
    """Delete what could not be written and names its call nowhere but in its content. They are few, and sealed."""
    wanted = [*(str(one) for one in call_ids), *needles]
    found = []
    for pk in list(UnwrittenRecord.objects.filter(call_id=None).values_list("pk", flat=True)):
        try:
            content = UnwrittenRecord.objects.values_list("content", flat=True).get(pk=pk)
        except UnwrittenRecord.DoesNotExist:
            continue
        except SecretUnreadableError:
            content = ""  # nobody can tell what is in it, and nobody can write it any more
        if not content or _holds(content, wanted):
            found.append(pk)
    return UnwrittenRecord.objects.filter(pk__in=found).delete()[0]


def feeds_delete(call_ids: Collection[uuid.UUID]) -> int:
    """Delete what readers of live transcripts may still read; how many there were. 0 while Redis is away: it forgets by itself."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    listed = list(call_ids)
    found = 0
    try:
        with client:
            for at in range(0, len(listed), _IN_BATCHES):
                keys = [stream_key(one) for one in listed[at : at + _IN_BATCHES]]
                found += int(client.delete(*keys))
    except redis.RedisError:
        return found
    return found


# --- Journals ---------------------------------------------------------------------------------------------------


def journals_clear(call_ids: Collection[uuid.UUID], needles: Collection[str]) -> tuple[int, int]:
    """Take these calls out of the journals of processes that are gone: lines taken out, and lines that live processes hold.

    A live process reads its journal by place, so nobody else may write to it. What it holds is handed over in seconds, and
    what comes of it is deleted as it is written.
    """
    wanted = _Wanted(frozenset(str(one) for one in call_ids), tuple(one.encode() for one in needles))
    taken = held = 0
    for path in _journals():
        try:
            handle = open_locked(path)
        except BlockingIOError:
            held += _count(path, wanted)
            continue
        except OSError:
            continue  # gone meanwhile
        try:
            taken += take_out(handle, wanted.has)
        finally:
            os.close(handle)
    return taken, held


def _journals() -> Iterable[Path]:
    folder = Path(settings.SPOOL_DIR)
    return sorted([*folder.glob("*.jsonl"), *(folder / BROKEN).glob("*.txt")])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which lines of a journal are to go."""

    call_ids: frozenset[str]
    needles: tuple[bytes, ...]

    def has(self, line: bytes) -> bool:
        """Whether it is about one of the calls. A line of somebody else's call stays, whatever numbers are said in it."""
        whose = _call_of(line)
        if whose is not None:
            return whose in self.call_ids
        return any(one.encode() in line for one in self.call_ids) or any(one in line for one in self.needles)


def _call_of(line: bytes) -> str | None:
    try:
        kwargs = orjson.loads(line)["kwargs"]
        return str(kwargs["call_id"] if "call_id" in kwargs else kwargs["order"]["call_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _count(path: Path, wanted: _Wanted) -> int:
    try:
        return sum(wanted.has(line) for line in path.read_bytes().split(b"\n"))
    except OSError:
        return 0


def _holds(text: Any, wanted: Sequence[str]) -> bool:
    return any(one in str(text) for one in wanted)
