"""What each side said, as it comes to be known: text, time, and how much of it was heard."""

from dataclasses import dataclass

from calls.bridge.audio import MULAW
from calls.bridge.commands import Speaker, Spoken


@dataclass(slots=True)
class Utterance:
    """One item of the conversation in the making. Times are ms of the call.

    ``server_id`` is what the server calls it; ``item_id`` is unique in the call even where that is not.
    """

    item_id: str
    speaker: Speaker
    began_ms: int
    ended_ms: int
    server_id: str = ""
    response_id: str = ""
    text: str = ""
    text_final: bool = False
    received_bytes: int = 0
    audio_final: bool = False
    interrupted: bool = False
    latency_ms: int | None = None
    transcribed: bool = True
    written: bool = False
    session: int = 0  # the Realtime session that knows it
    assistant: str = ""
    bytes_per_ms: int = MULAW.bytes_per_ms

    @property
    def empty(self) -> bool:
        """Whether there is nothing to record: a noise without words, an item without sound or text."""
        if self.speaker is Speaker.CALLER:
            return self.transcribed and not self.text
        return not self.received_bytes and not self.text


def heard_words(text: str, *, heard: int, of: int) -> str:
    """The words of a text that fit into the heard share of its audio: whole words, rounded down.

    The API gives no times for words, so the share of the audio stands for the share of the letters.
    """
    if of <= 0 or heard <= 0:
        return ""
    if heard >= of:
        return text
    end = len(text) * heard // of
    if end < len(text) and not text[end].isspace():
        end = text.rfind(" ", 0, end)
    return text[: max(end, 0)].rstrip()


def spoken(utterance: Utterance, *, heard_bytes: int) -> Spoken:
    """The utterance as a record. The caller's own words are all heard; the assistant's, as far as they were played."""
    if utterance.speaker is Speaker.CALLER:
        return Spoken(
            utterance.item_id,
            Speaker.CALLER,
            utterance.text,
            utterance.text,
            utterance.began_ms,
            max(utterance.began_ms, utterance.ended_ms),
            transcribed=utterance.transcribed,
        )
    heard_bytes = min(heard_bytes, utterance.received_bytes)
    heard_ms = heard_bytes // utterance.bytes_per_ms
    return Spoken(
        utterance.item_id,
        Speaker.ASSISTANT,
        utterance.text,
        heard_words(utterance.text, heard=heard_bytes, of=utterance.received_bytes),
        utterance.began_ms,
        utterance.began_ms + heard_ms,
        generated_ms=utterance.received_bytes // utterance.bytes_per_ms,
        heard_ms=heard_ms,
        interrupted=utterance.interrupted,
        latency_ms=utterance.latency_ms,
        assistant=utterance.assistant,
    )
