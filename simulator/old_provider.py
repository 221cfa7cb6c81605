"""The old provider's side of telephony, below `/vapi-telephony`; behind `https://api.vapi.ai/twilio` for every simulated call.

`/inbound_call` takes calls that ring, and no others, signed for its own public URL; it has Twilio say one known sentence and hangs up. `/status`
takes signed callbacks. `/{id}/transport` is the media stream of a call that was made with the provider's telephony bypassed: the
sentence is played there, and the socket closed.
"""

import asyncio
import base64
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from simulator import clips
from simulator.accounts import Accounts
from simulator.asgi import Receive, Scope, Send, header, read_body, respond, respond_json
from simulator.numbers import VAPI_SMS_URL, VAPI_STATUS_URL, VAPI_VOICE_URL, Numbers
from simulator.signature import sign

JSON = dict[str, Any]

PREFIX: Final = "/vapi-telephony"
CONTROL: Final = "/simulator/old-provider"
PUBLIC: Final = "https://api.vapi.ai/twilio"
SENTENCE: Final = "You have reached the old provider."
_CHUNK: Final = 1600  # 200 ms


class OldProvider:
    """Answers calls and remembers them. `status` and `after_ms` make it fail or slow; `transports` are the bypassed calls."""

    def __init__(self, accounts: Accounts, numbers: Numbers) -> None:
        self.sentence = SENTENCE
        self.status = 200
        self.after_ms = 0.0
        self.public_urls = [PUBLIC]  # what stands before its paths in signatures
        self.calls: deque[JSON] = deque(maxlen=1000)  # forms of the calls it took
        self.statuses: deque[JSON] = deque(maxlen=1000)  # forms of the callbacks it took
        self.refused: Counter[str] = Counter()  # by reason
        self.on_transport: Callable[[str, str], bool] | None = None  # told of Vapi's id and Twilio's
        self._accounts = accounts
        self._numbers = numbers

    def reset(self) -> None:
        """Forget everything, and work again."""
        self.sentence, self.status, self.after_ms = SENTENCE, 200, 0.0
        self.calls.clear()
        self.statuses.clear()
        self.refused.clear()

    def save(self, number: str, *, sms: bool = True) -> JSON:
        """Write the provider's URLs into a number, as happens when somebody saves the number in its dashboard."""
        fields = {
            "voice_url": VAPI_VOICE_URL,
            "voice_method": "POST",
            "status_callback": VAPI_STATUS_URL,
            "status_callback_method": "POST",
        }
        if sms:
            fields |= {"sms_url": VAPI_SMS_URL, "sms_method": "POST"}
        return self._numbers.change(number, by="vapi", **fields)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of Twilio's."""
        body = await read_body(receive)
        raw = body.decode() if scope["method"] == "POST" else scope["query_string"].decode("latin-1")
        pairs = parse_qsl(raw, keep_blank_values=True)
        form = dict(pairs)
        await asyncio.sleep(self.after_ms / 1000)
        if self.status != 200:
            await respond_json(send, {"message": "Simulated trouble"}, status=self.status)
            return
        signed = self._signed(scope, pairs, form.get("AccountSid", ""))
        match scope["path"].removeprefix(PREFIX):
            case "/inbound_call" if not signed:
                await self._refuse(send, "inbound_call signature", "Invalid Twilio signature")
            case "/inbound_call" if form.get("CallStatus") != "ringing":
                await self._refuse(send, "inbound_call status", "CallStatus must be one of: ringing")
            case "/inbound_call":
                self.calls.append(form)
                document = f"<Response><Say>{self.sentence}</Say><Hangup/></Response>"
                await respond(send, document.encode(), content_type="text/xml")
            case "/status" if not signed:
                await self._refuse(send, "status signature", "Invalid Twilio signature")
            case "/status":
                self.statuses.append(form)
                await respond_json(send, {})
            case path:
                await self._refuse(send, "unknown path", f"Cannot {scope['method']} {path}", status=404)

    async def serve_transport(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Play the sentence on the stream of a bypassed call, and close."""
        call_id = scope["path"].removeprefix(PREFIX).strip("/").removesuffix("/transport")
        await receive()
        await send({"type": "websocket.accept"})
        stream_sid = ""
        while not stream_sid:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            told = orjson.loads(message.get("text") or message.get("bytes") or b"{}")
            if told.get("event") == "start":
                stream_sid = told["streamSid"]
                known = self.on_transport is not None and self.on_transport(call_id, told["start"]["callSid"])
                if not known:
                    self.refused["transport of an unknown or expired call"] += 1
                    await send({"type": "websocket.close", "code": 1008})
                    return
        audio = clips.clip_of(self.sentence, "assistant").audio
        for at in range(0, len(audio), _CHUNK):
            payload = base64.b64encode(audio[at : at + _CHUNK]).decode()
            await _tell(send, stream_sid, "media", {"payload": payload})
        await _tell(send, stream_sid, "mark", {"name": "end"})
        await _until_played(receive)
        await send({"type": "websocket.close", "code": 1000})

    def _signed(self, scope: Scope, pairs: list[tuple[str, str]], account_sid: str) -> bool:
        if account_sid not in self._accounts:
            return False
        token = self._accounts[account_sid].auth_token
        query = scope["query_string"].decode("latin-1")
        rest = scope["path"].removeprefix(PREFIX) + (f"?{query}" if query else "")
        form = pairs if scope["method"] == "POST" else []
        given = header(scope, "x-twilio-signature")
        return any(given == sign(base + rest, form, auth_token=token) for base in self.public_urls)

    async def _refuse(self, send: Send, reason: str, message: str, *, status: int = 400) -> None:
        self.refused[reason] += 1
        error = "Not Found" if status == 404 else "Bad Request"
        await respond_json(send, {"message": message, "error": error, "statusCode": status}, status=status)

    # Control

    async def control(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /simulator/old-provider. Raises ValueError that says what is wrong with it."""
        body = await read_body(receive)
        told = orjson.loads(body) if body else {}
        match scope["method"], scope["path"].removeprefix(CONTROL).strip("/"):
            case "GET", "":
                await respond_json(send, self._told())
            case "DELETE", "":
                self.reset()
                await respond_json(send, self._told())
            case "PATCH", "":
                if unknown := sorted(set(told) - {"sentence", "status", "after_ms"}):
                    raise ValueError(f"unknown keys {unknown}")
                self.sentence = str(told.get("sentence", self.sentence))
                self.status = int(told.get("status", self.status))
                self.after_ms = float(told.get("after_ms", self.after_ms))
                await respond_json(send, self._told())
            case "POST", "save":
                await respond_json(send, self.save(str(told.get("number", "")), sms=told.get("sms", True)))
            case _:
                await respond_json(send, {"error": f"nothing at {scope['path']}"}, status=404)

    def _told(self) -> JSON:
        return {
            "sentence": self.sentence,
            "status": self.status,
            "after_ms": self.after_ms,
            "calls": list(self.calls),
            "statuses": list(self.statuses),
            "refused": dict(self.refused),
        }


async def _tell(send: Send, stream_sid: str, event: str, body: JSON) -> None:
    text = orjson.dumps({"event": event, "streamSid": stream_sid, event: body}).decode()
    await send({"type": "websocket.send", "text": text})


async def _until_played(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        told = orjson.loads(message.get("text") or message.get("bytes") or b"{}")
        if told.get("event") in {"mark", "stop"}:
            return
