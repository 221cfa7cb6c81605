"""Tools answered by a smoke test's scenario instead of the customer's server, and how that is made sure of.

An order of a smoke test holds its answers and nothing that would lead to the customer: the address is one that no name
server will ever know (RFC 2606), what convinces the server is left out, and kinds that go elsewhere than to an address
of the tool become plain webhooks. So a worker that knew nothing of smoke tests could reach nobody either.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tools.auth.credentials import ServerAuth
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.jsontext import json_text
from tools.models import Tool
from tools.orders import ToolOrder
from tools.outcomes import not_reached

NOWHERE: Final = "https://smoke-test.invalid/"
NOT_MOCKED: Final = "not_mocked"
LONGEST_DELAY_S: Final = 30.0
_NOT_MOCKED_WHY: Final = "the scenario of this smoke test has no answer for it"
# What the ledger says of such a call.
NOT_MOCKED_ERROR: Final = not_reached(code=NOT_MOCKED, why=_NOT_MOCKED_WHY).error
_DESTINATIONS: Final = {Tool.Kind.TRANSFER}


class MocksError(ValueError):
    """Answers that cannot be read. The text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Mock:
    """What a tool answers when its arguments fit. ``arguments`` None fits any; ``*`` in a text fits any characters.

    ``nth`` makes it the answer to the n-th call of the tool alone. Without a result there is an ``error`` text, or the
    tool times out.
    """

    tool: str
    arguments: Mapping[str, Any] | None = None
    result: Any = None
    error: str = ""
    times_out: bool = False
    delay_s: float = 0.0
    nth: int | None = None

    def fits(self, arguments: Mapping[str, Any], nth: int) -> bool:
        """Whether this is the answer to the n-th call of the tool, with these arguments. Those that it does not name may be any."""
        if self.nth is not None and self.nth != nth:
            return False
        wanted = self.arguments or {}
        return all(_fits(value, arguments.get(name)) for name, value in wanted.items())


@dataclass(slots=True)
class Mocked:
    """What takes http_send's place for an order with answers of its own."""

    order: ToolOrder
    asked: list[HttpRequest] = field(default_factory=list)

    def __call__(self, request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        """The scenario's answer. Raises ToolError where it has none, or says that none comes."""
        self.asked.append(request)
        try:
            mock = mock_find(mocks_read(self.order.mocks), self.order)
        except MocksError:
            mock = None
        if mock is None:
            raise ToolError(code=NOT_MOCKED, why=_NOT_MOCKED_WHY, sent=False)
        delay_s = min(mock.delay_s, LONGEST_DELAY_S, max(0.0, timeout_s))
        time.sleep(delay_s)
        if mock.times_out:
            why = f"no answer came within {round(timeout_s, 1):g} seconds"
            raise ToolError(code="timeout", why=why, sent=True, late=True)
        status, body = _answer(mock, self.order)
        return HttpAnswer(status, "application/json", body.encode(), round(delay_s * 1000))


def order_mocked(order: ToolOrder, mocks: Sequence[Mapping[str, Any]]) -> ToolOrder:
    """The order with these answers, and with nothing that leads to the customer's server."""
    tool = order.tool
    kind = tool.kind if tool.kind in (Tool.Kind.API_REQUEST, Tool.Kind.TRANSFER) else Tool.Kind.FUNCTION
    settings = dict(tool.settings)
    if "url" in settings:
        settings["url"] = NOWHERE
    settings.pop("headers", None)
    return replace(
        order,
        tool=replace(
            tool, kind=kind, server_url=NOWHERE, settings=settings, backoff_plan={}, encrypted_paths=[]
        ),
        auth=ServerAuth(),
        server_from="",
        mocks=[dict(mock) for mock in mocks],
    )


def is_mocked(order: ToolOrder) -> bool:
    """Whether the order is one of a smoke test."""
    return order.mocks is not None


def mock_find(mocks: Sequence[Mock], order: ToolOrder) -> Mock | None:
    """The first answer that fits, or None."""
    names = {order.tool.name, order.tool.name_on_the_wire}
    nth = _nth(order)
    return next((one for one in mocks if one.tool in names and one.fits(order.arguments, nth)), None)


def mocks_read(stored: object) -> tuple[Mock, ...]:
    """The answers behind their JSON. Raises MocksError."""
    if not isinstance(stored, list):
        raise MocksError("The tools' answers must be a list.")
    return tuple(_mock(one, f"Answer {n}") for n, one in enumerate(stored, start=1))


_KEYS: Final = ("tool", "arguments", "result", "error", "times_out", "delay_s", "nth")


def _mock(stored: object, where: str) -> Mock:
    if not isinstance(stored, dict) or not isinstance(stored.get("tool"), str) or not stored["tool"]:
        raise MocksError(f"{where} must be an object with “tool”, the tool's name.")
    unknown = sorted(set(stored) - set(_KEYS))
    if unknown:
        raise MocksError(f"{where}: there is no “{unknown[0]}”. There are: {', '.join(_KEYS)}.")
    arguments = stored.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise MocksError(f"{where}: “arguments” must be an object, or be left out to fit any.")
    error, times_out = stored.get("error", ""), stored.get("times_out", False)
    if not isinstance(error, str) or not isinstance(times_out, bool):
        raise MocksError(f"{where}: “error” must be a text, and “times_out” true or false.")
    if sum(("result" in stored, bool(error), times_out)) != 1:
        raise MocksError(f"{where} must have one of “result”, “error” and “times_out”.")
    delay_s = stored.get("delay_s", 0)
    if not _is_number(delay_s) or not 0 <= delay_s <= LONGEST_DELAY_S:
        raise MocksError(f"{where}: “delay_s” must be a number of seconds from 0 to {LONGEST_DELAY_S:g}.")
    nth = stored.get("nth")
    if nth is not None and (not isinstance(nth, int) or isinstance(nth, bool) or nth < 1):
        raise MocksError(f"{where}: “nth” must be 1, 2, 3 …")
    return Mock(
        tool=stored["tool"],
        arguments=arguments,
        result=stored.get("result"),
        error=error,
        times_out=times_out,
        delay_s=float(delay_s),
        nth=nth,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(wanted: Any, given: Any) -> bool:
    """Whether an argument is the one that is wanted. Case, outer blanks, and how a number is written do not matter."""
    if isinstance(wanted, str) and "*" in wanted:
        return given is not None and _fits_pattern(_plain(wanted).split("*"), _plain(given))
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(_fits(value, given.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(given, list)
            and len(wanted) == len(given)
            and all(_fits(a, b) for a, b in zip(wanted, given, strict=True))
        )
    return _plain(wanted) == _plain(given)


def _fits_pattern(parts: list[str], text: str) -> bool:
    """Whether the text has these parts in their order, the first at its beginning and the last at its end."""
    first, *middle, last = parts
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str("" if value is None else value).casefold().split())


def _nth(order: ToolOrder) -> int:
    """The how-manieth call of its tool this is, by the history that the order brings along."""
    messages = order.context.get("messages")
    ids: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        calls = message.get("toolCalls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and function.get("name") == order.tool.name_on_the_wire:
                ids.append(str(call.get("id")))
    return ids.index(order.tool_call_id) + 1 if order.tool_call_id in ids else len(ids) + 1


def _answer(mock: Mock, order: ToolOrder) -> tuple[int, str]:
    """What the customer's server would have sent."""
    if order.tool.kind == Tool.Kind.API_REQUEST or order.tool.kind in _DESTINATIONS:
        return (500, json_text({"error": mock.error})) if mock.error else (200, json_text(mock.result))
    told = {"error": mock.error} if mock.error else {"result": mock.result}
    return 200, json_text({"results": [{"toolCallId": order.tool_call_id, **told}]})
