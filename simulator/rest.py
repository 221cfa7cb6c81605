"""Twilio's REST API: calls, text messages, accounts, telephone numbers and TwiML applications.

Basic authentication with a token or an API key, form bodies, errors as `{"code", "message", "more_info", "status"}`. Numbers: `number_rest.py`.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from simulator import twiml
from simulator.accounts import Account, Accounts, Credential
from simulator.asgi import Receive, Scope, Send, drop, header, read_body, respond
from simulator.failures import Failure, Failures
from simulator.number_rest import NumberRest
from simulator.numbers import Numbers
from simulator.order import Interruption
from simulator.outbound import check_call
from simulator.pages import page_of
from simulator.phone import Phone
from simulator.recordings import Recordings, shown
from simulator.refusals import Complaints, Refusal, error

__all__ = ["Failure", "Rest", "resource"]

JSON = dict[str, Any]

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_UPDATE_FIELDS: Final = frozenset(
    {"Status", "Url", "Method", "Twiml", "FallbackUrl", "FallbackMethod", "StatusCallback"}
    | {"StatusCallbackMethod", "TimeLimit"}
)
_HTML: Final = b"<!DOCTYPE html><html><body><h1>Simulated trouble</h1></body></html>"


class Rest:
    """The REST API. `failures` says what goes wrong; `requests` records all, `complaints` what was wrong with them."""

    def __init__(
        self,
        known: Accounts,
        numbers: Numbers,
        calls: Mapping[str, Phone],
        *,
        complaints: Complaints,
        create: Callable[[Account, list[tuple[str, str]]], Phone],
    ) -> None:
        self.failures = Failures()
        self.requests: deque[JSON] = deque(maxlen=20_000)
        self.messages: deque[JSON] = deque(maxlen=1000)  # that were taken: to, from, body
        self.complaints = complaints
        self.recordings = Recordings(complaints)
        self.verified: set[str] = set()  # numbers that are not Twilio's and may be shown all the same
        self._accounts = known
        self._numbers = numbers
        self._number_rest = NumberRest(known, numbers, complaints)
        self._calls = calls
        self._create = create

    def reset(self) -> None:
        """Forget requests, messages, recordings and complaints, and let nothing go wrong any more."""
        self.failures.clear()
        self.requests.clear()
        self.messages.clear()
        self.complaints.clear()
        self.recordings.clear()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /2010-04-01/."""
        pairs = parse_qsl((await read_body(receive)).decode(), keep_blank_values=True)
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = {"method": scope["method"], "path": scope["path"], "form": dict(pairs), "query": asked}
        self.requests.append(request)
        failure = self.failures.take(request) or Failure(0)
        await asyncio.sleep(failure.after_ms / 1000)
        for number, changes in failure.before.items():
            self._numbers.change(number, **changes)
        status = failure.status
        body = orjson.dumps(error(status, failure.code))
        content_type = "application/json"
        if not failure.status or failure.execute:
            done, answer = self._answered(scope, asked, pairs)
            if not failure.status and isinstance(answer, bytes):
                status, body, content_type = done, answer, "audio/x-wav"
            elif not failure.status:
                status, body = done, b"" if answer is None else orjson.dumps(answer)
        for number, changes in failure.after.items():
            self._numbers.change(number, **changes)
        await _respond(failure, status, body, receive, send, content_type=content_type)

    def _answered(
        self, scope: Scope, asked: dict[str, str], pairs: list[tuple[str, str]]
    ) -> tuple[int, JSON | bytes | None]:
        try:
            return self._answer(scope, asked, pairs)
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _answer(
        self, scope: Scope, asked: dict[str, str], pairs: list[tuple[str, str]]
    ) -> tuple[int, JSON | bytes | None]:
        credential = self._accounts.authenticate(scope)
        if credential is None:
            raise Refusal(401, 20003)
        if credential.account.status != "active":
            raise Refusal(401, 20005)
        method, path = scope["method"], scope["path"]
        if method == "POST" and not _is_form(scope):
            self.complaints.note("not-a-form", f"{method} {path} has no form-encoded body")
            raise Refusal(400, 20001, "The body must be form-encoded")
        is_sound = method == "GET" and path.endswith(".wav") and "/Recordings/" in path
        if not path.endswith(".json") and not is_sound:
            self.complaints.note("not-json", f"{path} does not end in .json")
        match [part for part in path.removesuffix(".json").split("/") if part][1:]:
            case ["Accounts"] if method == "GET":
                return 200, self._number_rest.list_accounts(credential, asked, path)
            case ["Accounts", sid, *rest]:
                return self._of_account(
                    self._permitted(credential, sid), credential, method, rest, asked, pairs
                )
            case _:
                raise _not_found(path)

    def _permitted(self, credential: Credential, sid: str) -> Account:
        if not self._accounts.may_act(credential, sid):
            raise Refusal(401, 20003)
        account = self._accounts[sid]
        if account.status != "active":
            raise Refusal(401, 20005)
        return account

    def _of_account(
        self,
        account: Account,
        credential: Credential,
        method: str,
        rest: list[str],
        asked: dict[str, str],
        pairs: list[tuple[str, str]],
    ) -> tuple[int, JSON | bytes | None]:
        path = "/".join(["/2010-04-01/Accounts", account.sid, *rest]) + ".json"
        match method, rest:
            case "GET", []:
                return 200, self._number_rest.fetch_account(credential, account.sid)
            case (("GET" | "POST"), ["Calls", *_]):
                return self._calls_of(account, method, rest, asked, pairs)
            case "POST", ["Messages"]:
                return self._send_message(account, dict(pairs))
            case "GET", ["IncomingPhoneNumbers"]:
                return 200, self._number_rest.list_numbers(account.sid, asked, path)
            case (("GET" | "POST" | "DELETE"), ["IncomingPhoneNumbers", sid]):
                return self._number_rest.one_number(method, account.sid, sid, pairs)
            case (("GET" | "DELETE"), ["Recordings", sid]):
                return self._recording(account, method, sid)
            case "GET", ["Applications"]:
                return 200, self._number_rest.list_applications(account.sid, asked, path)
            case "GET", ["Applications", sid]:
                return 200, self._number_rest.fetch_application(account.sid, sid)
            case _:
                self.complaints.note("not-found", f"{method} {path}")
                raise _not_found(path)

    def _calls_of(
        self,
        account: Account,
        method: str,
        rest: list[str],
        asked: dict[str, str],
        pairs: list[tuple[str, str]],
    ) -> tuple[int, JSON]:
        path = "/".join(["/2010-04-01/Accounts", account.sid, *rest]) + ".json"
        match method, rest:
            case "POST", [_]:
                return self._create_call(account, pairs)
            case "GET", [_]:
                shown = [
                    resource(phone) for phone in self._calls.values() if phone.account.sid == account.sid
                ]
                for name, key in (("To", "to"), ("From", "from"), ("Status", "status")):
                    shown = [call for call in shown if asked.get(name, call[key]) == call[key]]
                return 200, page_of(shown[::-1], asked, path=path, key="calls")
            case _, [_, sid, *below] if sid in self._calls and self._calls[sid].account.sid == account.sid:
                phone = self._calls[sid]
                if below == ["Recordings"]:
                    return self._recordings_of(phone, method, asked, pairs, path)
                if below:
                    raise _not_found(path)
                return (200, resource(phone)) if method == "GET" else self._update(phone, dict(pairs))
            case _:
                raise _not_found(path)

    def _recordings_of(
        self, phone: Phone, method: str, asked: dict[str, str], pairs: list[tuple[str, str]], path: str
    ) -> tuple[int, JSON]:
        if method == "POST":
            return 201, shown(self.recordings.begin(phone, pairs))
        return 200, page_of(self.recordings.of_call(phone), asked, path=path, key="recordings")

    def _recording(self, account: Account, method: str, sid: str) -> tuple[int, JSON | bytes | None]:
        if method == "DELETE":
            self.recordings.remove(account, sid)
            return 204, None
        if sid.endswith(".wav"):
            return 200, self.recordings.media(account, sid.removesuffix(".wav"))
        return 200, shown(self.recordings.find(account, sid))

    def _create_call(self, account: Account, pairs: list[tuple[str, str]]) -> tuple[int, JSON]:
        own = {number["phone_number"] for number in self._numbers.of_account(account.sid)}
        check_call(pairs, may_show=lambda shown: shown in own | self.verified, complaints=self.complaints)
        return 201, resource(self._create(account, pairs))

    def _send_message(self, account: Account, form: dict[str, str]) -> tuple[int, JSON]:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        if not _NUMBER.fullmatch(to):
            raise Refusal(400, 21211)
        if not sender and not form.get("MessagingServiceSid"):
            raise Refusal(400, 21603)
        if not body:
            raise Refusal(400, 21602)
        if len(body) > 1600:
            raise Refusal(400, 21617)
        self.messages.append({"to": to, "from": sender, "body": body})
        sid = "SM" + secrets.token_hex(16)
        return 201, {
            "sid": sid,
            "account_sid": account.sid,
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
            "uri": f"/2010-04-01/Accounts/{account.sid}/Messages/{sid}.json",
        }

    def _update(self, phone: Phone, form: dict[str, str]) -> tuple[int, JSON]:
        unknown = set(form) - _UPDATE_FIELDS
        if unknown:
            raise Refusal(400, 20001, f"Unknown parameters {sorted(unknown)}")
        if phone.ended:
            raise Refusal(400, 21220)
        if form.get("Status") == "completed" or (
            form.get("Status") == "canceled" and phone.status in ("queued", "ringing")
        ):
            phone.interrupt(Interruption("completed by REST"))
            return 200, resource(phone)
        if "Status" in form:
            raise Refusal(400, 21220, f"Invalid status {form['Status']}")
        if phone.status != "in-progress":
            raise Refusal(400, 21220)
        try:
            verbs = _document(form)
        except twiml.TwimlError as refused:
            raise Refusal(400, int(refused.code), refused.why) from refused
        if verbs is None:
            raise Refusal(400, 20001, "Nothing to update")
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
    empty = header(scope, "content-length") == "0"
    return empty or (header(scope, "content-type") or "").startswith("application/x-www-form-urlencoded")


def _not_found(path: str) -> Refusal:
    return Refusal(404, 20404, f"The requested resource {path} was not found")


async def _respond(
    failure: Failure, status: int, good: bytes, receive: Receive, send: Send, *, content_type: str
) -> None:
    headers = ((b"retry-after", failure.retry_after.encode()),) if failure.retry_after else ()
    match failure.body:
        case "":
            await respond(send, good, status=status, content_type=content_type, headers=headers)
        case "none":
            await respond(send, b"", status=status, headers=headers)
        case "html":
            await respond(send, _HTML, status=status, content_type="text/html", headers=headers)
        case "half":
            await respond(send, good[: len(good) // 2], status=status, headers=headers)
        case "drop":
            drop(receive)
        case _:
            raise ValueError(f"unknown body {failure.body!r}")
