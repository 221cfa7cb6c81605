"""A minimal honest bridge in Python, to measure against: asyncio, `websockets` and the standard library's json.

`python python_bridge.py PORT REALTIME_URL`. It forwards audio both ways, clears when the caller speaks, and with MARKS=1
marks every delta. It has no database, no checks, no transcript and no tools.
"""

import asyncio
import json
import os
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PORT, URL = int(sys.argv[1]), sys.argv[2]
MARKS = os.environ.get("MARKS") == "1"
FORMAT = {"type": "audio/pcmu"}
SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "You are a helpful assistant on the telephone.",
    "audio": {
        "input": {"format": FORMAT, "turn_detection": {"type": "server_vad"}},
        "output": {"format": FORMAT, "voice": "marin"},
    },
}


class Call:
    """One call: two sockets, and a task for each direction."""

    def __init__(self, twilio: ServerConnection, model: ClientConnection) -> None:
        self.twilio = twilio
        self.model = model
        self.stream_sid = ""
        self.marks = 0

    async def to_model(self) -> None:
        """Caller to model."""
        async for text in self.twilio:
            message = json.loads(text)
            if message["event"] == "media":
                audio = message["media"]["payload"]
                await self.model.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            elif message["event"] == "start":
                self.stream_sid = message["start"]["streamSid"]
            elif message["event"] == "stop":
                return

    async def to_caller(self) -> None:
        """Model to caller."""
        async for text in self.model:
            event = json.loads(text)
            if event["type"] == "response.output_audio.delta":
                await self.tell("media", media={"payload": event["delta"]})
                if MARKS:
                    self.marks += 1
                    await self.tell("mark", mark={"name": str(self.marks)})
            elif event["type"] == "input_audio_buffer.speech_started":
                await self.tell("clear")

    async def tell(self, event: str, **fields: object) -> None:
        """Send a message to Twilio."""
        await self.twilio.send(json.dumps({"event": event, "streamSid": self.stream_sid, **fields}))


async def bridge(twilio: ServerConnection) -> None:
    """One call."""
    headers = {"Authorization": "Bearer benchmark"}
    async with connect(URL, additional_headers=headers, compression=None, proxy=None) as model:
        await model.send(json.dumps({"type": "session.update", "session": SESSION}))
        call = Call(twilio, model)
        tasks = [asyncio.create_task(call.to_model()), asyncio.create_task(call.to_caller())]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in done:
            if not isinstance(task.exception(), ConnectionClosed | None):
                task.result()


async def main() -> None:
    """Serve until ended."""
    async with serve(bridge, "127.0.0.1", PORT, compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
