"""A call that comes to a new session: what that is told of the conversation so far, and how it begins. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from calls.bridge.plan import FirstMessageMode
from calls.bridge.toolmessages import Moment, pick
from calls.models import CallBreak
from calls.resumptions import Resumption
from calls.selectors import StreamCall
from calls.tool_messages import tool_messages

# A conversation that comes back when its time is up still gets the chance of a last word.
SHORTEST_S = 30
PRESSED = "Success."
_WHY = {"busy": "their line was busy", "no-answer": "nobody picked up"}
_NOTE = (
    "You have tried to transfer the caller to somebody else, but {why}. The caller is on the line with you again and "
    "remembers all that was said. Do not greet them again."
)
_TELL = " Tell them so in one short sentence, and ask how they would like to go on."
_PRESSED = (
    f"{{name}} has answered: {PRESSED} The keys were pressed, so do not press them again unless you are asked to. You are "
    "on the same call; do not greet anybody again."
)
_LOST = (
    "The connection was lost for a moment in the middle of the conversation. The caller is still on the line and remembers "
    "all that was said; what you said last they may not have heard. Do not greet them again. Apologise for the "
    "interruption in one short sentence, and go on where you were."
)


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a session begins: what it is told last, and what it says first."""

    note: str
    mode: FirstMessageMode
    says: str = ""


def resumed(call: StreamCall, *, now: datetime) -> StreamCall:
    """The call as its new session runs it; one that was never away stays as it is."""
    back = call.resumption
    if back is None:
        return call
    snapshot, opening = call.snapshot, _opening(call, back)
    spent_s = round((now - back.began_at).total_seconds())
    return replace(
        call,
        snapshot=replace(
            snapshot,
            history=[
                *snapshot.history,
                *(_remembered(message) for message in back.messages),
                {"role": "system", "content": opening.note},
            ],
            first_message=opening.says,
            first_message_mode=opening.mode.value,
            first_message_interruptible=True,
            max_duration_s=max(SHORTEST_S, snapshot.max_duration_s - spent_s),
        ),
    )


def _opening(call: StreamCall, back: Resumption) -> _Opening:
    if back.kind == CallBreak.Kind.KEYS:
        return _after_keys(call, back.asked)
    if back.kind == CallBreak.Kind.LOST:
        return _Opening(_LOST, FirstMessageMode.SPEAKS_FIRST_GENERATED)
    note = _NOTE.format(why=_WHY.get(back.dial_status, "the call did not go through"))
    if back.says:
        return _Opening(note, FirstMessageMode.SPEAKS_FIRST, back.says)
    return _Opening(note + _TELL, FirstMessageMode.SPEAKS_FIRST_GENERATED)


def _after_keys(call: StreamCall, asked: Mapping[str, Any]) -> _Opening:
    """What the tool has said when it is done, or whatever the model makes of it; an empty message is silence."""
    note = _PRESSED.format(name=asked.get("name"))
    tool = next((one for one in call.snapshot.tools if one.name == asked.get("name")), None)
    messages = tool_messages(tool.messages, language=call.snapshot.language) if tool else ()
    arguments = asked.get("arguments")
    given = arguments if isinstance(arguments, Mapping) else {}
    said = pick(messages, Moment.COMPLETE, given, lambda _count: 0)
    if said is None:
        return _Opening(note, FirstMessageMode.SPEAKS_FIRST_GENERATED)
    if said.hint:
        return _Opening(f"{note}\n{said.text}", FirstMessageMode.SPEAKS_FIRST_GENERATED)
    if said.text:
        return _Opening(note, FirstMessageMode.SPEAKS_FIRST, said.text)
    return _Opening(note, FirstMessageMode.WAITS)


def _remembered(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the conversation before; what a tool has answered is told in words, since its request is gone."""
    if message.get("role") != "tool_call_result":
        return message
    return {"role": "system", "content": f"{message.get('name')} has answered: {message.get('result')}"}
