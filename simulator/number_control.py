"""Control of accounts and numbers over HTTP, below `/simulator/numbers`: what somebody does in Twilio's console.

`GET` tells all; `PUT` of the root puts these in the place of all there are: `{"accounts": [...], "applications": [...], "trunks": [...],
"numbers": [...], "count": 2000}`; `POST` adds the same; `PATCH /{PN or E.164}` changes one; `DELETE` of the root puts everything back as
at the start; `POST /failures` says what goes wrong with REST next (`failures.py`), `DELETE /failures` ends that.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import unquote

import orjson

from simulator.accounts import Account, Accounts, Key
from simulator.asgi import Receive, Scope, Send, read_body, respond_json
from simulator.numbers import Numbers
from simulator.rest import Rest

JSON = dict[str, Any]

CONTROL: Final = "/simulator/numbers"
_PARTS: Final = frozenset({"accounts", "applications", "trunks", "numbers", "count"})


class NumberControl:
    """The control API of one simulator's accounts and numbers."""

    def __init__(self, known: Accounts, numbers: Numbers, rest: Rest) -> None:
        self._accounts = known
        self._numbers = numbers
        self._rest = rest

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises ValueError that says what is wrong with it."""
        method, path = scope["method"], unquote(scope["path"]).removeprefix(CONTROL).strip("/")
        body = await read_body(receive)
        told = orjson.loads(body) if body else {}
        try:
            answer = self._answer(method, path, told)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if answer is None:
            await respond_json(send, {"error": f"nothing at {method} {scope['path']}"}, status=404)
        else:
            await respond_json(send, answer)

    def _answer(self, method: str, path: str, told: Any) -> JSON | None:
        match method, path:
            case "GET", "":
                return self._told()
            case "PUT", "":
                self._accounts.reset()
                self._numbers.clear()
                return self._add(told)
            case "POST", "":
                return self._add(told)
            case "DELETE", "":
                self._accounts.reset()
                self._numbers.reset()
                self._rest.reset()
                return {"numbers": len(self._numbers.held)}
            case "POST", "failures":
                return {"waiting": self._rest.failures.take_orders(told)}
            case "DELETE", "failures":
                self._rest.failures.clear()
                return {"waiting": 0}
            case "GET", number if number:
                return self._numbers.find(number)
            case "PATCH", number if number:
                return self._numbers.change(number, **told)
            case _:
                return None

    def _told(self) -> JSON:
        complaints = self._rest.complaints
        return {
            "numbers": list(self._numbers.held.values()),
            "history": [asdict(change) for change in self._numbers.history],
            "sms_parameters": list(self._numbers.sms_parameters),
            "violations": dict(complaints.violations),
            "notes": list(complaints.notes),
        }

    def _add(self, told: Mapping[str, Any]) -> JSON:
        if unknown := sorted(set(told) - _PARTS):
            raise ValueError(f"unknown keys {unknown}; known are {sorted(_PARTS)}")
        for account in told.get("accounts", ()):
            self._accounts.add(_account(account, main_sid=self._accounts.main.sid))
        for application in told.get("applications", ()):
            self._numbers.add_application(**application)
        for trunk in told.get("trunks", ()):
            self._numbers.add_trunk(trunk)
        for number in told.get("numbers", ()):
            self._numbers.add(**number)
        if told.get("count"):
            self._numbers.seed(int(told["count"]))
        return {"accounts": len(list(self._accounts)), "numbers": len(self._numbers.held)}


def _account(told: JSON, *, main_sid: str) -> Account:
    keys = {sid: Key(**key) for sid, key in told.get("keys", {}).items()}
    owner = "" if told["sid"] == main_sid else main_sid
    return Account(**{"owner_sid": owner, **told, "keys": keys})
