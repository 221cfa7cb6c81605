"""What becomes of a conversation outside of it: rows, by way of the outbox, and tool calls for the workers."""

import atexit
import functools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from calls.bridge import commands as do
from calls.bridge.ending import FORWARDED, KEYS_PRESSED
from calls.bridge.limits import NOT_STARTED
from calls.bridge.toolcalls import GRACE_S
from calls.call_history import CallHistory, arguments_told
from calls.lasting.outbox import Outbox
from calls.lasting.receipts import Workers
from calls.lasting.records import SORTING
from calls.live.feed import CallFeed
from calls.models import SHUT_DOWN, CallBreak
from calls.observing.stream import CallWatch
from calls.orders.book import OrderBook
from calls.passing.telling import CallPassing
from calls.privacy.keeping import CallKeeping
from calls.resuming import PRESSED
from calls.selectors import StreamCall
from calls.summaries import summary_request
from calls.tool_context import tool_context
from calls.tool_servers import ServerInForce, server_in_force
from calls.transfers import SummaryPlan
from tools.access.organisation import organisation_id
from tools.auth.credentials import ServerAuth
from tools.encryption import encrypt
from tools.mocks import order_mocked
from tools.models import Tool
from tools.orders import ToolOrder
from tools.rejection import Rejection, request_rejected
from tools.snapshots import ToolSnapshot


@functools.cache
def process_outbox() -> Outbox:
    """This process's outbox, running."""
    outbox = Outbox(settings.SPOOL_DIR, Workers(), SORTING, limit_bytes=settings.SPOOL_LIMIT_MB * 1024 * 1024)
    outbox.start()
    # Its threads are daemons: without this, words put in the last moment would die with the process.
    atexit.register(outbox.close)
    return outbox


class Recorder:
    """Writes down one call. Nothing here waits: every line goes to the outbox."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call
        self._outbox = process_outbox()
        self._watch = CallWatch(call)
        self._feed = CallFeed(call.call_id)
        self.passing = CallPassing(call)
        # A server sees the tool as its author wrote it, whatever is said of it in this call.
        self._tools = {tool.name: tool for tool in call.tools_written or call.snapshot.tools}
        self._started_at = datetime.now(UTC)
        self._forwarded: dict[str, ToolSnapshot] = {}
        self._checked: dict[str, Mapping[str, object]] = {}  # arguments, by tool call
        self._learnt: dict[str, Any] = {}
        self._taught: dict[str, Mapping[str, Any]] = {}  # by tool calls that are carried out here
        self._tool_calls: set[str] = set()  # that become rows
        self._troubles = 0
        self._shut_down = False
        # A call that was away goes on with the clock, the history and the counts that it had.
        back = call.resumption
        self._offset = timedelta()
        self._said = CallHistory(back.messages if back else ())
        self._facts = back.facts if back else {}
        self._learnt |= back.learnt if back else {}
        self._session = f"{back.session}:" if back else ""
        self._keeping = CallKeeping(call.snapshot)
        self._orders = OrderBook(call.call_id, self._keeping, self._outbox.put)

    def started(self) -> None:
        """The stream was verified: the utterances' clock begins, and what its templates lacked is written down."""
        self._started_at = datetime.now(UTC)
        self._said.clock(self._started_at)
        self._watch.started()
        self._feed.begun()
        self.passing.began()
        self._orders.begun()
        if self._call.resumption is not None:
            self._offset = self._started_at - self._call.resumption.began_at
            self._started_at -= self._offset
            self._said.clock(self._started_at, away=self._offset)
            if self._call.resumption.kind == CallBreak.Kind.KEYS:
                self._keys_pressed(self._call.resumption.asked)
            return  # what the templates lacked is known from the first session, and a recording goes on
        if self._call.is_recorded:
            self._outbox.put("calls.recordings.tasks.recording_start", {"call_id": str(self._call.call_id)})
        if self._call.undefined:
            names = ", ".join(self._call.undefined)
            self._template_problem(
                "template:undefined", "undefined_variables", f"No value, so left empty: {names}"
            )
        for place, error in enumerate(self._call.template_errors):
            self._template_problem(f"template:{place}", "template_error", error)

    def line_known(self, call: StreamCall) -> None:
        """Which call it is at Twilio, where its stream was the first to say so."""
        self._call = call

    def interrupted_by_shutdown(self) -> None:
        """Our own server closed the stream; nobody hung up."""
        self._shut_down = True

    def safe(self, timeout_s: float) -> bool:
        """Wait until all that was written down so far would outlive this process; whether it would. Blocks."""
        return self._outbox.written(timeout_s)

    def note(self, command: do.Command) -> None:
        """Write down whatever the conversation says has happened."""
        self._watch.happened(command)
        shown = self._keeping.shown(command)
        if shown is not None:
            self._feed.happened(shown)
            self.passing.happened(shown)
        match command:
            case do.UtteranceEnded(spoken=spoken):
                self._said.spoken(spoken)
                self._utterances([spoken])
            case do.Problem():
                self._problem(
                    str(command.number), command.source, command.code, command.message, benign=command.benign
                )
            case do.Used():
                self._used(command)
            case do.Noted() | do.OrderAnswered() | do.OrderSettled():
                self._ordered(command)
            case do.ToolRefused():
                self._tool_refused(command)
                self._told(command.call_id, command.output, orphaned=command.orphaned)
            case do.ToolDone():
                self._tool_done(command)
            case do.ToolLate():
                self._result_said(command.call_id, command.output)
            case do.ToolSettled():
                self._told(command.call_id, command.output, orphaned=command.orphaned)
            case _:
                pass  # nothing that lasts

    def _ordered(self, command: do.Noted | do.OrderAnswered | do.OrderSettled) -> None:
        match command:
            case do.Noted(role=role, text=text):
                self._said.added(role, text)
            case do.OrderAnswered(order_id=order_id, refusal=refusal):
                self._feed.ordered(self._orders.answered(order_id, refusal))
            case do.OrderSettled(order_id=order_id, failure=failure):
                self._feed.ordered(self._orders.settled(order_id, failure))

    def _used(self, used: do.Used) -> None:
        self._outbox.put(
            "calls.costs.tasks.usage_write",
            {
                "call_id": str(self._call.call_id),
                "kind": used.kind.value,
                "session": f"{self._session}{used.session}",
                "item": used.response_id[:100],
                "model": used.model,
                "status": used.status[:20],
                "usage": used.usage,
                "at": datetime.now(UTC).isoformat(),
            },
        )

    def trouble(self, code: str, message: str) -> None:
        """Write down a problem of our own side."""
        self._troubles += 1
        self._problem(f"shell:{self._troubles}", do.Source.TANDEM, code, message, benign=False)

    @property
    def learnt(self) -> dict[str, Any]:
        """What the tools have taught, by name."""
        return dict(self._learnt)

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was said and done so far, in Vapi's shapes, as far as a row may hold it."""
        return self._keeping.history(self._said.messages)

    def order_received(self, message: Mapping[str, Any]) -> bool:
        """Note an order from outside; False for one that has come before."""
        return self._orders.received(message)

    def order_refusal(self, order_id: str) -> str | None:
        """Why an order was refused that has come before, empty where it was taken; None while nobody knows."""
        return self._orders.refusal(order_id)

    @property
    def orders(self) -> list[dict[str, Any]]:
        """What is known of the orders that the call has had, as a row may hold it."""
        return self._orders.rows()

    def history_with(self, command: do.PressKeys) -> list[dict[str, Any]]:
        """What was said and done so far, with the tool call that has keys pressed now."""
        tool = self._tools[command.name]
        message = self._said.tool_call(command.call_id, tool, command.arguments)
        return self._keeping.history([*self._said.messages, message])

    def asked_kept(self, command: do.PressKeys) -> dict[str, Any]:
        """The tool call that has keys pressed, as far as a row may hold it."""
        arguments = self._keeping.arguments(command.arguments)
        return {"tool_call_id": command.call_id, "name": command.name, "arguments": arguments}

    def _keys_pressed(self, asked: dict[str, Any]) -> None:
        """Twilio has pressed the keys for which the session before this one had ended."""
        tool_call_id, name, now = asked["tool_call_id"], asked["name"], datetime.now(UTC)
        order = self._minimal_order(tool_call_id, name) | {"arguments": asked["arguments"]}
        if name in self._tools:
            self._forwarded[tool_call_id] = self._tools[name]
        self._result_said(tool_call_id, PRESSED)
        self._tool_calls.add(tool_call_id)
        self._outbox.put(
            "tools.tasks.tool_call_done", {"order": order, "at": now.isoformat(), "output": PRESSED}
        )

    def member_took_over(self, call: StreamCall, tool_call_id: str) -> None:
        """Another assistant has the call, with tools and a server of its own."""
        self._call = call
        self._tools = {tool.name: tool for tool in call.tools_written or call.snapshot.tools}
        self._keeping.also(call.snapshot)
        self.passing.handed_over(call)
        self._outbox.put(
            "calls.tasks.part_write",
            {
                "call_id": str(call.call_id),
                "n": call.part,
                "assistant_id": call.snapshot.assistant_id,
                "began_at": datetime.now(UTC).isoformat(),
                "tool_call_id": tool_call_id,
            },
        )

    def transfer_summarise(self, transfer_id: uuid.UUID, plan: SummaryPlan) -> None:
        """Have a worker write what the operator is told of the call."""
        now = datetime.now(UTC)
        request = summary_request(
            plan.messages, self._said.messages, variables=self._call.variables | self._learnt, now=now
        )
        self._outbox.put(
            "calls.tasks.transfer_summarise",
            {
                "transfer_id": str(transfer_id),
                "model": self._call.snapshot.model,
                "request": self._keeping.request(
                    {"instructions": request.instructions, "texts": list(request.texts)}
                ),
                **self._keeping.told(),
                "expires_at": (now + timedelta(seconds=plan.within_s)).isoformat(),
            },
        )

    def ended(self, ended: do.Ended, *, frames_dropped: int) -> None:
        """Write the whole transcript once more, close it, and close the call unless it goes on elsewhere."""
        reason = SHUT_DOWN if self._shut_down else ended.reason
        self._watch.ended(ended, reason=reason, frames_dropped=frames_dropped)
        if not self._was_verified(ended):
            self._orders.never_begun()
            return
        self.passing.over()
        now = datetime.now(UTC)
        self._utterances(list(ended.spoken), closed_at=now)
        counts = {
            "barge_ins": ended.barge_ins,
            "frames_in": ended.frames_in,
            "frames_dropped": frames_dropped,
            "tool_calls_made": len(self._tool_calls),
        }
        facts: dict[str, int | None] = {
            name: count + self._facts.get(name, 0) for name, count in counts.items()
        }
        if self._call.resumption is None:
            facts["first_sound_ms"] = ended.first_sound_ms
        if ended.reason in (FORWARDED, KEYS_PRESSED):
            # The call comes back, or whoever is called now may send it back; Twilio tells us how that ended.
            call_id = str(self._call.call_id)
            self._outbox.put("calls.tasks.call_forwarded", {"call_id": call_id, "facts": facts})
            self._feed.away()
            return
        self._feed.over(reason)
        self._outbox.put(
            "calls.tasks.call_finish",
            {
                "call_id": str(self._call.call_id),
                "ended_at": now.isoformat(),
                "ended_reason": reason,
                "facts": facts,
                "session": self._call.resumption.session if self._call.resumption else 0,
            },
        )

    @staticmethod
    def _was_verified(ended: do.Ended) -> bool:
        # A stream that was refused is nobody's call; the real one may still be running.
        return not ended.reason.startswith(NOT_STARTED)

    def _utterances(self, spoken: list[do.Spoken], closed_at: datetime | None = None) -> None:
        self._outbox.put(
            "transcripts.tasks.utterances_write",
            {
                "call_id": str(self._call.call_id),
                "started_at": self._started_at.isoformat(),
                "utterances": [self._utterance(one, settled=closed_at is not None) for one in spoken],
                "closed_at": closed_at.isoformat() if closed_at else None,
            },
        )

    def _utterance(self, spoken: do.Spoken, *, settled: bool) -> dict[str, Any]:
        """One utterance on the clock of the whole call, as it may be written down."""
        spoken = self._keeping.spoken(spoken, settled=settled)
        self._feed.spoken(spoken, clock=self._started_at + self._offset, away=self._offset)
        away_ms = round(self._offset / timedelta(milliseconds=1))
        times = {"began_ms": spoken.began_ms + away_ms, "ended_ms": spoken.ended_ms + away_ms}
        return {**asdict(spoken), **times}

    def _template_problem(self, key: str, code: str, message: str) -> None:
        self._problem(key, do.Source.TANDEM, code, message, benign=True)

    def _problem(self, key: str, source: do.Source, code: str, message: str, *, benign: bool) -> None:
        self._watch.problem(source, code, benign=benign)
        self._outbox.put(
            "calls.tasks.problem_write",
            {
                "call_id": str(self._call.call_id),
                "key": f"{self._session}{key}",
                "source": source.value,
                "code": code,
                "message": self._keeping.rules.note(message),
                "benign": benign,
                "at": datetime.now(UTC).isoformat(),
            },
        )

    # Tools ----------------------------------------------------------------------------------------------------

    def tool_check(self, command: do.CheckTool) -> Callable[[], Rejection]:
        """What finds out whether the tool's own conditions refuse this call now; not for the event loop."""
        named = self._tools.get(command.name)
        if named is None:
            return Rejection  # of an assistant that has handed the call over meanwhile
        tool = self._server(named).tool
        self._checked[command.call_id] = arguments_told(tool, command.arguments)
        return functools.partial(
            request_rejected,
            tool.rejection_plan,
            self._context(),
            now=datetime.now(UTC),
        )

    def tool_forward(self, command: do.RunTool, *, reply_channel: str) -> None:
        """Have a worker ask the customer's server."""
        self._watch.happened(command)
        self._feed.happened(command)
        server = self._server(self._tools[command.name])
        tool = server.tool
        now = datetime.now(UTC)
        self._forwarded[command.call_id] = tool
        self._tool_calls.add(command.call_id)
        self._said.tool_called(command.call_id, tool, command.arguments)
        order: dict[str, Any] = {
            "call_id": str(self._call.call_id),
            "call_sid": self._call.call_sid,
            "tool_call_id": command.call_id,
            "tool": asdict(tool),
            "arguments": dict(command.arguments),
            "requested_at": now.isoformat(),
            "expires_at": (now + timedelta(seconds=command.waits_s + GRACE_S)).isoformat(),
            "server_from": server.server_from,
            "auth": server.auth.to_json(),
            "context": self._context(),
        }
        if self._call.smoke is not None:
            order = order_mocked(ToolOrder.from_json(order), self._call.smoke.mocks).to_json()
        self._outbox.put(
            "tools.tasks.tool_call_forward",
            {"order": self._keeping.order(order), "reply_channel": reply_channel},
        )

    def _context(self) -> dict[str, Any]:
        return tool_context(
            self._call,
            public_origin=settings.PUBLIC_ORIGIN,
            org_id=organisation_id(),
            messages=self._said.messages,
            learnt=self._learnt,
        )

    def asks_destination(self, tool_call_id: str) -> bool:
        """Whether this tool call asks a server where the call is to be transferred."""
        tool = self._forwarded.get(tool_call_id)
        return tool is not None and tool.kind == Tool.Kind.TRANSFER

    def variables_learnt(self, variables: Mapping[str, Any]) -> None:
        """Keep what a tool's answer told, for the webhooks that follow."""
        self._learnt |= variables

    def handover_taught(self, tool_call_id: str, variables: Mapping[str, Any]) -> None:
        """The same for what a tool call told that hands the call over; a session that comes later is to know it, too."""
        self._taught[tool_call_id] = variables
        self.variables_learnt(variables)

    def _server(self, tool: ToolSnapshot) -> ServerInForce:
        secret = settings.ORGANISATION_SERVER_SECRET
        return server_in_force(
            tool,
            self._call,
            organisation_url=settings.ORGANISATION_SERVER_URL,
            organisation_auth=ServerAuth(secret_token=encrypt(secret) if secret else ""),
        )

    def _tool_refused(self, command: do.ToolRefused) -> None:
        self._tool_calls.add(command.call_id)
        self._outbox.put(
            "tools.tasks.tool_call_refuse",
            {
                "order": self._minimal_order(command.call_id, command.name),
                "at": datetime.now(UTC).isoformat(),
                "reason": self._keeping.rules.note(command.reason),
                "output": self._keeping.rules.words(command.output),
            },
        )

    def _tool_done(self, command: do.ToolDone) -> None:
        self._tool_calls.add(command.call_id)
        taught = self._taught.pop(command.call_id, {})
        self._outbox.put(
            "tools.tasks.tool_call_done",
            {
                "order": self._minimal_order(command.call_id, command.name),
                "at": datetime.now(UTC).isoformat(),
                "output": self._keeping.rules.words(command.output),
                **({"variables": self._keeping.rules.values(dict(taught))} if taught else {}),
            },
        )

    def _minimal_order(self, tool_call_id: str, name: str) -> dict[str, Any]:
        tool = self._tools.get(name)
        return {
            "call_id": str(self._call.call_id),
            "tool_call_id": tool_call_id,
            "name": name,
            "tool": asdict(tool) if tool else {},
            "arguments": self._keeping.arguments(self._checked.get(tool_call_id, {})),
            "requested_at": datetime.now(UTC).isoformat(),
        }

    def _result_said(self, tool_call_id: str, output: str) -> None:
        tool = self._forwarded.get(tool_call_id)
        self._said.tool_result(tool_call_id, tool.name_on_the_wire if tool else "", output)

    def _told(self, tool_call_id: str, output: str, *, orphaned: bool) -> None:
        now = datetime.now(UTC)
        tool = self._forwarded.get(tool_call_id)
        if not orphaned:
            self._result_said(tool_call_id, output)
        self._outbox.put(
            "tools.tasks.tool_call_told",
            {
                "call_id": str(self._call.call_id),
                "tool_call_id": tool_call_id,
                "at": now.isoformat(),
                "output": self._keeping.rules.words(output),
                "orphaned": orphaned,
                "awaited": tool is None or not tool.asynchronous,
            },
        )
