"""Which messages the rows of calls call for, written down once each: the way into the outbox.

Nobody has to tell what has happened. Whoever writes rows of a call says that there may be news, and what nobody has said is
found by a look around a few seconds later.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from calls.messages.due import Due, Seen, SpokenSeen, TransferSeen, messages_due
from calls.messages.kinds import REPORT_KEY, STATUS, wanted_of
from calls.messages.servers import parts_of, server_kinds
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
MOST_LOOKED_AT: Final = 500
# The model owed the caller an answer and gave none.
_HANGS: Final = ("no_answer", "response_not_created")
_ROLES: Final = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "assistant"}
_NOT_KEPT_YET: Final = (Recording.State.ASKED, Recording.State.RECORDING, Recording.State.WAITING)


def messages_notice(call_ids: Collection[uuid.UUID], *, now: datetime) -> list[uuid.UUID]:
    """Write down the messages that these calls call for by now; the calls that have new ones."""
    calls = list(_telling().filter(pk__in=call_ids))
    return [call.pk for call in calls if _notice(call, now)]


def calls_untold(*, now: datetime) -> list[uuid.UUID]:
    """The calls that ended lately and whose report is not written down: those that nobody may have told of."""
    reported = ServerMessage.objects.filter(call_id=OuterRef("pk"), key=REPORT_KEY)
    over = _telling().filter(~Exists(reported), status__in=OVER, ended_at__gte=now - LOOKED_BACK)
    return list(over.order_by("-ended_at").values_list("pk", flat=True)[:MOST_LOOKED_AT])


def status_changed(call_id: uuid.UUID, status: str, at: datetime) -> bool:
    """Write down that a call has this status, in Vapi's words, since then; whether anybody is told.

    For what no row tells later, as ``queued`` and ``ringing``. It goes out within seconds.
    """
    call = _telling().filter(pk=call_id).first()
    if call is None:
        return False
    part = parts_of(call)[0]
    if STATUS not in wanted_of(part.listed):
        return False
    due = Due(STATUS, f"status:{status}", at, 0, {"status": status})
    with transaction.atomic():
        _lane_lock(call.pk)
        return _write(call, [due], whose=server_kinds(call, [part]), now=at)


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
        _lane_lock(call.pk)
        known = set(ServerMessage.objects.filter(call=call).values_list("key", flat=True))
        if REPORT_KEY in known:
            return False  # everything was told; what comes late has missed it
        parts = parts_of(call)
        seen = _seen(call, tuple(wanted_of(part.listed) for part in parts), now)
        new = [one for one in messages_due(seen) if one.key not in known]
        return bool(new) and _write(call, new, whose=server_kinds(call, parts), now=now)


def _lane_lock(call_id: uuid.UUID) -> None:
    """Until the end of the transaction nobody else writes messages of this call, so that their ids tell their order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"messages:{call_id}"])


def _write(call: Call, due: list[Due], *, whose: str, now: datetime) -> bool:
    if not whose:
        return False
    rows = [
        ServerMessage(
            call=call,
            kind=one.kind,
            key=one.key[:120],
            at=one.at,
            part=one.part,
            facts=dict(one.facts),
            server_from=whose,
            due_at=now,
        )
        for one in due
    ]
    ServerMessage.objects.bulk_create(rows, ignore_conflicts=True)
    return True


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
