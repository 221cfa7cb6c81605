"""Calls that have been, as Vapi tells them: made from `vapi_data/call.json`, the same every time.

Each kind of call is a short script of what was said and which tools were called. `KINDS` lists them with their share; a call's kind stands in
`metadata.kind`, so that a test can pick.
"""

import copy
import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

JSON = dict[str, Any]

_TEMPLATE: Final[JSON] = orjson.loads((Path(__file__).parent / "vapi_data" / "call.json").read_bytes())
_CLINIC: Final = _TEMPLATE["assistantId"]
_LINE: Final = _TEMPLATE["phoneNumberId"]
_SYSTEM: Final = _TEMPLATE["messages"][0]["message"]
_SLOTS: Final = '{"slots":[{"id":"n-0611-0930","label":"Thursday 9:30"}],"firstSlotId":"n-0611-0930"}'
_FILES: Final = "https://storage.example/recordings"
_SQUAD: Final = "0f6b9c1e-52d4-4d8a-8f43-7be2a1d0c444"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool call: its arguments, and its result after so many milliseconds; None is a result that never came."""

    name: str
    arguments: JSON = field(default_factory=dict)
    result: str | None = "Success."
    after_ms: int = 900


@dataclass(frozen=True, slots=True)
class Spoken:
    """One thing said, by "bot" or "user"."""

    role: str
    text: str


Entry = Spoken | tuple[Tool, ...]

_FIND: Final = Tool("find_slots", {"service": "vaccination", "day": {"from": "2026-06-11"}}, _SLOTS, 2000)
_BOOK: Final = Tool(
    "book_appointment",
    {"patient": {"fullName": "Marta Ilves"}, "when": {"slotId": "n-0611-0930"}},
    "Booked. Confirmation RB-4471, Thursday June 11 at 9:30.",
    2800,
)
_COMPLAIN: Final = Tool("log_complaint", {"severity": 1, "text": "Waited 25 minutes."}, "No result returned.")
_END: Final = Tool("endCall")
_TIMED_OUT: Final = Tool("find_slots", {"service": "vaccination"}, "Error: upstream timed out", 20_000)
_TEXT: Final = Tool("send_confirmation", {"phone": "+13125550177"}, "Sent.")
_HELLO: Final = Spoken("bot", "Thank you for calling Riverbend Family Clinic. How can I help?")
_WISH: Final = Spoken("user", "Hi, I need a tetanus booster, tomorrow or Friday.")
_OFFER: Final = Spoken("bot", "I have Thursday at nine thirty. Does that suit you?")
_LATER: Final = Spoken("user", "And later that week?")
_TAKE: Final = Spoken("user", "Thursday. Marta Ilves, born April second eighty eight.")
_DONE: Final = Spoken("bot", "Done. Thursday June eleventh at nine thirty. Anything else?")
_BYE: Final = Spoken("user", "No, that's all, bye.")
_GOODBYE: Final = Spoken("bot", "Goodbye, take care.")

# Kind: how many of 100, the reason of the end, the script.
KINDS: Final[dict[str, tuple[int, str, tuple[Entry, ...]]]] = {
    "booked": (
        34,
        "assistant-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _TAKE, (_BOOK,), _DONE, _BYE, (_END,), _GOODBYE),
    ),
    "booked with a complaint": (
        10,
        "assistant-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _TAKE, (_BOOK, _COMPLAIN), _DONE, _BYE, (_END,), _GOODBYE),
    ),
    "booked and confirmed": (
        8,
        "assistant-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _TAKE, (_BOOK,), (_TEXT,), _DONE, _BYE, (_END,), _GOODBYE),
    ),
    "swapped": (
        4,
        "assistant-ended-call",
        (_HELLO, _WISH, (_TEXT,), (_FIND,), _OFFER, _TAKE, (_BOOK,), _DONE, _BYE, (_END,), _GOODBYE),
    ),
    "said instead of called": (
        4,
        "customer-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _TAKE, _DONE, _BYE),
    ),
    "found twice": (
        5,
        "assistant-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _LATER, (_FIND,), _OFFER, _TAKE, (_BOOK,), _DONE, _BYE, (_END,)),
    ),
    "tool failed": (
        5,
        "customer-ended-call",
        (_HELLO, _WISH, (_TIMED_OUT,), Spoken("bot", "I cannot see the calendar right now."), _BYE),
    ),
    "result missing": (
        3,
        "customer-ended-call",
        (_HELLO, _WISH, (Tool("find_slots", {"service": "vaccination"}, None),)),
    ),
    "transferred": (
        6,
        "assistant-forwarded-call",
        (
            _HELLO,
            Spoken("user", "I have chest pain."),
            (Tool("transferCall", {"destination": "+13125550142"}),),
        ),
    ),
    "hung up at once": (5, "customer-ended-call", (_HELLO,)),
    "silent": (3, "silence-timed-out", (_HELLO, Spoken("bot", "Are you still there?"))),
    "provider failed": (3, "pipeline-error-openai-llm-failed", ()),
    "not answered": (3, "customer-did-not-answer", ()),
    "2024": (
        4,
        "customer-ended-call",
        (_HELLO, _WISH, (_FIND,), _OFFER, _TAKE, (_BOOK,), _DONE, _BYE),
    ),
    "squad": (3, "assistant-ended-call", (_HELLO, _WISH, (_FIND,), _OFFER, _BYE, (_END,), _GOODBYE)),
}


def make_calls(count: int, *, newest: datetime, seed: int = 1, kinds: Sequence[str] = ()) -> list[JSON]:
    """Calls, newest first, of these kinds in turn, or of all by their share. Raises ValueError for a kind that there is not.

    Every 40th began in the same millisecond as the one after it.
    """
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValueError(f"unknown kinds {unknown}; known are {list(KINDS)}")
    chance = random.Random(seed)  # noqa: S311 - the same calls every time
    shares = [kind for kind, (share, _, _) in KINDS.items() for _ in range(share)]
    moment = newest
    calls: list[JSON] = []
    for index in range(count):
        kind = kinds[index % len(kinds)] if kinds else shares[index * 37 % len(shares)]
        calls.append(make_call(kind, moment, chance, index=index))
        if index % 40 != 38:
            moment -= timedelta(minutes=chance.randint(4, 55), milliseconds=chance.randint(1, 59_000))
    return calls


def make_call(kind: str, created: datetime, chance: random.Random, *, index: int) -> JSON:
    """One call of a kind. Raises KeyError for a kind that there is not."""
    _, reason, script = KINDS[kind]
    started = created + timedelta(milliseconds=chance.randint(2500, 5000))
    messages = _messages(script, started, chance, seconds_only=kind == "2024")
    last_ms: int = messages[-1].get("endTime") or messages[-1]["time"] if messages else _ms(started)
    ended = datetime.fromtimestamp(last_ms / 1000, tz=started.tzinfo) + timedelta(milliseconds=400)
    call_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    call_sid = f"CA{index:032x}"
    number = f"+1312555{100 + index % 80:04d}"
    call = copy.deepcopy(_TEMPLATE)
    call |= {
        "id": call_id,
        "createdAt": _iso(created),
        "updatedAt": _iso(ended + timedelta(seconds=8)),
        "startedAt": _iso(started),
        "endedAt": _iso(ended),
        "endedReason": reason,
        "phoneCallProviderId": call_sid,
        "customer": {"number": number},
        "messages": messages,
        "transcript": _transcript(messages),
        "metadata": {"kind": kind},
    }
    call["transport"]["callSid"] = call_sid
    call["monitor"] = {
        "listenUrl": f"wss://voice-3.example/{call_id}/listen",
        "controlUrl": f"https://voice-3.example/{call_id}/control",
    }
    _add_costs(call, (ended - started).total_seconds() / 60)
    call["analysis"]["summary"] = call["summary"] = f"A call of the kind {kind}."
    _add_artifact(call, messages, "wav" if index % 3 == 0 else "mp3")
    _bend(call, kind, script)
    return call


def _bend(call: JSON, kind: str, script: tuple[Entry, ...]) -> None:
    """Make of a call what old or broken ones look like."""
    if kind == "transferred":
        call["destination"] = {"type": "number", "number": "+13125550142"}
        call["artifact"]["transfers"] = [{"destination": call["destination"], "status": "connected"}]
    if kind == "squad":
        call["squadId"], call["assistantId"] = _SQUAD, None
        call["artifact"]["assistantActivations"].append({"assistantName": "Riverbend billing"})
    if kind == "2024":
        for name in ("artifact", "cost", "costs", "costBreakdown", "transport", "compliance", "metadata"):
            del call[name]
        expired = f"{_FILES}/expired-{call['id']}"
        call["recordingUrl"], call["stereoRecordingUrl"] = f"{expired}.wav", f"{expired}-stereo.wav"
    if not script:
        call["artifact"] = {}
        call["endedMessage"] = "The call did not get anywhere."
        for name in ("transcript", "summary", "recordingUrl", "stereoRecordingUrl", "messages", "analysis"):
            del call[name]
    if kind == "not answered":
        call["type"] = "outboundPhoneCall"
        del call["startedAt"]


def _messages(
    script: tuple[Entry, ...], started: datetime, chance: random.Random, *, seconds_only: bool
) -> list[JSON]:
    if not script:
        return []
    began = at = _ms(started)
    messages: list[JSON] = [{"role": "system", "message": _SYSTEM, "time": began, "secondsFromStart": 0}]
    late: list[JSON] = []
    for entry in script:
        at += chance.randint(500, 1300)
        if isinstance(entry, Spoken):
            lasts = 60 * len(entry.text)
            spoken: JSON = {"role": entry.role, "message": entry.text, "time": at, "endTime": at + lasts}
            spoken["duration"] = lasts / 1000 if seconds_only else lasts
            messages.append(spoken | ({"source": ""} if entry.role == "bot" else {}))
            at += lasts
        else:
            results = _call_tools(entry, at, chance, messages)
            at = max([at, *(result["time"] for result in results)])
            late += results
    messages += late
    messages.sort(key=lambda message: message["time"])
    for message in messages:
        message["secondsFromStart"] = (message["time"] - began) / 1000
    return messages


def _call_tools(tools: Iterable[Tool], at: int, chance: random.Random, messages: list[JSON]) -> list[JSON]:
    """The results of tools that were called at once; the call itself joins the messages."""
    calls, results = [], []
    for tool in tools:
        sid = f"call_{chance.getrandbits(40):010x}"
        function = {"name": tool.name, "arguments": orjson.dumps(tool.arguments).decode()}
        calls.append({"id": sid, "type": "function", "function": function})
        if tool.result is not None:
            done = {"role": "tool_call_result", "name": tool.name, "result": tool.result, "toolCallId": sid}
            results.append({**done, "time": at + tool.after_ms + chance.randint(0, 300)})
    messages.append({"role": "tool_calls", "time": at, "message": "", "toolCalls": calls})
    return results


def _transcript(messages: list[JSON]) -> str:
    labels = {"bot": "AI", "user": "User"}
    spoken = [message for message in messages if message["role"] in labels]
    return "".join(f"{labels[message['role']]}: {message['message']}\n" for message in spoken)


def _openai(messages: list[JSON]) -> list[JSON]:
    formatted: list[JSON] = []
    for message in messages:
        match message["role"]:
            case "tool_calls":
                formatted.append({"role": "assistant", "content": "", "tool_calls": message["toolCalls"]})
            case "tool_call_result":
                told = {"role": "tool", "tool_call_id": message["toolCallId"], "content": message["result"]}
                formatted.append(told)
            case role:
                named = {"bot": "assistant"}.get(role, role)
                formatted.append({"role": named, "content": message["message"]})
    return formatted


def _add_artifact(call: JSON, messages: list[JSON], ending: str) -> None:
    file = f"{_FILES}/{call['id']}"
    urls = {name: f"{file}-{name}.{ending}" for name in ("mono", "stereo", "assistant", "customer")}
    call["recordingUrl"], call["stereoRecordingUrl"] = urls["mono"], urls["stereo"]
    call["artifact"] |= {
        "messages": messages,
        "messagesOpenAIFormatted": _openai(messages),
        "transcript": call["transcript"],
        "recordingUrl": urls["mono"],
        "stereoRecordingUrl": urls["stereo"],
        "recording": {
            "mono": {
                "combinedUrl": urls["mono"],
                "assistantUrl": urls["assistant"],
                "customerUrl": urls["customer"],
            },
            "stereoUrl": urls["stereo"],
        },
        "logUrl": f"https://storage.example/logs/{call['id']}.jsonl.gz",
    }


def _add_costs(call: JSON, minutes: float) -> None:
    """Costs in proportion to the length; the total is their sum."""
    share = minutes / 0.6017
    parts = {
        name: round(call["costBreakdown"][name] * share, 4) for name in ("transport", "stt", "llm", "tts")
    }
    parts |= {"vapi": round(0.05 * minutes, 4), "chat": 0}
    total = round(sum(parts.values()), 4)
    call["costBreakdown"] |= {**parts, "total": total}
    call["cost"] = total
    for cost in call["costs"]:
        if "minutes" in cost:
            cost["minutes"] = round(minutes, 4)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
