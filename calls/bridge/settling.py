"""What became of orders from outside that were taken. One that is to be said is done when it was heard."""

from calls.bridge.commands import OrderSettled
from calls.bridge.line import Line
from calls.bridge.utterances import Utterances

CUT = "It was cut short."
CALLED_OFF = "It was called off: the call was about to end."
NOT_CONNECTED = "The caller could not be connected."


class Settling:
    """Each order is settled once. What is neither done nor given up when the conversation ends is not."""

    def __init__(self, line: Line, utterances: Utterances) -> None:
        self._line = line
        self._utterances = utterances
        self._sounding: dict[str, str] = {}  # by response: what was passed on, and not heard to its end yet
        self._broken_off: list[str] = []  # in their middle, while the call was about to leave

    def settle(self, order_id: str, failure: str = "") -> None:
        """It is done, or it will not be."""
        self._line.put(OrderSettled(order_id, failure))

    def said(self, order_id: str, response_id: str, now: float) -> None:
        """All of it was passed on in this response; the caller is still to hear it."""
        self._sounding[response_id] = order_id
        self.heard(now)

    def broke_off(self, order_id: str) -> None:
        """It was left in its middle: the session that goes on with the call says it again, unless this one does."""
        self._broken_off.append(order_id)

    def goes_on(self) -> None:
        """The call has not left after all, and goes on behind what broke off."""
        for order_id in self._broken_off:
            self.settle(order_id, CUT)
        self._broken_off.clear()

    def heard(self, now: float) -> None:
        """The caller has heard more."""
        for response_id in [one for one in self._sounding if self._utterances.heard(one, now)]:
            self.settle(self._sounding.pop(response_id))

    def holds(self, now: float) -> bool:
        """Whether something that was ordered is still to be heard of what was passed on."""
        self.heard(now)
        return bool(self._sounding)

    def cut(self, now: float) -> None:
        """Nothing more is heard of what was passed on."""
        self.heard(now)
        for order_id in self._sounding.values():
            self.settle(order_id, CUT)
        self._sounding.clear()
