"""The caller's audio on its way to the model, and the clock that the model counts on it.

What the caller says is dated by the times that their frames bear, and what the assistant says by ours. Twilio stamps frames when it has
them, so a network that stood still delays them and does not change their times; the little that lies between the two clocks is the
way that they travel. Whoever counts what was sent instead, as our simulator on a busy machine, falls behind for good: turns
of the caller would come to lie before answers that they have heard.
"""

from collections import deque
from collections.abc import Callable
from math import inf

from calls.bridge import realtime, twilio
from calls.bridge.audio import payload_bytes
from calls.bridge.limits import (
    BEHIND_WITHIN_S,
    GAP_MS,
    HELD_FRAMES,
    LONGEST_DELAY_MS,
    LONGEST_GAP_MS,
    ONSET_FRAMES,
    SHORTEST_COMMIT_MS,
)
from calls.bridge.line import Line


class CallerAudio:
    """Passes frames on. Voice detection counts audio, not time, so what a carrier leaves out is filled with silence."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._audio = line.audio
        self._held: deque[twilio.Media] = deque(maxlen=HELD_FRAMES)
        self._appended = 0
        self._zero_ms: int | None = None  # stream time of the first byte appended
        # The newest frames, while another session may need them.
        self._recent: deque[twilio.Media] | None = None
        self.muted = False
        # Every frame goes through this, so that being muted costs the others nothing.
        self.append: Callable[[twilio.Media], None] = self._pass_on
        self.frames_in = 0
        self.last_frame_at = 0.0
        # How far frames came behind their times, at the least, of late and in the window before.
        self._behind_ms = self._behind_before_ms = inf
        self._window_until = 0.0

    def arrived(self, frame: twilio.Media, now: float) -> None:
        """Note when a frame came."""
        self.frames_in += 1
        self.last_frame_at = now
        behind_ms = (now - self._line.began) * 1000 - frame.timestamp_ms
        if now >= self._window_until:
            self._behind_before_ms, self._behind_ms = self._behind_ms, behind_ms
            self._window_until = now + BEHIND_WITHIN_S
        elif behind_ms < self._behind_ms:
            self._behind_ms = behind_ms

    def hold(self, frame: twilio.Media) -> None:
        """Keep a frame until the session is ready, at the price of the oldest."""
        self._held.append(frame)

    def release(self) -> None:
        """Pass on what was held."""
        while self._held:
            self.append(self._held.popleft())

    def mute(self, *, on: bool) -> None:
        """Pass on silence in the place of what comes in from now on, or no longer."""
        self.muted = on
        self.append = self._pass_on_silence if on else self._pass_on

    def _pass_on_silence(self, frame: twilio.Media) -> None:
        # As long as the frame: the turn that was cut off ends by it, and the clock goes on.
        self._pass_on(twilio.Media(self._audio.silence(payload_bytes(frame.payload)), frame.timestamp_ms))

    def _pass_on(self, frame: twilio.Media) -> None:
        """Pass a frame on."""
        if self._zero_ms is None:
            self._zero_ms = frame.timestamp_ms
        gap_ms = frame.timestamp_ms - self._zero_ms - self._appended // self._audio.bytes_per_ms
        if gap_ms > GAP_MS:
            filled_ms = min(gap_ms, LONGEST_GAP_MS)
            self.append_silence(filled_ms)
            self._zero_ms += gap_ms - filled_ms
        elif gap_ms < -GAP_MS:
            # Silence was supplied for frames that came after all.
            self._zero_ms += gap_ms
        self._appended += payload_bytes(frame.payload)
        self._line.to_realtime(realtime.append_audio(frame.payload))
        if self._recent is not None:
            self._recent.append(frame)

    def remember(self) -> None:
        """Keep the newest frames from now on: another session may have to hear the beginning of a word again."""
        self._recent = deque(maxlen=ONSET_FRAMES)

    def forget(self) -> None:
        """No other session will need them."""
        self._recent = None

    def begin_session(self) -> None:
        """Pass everything on to a new session from here on, and what it should have heard."""
        recent, self._recent = self._recent, None
        self._appended, self._zero_ms = 0, None
        for frame in recent or ():
            self.append(frame)

    def append_silence(self, ms: int) -> None:
        """Pass on silence, as if it had been heard."""
        n_bytes = ms * self._audio.bytes_per_ms
        self._appended += n_bytes
        self._line.to_realtime(realtime.append_audio(self._audio.silence(n_bytes)))

    @property
    def enough_to_commit(self) -> bool:
        """Whether the API would make an item of what was appended."""
        return self._appended >= SHORTEST_COMMIT_MS * self._audio.bytes_per_ms

    @property
    def _lag_ms(self) -> int:
        """How far the clock of the frames is behind ours; a mere delay is not.

        Of a delay that ends, the frames that have caught up know nothing, so the least counts.
        """
        least_ms = min(self._behind_ms, self._behind_before_ms)
        return round(least_ms) if LONGEST_DELAY_MS < least_ms < inf else 0

    def call_ms(self, audio_ms: int, now: float) -> int:
        """Ms of the call at a place in the appended audio, which cannot lie ahead."""
        opening_ms = round((self._line.zero - self._line.began) * 1000)
        at_ms = audio_ms + (self._zero_ms or 0) - opening_ms + self._lag_ms
        return min(max(0, at_ms), self._line.elapsed_ms(now))
