"""A text model of OpenAI's, asked once: the Responses API, with the key of the calls.

The summaries for operators come from the call's own model over its own kind of socket, because somebody waits for them on
the line. Here nobody waits, a text model costs a fraction, and only this API holds an answer to a schema.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson
import requests
from django.conf import settings

from calls.analysis.answers import Form

_CONNECT_S: Final = 5.0
_MOST_BYTES: Final = 1_000_000
MOST_TOKENS: Final = 4_000
_LONGEST_WAIT_S: Final = 300.0
_BUSY: Final = frozenset({408, 409, 429, 500, 502, 503, 504})


class AskError(Exception):
    """There is no answer. The text says why and quotes nothing of the call; ``again``: asking later may help."""

    def __init__(
        self, why: str, *, again: bool = False, after_s: float = 0.0, usage: "Usage | None" = None
    ) -> None:
        super().__init__(why)
        self.again, self.after_s, self.usage = again, after_s, usage


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request has cost, in tokens; cached ones are a part of those in."""

    response_id: str
    model: str
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def as_realtime(self) -> dict[str, Any]:
        """The same in the words of the Realtime API, as calls are priced by."""
        return {
            "input_tokens": self.input_tokens,
            "input_token_details": {
                "text_tokens": self.input_tokens,
                "cached_tokens": self.cached_tokens,
                "cached_tokens_details": {"text_tokens": self.cached_tokens},
            },
            "output_tokens": self.output_tokens,
            "output_token_details": {"text_tokens": self.output_tokens},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote."""

    text: str = field(repr=False)
    usage: Usage


def responses_url() -> str:
    """Where text models are asked: as set, or beside the Realtime API."""
    if settings.OPENAI_RESPONSES_URL:
        return str(settings.OPENAI_RESPONSES_URL)
    parts = urlsplit(settings.OPENAI_REALTIME_URL)
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    path = f"{parts.path.rstrip('/').rpartition('/')[0]}/responses"
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def ask(messages: Sequence[Mapping[str, str]], form: Form | None, *, model: str, within_s: float) -> Answer:
    """The model's answer. Raises AskError."""
    if not settings.OPENAI_API_KEY:
        raise AskError("OPENAI_API_KEY is not set.")
    body = {
        "model": model,
        "input": [{"role": one["role"], "content": one["content"]} for one in messages],
        "text": {"format": _format(form)},
        "max_output_tokens": MOST_TOKENS,
        "store": False,  # else OpenAI keeps the whole request for 30 days
    }
    status, headers, content = _sent(body, within_s)
    if status != 200:
        raise _refusal(status, headers, content)
    return _answer(content, model)


def _format(form: Form | None) -> dict[str, Any]:
    if form is None:
        return {"type": "text"}
    if form.strict:
        return {"type": "json_schema", "name": "answer", "strict": True, "schema": form.schema}
    return {"type": "json_object"}


def _sent(body: Mapping[str, Any], within_s: float) -> tuple[int, Mapping[str, str], Any]:
    until = time.monotonic() + within_s
    try:
        with requests.post(
            responses_url(),
            json=body,
            headers={"Authorization": f"Bearer {settings.OPENAI_API_KEY}"},
            timeout=(min(_CONNECT_S, within_s), within_s),
            allow_redirects=False,
            stream=True,
        ) as answer:
            content = b""
            for chunk in answer.iter_content(65_536):
                content += chunk
                if len(content) > _MOST_BYTES or time.monotonic() > until:
                    raise AskError("OpenAI's answer was too long or came too slowly.", again=True)
    except requests.Timeout as exc:
        raise AskError(f"There was no answer within {within_s:g} s.", again=True) from exc
    except requests.RequestException as exc:
        raise AskError(f"OpenAI could not be reached ({type(exc).__name__}).", again=True) from exc
    try:
        return answer.status_code, answer.headers, orjson.loads(content or b"{}")
    except ValueError as exc:
        if answer.status_code != 200:
            return answer.status_code, answer.headers, {}
        raise AskError("OpenAI's answer is no JSON.", again=True) from exc


def _refusal(status: int, headers: Mapping[str, str], content: Any) -> AskError:
    error = content.get("error") if isinstance(content, dict) else None
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    told = f"OpenAI answered {status}{f' ({str(code)[:60]})' if code else ''}."
    # A 429 for want of money will not go away by waiting.
    again = status in _BUSY and code != "insufficient_quota"
    return AskError(told, again=again, after_s=_seconds(headers.get("Retry-After")))


def _seconds(text: str | None) -> float:
    try:
        return min(max(float(text or 0), 0.0), _LONGEST_WAIT_S)
    except ValueError:
        return 0.0


def _answer(content: Any, model: str) -> Answer:
    body: dict[str, Any] = content if isinstance(content, dict) else {}
    usage = _usage(body, model)
    if body.get("status") == "incomplete":
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        raise AskError(f"The model's answer is incomplete ({str(reason)[:60]}).", usage=usage)
    if body.get("status") != "completed":
        raise AskError(f"The model failed ({str(body.get('status'))[:60]}).", again=True, usage=usage)
    parts = [
        part
        for item in body.get("output") or []
        if isinstance(item, dict) and item.get("type") == "message"
        for part in item.get("content") or []
        if isinstance(part, dict)
    ]
    if any(part.get("type") == "refusal" for part in parts):
        raise AskError("The model refused to answer.", usage=usage)
    text = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text").strip()
    if not text:
        raise AskError("The model wrote nothing.", usage=usage)
    return Answer(text, usage)


def _usage(body: Mapping[str, Any], model: str) -> Usage:
    told = body.get("usage")
    usage: dict[str, Any] = told if isinstance(told, dict) else {}
    details = usage.get("input_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        str(body.get("id") or "")[:100],
        str(body.get("model") or model)[:80],
        _count(usage.get("input_tokens")),
        _count(cached),
        _count(usage.get("output_tokens")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
