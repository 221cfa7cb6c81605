"""Which messages the rows of calls call for, written down once each: the way into the outbox.

Nobody has to tell what has happened. Whoever writes rows of a call says that there may be news, and what nobody has said is
found by a look around a few seconds later.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from assistants.vapi.defaults import messages_wanted
from calls.messages.due import Due, Seen, SpokenSeen, TransferSeen, messages_due
from calls.messages.kinds import ENDS, REPORT, REPORT_KEY, STATUS
from calls.messages.servers import parts_of, parts_of_each, server_kinds
from calls.models import (
    OVER,
    Call,
    CallAnalysis,
    CallCost,
    CallPart,
    CallProblem,
    CallStripped,
    Recording,
    ServerMessage,
)
from calls.selectors import calls_written
from transcripts.models import Transcript, Utterance

# What the report tells besides is written within seconds of the end; an analysis may take longer. Then it goes without.
REPORT_PATIENCE: Final = timedelta(minutes=5)
# A call that ended longer ago than this has told all that it will tell.
LOOKED_BACK: Final = timedelta(hours=2)
# After its end: words, costs, sound and the analysis are written by then, or were waited for long enough.
NEWS_WITHIN: Final = REPORT_PATIENCE + timedelta(minutes=2)
MOST_LOOKED_AT: Final = 500
# So many locks of lanes are held together at the most: the database has room for some thousands of all kinds.
_AT_ONCE: Final = 100
# The model owed the caller an answer and gave none.
_HANGS: Final = ("no_answer", "response_not_created")
_ROLES: Final = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "assistant"}
_NOT_KEPT_YET: Final = (Recording.State.ASKED, Recording.State.RECORDING, Recording.State.WAITING)


def messages_notice(call_ids: Collection[uuid.UUID], *, now: datetime) -> list[uuid.UUID]:
    """Write down the messages that these calls call for by now; the calls that have new ones."""
    calls = list(_telling().filter(pk__in=call_ids))
    return [call.pk for call in calls if _notice(call, now)]


def calls_untold(*, now: datetime) -> list[uuid.UUID]:
    """The calls that ended lately and whose report is not written down: those that nobody may have told of.

    Where nobody wants a report, it cannot be known from there whether all is told: such a call is looked at while there may
    be news of it.
    """
    reported = ServerMessage.objects.filter(call_id=OuterRef("pk"), key=REPORT_KEY)
    over = _telling().filter(~Exists(reported), status__in=OVER, ended_at__gte=now - LOOKED_BACK)
    # A list as text; nothing where there is none, and Vapi's own counts, which has the report.
    listed = KeyTextTransform("server_messages", "version__snapshot")
    wants = Q(listed__isnull=True) | Q(listed__contains=f'"{REPORT}"')
    parts = CallPart.objects.annotate(listed=listed).filter(wants, call_id=OuterRef("pk"))
    over = over.annotate(listed=listed).filter(wants | Exists(parts) | Q(ended_at__gte=now - NEWS_WITHIN))
    return list(over.order_by("-ended_at").values_list("pk", flat=True)[:MOST_LOOKED_AT])


def status_changed(call_id: uuid.UUID, status: str, at: datetime) -> bool:
    """Write down that a call has this status, in Vapi's words, since then; whether anybody is told.

    For what no row tells later, as ``queued`` and ``ringing``. It goes out within seconds.
    """
    return bool(statuses_changed({call_id: (status, at)}))


def statuses_changed(changes: Mapping[uuid.UUID, tuple[str, datetime]]) -> set[uuid.UUID]:
    """The same of many calls; those of which anybody is told."""
    ids = sorted(changes)
    told: set[uuid.UUID] = set()
    for start in range(0, len(ids), _AT_ONCE):
        told |= _statuses_write({pk: changes[pk] for pk in ids[start : start + _AT_ONCE]})
    return told


def _statuses_write(changes: Mapping[uuid.UUID, tuple[str, datetime]]) -> set[uuid.UUID]:
    calls = list(_telling().filter(pk__in=list(changes)).order_by("pk"))
    parts = parts_of_each(calls)
    wanting = [call for call in calls if STATUS in messages_wanted(parts[call.pk][0].listed)]
    if not wanting:
        return set()
    ids = [call.pk for call in wanting]
    with transaction.atomic():
        _lanes_lock(ids)
        over = ServerMessage.objects.filter(call__in=ids, key__in=ENDS).values_list("call_id", flat=True)
        late = set(over)  # it comes late, and nothing comes behind the end
        rows: list[ServerMessage] = []
        for call in wanting:
            status, at = changes[call.pk]
            whose = server_kinds(call, parts[call.pk][:1]) if call.pk not in late else ""
            due = Due(STATUS, f"status:{status}", at, 0, {"status": status})
            rows += [_message(call, due, whose=whose, now=at)] if whose else []
        ServerMessage.objects.bulk_create(rows, ignore_conflicts=True)
    return {row.call_id for row in rows}


def _telling() -> QuerySet[Call]:
    """Calls that may have something to tell to a server. Nobody is told of smoke tests, or of what ran at Vapi."""
    calls = Call.objects.filter(
        ~Exists(CallStripped.objects.filter(call_id=OuterRef("pk"))),
        stack=Call.Stack.DIRECT,
        smoke_test=False,
    ).select_related("version")
    calls = calls.defer("version__snapshot")
    if settings.ORGANISATION_SERVER_URL:
        return calls
    url = KeyTextTransform("server_url", "version__snapshot")
    parts = CallPart.objects.annotate(url=url).filter(call_id=OuterRef("pk"), url__gt="")
    own = Q(url__gt="") | Q(phone_number__server__isnull=False) | Exists(parts)
    return calls.annotate(url=url).filter(own)


def _notice(call: Call, now: datetime) -> bool:
    with transaction.atomic():
        _lanes_lock([call.pk])
        known = set(ServerMessage.objects.filter(call=call).values_list("key", flat=True))
        if REPORT_KEY in known:
            return False  # everything was told; what comes late has missed it
        parts = parts_of(call)
        seen = _seen(call, tuple(messages_wanted(part.listed) for part in parts), now)
        new = [one for one in messages_due(seen) if one.key not in known]
        return bool(new) and _write(call, new, whose=server_kinds(call, parts), now=now)


def _lanes_lock(call_ids: Sequence[uuid.UUID]) -> None:
    """Until the end of the transaction nobody else writes messages of these calls, so that their ids tell their order.

    They are in one order wherever they are several, so that no two wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(lane, 0)) FROM unnest(%s::text[]) AS lane",
            [[f"messages:{call_id}" for call_id in call_ids]],
        )


def _write(call: Call, due: list[Due], *, whose: str, now: datetime) -> bool:
    if not whose:
        return False
    rows = [_message(call, one, whose=whose, now=now) for one in due]
    ServerMessage.objects.bulk_create(rows, ignore_conflicts=True)
    return True


def _message(call: Call, due: Due, *, whose: str, now: datetime) -> ServerMessage:
    return ServerMessage(
        call=call,
        kind=due.kind,
        key=due.key[:120],
        at=due.at,
        part=due.part,
        facts=dict(due.facts),
        server_from=whose,
        due_at=now,
    )


# --- What the rows say ------------------------------------------------------------------------------------------


def _seen(call: Call, wanted: tuple[frozenset[str], ...], now: datetime) -> Seen:
    transcript = Transcript.objects.filter(call_id=call.pk).first()
    over = call.status in OVER
    return Seen(
        created_at=call.created_at,
        wanted=wanted,
        parts=tuple(CallPart.objects.filter(call=call).order_by("n").values_list("began_at", flat=True)),
        started_at=call.started_at,
        ended_at=(call.ended_at or now) if over else None,
        reported_at=now if over and _can_be_reported(call, now) else None,
        spoken=_spoken(transcript),
        transfers=tuple(
            TransferSeen(str(pk), dialled_at, resumed_at)
            for pk, dialled_at, resumed_at in call.transfers.order_by("requested_at").values_list(
                "pk", "dialled_at", "resumed_at"
            )
        ),
        hangs=tuple(CallProblem.objects.filter(call=call, code__in=_HANGS).values_list("key", "at")),
    )


def _spoken(transcript: Transcript | None) -> tuple[SpokenSeen, ...]:
    if transcript is None:
        return ()
    zero = transcript.started_at
    columns = ("item_id", "speaker", "began_ms", "ended_ms", "text", "heard_text", "interrupted")
    found = []
    for item, speaker, began_ms, ended_ms, text, heard_text, interrupted in transcript.utterances.values_list(
        *columns
    ):
        role = _ROLES[Utterance.Speaker(speaker)]
        found.append(
            SpokenSeen(
                item=item,
                role=role,
                began_at=zero + timedelta(milliseconds=began_ms),
                ended_at=zero + timedelta(milliseconds=ended_ms),
                heard=bool(heard_text if role == "assistant" else text),
                interrupted=interrupted,
            )
        )
    return tuple(found)


def _can_be_reported(call: Call, now: datetime) -> bool:
    """Whether all that a report tells is written: words, tool calls, costs, analysis, sound; or was waited for long enough."""
    if call.started_at is None or now - (call.ended_at or now) > REPORT_PATIENCE:
        return True
    return (
        bool(calls_written([call.pk]))
        and CallCost.objects.filter(call=call, priced_at__isnull=False).exists()
        and not _analysis_is_open(call)
        and not Recording.objects.filter(call=call, state__in=_NOT_KEPT_YET).exists()
    )


def _analysis_is_open(call: Call) -> bool:
    if call.version_id is None:
        return False
    state = CallAnalysis.objects.filter(call=call).values_list("state", flat=True).first()
    if state is not None:
        return bool(state == CallAnalysis.State.WAITING)
    snapshot: Mapping[str, Any] = call.version.snapshot if call.version is not None else {}
    return snapshot.get("analysis_enabled") is True
