"""What is kept of calls where no column of their own rows leads to: captures, scenarios, journals on disk, live feeds."""

import os
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db.models import Q

from calls.erasing.tables import GONE
from calls.journal import BROKEN, lines_of, open_locked
from calls.live.feed import stream_key
from calls.models import (
    Call,
    FallbackCall,
    Scenario,
    ScenarioVersion,
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
    wanted = [str(one) for one in call_ids]
    wanted += [str(pk) for pk in Transcript.objects.filter(call_id__in=call_ids).values_list("pk", flat=True)]
    wanted += [str(pk) for pk in ToolCall.objects.filter(call_id__in=call_ids).values_list("pk", flat=True)]
    rows = LogEntry.objects.filter(
        object_id__in=wanted, content_type__app_label__in=["calls", "transcripts", "tools"]
    )
    ours = rows.filter(
        content_type__model__in=["call", "transcript", "toolcall", "calltransfer", "callbreak"]
    )
    return ours.exclude(object_repr=GONE).update(object_repr=GONE, change_message="")


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
    what comes of it is deleted by the second look.
    """
    wanted = [one.encode() for one in (*(str(one) for one in call_ids), *needles)]
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
            taken += _take_out(handle, wanted)
        finally:
            os.close(handle)
    return taken, held


def _journals() -> Iterable[Path]:
    folder = Path(settings.SPOOL_DIR)
    return sorted([*folder.glob("*.jsonl"), *(folder / BROKEN).glob("*.txt")])


def _take_out(handle: int, wanted: Sequence[bytes]) -> int:
    lines = [line for _, line in lines_of(handle)]
    left = [line for line in lines if not _is_in(line, wanted)]
    if len(left) == len(lines):
        return 0
    os.ftruncate(handle, 0)
    os.write(handle, b"".join(line + b"\n" for line in left))
    os.fsync(handle)
    return len(lines) - len(left)


def _count(path: Path, wanted: Sequence[bytes]) -> int:
    try:
        return sum(_is_in(line, wanted) for line in path.read_bytes().split(b"\n"))
    except OSError:
        return 0


def _is_in(line: bytes, wanted: Sequence[bytes]) -> bool:
    return any(one in line for one in wanted)


def _holds(text: Any, wanted: Sequence[str]) -> bool:
    return any(one in str(text) for one in wanted)
