"""The simulator as a line: it plays the telephone, the caller, and, where no key is set, the model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
import requests
from django.conf import settings

from calls.models import SmokePair
from calls.smoke.lines import Played, PlayError, StoppedError
from calls.smoke.markers import Placing, marker_make
from calls.smoke.scripts import ScriptError, script_read
from calls.smoke.stories import story, strayed

CALLER: Final = "+12025550148"
_LONGEST_S: Final = 480.0
_BEGINS: Final = "realtime session begins"
# The simulator gives a Realtime connection to the call that came last, so calls of this process begin one by one.
_beginning: Final = threading.Lock()
_BEGINS_WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class SimulatorLine:
    """Where the simulator is, and where it finds us. ``media_origin`` only where our streams have another server."""

    simulator_url: str
    voice_origin: str
    public_origin: str
    media_origin: str = ""
    media_origin_public: str = ""

    def play(self, pair: SmokePair, stop: threading.Event) -> Played:
        """The call of this pair, played to its end. Raises PlayError, StoppedError."""
        order = self._order(pair)
        ended: dict[str, Any] = {}
        with _turn(stop) as begun:
            for event in self._events(order, stop):
                if event["event"] == _BEGINS:
                    begun()
                elif event["event"] == "ended":
                    ended = event
        if not ended:
            raise PlayError("The simulator ended the call without a word on how it went. See its log.")
        if not ended.get("answered"):
            raise PlayError(f"The call was not answered: {ended.get('reason') or 'no reason given'}.")
        if pair.run.simulated_model and (how := strayed(ended)):
            raise PlayError(how)
        return Played(str(ended["call_sid"]), late_s=ended.get("late_ms", 0.0) / 1000 / pair.run.speed)

    def _order(self, pair: SmokePair) -> dict[str, Any]:
        try:
            script = script_read(pair.script)
        except ScriptError as exc:
            raise PlayError(f"The scenario cannot be played. {exc}", final=True) from exc
        marker = marker_make(Placing(pair.pk, pair.attempts))
        order: dict[str, Any] = {
            "to": pair.run.did or CALLER,
            "from": CALLER,
            "story": story(script, name=pair.title),
            "voice_url": f"{self.voice_origin}/twilio/smoke/{marker}",
            "public_origin": self.public_origin,
            "speed": pair.run.speed,
        }
        more = {"media_origin": self.media_origin, "media_origin_public": self.media_origin_public}
        return order | {key: value for key, value in more.items() if value}

    def _events(self, order: dict[str, Any], stop: threading.Event) -> Iterator[dict[str, Any]]:
        # Leaving the answer unread ends the call: the simulator hangs up on whoever does not listen.
        try:
            with requests.post(
                f"{self.simulator_url}/simulator/calls", json=order, stream=True, timeout=(5, _LONGEST_S)
            ) as answer:
                if answer.status_code != 200:
                    raise PlayError(f"The simulator refused the call: {answer.text[:300]}", final=True)
                for line in answer.iter_lines(chunk_size=1):
                    if stop.is_set():
                        raise StoppedError
                    if line:
                        yield orjson.loads(line)
        except requests.RequestException as exc:
            raise PlayError(f"The simulator at {self.simulator_url} failed: {type(exc).__name__}.") from exc


def simulator_line() -> SimulatorLine:
    """The simulator beside this installation. Raises PlayError where there is none."""
    if not settings.SIMULATOR_URL:
        raise PlayError("No simulator is running. Start bin/run, or choose another line.", final=True)
    return SimulatorLine(
        simulator_url=settings.SIMULATOR_URL,
        voice_origin=settings.PUBLIC_ORIGIN,
        public_origin=settings.PUBLIC_ORIGIN,
    )


class _Turn:
    """Holds the turn to begin until the call has begun, or is over without."""

    def __init__(self) -> None:
        self._held = True

    def __call__(self) -> None:
        if self._held:
            self._held = False
            _beginning.release()


@contextmanager
def _turn(stop: threading.Event) -> Iterator[_Turn]:
    while not _beginning.acquire(timeout=0.2):
        if stop.is_set():
            raise StoppedError
    turn = _Turn()
    watchdog = threading.Timer(_BEGINS_WITHIN_S, turn)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield turn
    finally:
        watchdog.cancel()
        turn()
