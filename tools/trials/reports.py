"""A test request as the page shows it: with everything hidden that convinces a server."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tools.adminkit import Tone, badge, json_pretty
from tools.arguments import NotSendableError
from tools.jsontext import json_read
from tools.models import ToolCall
from tools.outcomes import ANSWER_KEPT_CHARS, Outcome, answer_clip
from tools.sending import Attempt, prepared
from tools.trials.running import Exchange, Trial

_TONES: dict[str, Tone] = {"answered": "good", "refused": "warn"}
_SECRET_NAME = re.compile(r"auth|cookie|key|pass|secret|session|sig|token", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"([?&][^=&#]*(?:auth|key|pass|secret|sig|token)[^=&#]*=)[^&#]+", re.IGNORECASE)
_HIDDEN = "hidden"
# Shorter values stand in texts by chance.
_SECRET_MIN_CHARS = 6
# What an MCP client says of itself and of the request, beside what convinces the server.
_OPEN_HEADERS = frozenset({"accept", "content-type", "mcp-method", "mcp-name", "mcp-protocol-version"})


@dataclass(frozen=True, slots=True)
class Shown:
    """One request and its answer as the page shows them."""

    left: bool
    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)
    body: str
    http_status: int | None
    answer_headers: list[tuple[str, str]] = field(repr=False)
    answer: str
    clipped: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A test request as the page shows it. ``told`` is the exact text for the model."""

    status: Any
    error: str
    told: str
    attempts: tuple[Attempt, ...]
    shown: list[Shown]
    outcome: Outcome
    arguments: dict[str, Any]
    extracted: str = ""
    echoed: bool = field(default=False)


def report_of(trial: Trial) -> Report:
    """The report on a test request."""
    outcome = trial.sent.outcome
    secrets = _secrets(trial)
    told = _without(outcome.output, secrets)
    attempts = trial.sent.attempts
    # An attempt has one request, or in a conversation several; then only the last can have failed to leave.
    shown = [
        _shown(one, trial, secrets, left=one.answer is not None or attempts[min(n, len(attempts) - 1)].sent)
        for n, one in enumerate(trial.exchanges)
    ]
    return Report(
        status=badge(ToolCall.Status(outcome.status).label, _TONES.get(outcome.status, "bad")),
        error=outcome.error,
        told=told,
        attempts=trial.sent.attempts,
        shown=shown,
        outcome=outcome,
        arguments=trial.order.arguments,
        extracted=_without(json_pretty(outcome.variables), secrets) if outcome.variables else "",
        echoed=told != outcome.output
        or any(_answer_text(one) != s.answer for one, s in zip(trial.exchanges, shown, strict=True)),
    )


def _shown(exchange: Exchange, trial: Trial, secrets: Iterable[str], *, left: bool) -> Shown:
    request, answer = exchange.request, exchange.answer
    plain = _plain_headers(trial)
    url = url_shown(request.url)
    body = (request.body or b"").decode(errors="replace").replace(request.url, url)
    headers = {} if answer is None else answer.headers
    return Shown(
        left=left,
        method=request.method,
        url=url,
        headers=[(name, _header_text(name, value, plain)) for name, value in request.headers.items()],
        body=_without(_pretty(body), secrets),
        http_status=None if answer is None else answer.http_status,
        answer_headers=[
            (name, _HIDDEN if _SECRET_NAME.search(name) else _without(value, secrets))
            for name, value in headers.items()
        ],
        answer=_without(_answer_text(exchange), secrets),
        clipped=answer is not None and len(answer.body) > ANSWER_KEPT_CHARS,
    )


def _answer_text(exchange: Exchange) -> str:
    return answer_clip(exchange.answer.body) if exchange.answer is not None else ""


def _pretty(text: str) -> str:
    value = json_read(text)
    return text if value is None else json_pretty(value)


def _plain_headers(trial: Trial) -> Mapping[str, bytes]:
    """The headers of the request before anything that convinces its server."""
    try:
        return prepared(trial.order, now=trial.order.requested_at).headers
    except NotSendableError:
        return {}


def _header_text(name: str, value: bytes, plain: Mapping[str, bytes]) -> str:
    is_open = plain.get(name) == value or name.lower() in _OPEN_HEADERS
    if is_open and not _SECRET_NAME.search(name.replace("Idempotency-Key", "")):
        return value.decode(errors="replace")
    return _HIDDEN


def _secrets(trial: Trial) -> list[str]:
    """The hidden values that went out, to hide them too where a server sends them back."""
    plain = _plain_headers(trial)
    found = set()
    for exchange in trial.exchanges:
        for name, value in exchange.request.headers.items():
            if _header_text(name, value, plain) == _HIDDEN:
                text = value.decode(errors="replace")
                found |= {text, text.removeprefix("Bearer ")}
    return sorted((one for one in found if len(one) >= _SECRET_MIN_CHARS), key=len, reverse=True)


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, f"[{_HIDDEN}]")
    return text


def host_shown(url: str) -> str:
    """The host and port of a URL, for people; empty where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def url_shown(url: str) -> str:
    """The URL without its password, and without values in its query whose names speak of a secret."""
    try:
        parts = urlsplit(url)
        if parts.password:
            host = parts.netloc.rpartition("@")[2]
            url = urlunsplit(parts._replace(netloc=f"{parts.username}:{_HIDDEN}@{host}"))
    except ValueError:
        pass
    return _SECRET_IN_URL.sub(rf"\1{_HIDDEN}", url)
