"""Calls that REST has Twilio place: what may be asked for, and the two legs when the callee is a number of ours.

The far leg is an inbound call, answered as the number is configured; the near leg rings until it is answered, then plays `Url` or `Twiml`. Each
hears the other (`line_end.py`); when one ends, so does the other.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

from simulator.number_rules import check_url
from simulator.order import Interruption
from simulator.phone import Phone
from simulator.refusals import Complaints, Refusal
from simulator.report import CallReport

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_CALLEE: Final = re.compile(r"\+[1-9][0-9]{6,14}|sips?:\S+@\S+|client:\S+")
_FIELDS: Final = frozenset(
    {"To", "From", "Url", "Method", "Twiml", "FallbackUrl", "FallbackMethod", "StatusCallback"}
    | {"StatusCallbackEvent", "StatusCallbackMethod", "Timeout", "TimeLimit", "SendDigits", "CallerId"}
    | {"Record", "RecordingChannels", "RecordingTrack", "RecordingStatusCallback", "Trim", "CallToken"}
    | {"RecordingStatusCallbackEvent", "RecordingStatusCallbackMethod", "MachineDetection", "AsyncAmd"}
    | {"AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", "MachineDetectionTimeout", "CallReason"}
    | {f"MachineDetection{part}" for part in ("SpeechThreshold", "SpeechEndThreshold", "SilenceTimeout")}
)
# Twilio's codes for values out of these bounds.
_MACHINE: Final = {
    "MachineDetectionTimeout": (3, 59, 21234),
    "MachineDetectionSpeechThreshold": (1000, 6000, 21262),
    "MachineDetectionSpeechEndThreshold": (500, 5000, 21263),
    "MachineDetectionSilenceTimeout": (2000, 10000, 21234),
}
EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})


def check_call(
    pairs: list[tuple[str, str]], *, may_show: Callable[[str], bool], complaints: Complaints
) -> None:
    """Nothing for a call that Twilio would place. Raises Refusal otherwise; `may_show` knows the account's numbers."""
    form = dict(pairs)
    if unknown := sorted(set(form) - _FIELDS):
        complaints.note("unknown", f"unknown parameters {unknown}")
        raise Refusal(400, 20001, f"Unknown parameters {unknown}")
    _check_parties(form, may_show)
    if not form.get("Url") and not form.get("Twiml"):
        raise Refusal(400, 21205, "Url or Twiml is required")
    if form.get("Url") and form.get("Twiml"):
        complaints.note("32019", "Url wins over Twiml")
    for name, code in (("Url", 21205), ("FallbackUrl", 21205), ("StatusCallback", 21609)):
        if form.get(name):
            _check_url(name, form[name], code)
    if not form.get("Timeout", "60").isdecimal() or not 1 <= int(form.get("Timeout", "60")) <= 600:
        raise Refusal(400, 20001, "Timeout is not from 1 to 600")
    _check_machine(form, complaints)
    for name, value in pairs:
        if name == "StatusCallbackEvent" and value not in EVENTS:
            raise Refusal(
                400, 21626, f"Invalid StatusCallbackEvents: {value}; repeat the key for more than one"
            )


def _check_machine(form: dict[str, str], complaints: Complaints) -> None:
    if form.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        raise Refusal(400, 20001, "MachineDetection is Enable or DetectMessageEnd")
    if form.get("AsyncAmd", "true") not in ("true", "false"):
        raise Refusal(400, 20001, "AsyncAmd is true or false, in lower case")
    if form.get("MachineDetection") and form.get("SendDigits"):
        complaints.note("machine-and-digits", "SendDigits switches MachineDetection off")
    if form.get("AsyncAmdStatusCallback"):
        _check_url("AsyncAmdStatusCallback", form["AsyncAmdStatusCallback"], 21205)
    for name, (least, most, code) in _MACHINE.items():
        if name in form and not (form[name].isdecimal() and least <= int(form[name]) <= most):
            raise Refusal(400, code, f"{name} is not from {least} to {most}")


def _check_parties(form: dict[str, str], may_show: Callable[[str], bool]) -> None:
    if not form.get("To"):
        raise Refusal(400, 21201)
    if not form.get("From"):
        raise Refusal(400, 21213)
    if not _CALLEE.fullmatch(form["To"]):
        raise Refusal(400, 21211)
    if not _NUMBER.fullmatch(form["From"]):
        raise Refusal(400, 21212)
    if not may_show(form["From"]):
        raise Refusal(400, 21210)


def _check_url(name: str, url: str, code: int) -> None:
    try:
        check_url(name, url)
    except Refusal as refusal:
        raise Refusal(400, code, refusal.body["message"]) from refusal


class TwoLegs:
    """Rings the far leg when the near one does, and ends each with the other."""

    def __init__(self, far: Phone, play: Callable[[], Awaitable[CallReport]], *, timeout_s: float) -> None:
        self.far = far
        self._play = play
        self._timeout_s = timeout_s
        self._began = asyncio.Event()
        self._playing: asyncio.Future[CallReport] | None = None

    async def ring(self) -> str:
        """Let the far leg ring; what came of it, in the words of CallStatus, or "answered"."""
        self._playing = asyncio.ensure_future(self._play())
        self._began.set()
        answered = asyncio.ensure_future(self.far.answered.wait())
        try:
            await asyncio.wait(
                {answered, self._playing}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            answered.cancel()
        if self.far.answered.is_set():
            return "answered"
        return self.far.status if self.far.status in {"busy", "failed"} else "no-answer"

    async def play(
        self, near: Phone, play: Callable[[], Awaitable[CallReport]]
    ) -> tuple[CallReport, CallReport | None]:
        """Both reports when both legs are over; None for a far leg that never rang."""
        playing = asyncio.ensure_future(play())
        began = asyncio.ensure_future(self._began.wait())
        try:
            await asyncio.wait({playing, began}, return_when=asyncio.FIRST_COMPLETED)
            if self._playing is None:
                return await playing, None
            await asyncio.wait({playing, self._playing}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                self._tell(near)
            if not self._playing.done():
                self.far.interrupt(Interruption("caller hung up"))
            return await playing, await self._playing
        finally:
            for task in (playing, began, self._playing):
                if task is not None:
                    task.cancel()

    def _tell(self, near: Phone) -> None:
        """Hang up on the near leg, unless it still rings for a far one that never answered: it learns that by itself."""
        if self.far.answered.is_set():
            near.interrupt(Interruption("the other end hung up"))
