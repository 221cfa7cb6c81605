"""What is told of a call in passing: who speaks, and words before they are final. At once, or not at all.

None of it is a row. It goes from the call's process to a worker by way of Redis (``lane``), and from there to the server
(``calls.messages.passing_sending``). Where anything on that way is slow or away, it is dropped: minutes later it is of no use to anybody.
"""

import functools
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from celery import current_app
from celery.exceptions import OperationalError as BrokerError
from django.conf import settings
from redis.exceptions import RedisError

from assistants.vapi.defaults import messages_wanted
from calls.bridge import commands as do
from calls.passing import lane
from calls.selectors import StreamCall
from tools.beside import Beside

logger = logging.getLogger(__name__)

SPEECH: Final = "speech-update"
STARTED: Final = "started"
STOPPED: Final = "stopped"
TRANSCRIPT: Final = "transcript"
# Of one utterance no more than so many partial texts a second; each stands for those before it.
PARTIAL_EVERY_S: Final = 0.25
_MOST_WAITING: Final = 5000
_BATCH: Final = 200
# Whoever is to send is asked so often, and need not come later than that.
_ASKS_EVERY_S: Final = 1.0
_ASKED_S: Final = 5.0
# By its name: tasks import services, and never the reverse.
BEGIN: Final = "calls.messages.tasks.passing_begin"
_ROLES: Final = {do.Speaker.CALLER: "user", do.Speaker.ASSISTANT: "assistant"}


@dataclass(frozen=True, slots=True)
class Passing:
    """One message in passing. ``part`` is which of the call's assistants had it then; ``item`` what a partial text is of.

    Without a kind it is none, and says that the words of this item are final.
    """

    kind: str
    at_ms: int
    part: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    item: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is passed on."""
        return {
            "kind": self.kind,
            "at": self.at_ms,
            "part": self.part,
            "facts": self.facts,
            "item": self.item,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Passing":
        """The same, read. Raises KeyError, TypeError or ValueError for what no release has written."""
        return cls(
            str(given["kind"]),
            int(given["at"]),
            int(given["part"]),
            dict(given["facts"]),
            str(given["item"]),
        )


def newest(found: Iterable[Passing]) -> list[Passing]:
    """What is worth sending of these, in their order: of each utterance the newest partial text, unless it is final by now."""
    last: dict[str, Passing] = {one.item: one for one in found if one.item}
    return [one for one in found if one.kind and (not one.item or last[one.item] is one)]


class CallPassing:
    """What one call tells in passing, for as long as its assistants want any of it."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call
        self._wanted = _wanted(call)
        # A call that was away goes on counting.
        back = call.resumption
        self._turn = sum(1 for one in back.messages if one.get("role") in ("user", "bot")) if back else 0
        self._speaking: dict[do.Speaker, int] = {}  # since which turn
        self._told_at: dict[str, float] = {}

    @property
    def tells_speech(self) -> bool:
        """Whether somebody wants to know who begins and stops speaking."""
        return SPEECH in self._wanted

    @property
    def tells_words(self) -> bool:
        """Whether somebody wants words before they are final."""
        return TRANSCRIPT in self._wanted

    def began(self) -> None:
        """The conversation begins. In a call that comes back nobody speaks who did before, whatever became of its process."""
        if self._call.resumption is not None:
            self._put(hush(self._call.part))

    def handed_over(self, call: StreamCall) -> None:
        """Another assistant has the call, and perhaps another server: whoever was told that somebody speaks hears the end."""
        self.over()
        self._call = call
        self._wanted = _wanted(call)

    def happened(self, command: do.Command) -> None:
        """Whatever the conversation says of itself, as far as others may see it."""
        match command:
            case do.Speaking(who=who, on=on):
                self._speaks(who, on=on)
            case do.PartialText() if self.tells_words:
                self._partial(command)
            case do.UtteranceEnded(spoken=spoken) if self._told_at.pop(spoken.item_id, None) is not None:
                self._put(Passing("", _now_ms(), self._call.part, item=spoken.item_id))
            case _:
                pass

    def over(self) -> None:
        """The conversation ends here: nobody speaks any more."""
        for who in tuple(self._speaking):
            self._speaks(who, on=False)

    def _speaks(self, who: do.Speaker, *, on: bool) -> None:
        if on is (who in self._speaking):
            return
        if on:
            self._speaking[who], self._turn = self._turn, self._turn + 1
        turn = self._speaking[who] if on else self._speaking.pop(who)
        if self.tells_speech:
            status = STARTED if on else STOPPED
            facts = {"status": status, "role": _ROLES[who], "turn": turn}
            self._put(Passing(SPEECH, _now_ms(), self._call.part, facts))

    def _partial(self, partial: do.PartialText) -> None:
        now = time.monotonic()
        if not partial.whole and now - self._told_at.get(partial.item_id, -1.0) < PARTIAL_EVERY_S:
            return
        self._told_at[partial.item_id] = now
        facts = {"role": _ROLES[partial.speaker], "transcript": partial.text}
        self._put(Passing(TRANSCRIPT, _now_ms(), self._call.part, facts, partial.item_id))

    def _put(self, one: Passing) -> None:
        _process_writer().put((self._call.call_id, one))


def hush(part: int = 0) -> Passing:
    """The word that nobody speaks: whoever was told that somebody does is told that they have stopped."""
    return Passing(SPEECH, _now_ms(), part, {"status": STOPPED})


def call_hushed(call_id: uuid.UUID) -> None:
    """The call is over, and its process may have died in the middle of a word. Does not wait."""
    _process_writer().put((call_id, hush()))


def _wanted(call: StreamCall) -> frozenset[str]:
    """What the assistant that has the call wants; nothing where there is no server, and of smoke tests."""
    server = call.snapshot.server_url or call.number_server is not None or settings.ORGANISATION_SERVER_URL
    return messages_wanted(call.snapshot.server_messages) if server and call.smoke is None else frozenset()


def _now_ms() -> int:
    return round(time.time() * 1000)


# The way out of this process ----------------------------------------------------------------------------------------


class _Writer:
    """Leaves messages in Redis, and has somebody begin to send them where nobody does."""

    def __init__(self) -> None:
        self._beside: Beside[tuple[uuid.UUID, Passing]] = Beside(
            "passing-messages", self._write, most=_MOST_WAITING, batch=_BATCH
        )
        self._away = False
        self._asked_at = 0.0

    def put(self, one: tuple[uuid.UUID, Passing]) -> None:
        self._beside.put(one)  # dropped where too much waits

    def flush(self) -> None:
        self._beside.flush()

    def _write(self, batch: list[tuple[uuid.UUID, Passing]]) -> None:
        try:
            nobody_sends = lane.put((call_id, one.to_json()) for call_id, one in batch)
            if nobody_sends and time.monotonic() - self._asked_at > _ASKS_EVERY_S:
                self._asked_at = time.monotonic()
                current_app.send_task(BEGIN, queue=lane.QUEUE, expires=_ASKED_S, retry=False)
            self._away = False
        except (RedisError, BrokerError) as exc:
            if not self._away:
                logger.warning("nothing is told in passing for now", extra={"reason": type(exc).__name__})
            self._away = True


@functools.cache
def _process_writer() -> _Writer:
    """This process's."""
    return _Writer()
