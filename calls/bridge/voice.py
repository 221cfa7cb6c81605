"""The assistant's voice on the telephone: what is passed on, what is marked, and what is cut off."""

from calls.bridge import realtime
from calls.bridge.commands import Speaker
from calls.bridge.line import Line, Timer
from calls.bridge.playback import Playback
from calls.bridge.settling import Settling
from calls.bridge.speech import Utterance
from calls.bridge.utterances import Utterances


class Voice:
    """Passes audio on at once, and keeps to what Twilio's marks say of it."""

    def __init__(self, line: Line, playback: Playback, utterances: Utterances, settling: Settling) -> None:
        self._line = line
        self._settling = settling
        self._playback = playback
        self._utterances = utterances
        self.turn_ended_at: float | None = None  # the caller's last turn, until it is answered
        self.barge_ins = 0
        self.first_sound_ms: int | None = None
        self.silent_since = 0.0  # when what Twilio held last came to its end
        self._sounding = False

    def answers(self, utterance: Utterance, now: float, *, vad_silence_ms: int) -> None:
        """The first sound of a response: note how long the caller has waited for it since they fell silent."""
        if self.turn_ended_at is not None:
            utterance.latency_ms = round((now - self.turn_ended_at) * 1000) + vad_silence_ms
            self.turn_ended_at = None

    def say(self, utterance: Utterance, delta: realtime.AudioDelta, now: float) -> None:
        """Pass audio on."""
        if self.first_sound_ms is None:
            self.first_sound_ms = self._line.elapsed_ms(now)
        if not self._sounding:
            self._sounding = True
            self._line.speaks(Speaker.ASSISTANT, on=True)
        self._playback.add(utterance.item_id, delta.n_bytes, now=now)
        self._line.play(delta.audio)
        self.mark(now)

    def mark(self, now: float, *, flush: bool = False) -> None:
        """Ask Twilio to say when it has come this far, if it is time to, or for the rest (``flush``)."""
        name = self._playback.mark_due(flush=flush)
        if name is not None:
            self._line.mark(name)
            self.heard(now)

    def heard(self, now: float) -> bool:
        """Whether everything was heard; if not, the last moment for it is watched, for an echo can be lost."""
        if self._playback.holds_audio(now):
            self._line.arm(Timer.PLAYBACK, self._playback.gives_up_at())
            return False
        self._line.disarm(Timer.PLAYBACK)
        self._falls_silent(now)
        return True

    def _falls_silent(self, now: float) -> None:
        if self._sounding:
            self._sounding = False
            self.silent_since = now
            self._line.speaks(Speaker.ASSISTANT, on=False)

    def cut(self, now: float) -> bool:
        """Stop the audio that Twilio holds, and tell the model how much was heard. False: there was none.

        Twilio may hold audio long after the response is done, so this asks what is queued, not what is running.
        """
        if not self._playback.holds_audio(now):
            return False
        self.barge_ins += 1
        self._settling.cut(now)
        items = self._playback.interrupt(now=now)
        self._line.clear()
        self._line.disarm(Timer.PLAYBACK)
        self._falls_silent(now)
        for item_id in items:
            self.truncate(self._utterances.interrupted(item_id, now), now)
        return True

    def truncate(self, utterance: Utterance, now: float) -> None:
        """Tell the model how much of an item was heard; one that was not there then knows nothing of it."""
        if utterance.session != self._line.session:
            return
        heard = min(self._playback.heard_bytes(utterance.item_id, now=now), utterance.received_bytes)
        event_id = self._line.event_id()
        self._line.to_realtime(
            realtime.truncate(event_id, utterance.server_id, heard // self._line.audio.bytes_per_ms)
        )
