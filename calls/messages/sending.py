"""Sending the messages of one call, one after the other."""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from redis.exceptions import RedisError

from assistants.snapshots import snapshot_read
from calls.api.selectors import record_of
from calls.messages.bodies import Subject, message_body
from calls.messages.kinds import TRANSCRIPT
from calls.messages.outbox import Claimed, Result, Servers, State, claim, settle
from calls.models import Call, CallPart, ServerMessage
from calls.passing import lane
from calls.tool_context import assistant_told
from tools.access.errors import ApiError
from tools.access.organisation import organisation_id
from tools.auth import oauth
from tools.auth.credentials import OAuth2, ServerAuth, Signable, merged, oauth2_of
from tools.auth.headers import convincing_headers
from tools.backoff import backoff_read
from tools.clients import HttpAnswer, HttpRequest, ToolError, http_send
from tools.jsontext import json_text
from tools.observing import metrics
from transcripts.models import Utterance

logger = logging.getLogger(__name__)

Send = Callable[..., HttpAnswer]
# One run of a call's lane; what is left then is taken up by the next.
RUN_FOR: Final = timedelta(seconds=60)
# What is told in passing is given no longer (calls.messages.passing_sending).
PARTIAL_WITHIN_S: Final = 2.5
_MOST_DIGITS: Final = 10
# A version that no release ever wrote, a call that is gone: no server can do anything about it.
UNWRITABLE: Final = (ApiError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
_JSON: Final = {"Content-Type": b"application/json", "Accept": b"application/json, text/plain, */*"}


@dataclass(slots=True)
class _Lane:
    """What is known of one call while its messages are sent: read again for messages that were written since."""

    call_id: uuid.UUID
    subject: Subject | None = None
    newest: int = 0  # of the messages that were written when it was read
    servers: Servers = field(default_factory=dict)

    def subject_for(self, row: ServerMessage) -> Subject:
        """The call as it is told in this message. Raises ApiError for one that nobody may be told of."""
        if self.subject is None or row.pk > self.newest:
            newest = ServerMessage.objects.filter(call_id=self.call_id).aggregate(pk=Max("pk"))["pk"]
            self.newest = newest or row.pk
            self.subject = subject_read(self.call_id)
        return self.subject


def subject_read(call_id: uuid.UUID) -> Subject:
    """The call that messages are about, as its rows are now. Raises ApiError for one that is gone."""
    record = record_of(str(call_id))
    stored = [
        (number, snapshot)
        for number, snapshot in CallPart.objects.filter(call_id=call_id)
        .order_by("n")
        .values_list("version__number", "version__snapshot")
    ]
    if not stored:
        stored = [
            (number, snapshot)
            for number, snapshot in Call.objects.filter(pk=call_id, version__isnull=False).values_list(
                "version__number", "version__snapshot"
            )
        ]
    return Subject.of(
        record,
        assistants=[assistant_told(snapshot_read(snapshot)) for _, snapshot in stored],
        versions=[number for number, _ in stored],
        spoken={one.item_id: one for one in Utterance.objects.filter(transcript__call_id=call_id)},
        org_id=organisation_id(),
        public_origin=settings.PUBLIC_ORIGIN,
    )


def lane_send(call_id: uuid.UUID, *, until: datetime | None = None, send: Send = http_send) -> int:
    """Send what is due of a call, in its order, for as long as it goes well and until then; how many were sent off."""
    known, tried = _Lane(call_id), 0
    until = until or timezone.now() + RUN_FOR
    while timezone.now() < until:
        one = claim(call_id, now=timezone.now(), servers=known.servers)
        if one is None:
            break
        tried += 1
        result = _attempt(one, known, send)
        state = settle(one, result, plan=backoff_read(one.server.backoff_plan), now=timezone.now())
        _tell(one.row, result, state)
        if state == State.WAITING:
            break
    return tried


def _attempt(one: Claimed, known: _Lane, send: Send) -> Result:
    try:
        body = json_text(message_body(one.row, known.subject_for(one.row))).encode()
    except UNWRITABLE as exc:
        why = f"It could not be written ({type(exc).__name__})."
        return Result("not_sendable", why)
    _let_go_first(one.row)
    return post(
        body,
        one.server.url,
        one.server.auth,
        message_id=one.row.public_id,
        timeout_s=one.server.timeout_s,
        send=send,
    )


def _let_go_first(row: ServerMessage) -> None:
    """Wait for a partial text of the same words that is on its way, a moment at the most: none comes behind the final one."""
    if row.kind == TRANSCRIPT and not row.resent_n:
        with contextlib.suppress(RedisError):  # where there is no Redis, there are no partial texts
            lane.finish(row.call_id, str(row.facts.get("item")), within_s=PARTIAL_WITHIN_S)


def post(
    body: bytes,
    url: str,
    auth: ServerAuth,
    *,
    message_id: uuid.UUID,
    timeout_s: float,
    send: Send = http_send,
) -> Result:
    """How sending a body went that nobody answers; with a fresh OAuth2 token once more where the server refused the first."""
    answer = ask(body, url, auth, message_id=message_id, timeout_s=timeout_s, send=send)
    if isinstance(answer, Result):
        # Nobody reads what comes behind the status: it may be too much, too slow, or break off.
        taken = answer.http_status is not None and 200 <= answer.http_status < 300
        return Result("", "", answer.http_status, answer.elapsed_ms) if taken else answer
    if 200 <= answer.http_status < 300:
        return Result("", "", answer.http_status, answer.elapsed_ms)
    return Result(
        "http_error",
        f"The server answered {answer.http_status}.",
        answer.http_status,
        answer.elapsed_ms,
        retry_after_s(answer.headers, now=timezone.now()),
    )


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float:
    """For how long a server asks to be left alone, in seconds or by a moment; 0: it does not."""
    given = headers.get("Retry-After", "").strip()
    if given.isdecimal() and len(given) < _MOST_DIGITS:
        return float(given)
    try:
        until = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return 0.0
    if until.tzinfo is None:  # "-0000" stands for a clock of which nothing more is known
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())


def ask(
    body: bytes,
    url: str,
    auth: ServerAuth,
    *,
    message_id: uuid.UUID,
    timeout_s: float,
    send: Send = http_send,
) -> HttpAnswer | Result:
    """The server's answer to a body, or how asking failed. All of it within the time."""
    began = time.monotonic()
    tokens: list[str] = []

    def access_token(client: OAuth2) -> str:
        tokens.append(oauth.access_token(client))
        return tokens[-1]

    def once() -> HttpAnswer:
        signable = Signable("POST", url, body, str(message_id), timezone.now())
        idempotent = {"Idempotency-Key": str(message_id).encode()}
        headers = merged({**_JSON, **idempotent}, convincing_headers(auth, signable, access_token))
        left_s = max(0.1, timeout_s - (time.monotonic() - began))
        return send(HttpRequest("POST", url, body, headers), timeout_s=left_s, send_within_s=left_s)

    try:
        answer = once()
        if answer.http_status == 401 and tokens:
            client = oauth2_of(auth)
            assert client is not None  # it gave the token
            oauth.access_token_refused(client, tokens[-1])
            answer = once()
    except ToolError as exc:
        took_ms = round((time.monotonic() - began) * 1000)
        return Result(exc.code, f"It was not taken: {exc.why}.", exc.http_status, took_ms)
    return answer


def _tell(row: ServerMessage, result: Result, state: str) -> None:
    metrics.SERVER_MESSAGES.labels(row.kind.partition("[")[0], state or "lost").inc()
    fields: dict[str, Any] = {
        "call_id": str(row.call_id),
        "kind": row.kind,
        "attempt": row.attempts_n,
        "http_status": result.http_status,
        "code": result.code,
    }
    if state == State.DEAD:
        logger.warning("a server message was given up", extra=fields)
    elif result.code:
        logger.info("a server message did not arrive", extra=fields)
