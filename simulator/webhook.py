"""A customer's tool server: `POST /tools/{name}`, in Vapi's envelope. Asked for the destination of a transfer, or for the
assistant of a call, it answers with the story's result as it stands. What it is only told, such as the status of a call, it keeps
apart (`GET /tools/messages`) and takes.

A behaviour may stand before the name: `/tools/slow-3000/{name}`. Behaviours: `slow-MS` and `late` (25 s, past
Vapi's limit of 20) answer after a while; `status-CODE` answers with that status; `html`, `plain`, `empty`,
`no-content` answer without JSON; `half-body` and `drop` break the connection; `huge` answers 5 MB; `redirect`
answers 307; `results-CODE` answers with results on that status; `wrong-id`, `extra-ids`, `string-error`, `object`, `bare-result`, `multiline` bend the results.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import orjson

from simulator.asgi import Receive, Scope, Send, read_body, respond, respond_json
from simulator.clock import Clock
from simulator.phone import Phone
from simulator.scenario import ToolAnswer

JSON = dict[str, Any]

DEMO: Final[dict[str, Any]] = {
    "get_repair_status": {"status": "waiting_for_parts", "ready_on": "2026-11-24", "price_usd": 86.5},
}
_REMEMBERED: Final = 1000
_TOLD: Final = {
    "assistant.speechStarted", "assistant.started", "conversation-update", "end-of-call-report", "hang", "model-output",
    "speech-update", "status-update", "transcript", 'transcript[transcriptType="final"]', "transfer-update", "user-interrupted",
}  # fmt: skip
_LATE_MS: Final = 25_000
_HUGE: Final = 5_000_000


class Tools:
    """The tool server. `requests` holds every request in order, `messages` what it was only told, `answers` overrides stories and
    demo data.
    """

    def __init__(self, find_call: Callable[[str | None, str], Phone | None]) -> None:
        self.requests: deque[JSON] = deque(maxlen=_REMEMBERED)
        self.messages: deque[JSON] = deque(maxlen=_REMEMBERED)
        self.answers: dict[str, ToolAnswer] = {}
        self._find_call = find_call

    def reset(self) -> None:
        """Forget requests, messages and overrides."""
        self.requests.clear()
        self.messages.clear()
        self.answers.clear()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /tools/."""
        path = [part for part in scope["path"].split("/") if part][1:]
        kept = {("requests",): self.requests, ("messages",): self.messages}.get(tuple(path))
        if scope["method"] == "GET" and kept is not None:
            await respond_json(send, list(kept))
            return
        if scope["method"] == "DELETE" and path == ["requests"]:
            self.requests.clear()
            await respond(send, b"", status=204)
            return
        if scope["method"] != "POST" or len(path) not in {1, 2}:
            await respond_json(send, {"error": "POST /tools/{name} or GET /tools/requests"}, status=404)
            return
        raw = await read_body(receive)
        name = path[-1]
        problems, calls, body = read_envelope(raw)
        phone = self._find_call(_call_sid(body), name)
        request: JSON = {
            "tool": name,
            "path": scope["path"],
            "at": time.time(),
            "headers": {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]},
            "body": body,
            "calls": calls,
            "problems": problems,
        }
        if tells(body):
            await self._told(request, phone, path, receive, send)
            return
        self.requests.append(request)
        answer = self._answer_for(name, phone)
        if phone is not None:
            phone.log.report.tool_requests.append(request)
            phone.log.event("tool server asked", tool=name, problems=problems)
        if problems:
            await respond_json(send, {"error": "; ".join(problems)}, status=400)
            return
        behaviour = path[0] if len(path) == 2 else answer.behaviour
        if answer.delay_ms:
            await (phone.clock if phone is not None else Clock()).sleep(answer.delay_ms)
        if behaviour == "drop":
            _drop(receive)
            return
        if asks_whither(body) and not behaviour:
            await respond_json(send, answer.result)
            return
        await _behave(behaviour or "", calls, answer.result, send)

    async def _told(
        self, request: JSON, phone: Phone | None, path: list[str], receive: Receive, send: Send
    ) -> None:
        """Take a message to which nobody waits for an answer, or fail as the path says."""
        self.messages.append(request)
        if phone is not None:
            phone.log.report.messages.append(request)
        behaviour = path[0] if len(path) == 2 else ""
        if behaviour == "drop":
            _drop(receive)
        elif behaviour:
            await _behave(behaviour, [], None, send)
        else:
            await respond_json(send, {})

    def _answer_for(self, name: str, phone: Phone | None) -> ToolAnswer:
        if name in self.answers:
            return self.answers[name]
        told = phone.order.scenario.tools.get(name) if phone is not None else None
        return told or ToolAnswer(result=DEMO.get(name, "ok"))


def read_envelope(raw: bytes) -> tuple[list[str], list[JSON], Any]:
    """What is wrong with a body, the tool calls in it, and the body itself.

    The calls stand in `toolCallList`, again in `toolCalls`, and with their tools in `toolWithToolCallList`;
    their arguments are objects. The older `function-call` message has one call without an id.
    """
    try:
        body: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ["the body is not JSON"], [], raw.decode(errors="replace")[:2000]
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, dict):
        return ["message is missing"], [], body
    if asks_whither(body) or tells(body):
        return ([] if _has_call_id(message) else ["message.call.id is missing"]), [], body
    if message.get("type") == "function-call":
        return _function_call(message, body)
    return _tool_calls(message, body)


def _function_call(message: JSON, body: Any) -> tuple[list[str], list[JSON], Any]:
    call = message.get("functionCall")
    if not isinstance(call, dict) or not isinstance(call.get("parameters"), dict):
        return ["functionCall.parameters is no object"], [], body
    return [], [{"id": None, "name": call.get("name"), "arguments": call["parameters"]}], body


def _tool_calls(message: JSON, body: Any) -> tuple[list[str], list[JSON], Any]:
    problems: list[str] = []
    if message.get("type") != "tool-calls":
        problems.append(f"message.type is {message.get('type')!r}, not 'tool-calls'")
    if not isinstance(message.get("timestamp"), int | float):
        problems.append("message.timestamp is no number")
    calls = [call for entry in _list(message, "toolCallList", problems) if (call := _call(entry, problems))]
    again = [call for entry in _list(message, "toolCalls", problems) if (call := _call(entry, problems))]
    with_tools = [
        call
        for entry in _list(message, "toolWithToolCallList", problems)
        if (call := _call(entry.get("toolCall") if isinstance(entry, dict) else None, problems))
    ]
    if not calls:
        problems.append("toolCallList holds no call")
    if again != calls or with_tools != calls:
        problems.append("toolCallList, toolCalls and toolWithToolCallList hold different calls")
    if not _has_call_id(message):
        problems.append("message.call.id is missing")
    return problems, calls, body


def asks_whither(body: Any) -> bool:
    """Whether a body asks where a call is to be transferred, or who is to take it, rather than for a tool."""
    return _kind(body) in ("transfer-destination-request", "assistant-request")


def tells(body: Any) -> bool:
    """Whether a body only tells of a call: one of Vapi's messages to which no answer is read."""
    return _kind(body) in _TOLD


def _kind(body: Any) -> Any:
    message = body.get("message") if isinstance(body, dict) else None
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else None


def _has_call_id(message: JSON) -> bool:
    return isinstance(message.get("call"), dict) and bool(message["call"].get("id"))


def _list(message: JSON, key: str, problems: list[str]) -> list[Any]:
    value = message.get(key)
    if isinstance(value, list):
        return value
    problems.append(f"{key} is no list")
    return []


def _call(entry: Any, problems: list[str]) -> JSON | None:
    function = entry.get("function") if isinstance(entry, dict) else None
    if (
        not isinstance(function, dict)
        or not isinstance(entry.get("id"), str)
        or entry.get("type") != "function"
    ):
        problems.append("a call lacks id, type 'function' or function")
        return None
    if not isinstance(function.get("arguments"), dict):
        problems.append(f"arguments of {function.get('name')} are no object")
        return None
    return {"id": entry["id"], "name": function.get("name"), "arguments": function["arguments"]}


def _call_sid(body: Any) -> str | None:
    try:
        sid = body["message"]["call"]["phoneCallProviderId"]
    except (KeyError, TypeError):
        return None
    return sid if isinstance(sid, str) else None


async def _behave(behaviour: str, calls: list[JSON], result: Any, send: Send) -> None:
    name, _, figure = behaviour.partition("-") if re.fullmatch(r"\w+-\d+", behaviour) else (behaviour, "", "")
    match name:
        case "slow" | "late":
            await asyncio.sleep(float(figure or _LATE_MS) / 1000)
        case "status":
            await respond_json(send, {"error": f"simulated {figure}"}, status=int(figure))
            return
        case "html":
            await respond(send, b"<html><body>Bad gateway</body></html>", content_type="text/html")
            return
        case "plain":
            await respond(send, _text(result).encode(), content_type="text/plain")
            return
        case "empty":
            await respond(send, b"")
            return
        case "no-content":
            await respond(send, b"", status=204)
            return
        case "half-body":
            await _half_body(send)
            return
        case "redirect":
            location = (b"location", b"/tools/requests")
            await respond(send, b"", status=307, headers=(location,))
            return
        case "bare-result":
            await respond_json(send, {"result": _text(result)})
            return
        case _:
            pass  # a behaviour that bends the results
    status = int(figure) if name == "results" else 200
    await respond_json(send, {"results": _results(name, calls, result)}, status=status)


def _results(behaviour: str, calls: list[JSON], result: Any) -> list[JSON]:
    results = [_entry(behaviour, call, result) for call in calls]
    foreign: JSON = {"toolCallId": "call_of_somebody_else", "result": "Somebody else's answer."}
    return [foreign, *results, foreign] if behaviour == "extra-ids" else results


def _entry(behaviour: str, call: JSON, result: Any) -> JSON:
    """One element of `results`; without an id in the older message form there is none to repeat."""
    entry: JSON = (
        {"toolCallId": call["id"], "result": _text(result)} if call["id"] else {"result": _text(result)}
    )
    match behaviour:
        case "wrong-id":
            entry["toolCallId"] = "call_of_somebody_else"
        case "string-error":
            entry = {"toolCallId": call["id"], "error": "The workshop's computer is down."}
        case "object":
            entry["result"] = result
        case "multiline":
            entry["result"] = _text(result).replace(",", ",\n")
        case "huge":
            entry["result"] = "x" * _HUGE
        case _:
            pass
    return entry


def _text(result: Any) -> str:
    return result if isinstance(result, str) else orjson.dumps(result).decode()


def _drop(receive: Receive) -> None:
    """Break the connection without an answer. ASGI has no word for that; uvicorn's request holds the transport."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()


async def _half_body(send: Send) -> None:
    body = b'{"results": [{"toolCallId": '
    headers = [(b"content-type", b"application/json"), (b"content-length", b"500")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
