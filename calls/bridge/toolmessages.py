"""What an assistant's author wants said about a tool call: before, during and after it, in Vapi's four moments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# Picks one of so many; given from outside, so that a conversation that is replayed takes the same turns.
Choose = Callable[[int], int]


class Moment(StrEnum):
    """When a message is due, in Vapi's words."""

    START = "request-start"
    DELAYED = "request-response-delayed"
    COMPLETE = "request-complete"
    FAILED = "request-failed"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one argument, whose path may have dots, with a text."""

    param: str
    operator: str
    value: str

    def holds(self, arguments: Mapping[str, object]) -> bool:
        """Whether it is so. An argument that is missing equals nothing, and so differs from everything."""
        given: object = arguments
        for name in self.param.split("."):
            given = given.get(name) if isinstance(given, Mapping) else None
        if self.operator in ("eq", "neq"):
            return (_text(given) == self.value) is (self.operator == "eq")
        if given is None:
            return False
        left, right = _number(_text(given)), _number(self.value)
        order = _order(left, right) if left is not None and right is not None else None
        if order is None:
            # Dates and times in the usual notation sort as texts.
            order = _order(_text(given), self.value)
        return {"gt": order > 0, "gte": order >= 0, "lt": order < 0, "lte": order <= 0}.get(
            self.operator, False
        )


@dataclass(frozen=True, slots=True)
class ToolMessage:
    """One message. An empty text means silence; a ``hint`` is for the model and is not spoken."""

    moment: Moment
    text: str = ""
    conditions: tuple[Condition, ...] = ()
    blocking: bool = False  # said to its end before the tool is asked
    after_ms: int = 1000
    hint: bool = False
    ends_call: bool = False


def pick(
    messages: Iterable[ToolMessage], moment: Moment, arguments: Mapping[str, object], choose: Choose
) -> ToolMessage | None:
    """The message for this moment, or None: one whose conditions hold, else one that has none."""
    known = [message for message in messages if message.moment is moment]
    fitting = [one for one in known if one.conditions and all(c.holds(arguments) for c in one.conditions)]
    variants = fitting or [one for one in known if not one.conditions]
    return _one_of(variants, choose)


def delays(
    messages: Iterable[ToolMessage], arguments: Mapping[str, object], choose: Choose
) -> list[ToolMessage]:
    """The messages for a slow tool, one for each time that they name, the earliest first."""
    known = [message for message in messages if message.moment is Moment.DELAYED]
    chosen = [
        pick([one for one in known if one.after_ms == after_ms], Moment.DELAYED, arguments, choose)
        for after_ms in sorted({message.after_ms for message in known})
    ]
    return [message for message in chosen if message is not None and message.text]


def _one_of(variants: Sequence[ToolMessage], choose: Choose) -> ToolMessage | None:
    if len(variants) < 2:
        return variants[0] if variants else None
    return variants[choose(len(variants))]


def _text(value: object) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _order(left: float | str | None, right: float | str | None) -> int:
    return (left > right) - (left < right)  # type: ignore[operator]  # both are of one kind
