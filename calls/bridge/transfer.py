"""A transfer that the model has asked for: to where, and what is said before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from calls.bridge.keys import keys_asked
from calls.bridge.plan import Place, Taker, ToolSpec
from calls.bridge.realtime import FunctionCall
from calls.bridge.toolmessages import Choose, Moment, pick

STOCK_MESSAGE = "Transferring the call now."


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. ``message`` None: a stock sentence, if the model has said nothing itself; empty: nothing.

    With a ``taker`` the call goes to another assistant; with ``keys`` it comes back when Twilio has pressed these.
    ``ordered``: from outside, so that the ``call`` is nothing but its id, and the model is told nothing of it.
    """

    call: FunctionCall
    place: str
    message: str | None
    taker: Taker | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    keys: str = field(default="", repr=False)
    ordered: bool = False


def transfer_meant(
    call: FunctionCall, spec: ToolSpec, given: Mapping[str, object], choose: Choose
) -> Transfer | None:
    """The transfer that these arguments ask for, or None when they name no place. Of one place there is no choice."""
    place = _place(spec.places, given.get("destination"))
    return transfer_to(call, spec, given, place, choose) if place is not None else None


def transfer_to(
    call: FunctionCall, spec: ToolSpec, given: Mapping[str, object], place: Place, choose: Choose
) -> Transfer:
    """The transfer to a place. What the tool has said when it is asked for takes the place of the place's own message."""
    start = pick(spec.messages, Moment.START, given, choose)
    words = start.text if start is not None else place.message
    return Transfer(call, place.name, words, place.taker, given)


def keypress_meant(
    call: FunctionCall, spec: ToolSpec, given: Mapping[str, object], choose: Choose
) -> Transfer:
    """The pressing of keys that these arguments ask for. Raises KeysError."""
    start = pick(spec.messages, Moment.START, given, choose)
    words = start.text if start is not None else ""
    return Transfer(call, "", words, arguments=given, keys=keys_asked(given))


def _place(places: tuple[Place, ...], wanted: object) -> Place | None:
    if isinstance(wanted, str) and wanted.strip():
        return next((one for one in places if one.name == wanted.strip()), None)
    return places[0] if len(places) == 1 else None
