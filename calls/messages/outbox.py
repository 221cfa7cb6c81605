"""Taking messages out of the outbox: one at a time for each call, few at a time for each server, and what became of each.

Whoever takes a message has it until its lease ends. A worker that dies with one loses it to the next, which sends it again with
the same Idempotency-Key: a message arrives at least once. A message that a server cannot stand, or that nobody survives, must
not keep the rest of its call: the first is overtaken after a few attempts, the second given up.
"""

import contextlib
import logging
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from redis.exceptions import RedisError

from calls.messages.kinds import ASSISTANT_REQUEST, care_for
from calls.messages.servers import PartSeen, Server, parts_of, server_of
from calls.models import Call, CallStripped, ServerMessage
from tools.backoff import Backoff
from tools.breaker import host_of
from tools.shared_state import key, store

logger = logging.getLogger(__name__)

State = ServerMessage.State
# To one server at a time; to one that has just failed, a single one, until it is seen to be well again.
MOST_AT_ONCE: Final = 4
MOST_IN_TROUBLE: Final = 1
TROUBLE_LASTS: Final = timedelta(seconds=60)
# To one that has just answered within this, most of a worker's threads at a time.
QUICK_MS: Final = 1000
# A message that has failed so often no longer holds up what comes behind it in its call.
HOLDS_UP: Final = 3
# Whoever had it has so often not come back: it may be what ended them.
MOST_LOST: Final = 3
LONGEST_PAUSE_S: Final = 28800.0
# Beyond a message's own timeout: what making its body and writing its end may take.
LEASE_MARGIN: Final = timedelta(seconds=30)
# Where later ones wait behind it, a passing message that is older than this is not worth its request.
THINNED_AFTER: Final = timedelta(seconds=15)
MOST_FOUND: Final = 500
_CROWDED_S: Final = (0.5, 1.5)
_LOST: Final = "Whoever was to send it did not come back, several times."
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
    in_trouble: bool = False  # its server was, when it was taken


def lanes_due(*, now: datetime) -> list[uuid.UUID]:
    """The calls whose next message is due, those longest due first."""
    table = ServerMessage._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT call_id FROM (SELECT call_id, id, due_at, leased_until, "  # noqa: S608  # our own names
            "min(id) FILTER (WHERE attempts_n < %s) OVER (PARTITION BY call_id) AS holds_up "
            f"FROM {table} WHERE state = 'waiting') AS waiting WHERE holds_up IS NULL OR id <= holds_up GROUP BY call_id "
            "HAVING min(due_at) <= %s AND bool_and(leased_until IS NULL OR leased_until < %s) ORDER BY min(due_at) LIMIT %s",
            [HOLDS_UP, now, now, MOST_FOUND],
        )
        return [call_id for (call_id,) in cursor.fetchall()]


# By the part of the call, and whether people had it sent again.
Servers = dict[tuple[int, bool], Server | None]


def claim(call_id: uuid.UUID, *, now: datetime, servers: Servers | None = None) -> Claimed | None:
    """The call's next message, ours for a while; None where none is due, somebody has it, or its server has enough to do.

    ``servers`` are those of this call that are known, and is added to.
    """
    servers = {} if servers is None else servers
    with transaction.atomic():
        while True:
            head = _next(call_id, now)
            if head is None:
                return None
            why = _why_not(head, now)
            if why:
                _skip(head, why)
                continue
            if head.lease is not None and _is_lost(head):
                continue
            server = _server(head, servers)
            if server is None:
                _skip(head, _NO_SERVER)
                continue
            return _taken(head, server, now)


def _next(call_id: uuid.UUID, now: datetime) -> ServerMessage | None:
    """The message that is to go now, None where there is none, or one is on its way. Whoever looks at a call looks alone."""
    waiting = ServerMessage.objects.filter(call_id=call_id, state=State.WAITING).order_by("id")
    head = waiting.select_for_update(of=("self",)).first()
    if head is None:
        return None
    in_order = [head]
    if head.attempts_n >= HOLDS_UP or head.resent_n:
        in_order = list(waiting)
    if any(_is_taken(one, now) for one in in_order):
        return None
    for one in in_order:
        if (one.due_at or now) <= now:
            return one
        if one.attempts_n < HOLDS_UP:
            return None
    return None


def _is_lost(head: ServerMessage) -> bool:
    """Whether a message is given up that somebody had and nobody has settled."""
    lost = head.facts.get("lost", 0) + 1
    head.facts = {**head.facts, "lost": lost}
    if lost < MOST_LOST:
        return False
    logger.error(
        "a server message ends whoever sends it", extra={"call_id": str(head.call_id), "kind": head.kind}
    )
    head.state, head.error, head.due_at, head.lease, head.leased_until = State.DEAD, _LOST, None, None, None
    head.save(update_fields=["state", "error", "due_at", "lease", "leased_until", "facts"])
    return True


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


def _server(head: ServerMessage, servers: Servers) -> Server | None:
    place = (head.part, bool(head.resent_n))
    if place not in servers:
        call = Call.objects.get(pk=head.call_id)
        parts = parts_of(call)
        part = parts[head.part] if head.part < len(parts) else PartSeen(None, "", None)
        servers[place] = server_of(call, part, now_live=bool(head.resent_n))
    return servers[place]


def _taken(head: ServerMessage, server: Server, now: datetime) -> Claimed | None:
    host = host_of(server.url)[:255]
    trouble, limit = _known_of(host)
    with connection.cursor() as cursor:
        # Workers that count the messages on their way to one server count one after the other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"message-host:{host}"])
    head.host, head.server_from = host, server.whose
    on_their_way = ServerMessage.objects.filter(host=host, state=State.WAITING, leased_until__gt=now)
    if on_their_way.count() >= limit:
        head.due_at = now + timedelta(seconds=random.uniform(*_CROWDED_S))  # noqa: S311  # no secret
        head.save(update_fields=["host", "server_from", "due_at"])
        return None
    head.lease, head.tried_at = uuid.uuid4(), now
    head.leased_until = now + timedelta(seconds=server.timeout_s) + LEASE_MARGIN
    head.attempts_n += 1
    head.save(
        update_fields=["host", "server_from", "lease", "tried_at", "leased_until", "attempts_n", "facts"]
    )
    return Claimed(head, server, head.lease, trouble)


def _keys_of(host: str) -> tuple[str, str]:
    return key("messages", "trouble", host), key("messages", "quick", host)


def _known_of(host: str) -> tuple[bool, int]:
    """Whether a server has failed of late and has taken nothing since, and how many messages it may be sent at a time."""
    trouble = quick = None
    with contextlib.suppress(RedisError):
        trouble, quick = cast("list[str | None]", store().mget(_keys_of(host)))
    if trouble:
        return True, MOST_IN_TROUBLE
    # Of a worker's threads some are left for others, should it begin to hang.
    return False, max(MOST_AT_ONCE, settings.SERVER_MESSAGES_AT_ONCE * 3 // 4) if quick else MOST_AT_ONCE


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
    retry_after_s: float = 0.0  # what the server asked for


# Of what may pass: a server that is away, or says so. Any other answer will be the same the next time.
_PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FOR_GOOD: Final = frozenset({"forbidden_address", "url_invalid", "redirected", "not_sendable"})


def settle(one: Claimed, result: Result, *, plan: Backoff, now: datetime) -> str:
    """Write how an attempt went; the state that the message has now, or an empty text where somebody else has it."""
    fields = {
        "http_status": result.http_status,
        "elapsed_ms": result.elapsed_ms,
        "error": result.why[:300],
        "lease": None,
        "leased_until": None,
    }
    _note_trouble(one, result)
    mine = ServerMessage.objects.filter(pk=one.row.pk, lease=one.lease)
    if not result.code:
        return State.SENT if mine.update(**fields, state=State.SENT, sent_at=now, due_at=None) else ""
    pause_s = pause_after(one.row, result, plan=plan)
    if pause_s is None:
        return State.DEAD if mine.update(**fields, state=State.DEAD, due_at=None) else ""
    due_at = now + timedelta(seconds=pause_s)
    return State.WAITING if mine.update(**fields, due_at=due_at) else ""


def _note_trouble(one: Claimed, result: Result) -> None:
    status = result.http_status
    trouble, quick = _keys_of(one.row.host)
    with contextlib.suppress(RedisError), store().pipeline(transaction=False) as pipe:
        if not result.code and one.in_trouble:  # it was sent after that
            pipe.delete(trouble)
        elif (
            result.code and result.code != "not_sendable" and (status is None or status in _PASSING_STATUSES)
        ):
            pipe.set(trouble, "1", ex=TROUBLE_LASTS)
        if status is not None and result.elapsed_ms < QUICK_MS:
            pipe.set(quick, "1", ex=TROUBLE_LASTS)
        else:
            pipe.delete(quick)
        pipe.execute()


def pause_after(row: ServerMessage, result: Result, *, plan: Backoff) -> float | None:
    """Seconds until the next attempt; None: it is given up. The server's own plan comes first, then what its kind is worth."""
    pause_s = _pause_s(row, result, plan=plan)
    return None if pause_s is None else min(max(pause_s, result.retry_after_s), LONGEST_PAUSE_S)


def _pause_s(row: ServerMessage, result: Result, *, plan: Backoff) -> float | None:
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
