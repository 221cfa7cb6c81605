"""What becomes of a conversation outside of it: rows, by way of the outbox, and tool calls for the workers."""

import atexit
import functools
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from celery import current_app
from django.conf import settings

from calls.bridge import commands as do
from calls.bridge.limits import NOT_STARTED
from calls.bridge.toolcalls import GRACE_S
from calls.outbox import Outbox
from calls.selectors import StreamCall
from calls.services import SHUT_DOWN
from calls.tool_context import tool_context

ROLES = {do.Speaker.CALLER: "user", do.Speaker.ASSISTANT: "bot"}


def publish(task: str, kwargs: dict[str, Any]) -> None:
    """Hand a task to the broker, now or never: the outbox does the trying again."""
    current_app.send_task(task, kwargs=kwargs, retry=False, argsrepr="(…)", kwargsrepr="{…}")


@functools.cache
def process_outbox() -> Outbox:
    """This process's outbox, running."""
    outbox = Outbox(settings.SPOOL_DIR, publish)
    outbox.start()
    # Its threads are daemons: without this, words put in the last moment would die with the process.
    atexit.register(outbox.close)
    return outbox


class Recorder:
    """Writes down one call. Nothing here waits: every line goes to the outbox."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call
        self._outbox = process_outbox()
        self._tools = {tool.name: tool for tool in call.snapshot.tools}
        self._started_at = datetime.now(UTC)
        self._messages: list[dict[str, Any]] = []
        self._troubles = 0
        self._shut_down = False

    def started(self) -> None:
        """The stream was verified: the utterances' clock begins."""
        self._started_at = datetime.now(UTC)

    def interrupted_by_shutdown(self) -> None:
        """Our own server closed the stream; nobody hung up."""
        self._shut_down = True

    def safe(self, timeout_s: float) -> bool:
        """Wait until all that was written down so far would outlive this process; whether it would. Blocks."""
        return self._outbox.written(timeout_s)

    def note(self, command: do.Command) -> None:
        """Write down whatever the conversation says has happened."""
        match command:
            case do.UtteranceEnded(spoken=spoken):
                self._messages.append(self._message(spoken))
                self._utterances([spoken])
            case do.Problem():
                self._problem(
                    str(command.number), command.source, command.code, command.message, benign=command.benign
                )
            case do.ToolRefused():
                self._tool_refused(command)
                self._told(command.call_id, command.output, orphaned=False)
            case do.ToolDone():
                self._tool_done(command)
            case do.ToolSettled():
                self._told(command.call_id, command.output, orphaned=command.orphaned)
            case _:
                pass  # nothing that lasts

    def trouble(self, code: str, message: str) -> None:
        """Write down a problem of our own side."""
        self._troubles += 1
        self._problem(f"shell:{self._troubles}", do.Source.TANDEM, code, message, benign=False)

    def ended(self, ended: do.Ended, *, frames_dropped: int) -> None:
        """Write the whole transcript once more, close it, and close the call."""
        if not self._was_verified(ended):
            return
        now = datetime.now(UTC)
        self._utterances(list(ended.spoken), closed_at=now)
        facts = {
            "barge_ins": ended.barge_ins,
            "frames_in": ended.frames_in,
            "frames_dropped": frames_dropped,
            "first_sound_ms": ended.first_sound_ms,
        }
        self._outbox.put(
            "calls.tasks.call_finish",
            {
                "call_id": str(self._call.call_id),
                "ended_at": now.isoformat(),
                "ended_reason": SHUT_DOWN if self._shut_down else ended.reason,
                "facts": facts,
            },
        )

    @staticmethod
    def _was_verified(ended: do.Ended) -> bool:
        # A stream that was refused is nobody's call; the real one may still be running.
        return not ended.reason.startswith(NOT_STARTED)

    def _utterances(self, spoken: list[do.Spoken], closed_at: datetime | None = None) -> None:
        self._outbox.put(
            "transcripts.tasks.utterances_write",
            {
                "call_id": str(self._call.call_id),
                "started_at": self._started_at.isoformat(),
                "utterances": [asdict(one) for one in spoken],
                "closed_at": closed_at.isoformat() if closed_at else None,
            },
        )

    def _problem(self, key: str, source: do.Source, code: str, message: str, *, benign: bool) -> None:
        self._outbox.put(
            "calls.tasks.problem_write",
            {
                "call_id": str(self._call.call_id),
                "key": key,
                "source": source.value,
                "code": code,
                "message": message,
                "benign": benign,
                "at": datetime.now(UTC).isoformat(),
            },
        )

    # Tools ----------------------------------------------------------------------------------------------------

    def tool_forward(self, command: do.RunTool, *, reply_channel: str) -> None:
        """Have a worker ask the customer's server."""
        tool = self._tools[command.name]
        now = datetime.now(UTC)
        self._messages.append(self._tool_message(command, now))
        self._outbox.put(
            "tools.tasks.tool_call_forward",
            {
                "order": {
                    "call_id": str(self._call.call_id),
                    "call_sid": self._call.call_sid,
                    "tool_call_id": command.call_id,
                    "tool": asdict(tool),
                    "arguments": dict(command.arguments),
                    "requested_at": now.isoformat(),
                    "expires_at": (now + timedelta(seconds=command.waits_s + GRACE_S)).isoformat(),
                    **self._secret(tool.id),
                    "context": tool_context(
                        self._call, public_origin=settings.PUBLIC_ORIGIN, messages=list(self._messages)
                    ),
                },
                "reply_channel": reply_channel,
            },
        )

    def _secret(self, tool_id: str) -> dict[str, str]:
        """Whose secret goes with this tool's requests, and the secret as a token."""
        own = self._call.tool_secrets.get(tool_id)
        whose, token = ("assistant", self._call.assistant_secret) if own is None else ("tool", own)
        return {"secret_from": whose if token else "", "server_secret_token": token}

    def _tool_refused(self, command: do.ToolRefused) -> None:
        self._outbox.put(
            "tools.tasks.tool_call_refuse",
            {
                "order": self._minimal_order(command.call_id, command.name),
                "at": datetime.now(UTC).isoformat(),
                "reason": command.reason,
                "output": command.output,
            },
        )

    def _tool_done(self, command: do.ToolDone) -> None:
        self._outbox.put(
            "tools.tasks.tool_call_done",
            {
                "order": self._minimal_order(command.call_id, command.name),
                "at": datetime.now(UTC).isoformat(),
                "output": command.output,
            },
        )

    def _minimal_order(self, tool_call_id: str, name: str) -> dict[str, Any]:
        tool = self._tools.get(name)
        return {
            "call_id": str(self._call.call_id),
            "tool_call_id": tool_call_id,
            "name": name,
            "tool": asdict(tool) if tool else {},
            "requested_at": datetime.now(UTC).isoformat(),
        }

    def _told(self, tool_call_id: str, output: str, *, orphaned: bool) -> None:
        now = datetime.now(UTC)
        if not orphaned:
            self._messages.append(
                {
                    "role": "tool_call_result",
                    "toolCallId": tool_call_id,
                    "result": output,
                    "time": _epoch_ms(now),
                    "secondsFromStart": self._seconds(now),
                }
            )
        self._outbox.put(
            "tools.tasks.tool_call_told",
            {
                "call_id": str(self._call.call_id),
                "tool_call_id": tool_call_id,
                "at": now.isoformat(),
                "output": output,
                "orphaned": orphaned,
            },
        )

    # Vapi's message history -----------------------------------------------------------------------------------

    def _message(self, spoken: do.Spoken) -> dict[str, Any]:
        began = self._started_at + timedelta(milliseconds=spoken.began_ms)
        return {
            "role": ROLES[spoken.speaker],
            "message": spoken.heard_text,
            "time": _epoch_ms(began),
            "endTime": _epoch_ms(self._started_at + timedelta(milliseconds=spoken.ended_ms)),
            "secondsFromStart": spoken.began_ms / 1000,
            "duration": spoken.ended_ms - spoken.began_ms,
        }

    def _tool_message(self, command: do.RunTool, now: datetime) -> dict[str, Any]:
        return {
            "role": "tool_calls",
            "message": "",
            "time": _epoch_ms(now),
            "secondsFromStart": self._seconds(now),
            "toolCalls": [_history_call(command.call_id, command.name, command.arguments)],
        }

    def _seconds(self, moment: datetime) -> float:
        return round((moment - self._started_at).total_seconds(), 3)


def _history_call(call_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    # In the history, unlike in the call itself, Vapi writes arguments as JSON text.
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": orjson.dumps(dict(arguments)).decode()},
    }


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
