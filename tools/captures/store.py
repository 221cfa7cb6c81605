"""Capturing what Vapi really sends to a tool: handed on unchanged, and kept for a comparison with what Tandem would send."""

import hashlib
import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from tools.clients import HttpRequest, ToolError, http_send
from tools.jsontext import json_read, json_text, text_clean
from tools.models import Capture, CapturePoint, Tool
from tools.redaction.keeping import Keeping

logger = logging.getLogger(__name__)

_SECRET = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)
# Of one connection, or put on by what stands in front of us.
_NOT_HANDED_ON = re.compile(
    r"(connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|content-length|proxy-.*"
    r"|forwarded|x-forwarded-.*|x-real-ip|via|cf-.*|cdn-loop|true-client-ip)",
    re.IGNORECASE,
)
_NOT_HANDED_BACK = re.compile(
    r"(connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-length|content-encoding|date|server|proxy-.*)",
    re.IGNORECASE,
)
_TYPE_MAX = Capture._meta.get_field("answer_type").max_length or 0


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came to a capture point, as it came."""

    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class HandedBack:
    """What the customer's server answered; without an answer, ``http_status`` is our own and ``error`` says why."""

    http_status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    error: str = ""
    elapsed_ms: int | None = None


def token_renew(point: CapturePoint) -> str:
    """A new token of the point, unsaved: this is the only moment in which it can be read."""
    token = secrets.token_urlsafe(32)
    point.token_hash = token_hash(token)
    return token


def token_hash(token: str) -> str:
    """What is stored of a token. A plain digest will do: nobody guesses 32 random bytes."""
    return hashlib.sha256(token.encode()).hexdigest()


def point_of(token: str) -> CapturePoint | None:
    """The open capture point of this token, or None."""
    points = CapturePoint.objects.select_related("tool").defer("tool__server_secret", "tool__server_headers")
    return points.filter(token_hash=token_hash(token), enabled=True).first()


def hand_on(point: CapturePoint, received: Received) -> HandedBack:
    """The tool server's answer to the very same bytes and headers. Raises nothing expected."""
    tool = point.tool
    if not tool.server_url:
        return _failed(502, "the tool has no server URL of its own")
    return hand_on_to(tool.server_url, received, timeout_s=tool.timeout_s)


def hand_on_to(url: str, received: Received, *, timeout_s: float) -> HandedBack:
    """The answer of any address to the very same bytes and headers. Raises nothing expected."""
    headers = {
        name: value.encode("latin-1", errors="replace")
        for name, value in received.headers
        if not _NOT_HANDED_ON.fullmatch(name)
    }
    request = HttpRequest("POST", url, received.body, headers, redirects_answer=True)
    try:
        answer = http_send(request, timeout_s=timeout_s, send_within_s=timeout_s)
    except ToolError as exc:
        return _failed(504 if exc.late else 502, exc.why)
    kept = {name: value for name, value in answer.headers.items() if not _NOT_HANDED_BACK.fullmatch(name)}
    return HandedBack(answer.http_status, answer.body, kept, elapsed_ms=answer.elapsed_ms)


def capture_write(point: CapturePoint, received: Received, handed_back: HandedBack) -> Capture:
    """Keep the exchange, and let go of what is too much or too old."""
    answered = not handed_back.error
    rules = _rules_of(point)
    with transaction.atomic():
        capture = Capture.objects.create(
            point=point,
            received_at=received.at,
            body=_kept(text_clean(received.body.decode(errors="replace")), rules),
            headers=headers_shown(received.headers),
            http_status=handed_back.http_status if answered else None,
            answer=_kept(text_clean(handed_back.body.decode(errors="replace")), rules) if answered else "",
            answer_type=text_clean(handed_back.headers.get("Content-Type", ""))[:_TYPE_MAX],
            error=handed_back.error,
            elapsed_ms=handed_back.elapsed_ms,
        )
        surplus = point.captures.order_by("-received_at", "-id").values("pk")[point.keep_count :]
        Capture.objects.filter(pk__in=list(surplus.values_list("pk", flat=True))).delete()
    return capture


def _rules_of(point: CapturePoint) -> Keeping:
    """What all assistants together that have the tool let be kept."""
    rows = list(Tool.objects.filter(pk=point.tool_id).values_list("assistants__redact", "assistants__hipaa"))
    return Keeping.from_json(
        {
            "redact": [kind for redact, _ in rows for kind in redact or []],
            "hipaa": any(hipaa for _, hipaa in rows),
        }
    )


def _kept(text: str, rules: Keeping) -> str:
    """A body as it may be kept; what is JSON is JSON afterwards."""
    if rules.everything:
        return text
    value = json_read(text)
    return rules.words(text) if value is None else json_text(rules.values(value))


def captures_expire(*, now: datetime) -> int:
    """How many captures had reached their age and are gone."""
    points = CapturePoint.objects.values_list("pk", "keep_days")
    return sum(
        Capture.objects.filter(point_id=pk, received_at__lt=now - timedelta(days=days)).delete()[0]
        for pk, days in points
    )


def headers_shown(headers: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Names and values as they may be stored: of a secret one only how long it is."""
    return [
        [
            text_clean(name),
            f"(hidden, {len(value)} characters)" if _SECRET.search(name) else text_clean(value),
        ]
        for name, value in headers
    ]


def _failed(http_status: int, why: str) -> HandedBack:
    return HandedBack(http_status, b"", {}, error=f"Not answered: {why}.")


def received_now(body: bytes, headers: Iterable[tuple[str, str]]) -> Received:
    """The request as it came, now."""
    return Received(body, tuple(headers), timezone.now())
