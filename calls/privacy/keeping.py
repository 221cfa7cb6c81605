"""What leaves a live call for the records: without what its assistant does not want written down.

The tools' servers and the model get everything as it was said: that is the conversation. What is stored of it is less, and
where anything is left out, what waits on a disk or in the broker meanwhile is sealed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assistants.snapshots import Snapshot
from calls.bridge import commands as do
from tools.redaction.keeping import Keeping
from tools.sealing import seal, unseal
from transcripts.redaction import SpokenRedactor


def keeping_of(snapshot: Snapshot) -> Keeping:
    """What an assistant as it was published lets be kept."""
    return Keeping.from_json({"redact": snapshot.redact, "hipaa": snapshot.hipaa})


class CallKeeping:
    """What of one call may be written down. Where several assistants share it, the strictest of them so far decides."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.rules = keeping_of(snapshot)
        self._spoken = SpokenRedactor(self.rules.redact)

    def also(self, snapshot: Snapshot) -> None:
        """Another assistant has the call."""
        other = keeping_of(snapshot)
        self.rules = Keeping.from_json(
            {
                "redact": (*self.rules.redact, *other.redact),
                "hipaa": self.rules.hipaa or other.hipaa,
            }
        )
        self._spoken.look_for(self.rules.redact)

    def spoken(self, spoken: do.Spoken, *, settled: bool) -> do.Spoken:
        """One turn as it may be written down: at once, or (``settled``) when the call is over and all of it is known."""
        if self.rules.hipaa:
            return replace(
                spoken, text=self.rules.words(spoken.text), heard_text=self.rules.words(spoken.heard_text)
            )
        key, speaker = spoken.item_id, spoken.speaker.value
        look = self._spoken.settled if settled else self._spoken.said
        text = look(key, speaker, spoken.text)
        heard = self._spoken.heard(key, spoken.text, spoken.heard_text, written=text)
        return replace(spoken, text=text, heard_text=heard)

    def shown(self, command: do.Command) -> do.Command | None:
        """What those who read along may see of this, or None. A number that is being said cannot be told from its beginning."""
        match command:
            case do.PartialText() if not self.rules.everything:
                return None
            case do.Noted(text=text):
                return replace(command, text=self.rules.words(text))
            case _:
                return command

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """A tool order for the journal and the broker: whole, since it goes to the tool's server, and sealed."""
        if self.rules.everything:
            return order
        shown = {name: order[name] for name in ("call_id", "call_sid", "tool_call_id")}
        return seal({**order, "keeping": self.rules.to_json()}, **shown)

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a worker asks a model about the call, sealed."""
        return request if self.rules.everything else seal(request)

    def told(self) -> dict[str, Any]:
        """The rules for a worker that writes something of the call down; nothing where there are none."""
        return {} if self.rules.everything else {"keeping": self.rules.to_json()}

    def arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """A tool call's arguments as they may be written down."""
        kept: dict[str, Any] = self.rules.values(dict(arguments))
        return kept

    def history(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the session that goes on with the call is told of it, for the seconds until it has read that."""
        return history_kept(self.rules, messages)


def history_kept(rules: Keeping, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of a conversation for the seconds in which no session has them."""
    if rules.hipaa:
        return [seal(messages)]
    return rules.history(messages)


def history_opened(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages behind them. Raises SecretUnreadableError."""
    opened = unseal(stored[0]) if len(stored) == 1 else stored
    return opened if isinstance(opened, list) else stored
