"""What may be kept of a call, by the settings of its assistant. Pure."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tools.redaction.redact import KINDS, redactor, value_redacted

# In place of what the HIPAA switch keeps out of the records.
NOT_KEPT: Final = "[not kept]"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Which kinds of numbers and addresses are replaced, and whether anything that was said is kept at all."""

    redact: tuple[str, ...] = ()
    hipaa: bool = False

    @property
    def everything(self) -> bool:
        """Whether everything is kept as it came."""
        return not (self.redact or self.hipaa)

    def words(self, text: str) -> str:
        """What somebody said, or wrote into a tool's argument or answer."""
        if self.hipaa:
            return NOT_KEPT if text else ""
        return _redactor(self.redact)(text)

    def note(self, text: str) -> str:
        """What we say of something that went wrong, which may quote what was said."""
        return _redactor(KINDS if self.hipaa else self.redact)(text)

    def values(self, value: Any) -> Any:
        """A JSON value, such as the arguments of a tool call; an empty one of its kind where nothing is kept."""
        if self.hipaa:
            return {} if isinstance(value, Mapping) else [] if isinstance(value, list | tuple) else None
        return value_redacted(value, self.redact)

    def history(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages of the conversation, for a session that goes on with it. The HIPAA switch has them sealed elsewhere."""
        return messages if self.everything else list(value_redacted(messages, self.redact))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return {"redact": list(self.redact), "hipaa": self.hipaa}

    @classmethod
    def from_json(cls, stored: object) -> "Keeping":
        """The settings behind their JSON; what is no setting counts as not set."""
        if not isinstance(stored, Mapping):
            return cls()
        redact = stored.get("redact")
        kinds = redact if isinstance(redact, list | tuple) else ()
        return cls(tuple(kind for kind in KINDS if kind in kinds), stored.get("hipaa") is True)


@functools.lru_cache(maxsize=32)
def _redactor(kinds: tuple[str, ...]) -> Callable[[str], str]:
    return redactor(kinds)
