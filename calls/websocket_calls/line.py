"""The caller's side of a call without a telephone: a program's socket, with raw sound both ways and JSON beside it.

One task sends, so nothing overtakes anything. Where the client reads too slowly its sound waits here and counts as unheard; the
clock of what was heard stands still meanwhile.
"""

import asyncio
from base64 import b64decode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from calls.bridge import commands as do
from calls.bridge import twilio
from calls.bridge.errors import RemoteProtocolError
from calls.lines.line import GOING_AWAY, NO_CODE, SOCKET_GONE, ASGIMessage, Send
from calls.recordings.taking.take import Take
from calls.recordings.taking.tracks import ASSISTANT, CALLER
from calls.sounds.resampling import Resampler
from calls.websocket_calls.formats import MODEL_RATE, ClientFormat
from calls.websocket_calls.intake import Intake
from calls.websocket_calls.pacing import Pacer

POLICY_VIOLATION: Final = 1008
# Codes by which a client has closed the socket on purpose: done, going away, none given, and what programs mean by their own.
HUNG_UP: Final = frozenset({1000, GOING_AWAY, NO_CODE})
_PROGRAMS_OWN: Final = range(3000, 5000)
HANGS_UP: Final = frozenset({"end-call", "hangup"})
SENT_WITHIN_S: Final = 10.0
# More than the longest answer of a model, which comes faster than it is spoken.
MOST_QUEUED_MS: Final = 300_000
LONGEST_TEXT: Final = 16_384
LONGEST_SOUND: Final = 131_072  # bytes; the media server takes half of that, another one may take anything
# Messages may come in a burst of so many, and so many a second. Browsers send sound as often as 375 times a second.
_TEXTS: Final = (100, 10.0)
_SOUNDS: Final = (10_000, 1000.0)
_MOST_TELLING: Final = 500  # messages that wait for a slow reader; what is more is not told

Heard = Callable[[list[str]], Awaitable[None]]
Asked = Callable[[Mapping[str, Any]], None]


class _TooSlowError(Exception):
    """The client has not taken a message for too long."""


class _GoneError(Exception):
    """The socket is closed."""


class Allowance:
    """How many messages of a kind a client may still send."""

    def __init__(self, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at = 0.0

    def use(self, now: float) -> bool:
        """Whether one more may come."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - 1
        self._at = now
        return self._left >= 0


class SocketLine:
    """One client. ``heard`` is told of marks, ``asked`` of messages that are orders.

    What is heard on either side goes into the ``take`` as well, where the call is recorded: the assistant when it is played.
    """

    def __init__(
        self,
        send: Send,
        form: ClientFormat,
        *,
        clock: Callable[[], float],
        heard: Heard,
        asked: Asked,
    ) -> None:
        self.is_open = True
        self.too_slow = False
        self.sound_dropped = False  # there was more of it than anybody will ever hear
        self.take: Take | None = None
        self._send = send
        self._clock = clock
        self._heard = heard
        self._asked = asked
        model = form.at_model
        there = Resampler(form.rate, MODEL_RATE).process if form.resampled else None
        self._back = Resampler(MODEL_RATE, form.rate).process if form.resampled else None
        self._began = clock()
        self._intake = Intake(
            there,
            began=self._began,
            sample_bytes=form.sample_bytes,
            bytes_per_s=form.sample_bytes * form.rate,
            bytes_per_ms=model.bytes_per_ms,
        )
        self._pacer = Pacer(model.bytes_per_ms)
        self._most_queued = MOST_QUEUED_MS * model.bytes_per_ms
        self._telling: deque[str] = deque(maxlen=_MOST_TELLING)
        self._loosened: list[str] = []  # marks that a clear has shaken loose
        self._texts, self._sounds = Allowance(*_TEXTS), Allowance(*_SOUNDS)
        self._clears = 0
        self._close_with: int | None = None
        self._news = asyncio.Event()

    # What comes in --------------------------------------------------------------------------------------------

    def read(self, message: ASGIMessage) -> Sequence[twilio.Message]:
        """The frames in a piece of sound, or what a text says. Raises RemoteProtocolError."""
        if self._close_with is not None:
            return ()  # what is closed is not listened to, however much still comes
        sound = message.get("bytes")
        if sound is not None:
            return self._read_sound(sound, self._clock())
        return self._read_text(message.get("text") or "")

    def _read_sound(self, sound: bytes, now: float) -> Sequence[twilio.Media]:
        if not self._sounds.use(now):
            self._shut(POLICY_VIOLATION)
            return ()
        if len(sound) > LONGEST_SOUND:
            raise RemoteProtocolError("a piece of sound of the client is too long")
        frames = self._intake.take(sound, now)
        if self._intake.floods:
            self._shut(POLICY_VIOLATION)
        if self.take is not None:
            for frame in frames:
                self.take.put(CALLER, b64decode(frame.payload), self._began + frame.timestamp_ms / 1000)
        return frames

    def _read_text(self, text: str) -> Sequence[twilio.Message]:
        if not self._texts.use(self._clock()):
            self._shut(POLICY_VIOLATION)
            return ()
        if len(text) > LONGEST_TEXT:
            raise RemoteProtocolError("a message of the client is too long")
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise RemoteProtocolError("a message of the client is not JSON") from exc
        if not isinstance(said, dict) or not isinstance(said.get("type"), str):
            raise RemoteProtocolError("a message of the client has no type")
        if said["type"] in HANGS_UP:
            return (twilio.Stop(),)
        self._asked(said)
        return ()

    def gone(self, code: int) -> Sequence[twilio.Message]:
        """A client that has closed the socket has hung up; one that is gone without a word may have lost its network."""
        return (twilio.Stop(),) if code in HUNG_UP or code in _PROGRAMS_OWN else ()

    # What goes out --------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether somebody has to send: it is the task's work, which ``put`` wakes."""
        return False

    def put(self, command: do.Play | do.Mark | do.Clear) -> None:
        """Have this done, after all that was put before."""
        match command:
            case do.Play(payload=payload):
                if self._pacer.queued < self._most_queued:
                    self._pacer.play(b64decode(payload))
                else:
                    self.sound_dropped = True
            case do.Mark(name=name):
                self._pacer.mark(name)
            case do.Clear():
                self._loosened += self._pacer.clear()
                self._clears += 1
                if self.take is not None:
                    self.take.cut(self._clock())
                self.tell({"type": "user-interrupted"})
        self._news.set()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Have the client told of something."""
        self._telling.append(orjson.dumps(message).decode())
        self._news.set()

    async def flush(self) -> None:
        """Wake the task that sends."""
        self._news.set()

    async def close(self, code: int) -> None:
        """Close the socket, once, behind what is to be told."""
        self._shut(code)

    def _shut(self, code: int) -> None:
        if self._close_with is None:
            self._close_with = code
        self._news.set()

    async def run(self) -> None:
        """Send, at the pace of speech, until the socket is closed."""
        try:
            while self.is_open:
                if not await self._step():
                    await self._rest()
        except _TooSlowError:
            self.too_slow = True
            self.is_open = False
        except _GoneError:
            self.is_open = False  # the reader learns of it too, and says so to the conversation

    async def _step(self) -> bool:
        """Do the next thing that is due; False: nothing is."""
        while self._telling:
            await self._out({"type": "websocket.send", "text": self._telling.popleft()})
        if self._close_with is not None:
            self.is_open = False
            await self._out({"type": "websocket.close", "code": self._close_with})
            return True
        loosened, self._loosened = self._loosened, []
        names = loosened + self._pacer.reached(self._clock())
        if names:
            await self._heard(names)
            return True
        frame = self._pacer.take(self._clock())
        if not frame:
            return False
        clears = self._clears
        await self._out(
            {"type": "websocket.send", "bytes": self._back(frame) if self._back is not None else frame}
        )
        begins = self._pacer.sent(self._clock())
        if self.take is not None and clears == self._clears:
            self.take.put(ASSISTANT, frame, begins)
        return True

    async def _out(self, message: ASGIMessage) -> None:
        """Send this. Raises _TooSlowError, and _GoneError."""
        try:
            async with asyncio.timeout(SENT_WITHIN_S):
                await self._send(message)
        except TimeoutError as exc:
            raise _TooSlowError from exc
        except SOCKET_GONE as exc:
            raise _GoneError from exc

    async def _rest(self) -> None:
        """Wait for what is due next, or for news."""
        at = self._pacer.next_at(self._clock())
        alarm = None
        if at is not None:
            alarm = asyncio.get_running_loop().call_later(max(0.0, at - self._clock()), self._news.set)
        try:
            await self._news.wait()
        finally:
            self._news.clear()
            if alarm is not None:
                alarm.cancel()
