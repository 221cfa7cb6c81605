"""Sending a taken order to its server: one attempt, or as many as the tool's own plan says.

Every attempt has the same body, the same ids and the same ``Idempotency-Key``; only signatures are made anew, since
they may hold the moment. Nothing here touches a row.
"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from tools import breaker, outcomes
from tools.answers import Result, answer_read, api_answer_read
from tools.apirequest import ApiRequestError, api_request
from tools.arguments import NotSendableError, arguments_due, arguments_protected
from tools.auth import oauth
from tools.auth.credentials import (
    OAuth2,
    ServerAuth,
    Signable,
    merged,
    oauth2_of,
)
from tools.auth.headers import convincing_headers
from tools.backoff import Backoff, backoff_read
from tools.clients import HttpAnswer, HttpRequest, Steps, ToolError, http_send
from tools.destination_answers import destination_answer_read
from tools.envelope import epoch_ms, transfer_destination_body, webhook_body
from tools.extraction import answer_value, variables_extract
from tools.jsontext import digits_kept, json_text
from tools.liquid.bag import template_bag
from tools.mcp.answers import mcp_answer_read
from tools.mcp.client import call_tool
from tools.mcp.servers import Ask, Call, mcp_server, new_id
from tools.models import Tool
from tools.observing import tracing
from tools.orders import ToolOrder
from tools.outcomes import Outcome
from tools.redaction.keeping import Keeping
from tools.sms import SmsError, sms_answer_read, sms_request
from tools.static_parameters import arguments_complete

JSON_HEADERS = {"Content-Type": b"application/json", "Accept": b"application/json, text/plain, */*"}


# What http_send is: takes ``timeout_s`` and ``send_within_s``, raises ToolError.
Send = Callable[..., HttpAnswer]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, as it went. ``code`` says how it failed, empty where it was answered."""

    n: int
    started_at: datetime
    finished_at: datetime
    sent: bool
    code: str = ""
    error: str = ""
    http_status: int | None = None
    answer: str = field(default="", repr=False)
    steps: Steps = field(default_factory=Steps)

    def to_json(self) -> dict[str, Any]:
        """The attempt as JSON-ready values."""
        moments = {"started_at": self.started_at.isoformat(), "finished_at": self.finished_at.isoformat()}
        return {**asdict(self), **moments}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Attempt":
        """The attempt behind its JSON. Raises TypeError for a shape that no release ever wrote."""
        moments = {key: datetime.fromisoformat(stored[key]) for key in ("started_at", "finished_at")}
        return cls(**{**stored, **moments, "steps": Steps(**stored["steps"])})


def attempt_kept(attempt: Attempt, keeping: Keeping) -> Attempt:
    """The attempt as it may be written down."""
    if keeping.everything:
        return attempt
    return replace(attempt, error=keeping.note(attempt.error), answer=keeping.words(attempt.answer))


@dataclass(frozen=True, slots=True)
class Sent:
    """How an order ended, and the attempts that it took; the last of them may have no row yet."""

    outcome: Outcome
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order's request, the same for every attempt, and how its answer is read.

    ``converse`` is for what takes more than one request: it is given the means to send each.
    """

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)
    headers: Mapping[str, bytes] = field(repr=False)
    read: Callable[[HttpAnswer], Result]
    converse: Callable[[Ask], HttpAnswer] | None = None


def order_send(
    order: ToolOrder, *, now: datetime, go_on: Callable[[Attempt], bool], send: Send | None = None
) -> Sent:
    """How sending a taken order ended. Raises nothing expected.

    ``go_on`` is asked before each further attempt, with the one that has just failed: whether the order is still ours.
    ``send`` takes http_send's place for a test request, which the breaker neither stops nor hears of.
    """
    if order.tool.kind == Tool.Kind.SMS:
        order = replace(order, auth=ServerAuth())  # what convinces the customer's server is not for Twilio
    try:
        request = prepared(order, now=now)
    except NotSendableError as exc:
        if exc.code == "invalid_arguments":
            return Sent(outcomes.arguments_refused(str(exc)))
        return Sent(outcomes.refused(code=exc.code, why=str(exc)))
    # A message that may have gone out is not sent twice, whatever a plan for webhooks says.
    plan = backoff_read({} if order.tool.kind == Tool.Kind.SMS else order.tool.backoff_plan)
    attempts: list[Attempt] = []
    renewed = False
    while True:
        tried = _attempt(order, request, n=len(attempts) + 1, now=now, send=send)
        attempts.append(tried.attempt)
        pause_s: float | None
        if tried.token and not renewed and tried.attempt.http_status == 401:
            # The server has turned the token down and so the request; with a fresh one it is asked once more.
            renewed, pause_s = True, 0.0
            _token_refused(order, tried.token)
        else:
            pause_s = _pause(plan, tried.attempt, n=len(attempts) - renewed, order=order)
        if pause_s is not None:
            time.sleep(pause_s)
            now = timezone.now()
            if now < order.expires_at and go_on(tried.attempt):
                _tell_breaker(tried, last=False)
                continue
        _tell_breaker(tried, last=True)
        return Sent(_honest(tried.outcome, attempts), tuple(attempts))


def _honest(outcome: Outcome, attempts: list[Attempt]) -> Outcome:
    """The outcome of the last attempt, unless that tells too much: what an earlier one did may be unknown."""
    last_says_not_done = not outcome.sent or 400 <= (outcome.http_status or 0) < 500
    if outcome.status == "answered" or not last_says_not_done:
        return outcome
    if not any(one.sent and not 400 <= (one.http_status or 0) < 500 for one in attempts[:-1]):
        return outcome
    why = "no attempt brought a clear answer, and an earlier one may have been carried out"
    return outcomes.unknown(code=attempts[-1].code, why=why, http_status=outcome.http_status)


def prepared(order: ToolOrder, *, now: datetime) -> Prepared:
    """The request for an order. Raises NotSendableError."""
    arguments = arguments_due(order.tool, order.arguments)
    # A history of templates' variables is not made for a tool without templates.
    has_templates = order.tool.static_parameters or order.tool.kind == Tool.Kind.API_REQUEST
    variables = template_bag(order.context, now=order.requested_at) if has_templates else {}
    idempotent = {"Idempotency-Key": order.tool_call_id.encode()}
    if order.tool.kind == Tool.Kind.SMS:
        return _prepared_sms(order, arguments)
    if order.tool.kind == Tool.Kind.API_REQUEST:
        try:
            plain = api_request(
                order.tool,
                arguments,
                variables=variables,
                now=order.requested_at,
                protect=functools.partial(arguments_protected, order.tool, order.auth),
            )
        except ApiRequestError as exc:
            raise NotSendableError("not_sendable", str(exc)) from exc
        types = JSON_HEADERS if plain.body is not None else {"Accept": b"application/json"}
        headers = merged({**types, **idempotent}, plain.headers)
        return Prepared(plain.method, plain.url, plain.body, headers, _read_api)
    complete = arguments_complete(
        arguments, order.tool.static_parameters, variables=variables, now=order.requested_at
    )
    complete = arguments_protected(order.tool, order.auth, complete)
    if order.tool.kind == Tool.Kind.MCP:
        return _prepared_mcp(order, complete, idempotent)
    transfers = order.tool.kind == Tool.Kind.TRANSFER
    form = transfer_destination_body if transfers else webhook_body
    try:
        body = json_text(form(replace(order, arguments=complete), now_ms=epoch_ms(now))).encode()
    except (ValueError, RecursionError):
        why = "the arguments or the history cannot be written as JSON"
        raise NotSendableError("not_sendable", why) from None
    return Prepared(
        "POST",
        order.tool.server_url,
        body,
        {**JSON_HEADERS, **idempotent},
        destination_answer_read if transfers else lambda answer: _read_webhook(answer, order.tool_call_id),
    )


def _prepared_mcp(
    order: ToolOrder, arguments: Mapping[str, Any], idempotent: Mapping[str, bytes]
) -> Prepared:
    tool = order.tool
    call = Call(new_id(order.tool_call_id), tool.name_on_the_wire, arguments, tool.parameters, idempotent)
    try:
        body = json_text(call.message(modern=False)).encode()
    except (ValueError, RecursionError):
        raise NotSendableError("not_sendable", "the arguments cannot be written as JSON") from None
    server = mcp_server(tool, order.auth, call_id=str(order.call_id))
    return Prepared(
        "POST",
        tool.server_url,
        body,
        {**server.headers, **idempotent},
        lambda answer: mcp_answer_read(
            body=answer.body,
            content_type=answer.content_type,
            http_status=answer.http_status,
            id_prefix=order.tool_call_id,
        ),
        lambda ask: call_tool(server, replace(call, request_id=new_id(order.tool_call_id)), ask=ask),
    )


def _prepared_sms(order: ToolOrder, arguments: Mapping[str, Any]) -> Prepared:
    try:
        sms = sms_request(
            order,
            arguments,
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            api_url=settings.TWILIO_API_URL,
        )
    except SmsError as exc:
        raise NotSendableError(exc.code, str(exc)) from exc
    return Prepared(sms.method, sms.url, sms.body, sms.headers, sms_answer_read)


@dataclass(frozen=True, slots=True)
class _Tried:
    """One attempt, the outcome if it is the last, the OAuth2 token that went with it, and the leave it had."""

    attempt: Attempt
    outcome: Outcome
    token: str = field(repr=False)
    permit: breaker.Permit | None


def _attempt(order: ToolOrder, request: Prepared, *, n: int, now: datetime, send: Send | None) -> _Tried:
    started, clock = timezone.now(), time.monotonic()
    left_s = (order.expires_at - now).total_seconds()
    timeout_s = min(order.tool.timeout_s, left_s) if n > 1 else order.tool.timeout_s
    host = breaker.host_of(request.url)
    permit = breaker.permit(host) if send is None else None
    tokens: list[str] = []
    try:
        if permit is None and send is None:
            raise _left_alone()
        answer = _ask(
            order,
            request,
            tokens,
            send or http_send,
            timeout_s=timeout_s,
            left_s=left_s,
            clock=clock,
            at=started,
            traced=_traced(order, n),
        )
    except ToolError as exc:
        outcome = _outcome_of_error(exc)
        attempt = Attempt(
            n, started, timezone.now(), exc.sent, exc.code, outcome.error, exc.http_status, steps=exc.steps
        )
    else:
        outcome, code = _outcome_of_answer(answer, request, order)
        attempt = Attempt(
            n,
            started,
            timezone.now(),
            sent=True,
            code=code,
            error=outcome.error,
            http_status=answer.http_status,
            answer=outcome.answer,
            steps=answer.steps,
        )
    return _Tried(attempt, outcome, tokens[0] if tokens else "", permit)


def _ask(
    order: ToolOrder,
    request: Prepared,
    tokens: list[str],
    send: Send,
    *,
    timeout_s: float,
    left_s: float,
    clock: float,
    at: datetime,
    traced: Mapping[str, bytes],
) -> HttpAnswer:
    """The answer to the request with all that convinces its server. Raises ToolError."""

    def access_token(client: OAuth2) -> str:
        tokens.append(oauth.access_token(client))
        return tokens[-1]

    def ask(part: HttpRequest) -> HttpAnswer:
        signable = Signable(part.method, part.url, part.body or b"", order.tool_call_id, at)
        convincing = convincing_headers(order.auth, signable, access_token)
        spent_s = time.monotonic() - clock
        if spent_s >= timeout_s:
            why = f"no connection was made within {round(timeout_s, 1):g} seconds"
            raise ToolError(code="connect_timeout", why=why, sent=False, late=True)
        return send(
            replace(part, headers=merged(part.headers, {**convincing, **traced})),
            timeout_s=timeout_s - spent_s,
            send_within_s=left_s - spent_s,
        )

    if request.converse is None:
        return ask(HttpRequest(request.method, request.url, request.body, request.headers))
    answer = request.converse(ask)
    return replace(answer, elapsed_ms=round((time.monotonic() - clock) * 1000))


def attempt_key(tool_call_id: str, n: int) -> str:
    """The span of an attempt in the call's trace."""
    return f"attempt:{tool_call_id}:{n}"


def _traced(order: ToolOrder, n: int) -> dict[str, bytes]:
    """What tells a customer's server of our trace, where that is wanted: Vapi sends nothing of the kind."""
    if not settings.WEBHOOK_TRACEPARENT or not tracing.on() or order.tool.kind == Tool.Kind.SMS:
        return {}
    told = tracing.traceparent(order.call_id, attempt_key(order.tool_call_id, n))
    return {"traceparent": told.encode()}


def _left_alone() -> ToolError:
    why = "it has failed again and again, and is left alone for a moment"
    return ToolError(code="breaker_open", why=why, sent=False)


def _token_refused(order: ToolOrder, token: str) -> None:
    client = oauth2_of(order.auth)
    if client is not None:
        oauth.access_token_refused(client, token)


def _pause(plan: Backoff, attempt: Attempt, *, n: int, order: ToolOrder) -> float | None:
    """Seconds until the next attempt, or None where none follows: not planned, or its pause would outlast the order."""
    if not plan.repeats(n, code=attempt.code, http_status=attempt.http_status):
        return None
    pause_s = plan.pause_s(n)
    return pause_s if timezone.now() + timedelta(seconds=pause_s) < order.expires_at else None


def _tell_breaker(tried: _Tried, *, last: bool) -> None:
    """Tell what the attempt says of the host. The attempts of one order count as one, but for a probe."""
    permit, attempt = tried.permit, tried.attempt
    if permit is None or not (last or permit.probe):
        return
    if breaker.counts(code=attempt.code, http_status=attempt.http_status):
        breaker.failed(permit, code=attempt.code)
    elif attempt.sent:
        breaker.succeeded(permit)


def _read_webhook(answer: HttpAnswer, tool_call_id: str) -> Result:
    return answer_read(
        body=answer.body,
        content_type=answer.content_type,
        http_status=answer.http_status,
        tool_call_id=tool_call_id,
    )


def _read_api(answer: HttpAnswer) -> Result:
    return api_answer_read(body=answer.body, content_type=answer.content_type, http_status=answer.http_status)


def _outcome_of_answer(answer: HttpAnswer, request: Prepared, order: ToolOrder) -> tuple[Outcome, str]:
    """The outcome, and a code where only the HTTP status says that it failed."""
    result = request.read(answer)
    variables: dict[str, Any] = {}
    if result.status == "answered" and order.tool.variable_extraction:
        value = answer_value(result.value) if isinstance(result.value, str) else result.value
        known = template_bag(order.context, now=order.requested_at)
        variables = variables_extract(
            order.tool.variable_extraction, value, variables=known, now=order.requested_at
        )
    outcome = Outcome(
        status=result.status,
        output=result.output_text,
        error=result.error,
        http_status=answer.http_status,
        answer=outcomes.answer_clip(answer.body),
        elapsed_ms=answer.elapsed_ms,
        message=digits_kept(result.message),
        variables=digits_kept(variables),
    )
    return outcome, "http_error" if result.by_status else ""


def _outcome_of_error(exc: ToolError) -> Outcome:
    if not exc.sent and exc.code == "expired":
        return outcomes.refused(code=exc.code, why=exc.why)
    if not exc.sent:
        return outcomes.not_reached(code=exc.code, why=exc.why)
    if exc.http_status is not None and not exc.late:
        return outcomes.spoiled(code=exc.code, why=exc.why, http_status=exc.http_status)
    return outcomes.unknown(code=exc.code, why=exc.why, http_status=exc.http_status)
