"""A tool server that answers at once and stamps each request: when its first byte came, when its answer left.

Bare asyncio, so that it is not what is measured. It says on which port it listens, and ends with its standard input.
The stamps are the machine's monotonic clock, which all processes share.
"""

import asyncio
import sys
import time

import orjson

_END_OF_HEAD = b"\r\n\r\n"


class Server(asyncio.Protocol):
    """One connection; it may carry many requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._seen = bytearray()
        self._first_ns = 0

    def data_received(self, data: bytes) -> None:
        if not self._seen:
            self._first_ns = time.monotonic_ns()
        self._seen += data
        head, found, rest = bytes(self._seen).partition(_END_OF_HEAD)
        if not found:
            return
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        if len(rest) < length:
            return
        self._seen.clear()
        self._answer(rest[:length])

    def _answer(self, body: bytes) -> None:
        call = orjson.loads(body)["message"]["toolCallList"][0]
        stamps = orjson.dumps({"first_ns": self._first_ns, "left_ns": time.monotonic_ns()}).decode()
        answer = orjson.dumps({"results": [{"toolCallId": call["id"], "result": stamps}]})
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._transport.write(head.encode() + answer)


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0)
    ready = {"event": "ready", "port": server.sockets[0].getsockname()[1]}
    sys.stdout.write(orjson.dumps(ready).decode() + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
