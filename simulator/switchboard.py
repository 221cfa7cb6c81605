"""All calls of one simulator, and who belongs to whom."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from simulator.accounts import Account, Accounts
from simulator.callees import Callees, words_due
from simulator.caller import Party
from simulator.clock import Clock
from simulator.line_end import LineEnd, join
from simulator.mcp import Mcp
from simulator.number_control import NumberControl
from simulator.numbers import Numbers
from simulator.old_provider import OldProvider
from simulator.order import Order
from simulator.outbound import TwoLegs
from simulator.phone import Phone, new_sid
from simulator.realtime import Realtime
from simulator.refusals import Complaints
from simulator.report import CallLog, CallReport, Truncation
from simulator.responses import Responses
from simulator.rest import Rest
from simulator.routing import NobodyError, route_of
from simulator.scenario import Scenario, load
from simulator.twilio_http import Origins
from simulator.vapi import Vapi
from simulator.webhook import Tools

_REMEMBERED: Final = 200  # ended calls that REST still knows


class Switchboard:
    """Places calls and keeps the services that they meet, and Vapi's REST, which they do not."""

    def __init__(self, account: Account) -> None:
        self.accounts = Accounts(account)
        self.complaints = Complaints()
        self.numbers = Numbers(self.accounts, self.complaints)
        self.calls: dict[str, Phone] = {}
        self.realtime = Realtime()
        self.responses = Responses()
        self.tools = Tools(self._find_call)
        self.rest = Rest(
            self.accounts, self.numbers, self.calls, complaints=self.complaints, create=self._create
        )
        self.number_control = NumberControl(self.accounts, self.numbers, self.rest)
        self.old_provider = OldProvider(self.accounts, self.numbers)
        self.vapi = Vapi()
        self.old_provider.on_transport = self._take_transport
        self.mcp = Mcp()
        self.outbound_scenario: str | Scenario = "one_tool"  # what someone who is called does
        self.outbound_origins = Origins()
        self.outbound_speed = 1.0
        self.callees = Callees()  # who they are
        self.origins = Origins()  # of all calls, besides each call's own
        self.outbound_reports: asyncio.Queue[CallReport] = asyncio.Queue()
        self.inbound_reports: asyncio.Queue[CallReport] = (
            asyncio.Queue()
        )  # of far legs: calls of REST to our numbers
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def account(self) -> Account:
        """The main account."""
        return self.accounts.main

    async def place(
        self, order: Order, *, tell: Callable[[dict[str, Any]], None] | None = None
    ) -> CallReport:
        """Play one call to its end."""
        return await self._play(self._prepare(order, tell))

    def dial(
        self,
        scenario: Scenario,
        number: str,
        *,
        caller: str,
        origins: Origins | None = None,
        speed: float = 1.0,
    ) -> Order:
        """A call to a number of ours: what answers is what the number says now. Raises ValueError for a foreign number."""
        held = self.numbers.find(number)
        order = Order(
            scenario=scenario,
            to=held["phone_number"],
            caller=caller,
            origins=origins or Origins(),
            speed=speed,
            account_sid=held["account_sid"],
        )
        try:
            route = route_of(held, self.numbers.applications)
        except NobodyError as nobody:
            return replace(order, nobody=str(nobody))
        return replace(
            order,
            trunk_sid=route.trunk_sid,
            voice_url=route.voice_url,
            voice_method=route.voice_method,
            fallback_url=route.fallback_url or None,
            fallback_method=route.fallback_method,
            status_callback=route.status_callback or None,
            status_method=route.status_method,
        )

    async def close(self) -> None:
        """End all calls at once."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _prepare(
        self,
        order: Order,
        tell: Callable[[dict[str, Any]], None] | None,
        *,
        party: Party | None = None,
        ring: Callable[[Phone], Callable[[], Awaitable[str]]] | None = None,
        near: bool = False,
        clock: Clock | None = None,
    ) -> Phone:
        order = replace(order, origins=Origins({**self.origins.local_of, **order.origins.local_of}))
        report = CallReport(call_sid=new_sid("CA"), scenario=order.scenario.name)
        phone = Phone(
            order,
            self.accounts[order.account_sid] if order.account_sid else self.account,
            log=CallLog(report, clock or Clock(speed=order.speed), tell=tell),
            # A near leg's stream goes to whoever tests us; a session of the model belongs to the far leg.
            on_upgrade=None if near else self.realtime.expect,
            on_refused=self.realtime.forget,
            party=party,
        )
        phone.ring = ring(phone) if ring is not None else None
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

    def _create(self, account: Account, pairs: list[tuple[str, str]]) -> Phone:
        """Place the outbound call that a REST request asks for."""
        form = dict(pairs)
        told = self.outbound_scenario
        scenario = load(told) if isinstance(told, str) else told
        events = tuple(value for key, value in pairs if key == "StatusCallbackEvent")
        order = Order(
            scenario=scenario,
            to=form["To"],
            caller=form["From"],
            voice_url=form.get("Url"),
            voice_method=form.get("Method") or "POST",
            fallback_url=form.get("FallbackUrl"),
            fallback_method=form.get("FallbackMethod") or "POST",
            twiml=None if form.get("Url") else form["Twiml"],
            origins=self.outbound_origins,
            speed=self.outbound_speed,
            status_callback=form.get("StatusCallback"),
            status_method=form.get("StatusCallbackMethod") or "POST",
            status_events=events or ("completed",),
            direction="outbound-api",
            account_sid=account.sid,
        )
        if form["To"] in self.numbers:
            phone, playing = self._two_legs(order, timeout_s=float(form.get("Timeout", "60")))
        else:
            callee, timeout_s = self.callees.find(form["To"]), float(form.get("Timeout", "60"))
            order = replace(
                order,
                sip_code=callee.sip_code,
                machine_url=form.get("AsyncAmdStatusCallback", ""),
                machine_words=words_due(callee, form),
            )
            phone = self._prepare(
                order, None, ring=lambda phone: callee.ring(phone.clock, timeout_s=timeout_s)
            )
            playing = self._play_outbound(phone)
        task = asyncio.create_task(playing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return phone

    def _two_legs(self, order: Order, *, timeout_s: float) -> tuple[Phone, Coroutine[Any, Any, None]]:
        """The near leg of a call to a number of ours, and how both are played."""
        clock = Clock(speed=order.speed)
        near_end, far_end = LineEnd("caller", clock), LineEnd("assistant", clock)
        join(near_end, far_end)
        far = self._prepare(
            self.dial(
                order.scenario, order.to, caller=order.caller, origins=order.origins, speed=order.speed
            ),
            None,
            party=far_end,
            clock=clock,
        )
        legs = TwoLegs(far, lambda: self._play(far), timeout_s=timeout_s)
        # Without the story's tools: what the tool server is asked belongs to the far leg.
        story = order.scenario.but(tools={})
        near = self._prepare(
            replace(order, scenario=story),
            None,
            party=near_end,
            ring=lambda _: legs.ring,
            near=True,
            clock=clock,
        )

        async def play() -> None:
            near_report, far_report = await legs.play(near, lambda: self._play(near))
            if far_report is not None:
                self.inbound_reports.put_nowait(far_report)
            self.outbound_reports.put_nowait(near_report)

        return near, play()

    async def _play_outbound(self, phone: Phone) -> None:
        self.outbound_reports.put_nowait(await self._play(phone))

    def _take_transport(self, call_id: str, call_sid: str) -> bool:
        """Take the stream of a call that bypasses the old provider's telephony; its caller will know the sentence."""
        if call_sid in self.calls:
            self.calls[call_sid].said.append(self.old_provider.sentence)
        return self.vapi.calls.connected(call_id, call_sid)

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
