"""Twilio's REST API for calls: read, end, redirect, and create one; and text messages.

`/2010-04-01/Accounts/{AccountSid}/Calls.json`, `.../Calls/{CallSid}.json` and `.../Messages.json`; Basic authentication, form bodies,
errors as `{"code", "message", "more_info", "status"}`.
"""

import asyncio
import base64
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from simulator import twiml
from simulator.asgi import Receive, Scope, Send, header, read_body, respond_json
from simulator.phone import Account, Interruption, Phone

JSON = dict[str, Any]

_MESSAGES: Final = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21220: "Call is not in-progress. Cannot redirect.",
    21201: "No 'To' number is specified",
    21211: "The 'To' number is not a valid phone number.",
    21603: "A 'From' phone number is required.",
    21602: "Message body is required.",
    21617: "The concatenated message body exceeds the 1600 character limit.",
}
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_UPDATE_FIELDS: Final = frozenset(
    {"Status", "Url", "Method", "Twiml", "FallbackUrl", "FallbackMethod", "StatusCallback"}
    | {"StatusCallbackMethod", "TimeLimit"}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A scripted answer to one request: `after_ms` first, then the error; status 0 means slow but well."""

    status: int
    code: int = 0
    after_ms: float = 0.0
    execute: bool = False  # carry the request out all the same, as when only the answer is lost


class Rest:
    """The REST API. `failures` are used up in order, one a request; `requests` records all."""

    def __init__(
        self,
        account: Account,
        calls: Mapping[str, Phone],
        *,
        create: Callable[[list[tuple[str, str]]], Phone],
    ) -> None:
        self.failures: deque[Failure] = deque()
        self.requests: deque[JSON] = deque(maxlen=1000)
        self.messages: deque[JSON] = deque(maxlen=1000)  # that were taken: to, from, body
        self._account = account
        self._calls = calls
        self._create = create

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /2010-04-01/."""
        pairs = parse_qsl((await read_body(receive)).decode(), keep_blank_values=True)
        form = dict(pairs)
        self.requests.append({"method": scope["method"], "path": scope["path"], "form": form})
        failure = self.failures.popleft() if self.failures else None
        if failure is not None and failure.after_ms:
            await asyncio.sleep(failure.after_ms / 1000)
        if failure is not None and failure.status and not failure.execute:
            await _fail(send, failure.status, failure.code)
            return
        status, body = self._answer(scope, pairs)
        if failure is not None and failure.status:
            await _fail(send, failure.status, failure.code)
        else:
            await respond_json(send, body, status=status)

    def _answer(self, scope: Scope, pairs: list[tuple[str, str]]) -> tuple[int, JSON]:
        if not self._authenticated(scope):
            return _error(401, 20003)
        if scope["method"] == "POST" and not _is_form(scope):
            return _error(400, 20001, "The body must be form-encoded")
        parts = [part for part in scope["path"].removesuffix(".json").split("/") if part]
        match parts:
            case [_, "Accounts", account, "Calls"] if (
                account == self._account.sid and scope["method"] == "POST"
            ):
                return self._create_call(pairs)
            case [_, "Accounts", account, "Messages"] if (
                account == self._account.sid and scope["method"] == "POST"
            ):
                return self._send_message(dict(pairs))
            case [_, "Accounts", account, "Calls", sid] if (
                account == self._account.sid and sid in self._calls
            ):
                phone = self._calls[sid]
                return (
                    (200, resource(phone)) if scope["method"] == "GET" else self._update(phone, dict(pairs))
                )
            case _:
                return _error(404, 20404, f"The requested resource {scope['path']} was not found")

    def _authenticated(self, scope: Scope) -> bool:
        kind, _, encoded = (header(scope, "authorization") or "").partition(" ")
        expected = base64.b64encode(f"{self._account.sid}:{self._account.auth_token}".encode()).decode()
        return kind == "Basic" and encoded == expected

    def _create_call(self, pairs: list[tuple[str, str]]) -> tuple[int, JSON]:
        form = dict(pairs)
        if not form.get("To") or not form.get("From") or not (form.get("Url") or form.get("Twiml")):
            return _error(400, 21201, "To, From and Url or Twiml are required")
        if any("," in value for key, value in pairs if key == "StatusCallbackEvent"):
            return _error(
                400, 21626, "Invalid StatusCallbackEvents: repeat the key instead of joining by comma"
            )
        return 201, resource(self._create(pairs))

    def _send_message(self, form: dict[str, str]) -> tuple[int, JSON]:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        if not _NUMBER.fullmatch(to):
            return _error(400, 21211)
        if not sender and not form.get("MessagingServiceSid"):
            return _error(400, 21603)
        if not body:
            return _error(400, 21602)
        if len(body) > 1600:
            return _error(400, 21617)
        self.messages.append({"to": to, "from": sender, "body": body})
        sid = "SM" + secrets.token_hex(16)
        return 201, {
            "sid": sid,
            "account_sid": self._account.sid,
            "to": to,
            "from": sender,
            "body": body,
            "status": "queued",
            "error_code": None,
            "error_message": None,
            "direction": "outbound-api",
            "api_version": "2010-04-01",
            "num_segments": str(-(-len(body) // 153)),
            "price": None,
            "uri": f"/2010-04-01/Accounts/{self._account.sid}/Messages/{sid}.json",
        }

    def _update(self, phone: Phone, form: dict[str, str]) -> tuple[int, JSON]:
        unknown = set(form) - _UPDATE_FIELDS
        if unknown:
            return _error(400, 20001, f"Unknown parameters {sorted(unknown)}")
        if phone.ended:
            return _error(400, 21220)
        if form.get("Status") == "completed" or (
            form.get("Status") == "canceled" and phone.status == "queued"
        ):
            phone.interrupt(Interruption("completed by REST"))
            return 200, resource(phone)
        if "Status" in form:
            return _error(400, 21220, f"Invalid status {form['Status']}")
        if phone.status != "in-progress":
            return _error(400, 21220)
        try:
            verbs = _document(form)
        except twiml.TwimlError as error:
            return _error(400, int(error.code), error.why)
        if verbs is None:
            return _error(400, 20001, "Nothing to update")
        phone.interrupt(Interruption("redirected by REST", verbs))
        return 200, resource(phone)


def _document(form: dict[str, str]) -> list[twiml.Verb] | None:
    if form.get("Url"):
        return [twiml.Redirect(form["Url"], form.get("Method", "POST"))]
    return twiml.parse_inline(form["Twiml"]) if form.get("Twiml") else None


def resource(phone: Phone) -> JSON:
    """The call as Twilio shows it."""
    order = phone.order
    account = phone.account.sid
    return {
        "sid": phone.call_sid,
        "account_sid": account,
        "to": order.to,
        "from": order.caller,
        "status": phone.status,
        "direction": order.direction,
        "api_version": "2010-04-01",
        "date_created": format_datetime(phone.created_at),
        "start_time": format_datetime(phone.created_at),
        "end_time": None,
        "duration": str(round(phone.log.report.duration_ms / 1000)) if phone.ended else None,
        "price": None,
        "price_unit": "USD",
        "answered_by": None,
        "queue_time": "0",
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{phone.call_sid}.json",
    }


def _is_form(scope: Scope) -> bool:
    return (header(scope, "content-type") or "").startswith("application/x-www-form-urlencoded")


def _error(status: int, code: int, message: str | None = None) -> tuple[int, JSON]:
    text = message or _MESSAGES.get(code, "Simulated")
    more = f"https://www.twilio.com/docs/errors/{code}"
    return status, {"code": code, "message": text, "more_info": more, "status": status}


async def _fail(send: Send, status: int, code: int) -> None:
    _, body = _error(status, code)
    await respond_json(send, body, status=status)
