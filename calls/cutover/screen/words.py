"""Cutover in words and badges for the admin: states, fields of a number at Twilio, results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.cutover.changes import APPLICATION, TRUNK, VOICE_FIELDS, value_of
from calls.models import (
    CutoverBatch,
    CutoverBatchItem,
    CutoverOperation,
    CutoverSchedule,
    PhoneNumber,
    SmokeRun,
)
from tools.adminkit import Tone, badge

State = PhoneNumber.State
STATE_TONES: Final[dict[str, Tone]] = {
    State.UNKNOWN: "plain",
    State.ON_VAPI: "plain",
    State.CANARY: "info",
    State.OURS: "good",
    State.ROLLED_BACK: "warn",
    State.CHANGED: "bad",
}
VERDICT_TONES: Final[dict[str, Tone]] = {
    SmokeRun.Outcome.PASS: "good",
    SmokeRun.Outcome.FAIL: "bad",
    SmokeRun.Outcome.INCONCLUSIVE: "warn",
    SmokeRun.Outcome.ERRORED: "bad",
}
ITEM_TONES: Final[dict[str, Tone]] = {
    CutoverBatchItem.Status.WAITING: "plain",
    CutoverBatchItem.Status.DONE: "good",
    CutoverBatchItem.Status.ALREADY: "good",
    CutoverBatchItem.Status.REFUSED: "warn",
    CutoverBatchItem.Status.FAILED: "bad",
}
BATCH_TONES: Final[dict[str, Tone]] = {
    CutoverBatch.Status.WAITING: "info",
    CutoverBatch.Status.RUNNING: "info",
    CutoverBatch.Status.DONE: "good",
    CutoverBatch.Status.FAILED: "bad",
}
OPERATION_TONES: Final[dict[str, Tone]] = {
    CutoverOperation.Status.PLANNED: "info",
    CutoverOperation.Status.WRITING: "info",
    CutoverOperation.Status.VERIFYING: "info",
    CutoverOperation.Status.UNDOING: "warn",
    CutoverOperation.Status.DONE: "good",
    CutoverOperation.Status.REFUSED: "warn",
    CutoverOperation.Status.FAILED: "bad",
    CutoverOperation.Status.ROLLED_BACK: "bad",
}
SCHEDULE_TONES: Final[dict[str, Tone]] = {
    CutoverSchedule.Status.RUNNING: "info",
    CutoverSchedule.Status.PAUSED: "warn",
    CutoverSchedule.Status.STOPPED: "bad",
    CutoverSchedule.Status.DONE: "good",
    CutoverSchedule.Status.CANCELLED: "plain",
}
FIELDS: Final[dict[str, str]] = {
    TRUNK: "SIP trunk",
    APPLICATION: "TwiML application",
    "voice_url": "A call comes in",
    "voice_method": "A call comes in, method",
    "voice_fallback_url": "If that fails",
    "voice_fallback_method": "If that fails, method",
    "status_callback": "When a call ends",
    "status_callback_method": "When a call ends, method",
    "account_sid": "Account",
    "status": "Status of the number",
    "voice_receive_mode": "Receives",
}


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One field of a number at Twilio, from what to what, as people read it."""

    title: str
    field: str
    before: str
    after: str


def change_rows(changes: Iterable[Any]) -> list[ChangeRow]:
    """Stored changes made readable. What is no change is left out, not failed on."""
    return [
        ChangeRow(
            title=FIELDS.get(str(one.get("field")), str(one.get("field"))),
            field=str(one.get("field")),
            before=str(one.get("before") or ""),
            after=str(one.get("after") or ""),
        )
        for one in changes
        if isinstance(one, Mapping) and one.get("field")
    ]


def config_rows(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The voice fields of a configuration: title, field, value."""
    return [(FIELDS[field], field, value_of(config, field)) for field in VOICE_FIELDS]


def state_badge(number: PhoneNumber) -> SafeString:
    """Where a number stands, as a coloured label with its share."""
    words: str = number.get_state_display()
    if number.state == State.CANARY:
        words = f"Canary {number.canary_percent} %"
    return badge(words, STATE_TONES.get(number.state, "plain"))


def state_words(state: str) -> str:
    """The name of a state; of an unknown one, itself."""
    return str(dict(State.choices).get(state, state)) or "-"


def at_twilio(number: PhoneNumber) -> str:
    """What answers the number by its own configuration, in a word."""
    if number.provider != PhoneNumber.Provider.TWILIO:
        return f"Not at Twilio: {number.get_provider_display()}"
    if not number.twilio_sid:
        return "Not read from Twilio yet"
    if number.missing_at is not None:
        return "Gone from its account"
    return f"Twilio calls: {number.get_answered_by_display()}"


def share(percent: int) -> str:
    """A share of calls in words."""
    return "all calls at once" if percent == 100 else f"{percent} % of calls"


def kind_words(kind: str, percent: int) -> str:
    """A move in words, as a heading."""
    if kind == CutoverOperation.Kind.CANARY:
        return f"Canary of {percent} %"
    return str(CutoverOperation.Kind(kind).label)


def verdict_badge(outcome: str, *, simulated: bool) -> SafeString:
    """What a smoke test found, as a coloured label."""
    words = dict(SmokeRun.Outcome.choices).get(outcome, outcome)
    label = badge(words, VERDICT_TONES.get(outcome, "plain"))
    return format_html("{} {}", label, badge("Simulated")) if simulated else label
