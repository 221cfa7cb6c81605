"""Who has the floor: under a protected first message the caller is heard, and answered when it is over."""

import re
from typing import Any

from calls.bridge import realtime
from calls.bridge.commands import Source
from calls.bridge.limits import WORTH_ANSWERING_MS, WORTH_ANSWERING_WORDS
from calls.bridge.line import Line
from calls.bridge.plan import FirstMessageMode, Plan, floor_given, floor_payload
from calls.bridge.responses import Ask, Purpose
from calls.bridge.speech import Utterance
from calls.bridge.utterances import Utterances


class Floor:
    """The first message, and what the caller said under it."""

    def __init__(self, line: Line, plan: Plan, utterances: Utterances) -> None:
        self._line = line
        self._plan = plan
        self._utterances = utterances
        self._missed: list[str] = []
        self.open = not plan.protects_greeting
        # Until the server has said so, it neither stops nor starts a response for the caller; we must.
        self.confirmed = self.open
        self.greeting_id = ""  # the response that says the first message

    def greeting(self) -> Ask:
        """The first message, as a response to ask for."""
        overrides = exactly(self._plan.first_message) if self._is_exact else {"tool_choice": "none"}
        return Ask(Purpose.GREETING, overrides)

    @property
    def _is_exact(self) -> bool:
        plan = self._plan
        return plan.first_message_mode is FirstMessageMode.SPEAKS_FIRST and bool(plan.first_message)

    def check_greeting(self, utterance: Utterance) -> None:
        """Report a first message that was not said word for word."""
        if not self._is_exact or utterance.response_id != self.greeting_id:
            return
        if _letters(utterance.text) != _letters(self._plan.first_message):
            self._line.problem(
                Source.OPENAI, "first_message_changed", "The first message was not said word for word."
            )

    def missed(self, item_id: str) -> None:
        """The caller's turn ended, and nobody will answer it before the floor is open."""
        self._missed.append(item_id)

    def give(self) -> bool:
        """From here on the caller's voice starts and stops responses. True: what they have said wants an answer."""
        self.open = True
        self._line.to_realtime(realtime.session_update(self._line.event_id(), floor_payload(self._plan)))
        said = [self._utterances.caller(item_id) for item_id in self._missed]
        return any(_worth_answering(utterance) for utterance in said if utterance is not None)

    def session_updated(self, event: realtime.SessionUpdated) -> None:
        """The server has taken settings over, perhaps these."""
        self.confirmed = self.open and floor_given(event.session)


def exactly(sentence: str) -> dict[str, Any]:
    """The request that has a sentence said word for word."""
    return {
        "instructions": f"Say exactly this sentence and nothing else: {sentence}",
        "tool_choice": "none",
    }


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _worth_answering(utterance: Utterance) -> bool:
    if utterance.text_final and utterance.transcribed:
        return len(utterance.text.split()) >= WORTH_ANSWERING_WORDS
    return utterance.ended_ms - utterance.began_ms >= WORTH_ANSWERING_MS
