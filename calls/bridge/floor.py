"""Who has the floor: what is said under protected speech is heard, and answered when that speech is over."""

from calls.bridge import realtime
from calls.bridge.limits import WORTH_ANSWERING_MS, WORTH_ANSWERING_WORDS
from calls.bridge.line import Line
from calls.bridge.plan import FirstMessageMode, Plan, floor_given, floor_payload
from calls.bridge.playback import Playback
from calls.bridge.responses import Ask, Purpose, Responses
from calls.bridge.utterances import Utterances
from calls.bridge.wording import exactly


class Floor:
    """What protects the assistant's speech, and what the caller said under it.

    The first message may be protected as a whole. Where the plan guards all speech, the caller's voice does not stop
    it either; a number of words may, and then a few words under it are no turn: "mm-hm" wants no answer.
    """

    def __init__(
        self,
        line: Line,
        plan: Plan,
        playback: Playback,
        utterances: Utterances,
        responses: Responses,
        *,
        before: "Floor | None" = None,
    ) -> None:
        self._line = line
        self._plan = plan
        self._playback = playback
        self._utterances = utterances
        self._responses = responses
        # Of an assistant that takes the call over: what nobody has answered yet is now for it to answer.
        self._entered = before is not None
        self._missed: list[str] = list(before._missed) if before else []
        self._keyed: bool = before._keyed if before else False  # keys were pressed under it
        self._words: dict[str, str] = dict(before._words) if before else {}  # as they come in, by item
        self.open = not plan.protects_greeting  # the first message is over, or not protected
        self.muted: bool = before.muted if before else False  # the assistant says only what is ordered
        # What the server was told last: whether it is to stop and to start responses for the caller.
        self._serves = self.open and not plan.guards_speech
        # Until the server has said so, it neither stops nor starts a response for the caller; we must.
        self.confirmed = self.open and not plan.guards_speech
        self.greeting_id = ""  # the response that says the first message, or whatever else is protected

    # The first message ----------------------------------------------------------------------------------------

    def greeting(self) -> Ask:
        """The first message, as a response to ask for."""
        plan = self._plan
        if plan.first_message_mode is FirstMessageMode.SPEAKS_FIRST and plan.first_message:
            return Ask(Purpose.GREETING, exactly(plan.first_message), plan.first_message)
        # Whoever takes a call over may go to work at once: the caller has said already what they want.
        return Ask(Purpose.GREETING, {} if self._entered else {"tool_choice": "none"})

    def give(self) -> None:
        """The first message is over: from here on the caller's voice starts and stops responses."""
        self.open = True
        self.tell_server()

    def close(self) -> None:
        """What is said next is protected as a whole, as a first message may be."""
        self.open, self.greeting_id = False, ""
        self.tell_server()

    def mute(self, *, on: bool) -> None:
        """The assistant says only what is ordered from here on, or may speak again."""
        self.muted = on
        self.tell_server()

    def tell_server(self) -> None:
        """Have the server do as the floor is."""
        serves = self._is_served
        if serves != self._serves:
            self._serves, self.confirmed = serves, False
            payload = floor_payload(self._plan, floor_open=serves)
            self._line.to_realtime(realtime.session_update(self._line.event_id(), payload))

    @property
    def _is_served(self) -> bool:
        return self.open and not self.muted and not self._plan.guards_speech

    def session_updated(self, event: realtime.SessionUpdated) -> None:
        """The server has taken settings over, perhaps these."""
        self.confirmed = self._is_served and floor_given(event.session)

    # Protected speech -----------------------------------------------------------------------------------------

    def holds(self, now: float) -> bool:
        """Whether what is to be heard now is not stopped by the caller's voice."""
        return not self.open or (self._plan.guards_speech and self._sounds(now))

    def holds_for_keys(self, now: float) -> bool:
        """The same for a key that is pressed; nobody does that by the way, as one says "mm-hm"."""
        return not self.open or (not self._plan.interruptible and self._sounds(now))

    def _sounds(self, now: float) -> bool:
        return self._playback.holds_audio(now) or self._responses.has_sounded(self._responses.running)

    def missed(self, item_id: str) -> None:
        """The caller's turn ended, and nobody will answer it before what is being said is over."""
        self._missed.append(item_id)

    @property
    def waits(self) -> bool:
        """Whether something was said under it that may want an answer."""
        return bool(self._missed)

    def keyed(self) -> None:
        """Keys were pressed, and nobody will answer them before what is being said is over."""
        self._keyed = True

    def seen(self) -> None:
        """The model has been asked since: it knows all that was said."""
        self._missed.clear()
        self._keyed = False

    def owes_answer(self) -> bool:
        """Whether something was said under what is over now that wants an answer; what does not is let go."""
        if self._keyed:
            return True
        verdicts = {item_id: self._worth_answering(item_id) for item_id in self._missed}
        self._missed = [item_id for item_id, worth in verdicts.items() if worth is not False]
        return True in verdicts.values()

    def hears(self, item_id: str, words: str) -> None:
        """More words of the caller, where they come one by one."""
        if self._plan.interrupt_words:
            self._words[item_id] = self._words.get(item_id, "") + words

    def interrupts(self, item_id: str, *, speaking: str, now: float) -> bool:
        """Whether the caller has said enough under protected speech to stop it."""
        plan = self._plan
        may = self.open and plan.interruptible and (item_id == speaking or item_id in self._missed)
        return may and self.holds(now) and self._count(item_id) >= plan.interrupt_words

    def _count(self, item_id: str) -> int:
        utterance = self._utterances.caller(item_id)
        final = utterance.text if utterance is not None and utterance.text_final else ""
        return len((final or self._words.get(item_id, "")).split())

    def _worth_answering(self, item_id: str) -> bool | None:
        """None: too short to be sure, and its words are still to come."""
        utterance = self._utterances.caller(item_id)
        if utterance is None:
            return False
        if utterance.text_final and utterance.transcribed:
            few = self._plan.interrupt_words if self.open else 0
            return len(utterance.text.split()) >= (few or WORTH_ANSWERING_WORDS)
        if utterance.ended_ms - utterance.began_ms >= WORTH_ANSWERING_MS:
            return True
        return False if utterance.text_final else None
