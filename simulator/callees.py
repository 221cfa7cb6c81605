"""Whoever is called by REST and is no number of ours: how long it rings, what comes of it, and whether a machine picks up.

Without any other word the last digits of the number say so, so that a demonstration needs no setting up: …0001 is busy, …0002 picks
up never, …0003 is out of service, and behind …0004 there is an answering machine. Everybody else picks up.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.clock import Clock

OUTCOMES: Final = frozenset({"answered", "busy", "no-answer", "failed"})
WORDS: Final = frozenset(
    {
        "human",
        "unknown",
        "fax",
        "machine_start",
        "machine_end_beep",
        "machine_end_silence",
        "machine_end_other",
    }
)


@dataclass(frozen=True, slots=True)
class Callee:
    """What becomes of calling somebody. ``words``: what Twilio says of who has picked up, each so long after the answer."""

    outcome: str = "answered"
    rings_ms: float = 800.0
    words: tuple[tuple[str, float], ...] = (("human", 1500.0),)
    sip_code: str = ""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"a callee is not {self.outcome!r}")
        if unknown := {word for word, _ in self.words} - WORDS:
            raise ValueError(f"Twilio does not say {sorted(unknown)}")

    def ring(self, clock: Clock, *, timeout_s: float) -> Callable[[], Awaitable[str]]:
        """Waits until the callee does something, and says what."""

        async def ringing() -> str:
            never = self.outcome == "no-answer" or self.rings_ms > timeout_s * 1000
            await clock.sleep(timeout_s * 1000 if never else self.rings_ms)
            return "no-answer" if never else self.outcome

        return ringing


PERSON: Final = Callee()
_MACHINE: Final = Callee(words=(("machine_start", 1500.0), ("machine_end_beep", 4000.0)))
_BY_ENDING: Final = {
    "0001": Callee("busy", sip_code="486"),
    "0002": Callee("no-answer"),
    "0003": Callee("failed", sip_code="404"),
    "0004": _MACHINE,
}


@dataclass(slots=True)
class Callees:
    """Whom one simulator knows; everybody else is known by the last digits."""

    known: dict[str, Callee] = field(default_factory=dict)

    def find(self, number: str) -> Callee:
        """Who is called."""
        return self.known.get(number) or _BY_ENDING.get(number[-4:], PERSON)


def words_due(callee: Callee, form: dict[str, str]) -> tuple[tuple[str, float], ...]:
    """What Twilio says of who has picked up, as far as it was asked to."""
    mode = form.get("MachineDetection", "")
    if not mode or form.get("SendDigits") or form.get("AsyncAmd") != "true":
        return ()
    if mode == "DetectMessageEnd":
        ends = [one for one in callee.words if one[0] != "machine_start"]
        return tuple(ends or callee.words)
    return callee.words[:1]


def machine_form(word: str, base: dict[str, Any], *, ms: float) -> dict[str, str]:
    """The fields in which Twilio says it."""
    kept = {name: str(base[name]) for name in ("AccountSid", "CallSid")}
    return {**kept, "AnsweredBy": word, "MachineDetectionDuration": str(round(ms))}
