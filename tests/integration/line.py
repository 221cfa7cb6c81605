"""A bare connection to the media process, for everything that Twilio's own would never do."""

import base64
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import orjson
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from simulator.harness import new_sid
from simulator.signature import sign
from tests.integration.outside import ACCOUNT_SID, AUTH_TOKEN, CALLER, PUBLIC_ORIGIN
from tests.integration.stack import Stack

TWILIO_WAITS_S = 15.0
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def post(stack: Stack, path: str, form: dict[str, str], *, signature: str | None = None) -> requests.Response:
    """A webhook, signed as Twilio does unless a signature is given, and waited for no longer than Twilio does."""
    url = f"{PUBLIC_ORIGIN}{path}"
    signed = sign(url, list(form.items()), auth_token=AUTH_TOKEN) if signature is None else signature
    return requests.post(
        f"http://127.0.0.1:{stack.ports.web}{path}",
        data=form,
        headers={"X-Twilio-Signature": signed} if signed else {},
        timeout=TWILIO_WAITS_S,
    )


def ring(stack: Stack, did: str, *, call_sid: str | None = None) -> requests.Response:
    """The voice webhook of an inbound call."""
    form = {"CallSid": call_sid or new_sid("CA"), "AccountSid": ACCOUNT_SID, "To": did, "From": CALLER}
    return post(stack, "/twilio/voice", {**form, "CallStatus": "ringing"})


def spoken(document: str) -> str:
    """What the document has Twilio say; empty when it is no apology that ends in a hang-up."""
    verbs = list(ET.fromstring(document))
    if [verb.tag for verb in verbs] != ["Say", "Hangup"]:
        return ""
    return verbs[0].text or ""


class Ticket:
    """What the voice webhook's answer holds for a stream."""

    def __init__(self, call_sid: str, document: str) -> None:
        stream = ET.fromstring(document).find("Connect/Stream")
        assert stream is not None, document
        parameter = stream.find("Parameter")
        assert parameter is not None
        self.call_sid = call_sid
        self.url = stream.attrib["url"]
        self.token = parameter.attrib["value"]
        assert "?" not in self.url  # Twilio strips a query string
        assert re.fullmatch(r"wss://media\.example\.com/media/[0-9a-f-]{36}", self.url)


def ticket(stack: Stack, did: str) -> Ticket:
    """Ring a number that is answered."""
    call_sid = new_sid("CA")
    return Ticket(call_sid, ring(stack, did, call_sid=call_sid).text)


class Line:
    """One socket, held by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.stream_sid = new_sid("MZ")
        self._sequence = 0

    def send(self, message: dict[str, Any] | str | bytes) -> None:
        """Send something, well formed or not."""
        self.socket.send(message if isinstance(message, str | bytes) else orjson.dumps(message).decode())

    def start(self, call_sid: str, *, token: str | None, account_sid: str = ACCOUNT_SID) -> None:
        """Send what Twilio begins with."""
        self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        body = {
            "accountSid": account_sid,
            "streamSid": self.stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {} if token is None else {"token": token},
        }
        self.send({"event": "start", "sequenceNumber": "1", "start": body, "streamSid": self.stream_sid})

    def frames(self, count: int, *, every_s: float = 0.02) -> None:
        """Send so many frames of silence, at their pace, or as many as there is somebody for."""
        with suppress(ConnectionClosed):
            self._frames(count, every_s)

    def _frames(self, count: int, every_s: float) -> None:
        for _ in range(count):
            self._sequence += 1
            media = {
                "track": "inbound",
                "chunk": str(self._sequence),
                "timestamp": str(self._sequence * 20),
                "payload": SILENCE,
            }
            self.send(
                {
                    "event": "media",
                    "sequenceNumber": str(self._sequence + 1),
                    "media": media,
                    "streamSid": self.stream_sid,
                }
            )
            time.sleep(every_s)

    def stop(self, call_sid: str) -> None:
        """Send what Twilio ends with."""
        body = {"accountSid": ACCOUNT_SID, "callSid": call_sid}
        self.send({"event": "stop", "sequenceNumber": "999", "stop": body, "streamSid": self.stream_sid})

    def expect(self, event: str, *, within_s: float = 60.0) -> dict[str, Any]:
        """The next message of that kind."""
        until = time.monotonic() + within_s
        while True:
            message: dict[str, Any] = orjson.loads(self.socket.recv(timeout=until - time.monotonic()))
            if message["event"] == event:
                return message

    def close_code(self, *, within_s: float = 60.0) -> int:
        """The code that the server closes with."""
        until = time.monotonic() + within_s
        try:
            while True:
                self.socket.recv(timeout=max(0.01, until - time.monotonic()))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def vanish(self) -> None:
        """Go without a word, as a machine does whose power fails."""
        self.socket.socket.shutdown(2)


@contextmanager
def line(stack: Stack, url: str, *, signature: str | None = None) -> Iterator[Line]:
    """A socket to the server behind the URL, signed as Twilio does unless a signature is given."""
    signed = sign(url, (), auth_token=AUTH_TOKEN) if signature is None else signature
    with connect(
        f"ws://127.0.0.1:{stack.ports.media}{urlsplit(url).path}",
        additional_headers={"X-Twilio-Signature": signed} if signed else {},
        user_agent_header="Twilio.TmeWs/1.0",
        compression=None,
        proxy=None,
        open_timeout=60,
        close_timeout=2,
    ) as socket:
        yield Line(socket)
