"""Orders from outside, given while a call runs: each is carried out, or refused with the reason."""

from calls.bridge import realtime
from calls.bridge.commands import Muted, Noted, OrderAnswered, Speaker
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import Ending
from calls.bridge.limits import MOST_ORDERS_HELD, MOST_ORDERS_OWED
from calls.bridge.line import Phase
from calls.bridge.orders import End, HandOver, Mute, Order, Say, SayFirstMessage, Tell
from calls.bridge.parts import Parts
from calls.bridge.plan import Remark
from calls.bridge.realtime import FunctionCall
from calls.bridge.responses import Ask, Purpose
from calls.bridge.transfer import Transfer
from calls.bridge.wording import literally

OVER = "The call is over, or about to be."
_ENDING = "The call is about to end, by an earlier order or because the model has failed."
_GOING = "The call is already being handed over, transferred or ended."
_TOO_MANY = "The call has not begun yet, and too many orders wait for that already."
_TOO_MUCH = "Too much waits to be said already. Try again when some of it was heard."


class Control:
    """Orders that come before the conversation has begun are held until it has."""

    def __init__(self, parts: Parts, ending: Ending, dialogue: Dialogue) -> None:
        self._line = parts.line
        self._floor = parts.floor
        self._caller = parts.caller
        self._responses = parts.responses
        self._handover = parts.handover
        self._memory = parts.memory
        self._settling = parts.settling
        self._ending = ending
        self._dialogue = dialogue
        self._held: list[Order] = []

    def obey(self, order: Order, now: float) -> None:
        """Carry an order out, or say why not."""
        if self._line.phase is Phase.OPENING and not (isinstance(order, End) and self._line.verified):
            # An end, too: a stream that does not prove itself is nobody's to end, and the call would go on in another.
            full = len(self._held) >= MOST_ORDERS_HELD or self._ending.failing
            full = full and not isinstance(order, End)
            if not full:
                self._held.append(order)
                self._ending.orders_held = len(self._held)
            self._answer(order, _TOO_MANY if full else "")
            return
        refusal = self._refusal(order) or self._too_much(order)
        if isinstance(order, End) and not refusal:
            self._answer(order, "")  # before what may be the very end
            self._carry_out(order, now)
        else:
            self._answer(order, refusal or self._carry_out(order, now))

    def verified(self, now: float) -> bool:
        """The stream is the call's. Whether it was ordered to end, and does so without ever having begun."""
        ends = self._release(End)
        for order in ends[:1]:
            self._carry_out(order, now)
        return bool(ends)

    def release_mutes(self, now: float) -> None:
        """The conversation begins: whoever is to be silent in it is so from its first moment."""
        for order in self._release(Mute):
            self._carry_out(order, now)

    def release(self, now: float) -> None:
        """The conversation has begun: carry out what was ordered before."""
        for order in self._release(object):
            refusal = self._refusal(order) or self._carry_out(order, now)
            if refusal:
                self._settling.settle(order.order_id, refusal)

    def _release(self, kind: type) -> list[Order]:
        released = [one for one in self._held if isinstance(one, kind)]
        self._held = [one for one in self._held if not isinstance(one, kind)]
        self._ending.orders_held = len(self._held)
        return released

    def _answer(self, order: Order, refusal: str) -> None:
        self._line.put(OrderAnswered(order.order_id, refusal))

    def _refusal(self, order: Order) -> str:
        if self._line.phase not in (Phase.OPENING, Phase.TALKING):
            return OVER
        if isinstance(order, End):
            return ""
        if self._ending.failing or self._ending.ordered:
            return _ENDING
        return ""

    def _too_much(self, order: Order) -> str:
        # What was held is said in any case: it was taken.
        says = isinstance(order, Say | SayFirstMessage)
        return _TOO_MUCH if says and self._responses.orders_owed() >= MOST_ORDERS_OWED else ""

    def _carry_out(self, order: Order, now: float) -> str:
        """Do it; why it was not done, if so."""
        match order:
            case Say():
                self._say(order, now)
            case SayFirstMessage(order_id=order_id):
                greeting = self._floor.greeting()
                self._order(Ask(Purpose.SAY, greeting.overrides, greeting.sentence, order_id=order_id), now)
            case Tell():
                self._tell(order, now)
            case Mute():
                self._mute(order, now)
            case End(order_id=order_id, reason=reason):
                self._ending.order(reason, now, order_id=order_id)
            case HandOver():
                return self._hand_over(order, now)
        return ""

    def _say(self, order: Say, now: float) -> None:
        if order.interrupts:
            self._dialogue.make_way(now)
        if order.end_after:
            self._ending.last_words(
                order.text, order.reason, now, guarded=order.guarded, order_id=order.order_id
            )
            self._dialogue.go_on(now)
            return
        ask = Ask(
            Purpose.SAY,
            literally(order.text),
            order.text,
            guarded=order.guarded,
            urgent=order.interrupts,
            order_id=order.order_id,
        )
        self._order(ask, now)

    def _order(self, ask: Ask, now: float) -> None:
        self._responses.order(ask)
        self._dialogue.go_on(now)

    def _tell(self, order: Tell, now: float) -> None:
        self._line.to_realtime(realtime.message(self._line.event_id(), order.role, order.text))
        self._memory.noted(Remark(order.role, order.text))
        self._line.put(Noted(order.role, order.text))
        self._settling.settle(order.order_id)
        if order.respond:
            self._dialogue.ask(Ask(Purpose.ANSWER), now)

    def _mute(self, order: Mute, now: float) -> None:
        self._line.put(Muted(order.who, order.on))
        self._settling.settle(order.order_id)
        if order.who is Speaker.ASSISTANT:
            self._dialogue.mute(now, on=order.on)
        else:
            self._caller.mute(on=order.on)

    def _hand_over(self, order: HandOver, now: float) -> str:
        place, taker = order.place, order.place.taker
        call = FunctionCall("", "", order.order_id, "", "")
        transfer = Transfer(call, place.name, place.message, taker, ordered=True)
        if taker is None:
            if not self._ending.forward(transfer, now):
                return _GOING
        elif self._handover.pending or not self._ending.gives_way():
            return _GOING
        else:
            self._handover.ask(transfer, taker, now)
        self._dialogue.go_on(now)
        return ""
