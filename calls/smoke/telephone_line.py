"""Real telephone lines: Twilio calls a number from a test number, and the scenario's caller is played at our end of the call.

A pair is one call to our stack and, where the run has a number at Vapi, one call there. Everything that is known of a call
stands in its leg, so a call survives the death of whoever waits for it, and is hung up by whoever finds it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.utils import timezone

from calls.clients import TwilioRefusedError
from calls.dialling.ordering import CallOrder
from calls.models import Call, SmokeLeg, SmokePair, SmokeRun
from calls.smoke.caller_lines import lines_spoken
from calls.smoke.legs import (
    LONGEST_S,
    RINGS_S,
    leg_claim,
    leg_ended,
    leg_over,
    leg_placed,
    legs_unwanted,
)
from calls.smoke.lines import Played, PlayError, StoppedError
from calls.smoke.markers import leg_marker_make
from calls.smoke.model_caller import CallerEnd
from calls.smoke.scripts import ScriptError, script_read
from calls.smoke.telephone_calls import Telephone, TwilioTelephone
from calls.smoke.vapi_side import vapi_call_await

logger = logging.getLogger(__name__)

# Twilio's own queue, ringing, and a little more than the longest call.
_OVER_WITHIN_S: Final = LONGEST_S + RINGS_S + 120.0
_LINE_FREE_WITHIN_S: Final = LONGEST_S + 60.0
_CANCELLED: Final = "The run was stopped, and the call was hung up."


@dataclass(frozen=True, slots=True)
class TelephoneLine:
    """Where Twilio finds us, and what does the telephoning."""

    public_origin: str
    telephone: Telephone
    at_vapi: Callable[[SmokeLeg, threading.Event], Call] = vapi_call_await
    look_every_s: float = 0.3
    ask_every_s: float = 10.0
    over_within_s: float = field(default=_OVER_WITHIN_S)

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        """The calls of this pair, played to their end. Raises PlayError, StoppedError."""
        run = pair.run
        self._ready(pair)
        leg = self._call(pair, SmokeLeg.Stack.DIRECT, run.did, stop)
        call = Call.objects.filter(call_sid=leg.far_sid, smoke_test=True).first() if leg.far_sid else None
        if call is None:
            raise PlayError("The call was answered, but not by this installation.", stops=True)
        caller = _caller_end(leg) if run.caller == SmokeRun.Caller.MODEL else None
        if not run.vapi_number or (caller is not None and caller.broke):
            return Played(call.call_sid, caller)
        theirs = self._call(pair, SmokeLeg.Stack.VAPI, run.vapi_number, stop)
        if run.caller == SmokeRun.Caller.MODEL and (broke := _caller_end(theirs).broke):
            raise PlayError(f"In the call at Vapi: {broke}")
        return Played(call.call_sid, caller, self.at_vapi(theirs, stop))

    def _ready(self, pair: SmokePair) -> None:
        """Have every word of the caller ready: nobody waits for speech in the middle of a call."""
        try:
            script = script_read(pair.script)
        except ScriptError as exc:
            raise PlayError(f"The scenario cannot be played. {exc}", final=True) from exc
        if pair.run.caller == SmokeRun.Caller.SCRIPT:
            lines_spoken(script, model=str(pair.run.snapshot["model"]))

    def _call(self, pair: SmokePair, stack: SmokeLeg.Stack, to: str, stop: threading.Event) -> SmokeLeg:
        """The leg of a call that was played to its end. Raises PlayError, StoppedError."""
        leg = self._claimed(pair, stack, to, stop)
        try:
            call_sid = self.telephone.place(
                CallOrder(
                    to=to,
                    caller=leg.from_number,
                    url=self._url(leg),
                    status_url=f"{self._url(leg)}/status",
                    rings_s=RINGS_S,
                    longest_s=LONGEST_S,
                )
            )
        except PlayError as exc:
            # If it was placed after all, whoever answers it finds no leg and is hung up on.
            leg_over(leg, why=str(exc))
            raise
        leg_placed(leg, call_sid=call_sid)
        try:
            leg = self._until_over(leg, call_sid, stop)
        except (StoppedError, PlayError) as exc:
            leg_over(leg, why=str(exc) or _CANCELLED)
            leg_hang_up(leg, call_sid, self.telephone)
            raise
        if leg.status == SmokeLeg.Status.FAILED:
            where = "At Vapi: " if stack == SmokeLeg.Stack.VAPI else ""
            ours_unseen = stack == SmokeLeg.Stack.DIRECT and not leg.far_sid and leg.answered_at is None
            by_others = ours_unseen and "did not come to this installation" in leg.why
            raise PlayError(where + leg.why, stops=by_others)
        return leg

    def _url(self, leg: SmokeLeg) -> str:
        return f"{self.public_origin}/twilio/smoke-leg/{leg_marker_make(leg.pk)}"

    def _claimed(self, pair: SmokePair, stack: SmokeLeg.Stack, to: str, stop: threading.Event) -> SmokeLeg:
        until = time.monotonic() + _LINE_FREE_WITHIN_S
        while time.monotonic() < until:
            leg = leg_claim(pair, stack=stack, to=to, numbers=pair.run.test_numbers)
            if leg is not None:
                return leg
            if not SmokePair.objects.filter(pk=pair.pk, attempts=pair.attempts).exists():
                raise StoppedError  # somebody else has the pair by now
            if stop.wait(1.0):
                raise StoppedError
        raise PlayError(
            f"No test number was free for a call to {to}: another smoke test uses them. Add one to SMOKE_TEST_NUMBERS."
        )

    def _until_over(self, leg: SmokeLeg, call_sid: str, stop: threading.Event) -> SmokeLeg:
        """The leg, over. Twilio's callbacks tell; where one is lost, Twilio is asked."""
        began = time.monotonic()
        asked = began
        while time.monotonic() - began < self.over_within_s:
            leg = SmokeLeg.objects.get(pk=leg.pk)
            if leg.status in (SmokeLeg.Status.OVER, SmokeLeg.Status.FAILED):
                return leg
            if time.monotonic() - asked >= self.ask_every_s:
                asked = time.monotonic()
                leg_ended(leg, self.telephone.status(call_sid))
                continue
            if stop.wait(self.look_every_s):
                raise StoppedError
        raise PlayError("The call went on longer than any call of a smoke test may, and was hung up.")


def _caller_end(leg: SmokeLeg) -> CallerEnd:
    return CallerEnd(leg.goal_reached, leg.ended_because, tuple(str(one) for one in leg.said_never))


def leg_hang_up(leg: SmokeLeg, call_sid: str, telephone: Telephone) -> None:
    """Hang up on a leg. Its stream asks whether it is wanted, so a request that fails only makes it later."""
    try:
        telephone.hang_up(call_sid)
    except TwilioRefusedError as exc:
        logger.warning(
            "a call of a smoke test could not be hung up", extra={"leg_id": str(leg.pk), "why": str(exc)}
        )


def legs_hang_up(telephone: Telephone | None = None) -> int:
    """How many legs were hung up that nobody waits for any more: their run was cancelled, or its player died."""
    unwanted = list(legs_unwanted(now=timezone.now()))
    if unwanted:
        telephone = telephone or TwilioTelephone(settings.TWILIO_ACCOUNT_SID)
    for leg in unwanted:
        leg_over(leg, why=_CANCELLED)
        if leg.call_sid and telephone is not None:
            leg_hang_up(leg, leg.call_sid, telephone)
    return len(unwanted)


def telephone_line() -> TelephoneLine:
    """The lines of this installation. Raises PlayError where they are not set up."""
    if not settings.TWILIO_ACCOUNT_SID or not settings.TWILIO_AUTH_TOKEN:
        raise PlayError(
            "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set, so no call can be placed.", stops=True
        )
    if not settings.OPENAI_API_KEY:
        raise PlayError("OPENAI_API_KEY is not set, so there is no model to meet.", stops=True)
    return TelephoneLine(
        public_origin=settings.PUBLIC_ORIGIN, telephone=TwilioTelephone(settings.TWILIO_ACCOUNT_SID)
    )
