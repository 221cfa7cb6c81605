"""What the model asks for besides words: tools, transfers, keys to be pressed, and the end of the call."""

from dataclasses import replace

from calls.bridge import realtime
from calls.bridge.dialogue import Dialogue
from calls.bridge.ending import ASSISTANT_ENDED, Ending
from calls.bridge.parts import Parts
from calls.bridge.plan import Place
from calls.bridge.responses import Ask, Purpose
from calls.bridge.toolcalls import failure
from calls.bridge.transfer import Transfer

_CALLER_SPOKE = failure("not_ended", "The caller began to speak, so the call goes on.")
_NO_TRANSFER = "The call is already being transferred, or about to end. Do not ask for it again."
_TOO_LATE = "The call is being transferred, or about to end."


class Errands:
    """Has each thing done that is asked for while the two talk, or has the model told why not."""

    def __init__(self, parts: Parts, ending: Ending, dialogue: Dialogue) -> None:
        self._line = parts.line
        self._utterances = parts.utterances
        self._responses = parts.responses
        self._tools = parts.tools
        self._handover = parts.handover
        self._ending = ending
        self._dialogue = dialogue

    def function_call(self, call: realtime.FunctionCall, now: float) -> None:
        """The model asks for a tool."""
        if not self._line.talking or self._ending.failing or not self._tools.is_new(call):
            return
        if not call.response_id:
            call = replace(call, response_id=self._responses.running)
        self._responses.show_life(now)
        if not self._tools.hold(call, now, words_known=not self._utterances.transcribing):
            self._use(call, now)

    def tool_checked(self, call_id: str, refusal: str, now: float) -> None:
        """A tool's own conditions were looked at: its call goes on, or the model is told the refusal."""
        call = self._tools.checked(call_id, refusal)
        if call is not None and (not self._line.talking or self._ending.failing):
            self._tools.turn_down(call, "too_late", _TOO_LATE)
        elif call is not None:
            self._use(call, now)
        self._dialogue.tool_answered(now)

    def words_known(self, now: float) -> None:
        """What the caller said last is written down, or takes too long."""
        if self._line.talking:
            self._tools.ask_checks(now, words_known=not self._utterances.transcribing)
            if self._ending.presses_keys:
                self._dialogue.go_on(now)

    def checks_late(self, now: float) -> None:
        """What a call waited for that may not go on unasked was too long in coming."""
        self._tools.give_up_checks(now)
        self.words_known(now)
        self._dialogue.tool_answered(now)

    def _use(self, call: realtime.FunctionCall, now: float) -> None:
        left = self._tools.leaves(call)
        moves_on = (
            self._tools.transfers(call)
            or self._tools.presses(call)
            or left is not None
            or self._tools.ends_call(call)
        )
        if moves_on and self._handover.pending:
            self._handover.refuse(call)
            return
        if self._tools.transfers(call):
            self._transfer(self._tools.transfer(call), now)
        elif self._tools.presses(call):
            self._transfer(self._tools.keypress(call), now)
        elif left is not None:
            self._tools.done_here(call, '{"ok":true}')
            self._ending.leave_message(left, now)
        elif not self._tools.ends_call(call):
            self._tools.run(call, now)
        elif self._responses.is_dropped(call.response_id):
            self._tools.done_here(call, _CALLER_SPOKE)
        else:
            self._tools.done_here(call, '{"ok":true}')
            goodbye = self._tools.goodbye(call)
            self._ending.begin(ASSISTANT_ENDED, now, said_in=call.response_id, goodbye=goodbye)

    def _transfer(self, transfer: Transfer | None, now: float) -> None:
        if transfer is None:
            return
        busy = self._handover.pending
        if transfer.taker is not None and not busy and self._ending.gives_way():
            self._handover.ask(transfer, transfer.taker, now)
        elif transfer.taker or busy or not self._ending.forward(transfer, now):
            self._tools.turn_down(transfer.call, "transfer_refused", _NO_TRANSFER)

    def transfer_to(self, call_id: str, place: Place, now: float) -> None:
        """A server has named the place to which a call is to be transferred."""
        if self._line.talking and not self._ending.failing:
            self._transfer(self._tools.transfer_to(call_id, place, now), now)
            self._dialogue.go_on(now)

    def keys_pressed(self, now: float) -> None:
        """Keys were pressed, and the talk goes on in the same stream."""
        transfer = self._ending.called_off(now)
        if transfer is not None:
            self._dialogue.caller_unheard()
            self._tools.speak_of(transfer.call, "Success.")
            self._dialogue.tool_answered(now)

    def forward_failed(self, code: str, message: str, now: float) -> None:
        """The caller could not be connected to somebody else: the model is told so, and the talk goes on."""
        transfer = self._ending.forward_failed(failure(code, message), now)
        if transfer is not None:
            self._dialogue.caller_unheard()
            if transfer.ordered:
                self._line.to_realtime(realtime.message(self._line.event_id(), "system", message))
                self._responses.want(Ask(Purpose.ANSWER))
            else:
                self._tools.turn_down(transfer.call, code, message)
            self._dialogue.tool_answered(now)

    def tool_answered_late(self, call_id: str, output: str, now: float) -> None:
        """An answer came after the model was told that there was none: it is spoken of if nothing else is going on."""
        if not self._line.talking or self._ending.failing or not self._tools.came_late(call_id, output):
            return
        if self._dialogue.at_rest(now):
            self._dialogue.ask(Ask(Purpose.TOOL_RESULT), now)

    def tools_overdue(self, now: float) -> None:
        """Somebody's server did not answer in time."""
        self._tools.give_up_overdue(now)
        self._dialogue.tool_answered(now)
