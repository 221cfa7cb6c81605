"""The recorder: between Vapi and a customer's server while an assistant still runs at Vapi, keeping reports of calls.

Nothing that happens here may change what callers at Vapi hear. Where a server stood before, every message goes on to it
as it came and its answer goes back, whether or not anything can be kept; where none stood, the answer says nothing.
"""

import base64
import hashlib
import json
import logging
import secrets
import time
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from calls.history.reading import REPORT, Unreadable, record_read
from calls.history.writing import calls_write
from calls.models import VapiCall, VapiRecorder
from tools.captures.store import HandedBack, Received, hand_on_to
from tools.encryption import SecretUnreadableError, decrypt, stored_token
from tools.jsontext import json_read

logger = logging.getLogger(__name__)

MAX_BODY: Final = 20 * 1024 * 1024
# Several messages a second come from every call; who switches a recorder off waits that long.
KNOWN_FOR_S: Final = 5.0
DATABASE_AWAY: Final = (OperationalError, InterfaceError)
# Messages whose answer changes what Vapi does.
ANSWERED: Final = frozenset(
    {
        "assistant-request",
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "knowledge-base-request",
    }
    | {"handoff-destination-request", "voice-request", "call.endpointing.request", "campaign.predial"}
)
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Point:
    """One recorder as the endpoint needs it. ``secret`` is None where the stored one cannot be read."""

    id: int
    secret: str | None = field(repr=False)
    forward_url: str = field(repr=False)
    timeout_s: int
    recording: bool


_known: dict[str, tuple[float, Point]] = {}


def token_renew(recorder: VapiRecorder) -> str:
    """A new token of the recorder, unsaved: this is the only moment in which it can be read."""
    token = secrets.token_urlsafe(32)
    recorder.token_hash = token_hash(token)
    return token


def token_hash(token: str) -> str:
    """What is stored of a token. A plain digest will do: nobody guesses 32 random bytes."""
    return hashlib.sha256(token.encode()).hexdigest()


def point_of(token: str) -> Point | None:
    """The recorder of this token, or None. While the database is away, as it was last seen; raises if it never was."""
    digest = token_hash(token)
    seen_at, point = _known.get(digest, (0.0, None))
    if point is not None and time.monotonic() - seen_at < KNOWN_FOR_S:
        return point
    try:
        found = _point_stored(digest)
    except DATABASE_AWAY:
        if point is None:
            raise
        logger.warning("a recorder is used as it was last seen", extra={"recorder": point.id})
        return point
    if found is None:
        _known.pop(digest, None)
        return None
    _known[digest] = (time.monotonic(), found)
    return found


def points_forget() -> None:
    """Have the next message look at the database again."""
    _known.clear()


def message_answer(point: Point, received: Received) -> HandedBack:
    """What Vapi gets for one message. A report is kept before anything else, once it is known to be Vapi's."""
    authentic = _is_authentic(point, received)
    is_report = REPORT.encode() in received.body and _kind(received.body) == REPORT
    kept = True
    if is_report and point.recording:
        if authentic:
            kept = _keep(point, received.body)
        else:
            _count(point, refused_n=1)
            logger.warning(
                "a report without the recorder's secret was not kept", extra={"recorder": point.id}
            )
    if point.forward_url:
        return _handed_on(point, received)
    if not authentic:
        return _own(401, {"message": "The secret is missing or is not the recorder's.", "statusCode": 401})
    if not kept:
        # Nobody else has it: Vapi may try again.
        return _own(503, {"message": "Nothing can be stored at the moment.", "statusCode": 503})
    kind = _kind(received.body)
    if kind is None:
        return _own(400, {"message": "This is no message of Vapi's.", "statusCode": 400})
    if kind in ANSWERED:
        _count(point, unanswered_n=1)
        logger.warning(
            "a message wanted an answer, but there is no server to ask", extra={"recorder": point.id}
        )
    return _own(200, {})


def report_keep(recorder_id: int, body: bytes) -> bool:
    """Write a report into the rows of its call; whether it could be read. The same one again changes nothing."""
    record = record_read(json_read(body.decode(errors="replace")), where="the recorder")
    now = timezone.now()
    rows = VapiRecorder.objects.filter(pk=recorder_id)
    if isinstance(record, Unreadable):
        rows.update(unreadable_n=F("unreadable_n") + 1)
        return False
    calls_write([record], source=VapiCall.Source.RECORDER)
    rows.update(reports_n=F("reports_n") + 1, last_report_at=now)
    return True


# --- Steps ---------------------------------------------------------------------------------------------------


def _point_stored(digest: str) -> Point | None:
    row = (
        VapiRecorder.objects.filter(token_hash=digest)
        .annotate(stored_secret=stored_token("secret"))
        .defer("secret")  # one that cannot be read would stop everything
        .first()
    )
    if row is None or not constant_time_compare(row.token_hash, digest):
        return None
    secret: str | None = row.stored_secret
    if secret:
        try:
            secret = decrypt(secret)
        except SecretUnreadableError:
            secret = None
    return Point(row.pk, secret, row.forward_url, row.timeout_s, row.recording)


def _is_authentic(point: Point, received: Received) -> bool:
    """Whether the message carries the recorder's secret, in one of the two headers that Vapi can put it into."""
    if point.secret is None:
        return False
    if not point.secret:
        return True
    for name, value in received.headers:
        if name.lower() == "x-vapi-secret" and constant_time_compare(value, point.secret):
            return True
        if name.lower() == "authorization" and constant_time_compare(
            value.removeprefix("Bearer ").strip(), point.secret
        ):
            return True
    return False


def _kind(body: bytes) -> str | None:
    """The type of a message; None for what is none."""
    value = json_read(body.decode(errors="replace"))
    message = value.get("message") if isinstance(value, dict) else None
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else None


def _keep(point: Point, body: bytes) -> bool:
    """Keep a report: in the database, or while that is away in the queue. Whether either has it."""
    try:
        report_keep(point.id, body)
    except DATABASE_AWAY:
        return _keep_later(point, body)
    except DatabaseError as exc:
        # The exception's text may hold the row.
        logger.error(  # noqa: TRY400
            "a report could not be written", extra={"recorder": point.id, "cause": type(exc).__name__}
        )
        _count(point, unreadable_n=1)
    return True


def _keep_later(point: Point, body: bytes) -> bool:
    packed = base64.b64encode(zlib.compress(body)).decode()
    try:
        current_app.send_task(
            "calls.history.tasks.report_write",
            kwargs={"recorder_id": point.id, "body": packed},
            argsrepr="(…)",
            kwargsrepr="{…}",
        )
    except BrokerError:
        logger.error("a report was lost: database and broker are away", extra={"recorder": point.id})  # noqa: TRY400  # exception text may hold rows
        return False
    return True


def _handed_on(point: Point, received: Received) -> HandedBack:
    if not connection.in_atomic_block:
        connection.close()  # a slow server would keep it from everybody else
    handed_back = hand_on_to(point.forward_url, received, timeout_s=point.timeout_s)
    if handed_back.error:
        logger.warning(
            "a message could not be handed on", extra={"recorder": point.id, "why": handed_back.error}
        )
        _count(
            point,
            forward_failed_n=1,
            forward_failed_at=timezone.now(),
            forward_failed_why=handed_back.error[:300],
        )
    return handed_back


def _count(point: Point, **values: Any) -> None:
    """Note something on the recorder's row. While the database is away nobody counts."""
    counted = {name: F(name) + value if name.endswith("_n") else value for name, value in values.items()}
    try:
        VapiRecorder.objects.filter(pk=point.id).update(**counted)
    except DATABASE_AWAY:
        pass


def _own(http_status: int, value: dict[str, Any]) -> HandedBack:
    return HandedBack(http_status, json.dumps(value).encode(), _JSON)
