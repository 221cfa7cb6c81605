"""Twilio's <Dial>: the callee is rung, told what is for them alone, and talks with the caller."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from simulator import twiml
from simulator.courier import Courier
from simulator.report import CallLog, Dialled
from simulator.scenario import Operator

SAY_MS_PER_CHARACTER: Final = 60


class Dialling:
    """One <Dial>. Only the first of several callees is rung; the leg's status says what became of it."""

    def __init__(
        self,
        verb: twiml.Dial,
        operator: Operator,
        leg: Dialled,
        *,
        may_show: Collection[str],  # the numbers that the callee may be shown
        log: CallLog,
        courier: Courier,
        wait: Callable[[float], Awaitable[None]],  # lets time go by, less if the call is interrupted
        stopped: Callable[[], bool],  # whether it was
    ) -> None:
        self._leg = leg
        self._verb = verb
        self._operator = operator
        self._may_show = may_show
        self._log = log
        self._courier = courier
        self._wait = wait
        self._stopped = stopped

    async def run(self) -> int:
        """How many seconds the two talked; the leg's status says what else became of it."""
        verb, operator, leg = self._verb, self._operator, self._leg
        callee = verb.callees[0]
        if verb.caller_id is not None and not callee.sip and verb.caller_id not in self._may_show:
            self._log.violation(
                "13214", f"callerId {verb.caller_id} is neither the caller, nor the number called"
            )
            leg.status = "failed"
            return 0
        timeout_ms = verb.timeout_s * 1000
        await self._wait(min(operator.after_ms, timeout_ms))
        if self._stopped():
            leg.status = "no-answer"
            return 0
        if operator.outcome != "answered" or operator.after_ms > timeout_ms:
            leg.status = "no-answer" if operator.outcome == "answered" else operator.outcome
            return 0
        if callee.url is not None and not await self._whisper(callee, callee.url):
            leg.status = "no-answer"
            return 0
        leg.connected = not self._stopped()
        began_ms = self._log.clock.now_ms()
        if leg.connected:
            self._log.event("operator connected", number=callee.to)
            await self._wait(operator.talks_ms)
        leg.status = "completed"
        return max(1, round((self._log.clock.now_ms() - began_ms) / 1000))

    async def _whisper(self, callee: twiml.Callee, url: str) -> bool:
        """Play the callee the document that is for them alone; False when it hung up on them."""
        child = {
            "CallSid": self._leg.child_sid,
            "ParentCallSid": self._log.report.call_sid,
            "To": callee.to,
            "Called": callee.to,
            "From": self._leg.caller_id,
            "Caller": self._leg.caller_id,
            "Direction": "outbound-dial",
            "CallStatus": "in-progress",
        }
        for verb in await self._courier.document(
            url, what="whisper", method=callee.method, extra=child, alone=True
        ):
            match verb:
                case twiml.Say(text=text):
                    self._leg.whispered.append(text)
                    self._log.event("whispered to the operator", text=text)
                    await self._wait(SAY_MS_PER_CHARACTER * len(text))
                case twiml.Pause(length_s=length_s):
                    await self._wait(length_s * 1000)
                case twiml.Play():
                    await self._wait(500)
                case twiml.Hangup():
                    return False
                case _:
                    raise twiml.TwimlError("13201", f"<{type(verb).__name__}> in a document for a callee")
        return True
