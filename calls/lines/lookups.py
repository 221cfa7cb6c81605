"""What a conversation wants to know of the database, of programs or of other assistants: found out beside the call.

Nothing here is waited for between a frame and the other socket, and whatever comes of it is told to the conversation.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from calls import services
from calls.bridge import commands as do
from calls.bridge.conversation import Conversation
from calls.database_threads import in_database_thread
from calls.lines.opening import LOAD_WITHIN_S
from calls.recorder import Recorder
from calls.selectors import StreamCall
from calls.squads import member_prepare
from tools import outcomes

logger = logging.getLogger(__name__)


class Lookups:
    """The part of a stream's shell that finds things out. The rest of the shell brings what is declared here."""

    call: StreamCall
    conversation: Conversation
    recorder: Recorder
    _loop: asyncio.AbstractEventLoop
    _ready: dict[str, StreamCall]

    async def _carry_out(self, todo: list[do.Command]) -> None:
        raise NotImplementedError

    def _fault(self, what: str, exc: Exception, *, needed: bool = False, session: int | None = None) -> None:
        raise NotImplementedError

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        raise NotImplementedError

    def _look_up(self, command: do.VerifyStream | do.CheckTool | do.PrepareMember) -> None:
        """Find out elsewhere what the conversation wants to know; it goes on meanwhile."""
        match command:
            case do.VerifyStream():
                self._spawn(self._verify(command))
            case do.CheckTool():
                self._spawn(self._check_tool(command))
            case do.PrepareMember():
                self._spawn(self._prepare_member(command))

    def _claim(self, command: do.VerifyStream) -> bool:
        """Whether this stream may carry the call, written down. Blocks."""
        return services.stream_claim(
            call_id=self.call.call_id,
            call_sid=command.call_sid,
            account_sid=command.account_sid,
            stream_sid=command.stream_sid,
            token=command.token,
        )

    async def _verify(self, command: do.VerifyStream) -> None:
        claim = partial(self._claim, command)
        try:
            good = await asyncio.wait_for(in_database_thread(claim), LOAD_WITHIN_S)
        except (DatabaseError, TimeoutError):
            logger.exception("a stream could not be verified", extra={"call_id": str(self.call.call_id)})
            good = False
        now = self._loop.time()
        if good:
            self.recorder.started()
            self._verified()
            await self._found_out(partial(self.conversation.stream_verified, now=now))
        else:
            logger.warning("media stream with a bad token refused", extra={"call_id": str(self.call.call_id)})
            await self._found_out(partial(self.conversation.stream_refused, now=now))

    async def _found_out(self, tell: Callable[[], list[do.Command]]) -> None:
        """Tell the conversation what it wanted to know. It keeps no deadline for that once it is told."""
        try:
            await self._carry_out(tell())
        except Exception as exc:  # noqa: BLE001 - the session is given up for it
            self._fault("FoundOut", exc, needed=True)

    def _verified(self) -> None:
        """The call has begun: what a line has to do then that is no telephone's."""

    async def _check_tool(self, command: do.CheckTool) -> None:
        """Find out whether a tool's own conditions refuse a call; they are programs and do not run beside the audio."""
        rejection = await asyncio.to_thread(self.recorder.tool_check(command))
        for fault in rejection.faults:
            self.recorder.trouble("rejection_plan_slow", f"{command.name}: {fault}")
        refusal = outcomes.rejected().output if rejection.refused else ""
        now = self._loop.time()
        await self._found_out(partial(self.conversation.tool_checked, command.call_id, refusal, now=now))

    async def _prepare_member(self, command: do.PrepareMember) -> None:
        """Make the plan of another assistant that is to take the call over; its templates do not run beside the audio."""
        ready = await asyncio.to_thread(
            member_prepare, self.call, command, learnt=self.recorder.learnt, now=timezone.now()
        )
        now = self._loop.time()
        if isinstance(ready, str):
            refused = partial(self.conversation.member_refused, command.call_id, "handoff_impossible", ready)
            await self._found_out(partial(refused, now=now))
        else:
            self.recorder.handover_taught(command.call_id, ready.taught)
            self._ready[command.call_id] = ready.call
            prepared = partial(self.conversation.member_prepared, command.call_id, ready.plan)
            await self._found_out(partial(prepared, now=now))
