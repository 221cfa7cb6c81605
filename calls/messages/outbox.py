"""Taking messages out of the outbox: one at a time for each call, few at a time for each server, and what became of each.

Whoever takes a message has it until its lease ends. A worker that dies with one loses it to the next, which sends it again with
the same Idempotency-Key: a message arrives at least once.
"""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from calls.messages.kinds import ASSISTANT_REQUEST, care_for
from calls.messages.servers import PartSeen, Server, parts_of, server_of
from calls.models import Call, CallStripped, ServerMessage
from tools.backoff import Backoff
from tools.breaker import host_of

State = ServerMessage.State
# To one server at a time; to one that has just failed, a single one, until it is seen to be well again.
MOST_AT_ONCE: Final = 4
MOST_IN_TROUBLE: Final = 1
TROUBLE_LASTS: Final = timedelta(seconds=60)
# Beyond a message's own timeout: what making its body and writing its end may take.
LEASE_MARGIN: Final = timedelta(seconds=30)
# Where later ones wait behind it, a passing message that is older than this is not worth its request.
THINNED_AFTER: Final = timedelta(seconds=15)
MOST_FOUND: Final = 500
_CROWDED_S: Final = (0.5, 1.5)
_NO_SERVER: Final = "There is no server for it any more."
_ERASED: Final = "What was said in the call has been deleted."
_DROPPED: Final = "It was deleted by people."
# A call that was found late is looked at for so long after its end, and no call takes longer (calls.messages.services).
_NOTICED_WITHIN: Final = timedelta(hours=26)
_THINNED: Final = "A later message told the same and more."


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours until its lease ends, and where it goes."""

    row: ServerMessage
    server: Server
    lease: uuid.UUID


def lanes_due(*, now: datetime) -> list[uuid.UUID]:
    """The calls whose next message is due, those longest due first."""
    table = ServerMessage._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT call_id FROM (SELECT DISTINCT ON (call_id) call_id, due_at, leased_until FROM {table} "  # noqa: S608  # our own names
            "WHERE state = 'waiting' ORDER BY call_id, id) AS heads "
            "WHERE due_at <= %s AND (leased_until IS NULL OR leased_until < %s) ORDER BY due_at LIMIT %s",
            [now, now, MOST_FOUND],
        )
        return [call_id for (call_id,) in cursor.fetchall()]


def claim(call_id: uuid.UUID, *, now: datetime) -> Claimed | None:
    """The call's next message, ours for a while; None where none is due, somebody has it, or its server has enough to do."""
    with transaction.atomic():
        while True:
            head = (
                ServerMessage.objects.select_for_update(of=("self",))
                .filter(call_id=call_id, state=State.WAITING)
                .order_by("id")
                .first()
            )
            if head is None or _is_taken(head, now) or (head.due_at or now) > now:
                return None
            why = _why_not(head, now)
            if why:
                _skip(head, why)
                continue
            call = Call.objects.defer("name").get(pk=call_id)
            server = _server(call, head)
            if server is None:
                _skip(head, _NO_SERVER)
                continue
            return _taken(head, server, now)


def _is_taken(head: ServerMessage, now: datetime) -> bool:
    return head.leased_until is not None and head.leased_until > now


def _why_not(head: ServerMessage, now: datetime) -> str:
    if CallStripped.objects.filter(call_id=head.call_id).exists():
        return _ERASED
    if head.resent_n or now - head.at <= THINNED_AFTER or not care_for(head.kind, head.key).thins:
        return ""
    later = ServerMessage.objects.filter(
        call_id=head.call_id, state=State.WAITING, kind=head.kind, id__gt=head.pk
    )
    return _THINNED if later.exists() else ""


def _server(call: Call, head: ServerMessage) -> Server | None:
    parts = parts_of(call)
    part = parts[head.part] if head.part < len(parts) else PartSeen(None, "", None)
    return server_of(call, part, now_live=bool(head.resent_n))


def _taken(head: ServerMessage, server: Server, now: datetime) -> Claimed | None:
    host = host_of(server.url)[:255]
    with connection.cursor() as cursor:
        # Workers that count the messages on their way to one server count one after the other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"message-host:{host}"])
    limit = MOST_IN_TROUBLE if _in_trouble(host, now) else MOST_AT_ONCE
    head.host, head.server_from = host, server.whose
    on_their_way = ServerMessage.objects.filter(host=host, state=State.WAITING, leased_until__gt=now)
    if on_their_way.count() >= limit:
        head.due_at = now + timedelta(seconds=random.uniform(*_CROWDED_S))  # noqa: S311  # no secret
        head.save(update_fields=["host", "server_from", "due_at"])
        return None
    head.lease, head.tried_at = uuid.uuid4(), now
    head.leased_until = now + timedelta(seconds=server.timeout_s) + LEASE_MARGIN
    head.attempts_n += 1
    head.save(update_fields=["host", "server_from", "lease", "tried_at", "leased_until", "attempts_n"])
    return Claimed(head, server, head.lease)


def _in_trouble(host: str, now: datetime) -> bool:
    """Whether something that was sent there of late has failed, and has not gone since."""
    lately = ServerMessage.objects.filter(
        host=host, state__in=[State.WAITING, State.DEAD], tried_at__gte=now - TROUBLE_LASTS
    )
    return lately.exclude(error="").exists()


def _skip(head: ServerMessage, why: str) -> None:
    ServerMessage.objects.filter(pk=head.pk).update(
        state=State.SKIPPED, error=why, due_at=None, lease=None, leased_until=None
    )


# --- What became of it ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """How one attempt went. ``code`` says how it failed, empty where the server took the message."""

    code: str = ""
    why: str = ""
    http_status: int | None = None
    elapsed_ms: int = 0


def settle(one: Claimed, result: Result, *, plan: Backoff, now: datetime) -> str:
    """Write how an attempt went; the state that the message has now, or an empty text where somebody else has it."""
    fields = {
        "http_status": result.http_status,
        "elapsed_ms": result.elapsed_ms,
        "error": result.why[:300],
        "lease": None,
        "leased_until": None,
    }
    mine = ServerMessage.objects.filter(pk=one.row.pk, lease=one.lease)
    if not result.code:
        return State.SENT if mine.update(**fields, state=State.SENT, sent_at=now, due_at=None) else ""
    pause_s = pause_after(one.row, result, plan=plan)
    if pause_s is None:
        return State.DEAD if mine.update(**fields, state=State.DEAD, due_at=None) else ""
    due_at = now + timedelta(seconds=pause_s)
    return State.WAITING if mine.update(**fields, due_at=due_at) else ""


# Of what may pass: a server that is away, or says so. Any other answer will be the same the next time.
_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FOR_GOOD: Final = frozenset({"forbidden_address", "url_invalid", "redirected", "not_sendable"})


def pause_after(row: ServerMessage, result: Result, *, plan: Backoff) -> float | None:
    """Seconds until the next attempt; None: it is given up. The server's own plan comes first, then what its kind is worth."""
    n = row.attempts_n
    if plan.repeats(n, code=result.code, http_status=result.http_status):
        return plan.pause_s(n)
    if result.code == "http_error":
        if result.http_status in plan.excluded or result.http_status not in _PASSING_STATUSES:
            return None
    elif result.code in _FOR_GOOD:
        return None
    pauses, at = care_for(row.kind, row.key).pauses_s, n - 1 - plan.max_retries
    return pauses[max(0, at)] if at < len(pauses) else None


# --- By people, and by age --------------------------------------------------------------------------------------


def messages_resend(pks: Iterable[int]) -> int:
    """Have these sent again from the start, whatever became of them; how many. They go to where the server is now."""
    # One that is on its way goes once; and nobody waits any more for who is to take a call.
    rows = ServerMessage.objects.filter(pk__in=list(pks)).exclude(
        Q(state=State.WAITING, leased_until__isnull=False) | Q(kind=ASSISTANT_REQUEST)
    )
    return rows.update(
        state=State.WAITING,
        due_at=timezone.now(),
        attempts_n=0,
        resent_n=F("resent_n") + 1,
        error="",
        http_status=None,
        lease=None,
        leased_until=None,
    )


def messages_drop(pks: Iterable[int]) -> int:
    """Delete these, but for what is on its way; how many. Of young calls the rows stay, or they would be noticed anew."""
    rows = ServerMessage.objects.filter(pk__in=list(pks)).exclude(
        state=State.WAITING, leased_until__isnull=False
    )
    old = rows.filter(created_at__lt=timezone.now() - _NOTICED_WITHIN)
    done = old.delete()[0]
    return done + rows.update(state=State.SKIPPED, due_at=None, error=_DROPPED, facts={})


# By then nobody looks at what arrived in the middle of a call.
PASSING_KEPT: Final = timedelta(days=1)
_BATCH: Final = 5000


def messages_expire(*, now: datetime, kept: timedelta) -> int:
    """Delete rows that are older than they are to be kept; how many. What still waits stays."""
    over = ServerMessage.objects.exclude(state=State.WAITING)
    passing = over.filter(created_at__lt=now - min(PASSING_KEPT, kept)).exclude(
        kind__in=("status-update", "end-of-call-report", "assistant-request")
    )
    done = 0
    for rows in (passing.exclude(state=State.DEAD), over.filter(created_at__lt=now - kept)):
        while True:
            pks = list(rows.order_by("created_at").values_list("pk", flat=True)[:_BATCH])
            if not pks:
                break
            done += ServerMessage.objects.filter(pk__in=pks).delete()[0]
    return done
