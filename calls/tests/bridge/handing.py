"""A call whose assistants hand it over to each other; the test plays both sessions and the shell."""

from dataclasses import replace
from typing import Any

import orjson

from calls.bridge import realtime
from calls.bridge.commands import MemberTookOver, OpenRealtime, PrepareMember, ToRealtime
from calls.bridge.plan import FirstMessageMode, Place, Plan, Taker, ToolSpec, session_payload
from calls.tests.bridge.call import BOOK, END_CALL, WAITING, Call

WORDS = "I'll bring in billing."
HELLO = "Billing here. What is the invoice number?"
TO = {"type": "object", "properties": {"destination": {"type": "string"}}}
INVOICE = ToolSpec("get_invoice", "Reads an invoice", {"type": "object", "properties": {}})
BACK = ToolSpec(
    "handoff_to_triage", "Back", TO, transfers=True, places=(Place("Triage", "", Taker("triage")),)
)
BILLING = Plan(
    instructions="You explain invoices.",
    assistant="Billing",
    model="realtime",
    voice="shimmer",
    tools=(INVOICE, BACK),
    first_message=HELLO,
)
TWIN = replace(BILLING, voice="marin")  # speaks as the first one does


def triage(*places: Place, **fields: Any) -> Plan:
    """An assistant that can hand the call over to these."""
    tool = ToolSpec("transferCall", "Hand on", TO, transfers=True, places=places)
    return replace(WAITING, assistant="Triage", model="realtime", tools=(BOOK, END_CALL, tool), **fields)


def to_billing(message: str | None = WORDS, **taker: Any) -> Place:
    return Place("Billing", message, Taker("billing", **taker))


QUIETLY = triage(to_billing(""))  # hands over without a word


class Squad(Call):
    """A call that has begun with the assistant that can hand it over."""

    def __init__(self, plan: Plan | None = None) -> None:
        super().__init__(plan or triage(to_billing()))
        self.session = 0

    def asks(
        self, destination: str = "Billing", *, call_id: str = "h1", said_ms: int = 0, **more: Any
    ) -> None:
        """The caller says what they want, and the model asks to hand the call over."""
        self.caller_says(f"u-{call_id}", "It is about my bill.")
        self.asks_at_once(destination, call_id=call_id, said_ms=said_ms, **more)

    def asks_at_once(
        self,
        destination: str = "Billing",
        *,
        call_id: str = "h1",
        name: str = "transferCall",
        said_ms: int = 0,
        **more: Any,
    ) -> None:
        response_id = f"r-{call_id}"
        self.created(response_id)
        if said_ms:
            self.audio(response_id, said_ms)
        arguments = orjson.dumps({"destination": destination, **more}).decode()
        call = self.calls_tool(response_id, call_id, name, arguments)
        if said_ms:
            item_id = f"{response_id}-i"
            self.hear(
                realtime.AudioDone(response_id, item_id),
                realtime.TextDone(response_id, item_id, "One moment."),
            )
        self.done(response_id, calls=(call,))

    def announces(self, ms: int = 1000, text: str = WORDS) -> None:
        """What is said before is said, and heard."""
        self.answers(f"w{len(self.asked)}", text, ms=ms, ours=True)
        self.wait(ms / 1000 + 0.1)

    def prepared(self, plan: Plan = BILLING, *, call_id: str = "h1") -> None:
        self.take(self.conversation.member_prepared(call_id, plan, now=self.now))

    def hear_in(self, session: int, *events: realtime.Event) -> None:
        for event in events:
            self.take(self.conversation.receive_realtime(event, now=self.now, session=session))

    def hear(self, *events: realtime.Event) -> None:
        """The server sends these in the session that has the call."""
        self.hear_in(getattr(self, "session", 0), *events)

    def accepts(self, session: int = 1, plan: Plan = BILLING) -> None:
        """The server has taken the settings of another session."""
        settings = session_payload(plan, floor_open=not plan.protects_greeting)
        self.hear_in(session, realtime.SessionCreated(), realtime.SessionUpdated(settings))

    def took_over(self) -> list[str]:
        return [one.key for one in self.all(MemberTookOver)]

    def ready(self, plan: Plan = BILLING, *, session: int = 1, call_id: str = "h1") -> None:
        """A session of its own is there for it."""
        self.prepared(plan, call_id=call_id)
        assert self.all(OpenRealtime)[-1] == OpenRealtime(session, plan.model)
        self.accepts(session, plan)

    def hands_over(self, plan: Plan = BILLING) -> None:
        """The whole of it, with another session."""
        self.asks()
        self.ready(plan)
        self.announces()
        self.session = 1
        assert self.took_over() == ["billing"]

    def sent_in(self, session: int) -> list[dict[str, Any]]:
        """What one session was sent, but the caller's audio."""
        sent = [orjson.loads(one.text) for one in self.all(ToRealtime) if one.session == session]
        return [event for event in sent if event["type"] != "input_audio_buffer.append"]

    def read_in(self, session: int) -> list[tuple[str, str]]:
        """The conversation that one session was given."""
        items = [one["item"] for one in self.sent_in(session) if one["type"] == "conversation.item.create"]
        return [_brief(item) for item in items]

    def frames_in(self, session: int) -> int:
        return sum(
            '"input_audio_buffer.append"' in one.text
            for one in self.all(ToRealtime)
            if one.session == session
        )

    def asked_in(self, session: int) -> list[str]:
        """What responses were asked for there."""
        asked = [one for one in self.sent_in(session) if one["type"] == "response.create"]
        return [one["response"]["metadata"]["purpose"] for one in asked]

    def outputs_in(self, session: int) -> dict[str, str]:
        """What the tool calls of one session came to there."""
        items = [one["item"] for one in self.sent_in(session) if one["type"] == "conversation.item.create"]
        found = [
            (item["call_id"], item["output"]) for item in items if item["type"] == "function_call_output"
        ]
        assert len(dict(found)) == len(found)
        return dict(found)

    @property
    def preparing(self) -> list[PrepareMember]:
        return self.all(PrepareMember)


def _brief(item: dict[str, Any]) -> tuple[str, str]:
    match item["type"]:
        case "message":
            return item["role"], item["content"][0]["text"]
        case "function_call":
            return "call", item["name"]
        case _:
            return "output", item["output"]


SILENT = replace(BILLING, first_message_mode=FirstMessageMode.SPEAKS_FIRST_GENERATED, first_message="")
