"""A fast Realtime server for measuring. It answers like the real one as far as a bridge can tell, and thinks nothing.

Run by the harness: `python -m benchmarks.instruments.realtime echo|talk`. It prints its port as a line of JSON, answers
each line on standard input with its counts, and ends when standard input does.

`echo`: one response that never ends, in which every append comes back as a delta. `talk`: turns of 7 s: 2 s of the
caller's speech, then 4 s of audio in deltas of 300 ms at five times real time, with all events around them.
"""

import asyncio
import sys
from typing import Any, Literal

import orjson
import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from benchmarks.instruments.frames import ASSISTANT, CALLER, Order, head, read_head, rest, value_at

Mode = Literal["echo", "talk"]

TURN_S = 7.0
SPEECH_S = 2.0
ANSWER_S = 2.5  # in the turn, when the first audio comes
DELTA_MS = 300
DELTAS = 13
LAST_DELTA_MS = 100
DELTA_EVERY_S = DELTA_MS / 1000 / 5
STAGGER_S = 0.37  # between the turns of one stream and the next, so that they do not all speak at once

FORMAT = {"type": "audio/pcmu"}
USAGE = {
    "total_tokens": 412,
    "input_tokens": 331,
    "output_tokens": 81,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 212,
        "image_tokens": 0,
        "cached_tokens": 192,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 128, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 18, "audio_tokens": 63},
}
WORDS = [
    "Your",
    "bike",
    "is",
    "ready,",
    "and",
    "you",
    "can",
    "pick",
    "it",
    "up",
    "until",
    "six",
    "o'clock",
    "this",
    "evening.",
]
QUESTION = "Hello, is my bike ready? The ticket number is four five six."


class Server:
    """All connections, and what is counted over them."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.opened = 0
        self.open: set[Connection] = set()
        self.unclean = 0
        self.mixed = 0
        self.foreign = 0
        self.orders: list[Order] = []

    def counts(self) -> dict[str, int]:
        """What happened so far."""
        return {
            "opened": self.opened,
            "open": len(self.open),
            "unclean": self.unclean,
            "mixed": self.mixed,
            "foreign": self.foreign,
            "received": sum(order.received for order in self.orders),
            "lost": sum(
                order.missing(order.first, order.highest + 1) for order in self.orders if order.received
            ),
            "doubled": sum(order.doubled for order in self.orders),
            "reordered": sum(order.reordered for order in self.orders),
        }


class Connection(WSListener):
    """One session."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._order = Order()
        self._stream = -1
        self._event = 0
        self._session: dict[str, Any] = {}
        self._sent = 0  # deltas
        self._turn = 0
        self._begun = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._echo_prefix = b""
        self._rest = rest(DELTA_MS)
        self._last_rest = rest(LAST_DELTA_MS)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin with `session.created`, as the real one does."""
        self._transport = transport
        self._number = self._server.opened
        self._server.opened += 1
        self._server.open.add(self)
        self._server.orders.append(self._order)
        self._session = {
            "object": "realtime.session",
            "type": "realtime",
            "id": f"sess_{self._number}",
            "model": "gpt-realtime-2.1",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": FORMAT,
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": None,
                },
                "output": {"format": FORMAT, "voice": "marin", "speed": 1.0},
            },
            "tools": [],
            "tool_choice": "auto",
        }
        self._emit("session.created", session=self._session)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Stop talking."""
        for timer in self._timers.values():
            timer.cancel()
        self._server.open.discard(self)
        if (
            getattr(transport.close_handshake, "recv", None) is None
        ):  # it may be None itself, whatever the stubs say
            self._server.unclean += 1

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Appends by the fast way; everything else as JSON."""
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type is not WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        if (at := value_at(data, b'"audio"')) > 0 and b'"input_audio_buffer.append"' in data:
            self._append(data, at)
            return
        event = orjson.loads(data)
        if event["type"] == "session.update":
            self._session = merged(self._session, event["session"])
            self._emit("session.updated", session=self._session)

    def _append(self, data: bytes, at: int) -> None:
        server = self._server
        found = read_head(data[at : at + 8])
        if found is None or found[0] != CALLER:
            server.foreign += 1
            return
        _, stream, number = found
        if self._stream < 0:
            self._stream = stream
        elif stream != self._stream:
            server.mixed += 1
        self._order.take(number)
        if not self._begun:
            self._begun = True
            self._begin()
        if server.mode == "echo":
            self._event += 1
            end = data.find(b'"', at)
            self._transport.send(
                WSMsgType.TEXT,
                b'%s"event_id":"event_%d","delta":"%s"}' % (self._echo_prefix, self._event, data[at:end]),
            )

    def _begin(self) -> None:
        if self._server.mode == "talk":
            self._at("turn", self._number * STAGGER_S % TURN_S, self._speech_begins)
            return
        ids = {"response_id": f"resp_{self._number}", "item_id": f"item_{self._number}"}
        self._response_created(ids)
        start = {"type": "response.output_audio.delta", **ids, "output_index": 0, "content_index": 0}
        self._echo_prefix = orjson.dumps(start)[:-1] + b","

    # A turn ---------------------------------------------------------------------------------------------------

    def _speech_begins(self) -> None:
        self._turn += 1
        item = self._caller_item()
        self._emit(
            "input_audio_buffer.speech_started", audio_start_ms=self._order.received * 20, item_id=item
        )
        self._at("turn", SPEECH_S, self._speech_ends)

    def _speech_ends(self) -> None:
        item, ids = self._caller_item(), self._ids()
        self._emit("input_audio_buffer.speech_stopped", audio_end_ms=self._order.received * 20, item_id=item)
        self._emit("input_audio_buffer.committed", previous_item_id=None, item_id=item)
        said = {
            "id": item,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self._emit("conversation.item.added", previous_item_id=None, item=said)
        self._emit("conversation.item.done", previous_item_id=None, item=said)
        self._response_created(ids)
        self._at("text", 0.3, self._transcribe)
        self._at("turn", ANSWER_S - SPEECH_S, lambda: self._delta(0))
        self._at("next", TURN_S - SPEECH_S, self._speech_begins)

    def _transcribe(self) -> None:
        name, item = "conversation.item.input_audio_transcription", self._caller_item()
        self._emit(f"{name}.delta", item_id=item, content_index=0, delta=QUESTION)
        self._emit(
            f"{name}.completed",
            item_id=item,
            content_index=0,
            transcript=QUESTION,
            usage={"type": "duration", "seconds": 2},
        )

    def _response_created(self, ids: dict[str, str]) -> None:
        response: dict[str, Any] = {
            "object": "realtime.response",
            "id": ids["response_id"],
            "status": "in_progress",
            "output": [],
            "metadata": None,
            "usage": None,
        }
        self._emit("response.created", response=response)
        item = {
            "id": ids["item_id"],
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._emit("response.output_item.added", response_id=ids["response_id"], output_index=0, item=item)
        self._emit("conversation.item.added", previous_item_id=None, item=item)
        self._emit(
            "response.content_part.added",
            **ids,
            output_index=0,
            content_index=0,
            part={"type": "audio", "transcript": ""},
        )

    def _delta(self, number: int) -> None:
        where = {**self._ids(), "output_index": 0, "content_index": 0}
        audio = head(ASSISTANT, max(0, self._stream), self._sent) + (
            self._rest if number < DELTAS else self._last_rest
        )
        self._sent += 1
        if number < len(WORDS):
            self._emit("response.output_audio_transcript.delta", **where, delta=WORDS[number] + " ")
        self._emit("response.output_audio.delta", **where, delta=audio.decode())
        if number < DELTAS:
            self._at("turn", DELTA_EVERY_S, lambda: self._delta(number + 1))
        else:
            self._answer_ends(where)

    def _answer_ends(self, where: dict[str, Any]) -> None:
        text = " ".join(WORDS)
        part = {"type": "output_audio", "transcript": text}
        item = {
            "id": where["item_id"],
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
        response = {
            "object": "realtime.response",
            "id": where["response_id"],
            "status": "completed",
            "output": [item],
            "metadata": None,
            "usage": USAGE,
        }
        self._emit("response.output_audio.done", **where)
        self._emit("response.output_audio_transcript.done", **where, transcript=text)
        self._emit("response.content_part.done", **where, part=part)
        self._emit("response.output_item.done", response_id=where["response_id"], output_index=0, item=item)
        self._emit("conversation.item.done", previous_item_id=None, item=item)
        self._emit("response.done", response=response)
        limits = [{"name": "tokens", "limit": 400000, "remaining": 399000, "reset_seconds": 0.1}]
        self._emit("rate_limits.updated", rate_limits=limits)

    def _caller_item(self) -> str:
        return f"item_{self._number}_{self._turn}_c"

    def _ids(self) -> dict[str, str]:
        return {
            "response_id": f"resp_{self._number}_{self._turn}",
            "item_id": f"item_{self._number}_{self._turn}_a",
        }

    def _at(self, name: str, delay_s: float, do: Any) -> None:
        self._timers[name] = self._loop.call_later(delay_s, do)

    def _emit(self, kind: str, **fields: Any) -> None:
        self._event += 1
        event = {"type": kind, "event_id": f"event_{self._event}", **fields}
        self._transport.send(WSMsgType.TEXT, orjson.dumps(event))


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The old settings with the new ones in the place of theirs, at any depth."""
    both = dict(old)
    for key, value in new.items():
        mine = both.get(key)
        both[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return both


async def serve(mode: Mode) -> None:
    """Serve until standard input ends."""
    server = Server(mode)

    def accept(_: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener | None:
        return Connection(server)

    listening = await ws_create_server(accept, "127.0.0.1", 0)
    print(orjson.dumps({"port": listening.sockets[0].getsockname()[1]}).decode(), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        print(orjson.dumps(server.counts()).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve("talk" if sys.argv[1] == "talk" else "echo"))
