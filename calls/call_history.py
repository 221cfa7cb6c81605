"""What was said and done in one call so far, in the shapes of Vapi's message history, as the servers of the call are told of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from calls.bridge import commands as do
from calls.orders.messages import message_added
from tools.arguments import arguments_shown
from tools.snapshots import ToolSnapshot

ROLES = {do.Speaker.CALLER: "user", do.Speaker.ASSISTANT: "bot"}


class CallHistory:
    """The messages of one call, oldest first; ``before`` are those of the sessions before this one."""

    def __init__(self, before: Iterable[dict[str, Any]] = ()) -> None:
        self._messages = list(before)
        self.clock(datetime.now(UTC))

    def clock(self, started_at: datetime, *, away: timedelta = timedelta()) -> None:
        """When the call began, and how long after that this session did."""
        self._started_at = started_at
        self._away = away

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All of them so far."""
        return list(self._messages)

    def spoken(self, spoken: do.Spoken) -> None:
        """Somebody has said something."""
        began = self._started_at + self._away + timedelta(milliseconds=spoken.began_ms)
        ended = self._started_at + self._away + timedelta(milliseconds=spoken.ended_ms)
        self._messages.append(
            {
                "role": ROLES[spoken.speaker],
                **({"assistantName": spoken.assistant} if spoken.assistant else {}),
                "message": spoken.heard_text,
                "time": _epoch_ms(began),
                "endTime": _epoch_ms(ended),
                "secondsFromStart": self._seconds(began),
                "duration": spoken.ended_ms - spoken.began_ms,
            }
        )

    def added(self, role: str, text: str) -> None:
        """A message was put into the conversation from outside."""
        self._messages.append(message_added(role, text, self._now()))

    def tool_called(self, tool_call_id: str, tool: ToolSnapshot, arguments: Mapping[str, Any]) -> None:
        """The model has called a tool."""
        self._messages.append(self.tool_call(tool_call_id, tool, arguments))

    def tool_call(
        self, tool_call_id: str, tool: ToolSnapshot, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The message for a tool call of now, which is not among the others for that."""
        # In the history, unlike in the call itself, Vapi writes arguments as JSON text.
        text = orjson.dumps(dict(arguments_told(tool, arguments))).decode()
        function = {"name": tool.name_on_the_wire, "arguments": text}
        call = {"id": tool_call_id, "type": "function", "function": function}
        return {"role": "tool_calls", "message": "", **self._now(), "toolCalls": [call]}

    def tool_result(self, tool_call_id: str, name: str, output: str) -> None:
        """The model was told what came of a tool call."""
        told = {"role": "tool_call_result", "toolCallId": tool_call_id, "name": name, "result": output}
        self._messages.append({**told, **self._now()})

    def _now(self) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {"time": _epoch_ms(now), "secondsFromStart": self._seconds(now)}

    def _seconds(self, moment: datetime) -> float:
        return round((moment - self._started_at).total_seconds(), 3)


def arguments_told(tool: ToolSnapshot, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments without what only the tool's server may read: the history goes to every server of the call."""
    return arguments_shown(tool, dict(arguments)) if tool.encrypted_paths else arguments


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
