"""All calls of one simulator, and who belongs to whom."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from simulator.clock import Clock
from simulator.mcp import Mcp
from simulator.phone import Account, Order, Phone, new_sid
from simulator.realtime import Realtime
from simulator.report import CallLog, CallReport, Truncation
from simulator.rest import Rest
from simulator.scenario import Scenario, load
from simulator.twilio_http import Origins
from simulator.vapi import Vapi
from simulator.webhook import Tools

_REMEMBERED: Final = 200  # ended calls that REST still knows


class Switchboard:
    """Places calls and keeps the services that they meet, and Vapi's REST, which they do not."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: dict[str, Phone] = {}
        self.realtime = Realtime()
        self.tools = Tools(self._find_call)
        self.rest = Rest(account, self.calls, create=self._create)
        self.vapi = Vapi()
        self.mcp = Mcp()
        self.outbound_scenario: str | Scenario = "one_tool"  # what someone who is called does
        self.outbound_origins = Origins()
        # Awaited before a call opens one more stream: streams that open together may get each other's session.
        self.before_next_stream: Callable[[Phone], Awaitable[None]] | None = None
        self.outbound_reports: asyncio.Queue[CallReport] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def place(
        self, order: Order, *, tell: Callable[[dict[str, Any]], None] | None = None
    ) -> CallReport:
        """Play one call to its end."""
        return await self._play(self._prepare(order, tell))

    async def close(self) -> None:
        """End all calls at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _prepare(self, order: Order, tell: Callable[[dict[str, Any]], None] | None) -> Phone:
        report = CallReport(call_sid=new_sid("CA"), scenario=order.scenario.name)
        phone = Phone(
            order,
            self.account,
            log=CallLog(report, Clock(speed=order.speed), tell=tell),
            on_upgrade=self.realtime.expect,
            on_refused=self.realtime.forget,
            before_next_stream=self.before_next_stream,
        )
        while len(self.calls) >= _REMEMBERED:
            ended = next((sid for sid, known in self.calls.items() if known.ended), None)
            if ended is None:
                break
            del self.calls[ended]
        self.calls[report.call_sid] = phone
        return phone

    async def _play(self, phone: Phone) -> CallReport:
        try:
            report = await phone.run()
        finally:
            self.realtime.ended(phone)
        _match_truncations(report)
        return report

    def _create(self, pairs: list[tuple[str, str]]) -> Phone:
        """Place the outbound call that a REST request asks for."""
        form = dict(pairs)
        scenario = self.outbound_scenario
        events = tuple(value for key, value in pairs if key == "StatusCallbackEvent")
        order = Order(
            scenario=load(scenario) if isinstance(scenario, str) else scenario,
            to=form["To"],
            caller=form["From"],
            voice_url=form.get("Url"),
            twiml=None if form.get("Url") else form["Twiml"],
            origins=self.outbound_origins,
            status_callback=form.get("StatusCallback"),
            status_events=events or ("completed",),
            direction="outbound-api",
        )
        phone = self._prepare(order, None)
        task = asyncio.create_task(self._play_outbound(phone))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return phone

    async def _play_outbound(self, phone: Phone) -> None:
        self.outbound_reports.put_nowait(await self._play(phone))

    def _find_call(self, call_sid: str | None, tool: str) -> Phone | None:
        """The call a tool request belongs to: by Twilio's id if the envelope has it, else a live one."""
        if call_sid is not None and call_sid in self.calls:
            return self.calls[call_sid]
        live = [phone for phone in reversed(self.calls.values()) if not phone.ended]
        with_story = [phone for phone in live if tool in phone.order.scenario.tools]
        return next(iter(with_story or live), None)


def _match_truncations(report: CallReport) -> None:
    """Say of each truncated item how much of its line was heard; lines said twice are matched in order."""
    heard = list(report.heard)
    for truncation in report.truncations:
        truncation.heard_ms = _take_heard(truncation, heard)


def _take_heard(truncation: Truncation, heard: list[Any]) -> float:
    for line in heard:
        if line.line == truncation.line and line.from_ms <= truncation.at_ms and not line.complete:
            heard.remove(line)
            found: float = line.heard_ms
            return found
    return 0.0
