"""What becomes of a call when handling something in it fails in a way that nobody foresaw: a fault of ours, whatever was said to us.

What failed is skipped, and the call goes on, where that leaves nobody waiting. Where it would, or where faults come again and
again, the session is given up as one that was lost is: the caller hears what Twilio still holds, and another session goes on with
the conversation, or Twilio apologises. Where even that fails, or nothing would end the call any more, its stream is closed, and
Twilio asks what follows. So a fault costs a caller no more silence than the deadlines of the conversation allow.
"""

import asyncio
import logging
import traceback
import uuid
from pathlib import PurePath
from typing import Final, Protocol

from calls.bridge import commands as do
from calls.bridge import realtime, twilio
from calls.bridge.conversation import Conversation
from calls.bridge.toolcalls import failure
from calls.lines.opening import INTERNAL_ERROR
from calls.lines.realtime_link import RealtimeLink
from calls.selectors import StreamCall
from calls.tool_messages import tool_result

logger = logging.getLogger(__name__)

# Of one session: a bug that shows more often than this has hold of the whole talk. A guess.
MOST_SKIPPED: Final = 5
MOST_REPORTED: Final = 10  # of one stream; a bug that every frame meets would fill log and database
UNEXPECTED: Final = "unexpected_error"
# Whoever skips one of these leaves the caller or the model waiting for what it would have brought about.
NEEDED: Final[frozenset[type]] = frozenset(
    {
        twilio.Start,
        realtime.SessionCreated,
        realtime.SessionUpdated,
        realtime.SpeechStarted,
        realtime.SpeechStopped,
        realtime.ResponseCreated,
        realtime.ResponseDone,
        realtime.AudioDelta,
        realtime.FunctionCall,
        do.Play,
        do.ToRealtime,
        do.OpenRealtime,
        do.VerifyStream,
        do.MemberTookOver,
    }
)
# From other processes.
NEEDED_MESSAGES: Final = frozenset({"tool.result", "call.over"})
_NOT_ASKED: Final = failure(
    "not_sent", "The tool could not be asked: something failed on our side. Say so honestly."
)


class Troubles(Protocol):
    """Whoever writes the call down."""

    def trouble(self, code: str, message: str) -> None:
        """Write down a problem of our own side."""

    def ended(self, ended: do.Ended, *, frames_dropped: int) -> None:
        """Write down the end."""


class Enduring:
    """The part of a stream's shell that survives faults. The rest of the shell brings what is declared here."""

    call: StreamCall
    conversation: Conversation
    recorder: Troubles
    _frames_dropped: int
    _links: dict[int, RealtimeLink]
    _loop: asyncio.AbstractEventLoop
    _over: asyncio.Event

    def _carry_out_one(self, command: do.Command) -> None:
        raise NotImplementedError

    def _carry_out_now(self, todo: list[do.Command]) -> None:
        raise NotImplementedError

    def _begin_enduring(self) -> None:
        """Nothing has failed yet."""
        self._reported = 0
        self._skipped = 0
        self._broken = False
        self._end_known = False

    # What failed ----------------------------------------------------------------------------------------------

    def _fault(self, what: str, exc: Exception, *, needed: bool = False, session: int | None = None) -> None:
        """Handling this has failed, in this session of the model where it came from one."""
        self._report(what, exc)
        if self._broken:
            return
        self._skipped += 1
        if (needed or self._skipped > MOST_SKIPPED) and not self.conversation.ends:
            self._give_up(self.conversation.session if session is None else session)
        self._settle()

    def _deadline_missed(self, exc: Exception) -> None:
        """What time alone demands could not be done. Nobody would do it later."""
        self._report("Deadline", exc)
        if self._broken:
            return
        if self.conversation.ends:
            self._break_off()
        else:
            self._give_up(self.conversation.session)
            self._settle()

    def _undone(self, command: do.Command, exc: Exception) -> None:
        """A command could not be carried out."""
        what = type(command).__name__
        match command:
            case do.Ended() if command.spoken:
                # Perhaps something of what was said cannot be written down; that it is over can.
                self._report(what, exc)
                self._carry_out_now([_without_words(command)])
            case do.HangUp() | do.Apologise() | do.Forward() | do.PressKeys():
                self._report(what, exc)
                self._break_off()
            case do.RunTool(call_id=tool_call_id):
                self._fault(what, exc)
                self._tool_not_asked(tool_call_id)
            case _:
                self._fault(what, exc, needed=type(command) in NEEDED)

    def _tool_not_asked(self, tool_call_id: str) -> None:
        result = tool_result({"status": "failed", "output": _NOT_ASKED}, language=self.call.snapshot.language)
        now = self._loop.time()
        try:
            todo = self.conversation.receive_tool_result(tool_call_id, result, now=now)
        except Exception as exc:  # noqa: BLE001 - the session is given up for it
            self._fault("ToolResult", exc, needed=True)
        else:
            self._carry_out_now(todo)

    # What becomes of it ---------------------------------------------------------------------------------------

    def _give_up(self, session: int) -> None:
        """This session is not to be relied on any more: it counts as lost."""
        self._skipped = 0
        link = self._links.get(session)
        if link is not None:
            link.drop()
        try:
            todo = self.conversation.session_given_up(now=self._loop.time(), session=session)
        except Exception as exc:  # noqa: BLE001 - the stream is broken off for it
            self._report("SessionGivenUp", exc)
            self._break_off()
        else:
            self._carry_out_now(todo)

    def _settle(self) -> None:
        """Do what was decided before it failed, and see to it that a call which is about to end does end."""
        try:
            self._carry_out_now(self.conversation.decided())
            untold = self.conversation.over and not self._end_known
            lost = untold or self.conversation.stuck
        except Exception as exc:  # noqa: BLE001 - the stream is broken off for it
            self._report("Settling", exc)
            lost = True
        if lost:
            self._break_off()

    def _break_off(self) -> None:
        """Close the stream under the conversation: Twilio asks what follows."""
        if self._broken:
            return
        self._broken = True
        self.conversation.unheard()
        for link in self._links.values():
            link.drop()
        try:
            self._carry_out_one(do.CloseStream(INTERNAL_ERROR))
        except Exception as exc:  # noqa: BLE001 - the server closes it with the end of its application
            self._report("CloseStream", exc)
        self._over.set()

    def _end_told(self) -> None:
        """The stream is gone: see to it that the end of the call is told, whatever the conversation can still tell of it."""
        if not self._end_known:
            self._carry_out_now(self.conversation.cut_short())

    def _report(self, what: str, exc: Exception) -> None:
        """Tell ops; never what was said, which the exception's own text may hold."""
        self._reported += 1
        if self._reported > MOST_REPORTED:
            return
        _log(self.call.call_id, what, exc)
        places = _places(exc)
        try:
            self.recorder.trouble(
                UNEXPECTED, f"{what}: {type(exc).__name__} in {places[-1] if places else '?'}"
            )
        except Exception as again:  # noqa: BLE001 - the log has the first one, and gets this one
            _log(self.call.call_id, "Problem", again)


def _log(call_id: uuid.UUID, what: str, exc: Exception) -> None:
    logger.error(
        "something in a call failed unexpectedly",
        extra={
            "call_id": str(call_id),
            "event": what,
            "error": type(exc).__name__,
            "places": _places(exc),
        },
    )


def _without_words(ended: do.Ended) -> do.Ended:
    return do.Ended(
        reason=ended.reason,
        spoken=(),
        barge_ins=ended.barge_ins,
        frames_in=ended.frames_in,
        first_sound_ms=ended.first_sound_ms,
    )


def _places(exc: Exception) -> list[str]:
    """Where it was raised, outermost first: file, line and function, and none of the values."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(exc.__traceback__)]
    return [
        f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{line} {code.co_name}" for code, line in frames
    ]
