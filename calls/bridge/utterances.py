"""Everything that was said in a call, as it comes to be known, and written down once it is over."""

from calls.bridge.commands import Speaker, Spoken, UtteranceEnded
from calls.bridge.line import Line
from calls.bridge.memory import Memory
from calls.bridge.playback import Playback
from calls.bridge.speech import Utterance, spoken


class Utterances:
    """The items of the conversation by the server's ids; where a server uses an id twice, by our own."""

    def __init__(self, line: Line, playback: Playback, memory: Memory, *, assistant: str) -> None:
        self._line = line
        self._playback = playback
        self._memory = memory
        self.speaks_now = assistant  # the name of whoever has the call
        self._newest: dict[str, Utterance] = {}
        self._all: list[Utterance] = []
        self._open: list[Utterance] = []  # not written yet
        self._transcribing: set[str] = set()  # caller items whose text is still to come

    # The caller -----------------------------------------------------------------------------------------------

    def caller_began(self, item_id: str, at_ms: int) -> None:
        """The caller speaks."""
        known = self._newest.get(item_id)
        if known is None or known.speaker is not Speaker.CALLER or known.text_final:
            self._add(item_id, Speaker.CALLER, at_ms)

    def caller_stopped(self, item_id: str, at_ms: int) -> None:
        """The caller's turn is over; its words are to come."""
        utterance = self.caller(item_id)
        if utterance is not None and not utterance.text_final:
            utterance.ended_ms = max(utterance.began_ms, at_ms)
            self._transcribing.add(item_id)

    def caller_committed(self, item_id: str, *, instead_of: str = "") -> None:
        """The caller's audio became an item; under another id than was announced, where we have committed it."""
        if item_id not in self._newest and instead_of in self._newest:
            utterance = self._newest[item_id] = self._newest[instead_of]
            utterance.item_id = item_id
            self._transcribing.discard(instead_of)
        known = self.caller(item_id)
        if known is not None and not known.text_final:
            self._transcribing.add(item_id)

    def caller_text(self, item_id: str, text: str, *, transcribed: bool, now: float) -> None:
        """The caller's words, or that they could not be written down."""
        self._transcribing.discard(item_id)
        utterance = self.caller(item_id) or self._add(item_id, Speaker.CALLER, self._line.elapsed_ms(now))
        if not utterance.text_final or text.strip():
            utterance.text = text.strip()
            utterance.text_final = True
            utterance.transcribed = transcribed
            self._write_if_known(utterance, now)

    def keyed(self, item_id: str, text: str, began_ms: int, now: float) -> None:
        """The caller has pressed keys; they are known at once."""
        utterance = self._add(item_id, Speaker.CALLER, began_ms)
        utterance.ended_ms = max(began_ms, self._line.elapsed_ms(now))
        utterance.text = text
        utterance.text_final = True
        self._write_if_known(utterance, now)

    def caller(self, item_id: str) -> Utterance | None:
        """The caller's utterance of this id."""
        utterance = self._newest.get(item_id)
        return utterance if utterance is not None and utterance.speaker is Speaker.CALLER else None

    def words_lost(self, now: float) -> None:
        """Nothing more comes from the sessions before: what they have not written down stays without words."""
        for utterance in list(self._open):
            lost = utterance.session != self._line.session and not utterance.text_final
            if lost and utterance.speaker is Speaker.CALLER:
                self._transcribing.discard(utterance.server_id)
                utterance.text_final, utterance.transcribed = True, False
                self._write_if_known(utterance, now)

    @property
    def transcribing(self) -> bool:
        """Whether words of the caller are still to come."""
        return bool(self._transcribing)

    # The assistant --------------------------------------------------------------------------------------------

    def assistant(self, item_id: str, response_id: str, now: float) -> Utterance:
        """The assistant's utterance of this id in this response."""
        utterance = self._newest.get(item_id)
        if (
            utterance is None
            or utterance.speaker is not Speaker.ASSISTANT
            or response_id not in (utterance.response_id, "")
        ):
            began_ms = self._line.elapsed_ms(now) + round(self._playback.remaining_s(now) * 1000)
            utterance = self._add(item_id, Speaker.ASSISTANT, began_ms, response_id)
        return utterance

    def assistant_text(self, utterance: Utterance, text: str, *, final: bool, now: float) -> None:
        """More of the assistant's words, or all of them."""
        if final:
            utterance.text = text.strip() or utterance.text.strip()
            utterance.text_final = True
            self._write_if_known(utterance, now)
        elif not utterance.text_final:
            utterance.text += text

    def audio_over(self, item_id: str) -> Utterance | None:
        """All audio of an item has come; return it."""
        utterance = self._newest.get(item_id)
        if utterance is None or utterance.speaker is not Speaker.ASSISTANT:
            return None
        utterance.audio_final = True
        return utterance

    def response_over(self, response_id: str, now: float) -> None:
        """Nothing more will come of a response."""
        for utterance in list(self._open):
            if utterance.speaker is Speaker.ASSISTANT and utterance.response_id == response_id:
                utterance.audio_final = utterance.text_final = True
                self._write_if_known(utterance, now)

    def complete(self, response_id: str) -> bool:
        """Whether every item of a response that has sounded has all its audio."""
        return all(u.audio_final for u in self._all if u.response_id == response_id)

    def heard(self, response_id: str, now: float) -> bool:
        """Whether the caller has heard everything of a response that is over."""
        return all(
            self._playback.heard_bytes(u.item_id, now=now) >= u.received_bytes
            for u in self._all
            if u.response_id == response_id
        )

    def interrupted(self, item_id: str, now: float) -> Utterance:
        """Note that nothing more of an item will be heard; return it."""
        utterance = next(u for u in self._all if u.item_id == item_id)
        utterance.interrupted = True
        self._write_if_known(utterance, now)
        return utterance

    # Writing down ---------------------------------------------------------------------------------------------

    def write_known(self, now: float) -> None:
        """Record what is over and known."""
        for utterance in list(self._open):
            self._write_if_known(utterance, now)

    def _write_if_known(self, utterance: Utterance, now: float) -> None:
        if utterance.written or not utterance.text_final:
            return
        heard = self._playback.heard_bytes(utterance.item_id, now=now)
        more_to_hear = not utterance.audio_final or heard < utterance.received_bytes
        if utterance.speaker is Speaker.ASSISTANT and more_to_hear and not utterance.interrupted:
            return
        utterance.written = True
        self._open.remove(utterance)
        if not utterance.empty:
            self._line.put(UtteranceEnded(spoken(utterance, heard_bytes=heard)))

    def line_gone(self, now: float) -> None:
        """The caller is gone: what they have not heard by now they will not hear."""
        for utterance in self._open:
            if utterance.speaker is Speaker.ASSISTANT:
                heard = self._playback.heard_bytes(utterance.item_id, now=now)
                utterance.interrupted |= heard < utterance.received_bytes

    def all_spoken(self, now: float) -> tuple[Spoken, ...]:
        """Everything that was said, in the order in which it began."""
        for utterance in self._open:
            utterance.transcribed = utterance.text_final
        everything = [
            spoken(utterance, heard_bytes=self._playback.heard_bytes(utterance.item_id, now=now))
            for utterance in self._all
            if not utterance.empty
        ]
        return tuple(sorted(everything, key=lambda one: one.began_ms))

    def _add(self, item_id: str, speaker: Speaker, began_ms: int, response_id: str = "") -> Utterance:
        taken = sum(1 for utterance in self._all if utterance.server_id == item_id)
        own_id = f"{item_id}#{taken + 1}" if taken else item_id
        utterance = Utterance(own_id, speaker, began_ms, began_ms, server_id=item_id, response_id=response_id)
        utterance.session = self._line.session
        utterance.bytes_per_ms = self._line.audio.bytes_per_ms
        if speaker is Speaker.ASSISTANT:
            utterance.assistant = self.speaks_now
        self._newest[item_id] = utterance
        self._all.append(utterance)
        self._memory.said(utterance)
        self._open.append(utterance)
        return utterance
