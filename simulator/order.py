"""A call to place, and what may be made of it while it runs."""

from dataclasses import dataclass, field

from simulator import twiml
from simulator.scenario import Scenario
from simulator.twilio_http import Origins


@dataclass(frozen=True, slots=True)
class Order:
    """One call to place. URLs are what a public caller would use; `origins` says what stands behind them."""

    scenario: Scenario
    to: str
    caller: str
    voice_url: str | None = None
    voice_method: str = "POST"
    fallback_url: str | None = None
    fallback_method: str = "POST"
    trunk_sid: str = ""  # goes to a SIP trunk, and nothing is requested
    nobody: str = ""  # why nothing answers
    account_sid: str = ""  # whose number it is; empty for the main account
    twiml: str | None = None
    origins: Origins = field(default_factory=Origins)
    speed: float = 1.0
    status_callback: str | None = None
    status_method: str = "POST"
    status_events: tuple[str, ...] = ("completed",)
    direction: str = "inbound"
    sip_code: str = ""  # of the network, where nobody answers
    machine_url: str = ""  # is told who has picked up, ...
    machine_words: tuple[tuple[str, float], ...] = ()  # ... in these words, each so long after the answer


@dataclass(frozen=True, slots=True)
class Interruption:
    """What REST or the caller makes of a running call: `verbs` None ends it."""

    reason: str
    verbs: list[twiml.Verb] | None = None
