"""What the model hears of the caller: when they speak, and their words as they come to be known."""

from calls.bridge import realtime
from calls.bridge.commands import Source, Speaker
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import Ending
from calls.bridge.errands import Errands
from calls.bridge.limits import STALLED_AFTER_S
from calls.bridge.line import Phase, Timer
from calls.bridge.partials import Partials
from calls.bridge.parts import Parts


class Hearing:
    """The caller's turns, for whichever assistant has the call."""

    def __init__(
        self, parts: Parts, ending: Ending, dialogue: Dialogue, errands: Errands, partials: Partials
    ) -> None:
        self._line = parts.line
        self._plan = parts.plan
        self._floor = parts.floor
        self._caller = parts.caller
        self._utterances = parts.utterances
        self._voice = parts.voice
        self._handover = parts.handover
        self._meter = parts.meter
        self._ending = ending
        self._dialogue = dialogue
        self._errands = errands
        self._partials = partials

    def speech_started(self, event: realtime.SpeechStarted, now: float) -> None:
        """The caller begins to speak."""
        if self._line.talking:
            self._line.arm(Timer.STALLED, now + STALLED_AFTER_S)
            self._line.speaks(Speaker.CALLER, on=True)
            self._utterances.caller_began(event.item_id, self._caller.call_ms(event.audio_start_ms, now))
            self._voice.turn_ended_at = None
            self._dialogue.caller_began(event.item_id, now)

    def speech_stopped(self, event: realtime.SpeechStopped, now: float) -> None:
        """The caller's turn is over."""
        if self._line.talking:
            self._line.disarm(Timer.STALLED)
            ended_ms = self._caller.call_ms(event.audio_end_ms, now) - self._plan.turn_silence_ms
            self._line.speaks(Speaker.CALLER, on=False)
            self._utterances.caller_stopped(event.item_id, ended_ms)
            self._voice.turn_ended_at = now
            self._dialogue.caller_stopped(event.item_id, now)

    def committed(self, event: realtime.Committed, now: float) -> None:
        """The caller's audio became an item."""
        instead_of = self._dialogue.speaking if self._line.phase is Phase.DRAINING else ""
        self._utterances.caller_committed(event.item_id, instead_of=instead_of)

    def text(self, event: realtime.CallerText, now: float) -> None:
        """What the caller has said, written down by the session that has the call."""
        self._meter.note(event, self._line.session, now)
        self.words_known(event, now)

    def words_known(self, event: realtime.CallerText, now: float) -> None:
        """The same, by whichever session."""
        self._partials.caller_known(event.item_id)
        self._utterances.caller_text(event.item_id, event.text, transcribed=True, now=now)
        self._handover.words_came(event.item_id, event.text, now)
        self._after_transcription(event.item_id, now)

    def text_so_far(self, event: realtime.CallerTextDelta, now: float) -> None:
        """A part of what the caller has said."""
        self._partials.caller(event)
        self._floor.hears(event.item_id, event.delta)
        self._dialogue.caller_words(event.item_id, now)

    def text_failed(self, event: realtime.CallerTextFailed, now: float) -> None:
        """What the caller has said could not be written down."""
        self._line.problem(Source.OPENAI, f"transcription_{event.code}", "", benign=True)
        self._utterances.caller_text(event.item_id, "", transcribed=False, now=now)
        self._handover.words_came(event.item_id, "", now)
        self._after_transcription(event.item_id, now)

    def _after_transcription(self, item_id: str, now: float) -> None:
        self._dialogue.caller_words(item_id, now)
        self._errands.words_known(now)
        self._ending.drained(now)
