"""A call that comes back from a transfer: what the new session is told of the conversation so far. Pure."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from calls.bridge.plan import FirstMessageMode
from calls.selectors import Resumption, StreamCall

# A conversation that comes back when its time is up still gets the chance of a last word.
SHORTEST_S = 30
_WHY = {"busy": "their line was busy", "no-answer": "nobody picked up"}
_NOTE = (
    "You have tried to transfer the caller to somebody else, but {why}. The caller is on the line with you again and "
    "remembers all that was said. Do not greet them again."
)
_TELL = " Tell them so in one short sentence, and ask how they would like to go on."


def resumed(call: StreamCall, *, now: datetime) -> StreamCall:
    """The call as its new session runs it; one that was never away stays as it is."""
    back = call.resumption
    if back is None:
        return call
    snapshot, note = (
        call.snapshot,
        _NOTE.format(why=_WHY.get(back.dial_status, "the call did not go through")),
    )
    mode = FirstMessageMode.SPEAKS_FIRST if back.says else FirstMessageMode.SPEAKS_FIRST_GENERATED
    spent_s = round((now - back.began_at).total_seconds())
    return replace(
        call,
        snapshot=replace(
            snapshot,
            history=[
                *snapshot.history,
                *(_remembered(message) for message in back.messages),
                {"role": "system", "content": note if back.says else note + _TELL},
            ],
            first_message=back.says,
            first_message_mode=mode.value,
            first_message_interruptible=True,
            max_duration_s=max(SHORTEST_S, snapshot.max_duration_s - spent_s),
        ),
    )


def _remembered(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the conversation before; what a tool has answered is told in words, since its request is gone."""
    if message.get("role") != "tool_call_result":
        return message
    return {"role": "system", "content": f"{message.get('name')} has answered: {message.get('result')}"}


def facts_so_far(back: Resumption | None) -> dict[str, int]:
    """The counts of the sessions before this one."""
    return dict(back.facts) if back is not None else {}
