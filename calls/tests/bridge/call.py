"""A telephone call in which the test plays the server and the caller."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from calls.bridge import realtime, twilio
from calls.bridge.commands import Command, Ended, Problem, Spoken
from calls.bridge.conversation import Conversation
from calls.bridge.plan import FirstMessageMode, Plan, ToolSpec, floor_payload, session_payload
from calls.bridge.toolcalls import ToolResult
from calls.tests.bridge.telephone import Telephone

GREETING = "Good morning, how can I help?"
BOOK = ToolSpec("book", "Book a slot", {"type": "object", "properties": {"day": {"type": "string"}}})
LIST = ToolSpec("list_slots", "List the free slots", {"type": "object", "properties": {}})
END_CALL = ToolSpec("end_call", "Hang up", {"type": "object", "properties": {}}, ends_call=True)
WAITING = Plan(
    instructions="Be brief.", tools=(BOOK, LIST, END_CALL), first_message_mode=FirstMessageMode.WAITS
)
GREETING_PLAN = replace(
    WAITING,
    first_message_mode=FirstMessageMode.SPEAKS_FIRST,
    first_message=GREETING,
    first_message_interruptible=True,
)
SENTENCE_PLAN = replace(GREETING_PLAN, end_call_message="Thank you for calling.")
PROTECTED = replace(GREETING_PLAN, first_message_interruptible=False)
AnyCommand = TypeVar("AnyCommand", bound=Command)


@cache
def sound(ms: int) -> str:
    return b64encode(bytes(ms * 8)).decode()


class Call(Telephone):
    """A call that has begun: the stream is verified, and the session is as it was asked for."""

    def __init__(self, plan: Plan = WAITING, *, begun: bool = True, frames: bool = True) -> None:
        super().__init__(Conversation(plan))
        self.plan = plan
        self.frames = frames
        self.began_at = self.now
        self.take(self.conversation.opened(now=self.now))
        if begun:
            self.start()
            self.accept_session()

    # The caller and the clock ---------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let time pass; the caller's frames keep coming while they do."""
        until = self.now + seconds
        while self.frames and until - self.now > 0.5:
            self.timestamp_ms = self.call_ms
            super().wait(0.5)
            self.speak(sound(500))
        super().wait(until - self.now)

    def caller_speaks(self, item_id: str) -> None:
        self.hear(realtime.SpeechStarted(item_id, self.call_ms))

    def caller_stops(self, item_id: str) -> None:
        self.hear(realtime.SpeechStopped(item_id, self.call_ms))
        self.hear(realtime.Committed(item_id))

    def caller_says(self, item_id: str, text: str, seconds: float = 1.0) -> None:
        """A whole turn of the caller."""
        self.caller_speaks(item_id)
        self.wait(seconds)
        self.caller_stops(item_id)
        self.hear(realtime.CallerText(item_id, text))

    def caller_presses(self, keys: str) -> None:
        for key in keys:
            self.take(self.conversation.receive_twilio(twilio.Dtmf(key), now=self.now))

    @property
    def call_ms(self) -> int:
        return round((self.now - self.began_at) * 1000)

    def stop(self) -> None:
        """The caller hangs up, and what is still being written down comes or does not."""
        self.take(self.conversation.receive_twilio(twilio.Stop(), now=self.now))
        self.wait(3)

    # The server -----------------------------------------------------------------------------------------------

    def hear(self, *events: realtime.Event) -> None:
        """The server sends these."""
        for event in events:
            self.take(self.conversation.receive_realtime(event, now=self.now))

    def accept_session(self) -> None:
        session = session_payload(self.plan, floor_open=not self.plan.protects_greeting)
        self.hear(realtime.SessionCreated(), realtime.SessionUpdated(session))

    def accept_floor(self) -> None:
        self.hear(realtime.SessionUpdated(floor_payload(self.plan)))

    def created(self, response_id: str, *, ours: bool = False) -> None:
        asked_by = self.sent("response.create")[-1]["event_id"] if ours else ""
        self.hear(realtime.ResponseCreated(response_id, asked_by))

    def audio(self, response_id: str, ms: int, item_id: str = "") -> None:
        self.hear(realtime.AudioDelta(response_id, item_id or f"{response_id}-i", sound(ms), ms * 8))

    def done(self, response_id: str, status: str = "completed", **fields: Any) -> None:
        made: dict[str, Any] = {"reason": "", "code": "", "message": "", "calls": (), **fields}
        self.hear(realtime.ResponseDone(response_id, status, **made))

    def answers(
        self, response_id: str, text: str = "Of course.", ms: int = 1000, *, ours: bool = False
    ) -> None:
        """A whole spoken response, generated at once, heard later."""
        item_id = f"{response_id}-i"
        self.created(response_id, ours=ours)
        self.audio(response_id, ms)
        self.hear(realtime.AudioDone(response_id, item_id), realtime.TextDone(response_id, item_id, text))
        self.done(response_id)

    def calls_tool(
        self, response_id: str, call_id: str = "c1", name: str = "book", arguments: str = '{"day":"Monday"}'
    ) -> realtime.FunctionCall:
        """The model asks for a tool; the response is not done yet."""
        call = realtime.FunctionCall(response_id, f"fc-{call_id}", call_id, name, arguments)
        self.hear(call)
        return call

    def result(self, call_id: str = "c1", output: str = '{"booked":true}', **fields: Any) -> None:
        result = ToolResult(output, **fields)
        self.take(self.conversation.receive_tool_result(call_id, result, now=self.now))

    def error(self, code: str, *, event_id: str = "", message: str = "") -> None:
        self.hear(realtime.Error(code, message, event_id))

    def request_refused(self, code: str) -> None:
        self.error(code, event_id=self.sent("response.create")[-1]["event_id"])

    # What came of it ------------------------------------------------------------------------------------------

    def all(self, kind: type[AnyCommand]) -> list[AnyCommand]:
        return [command for command in self.commands if isinstance(command, kind)]

    @property
    def asked(self) -> list[str]:
        """What our own responses were for."""
        return [event["response"]["metadata"]["purpose"] for event in self.sent("response.create")]

    @property
    def problems(self) -> list[str]:
        return [problem.code for problem in self.all(Problem)]

    @property
    def outputs(self) -> dict[str, str]:
        items = [event["item"] for event in self.sent("conversation.item.create")]
        items = [item for item in items if item["type"] == "function_call_output"]
        assert len({item["call_id"] for item in items}) == len(items)
        return {item["call_id"]: item["output"] for item in items}

    @property
    def told(self) -> list[tuple[str, str]]:
        """The texts that we put into the conversation, each with its role."""
        items = [event["item"] for event in self.sent("conversation.item.create")]
        return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]

    @property
    def sentences(self) -> list[str]:
        """What was asked for word for word."""
        requests = [event["response"].get("instructions", "") for event in self.sent("response.create")]
        return [one.partition("nothing else: ")[2] for one in requests if "nothing else: " in one]

    @property
    def truncated(self) -> Mapping[str, int]:
        return {e["item_id"]: e["audio_end_ms"] for e in self.sent("conversation.item.truncate")}

    @property
    def clears(self) -> int:
        return [message["event"] for message in self.to_twilio].count("clear")

    @property
    def ended(self) -> Ended:
        (ended,) = self.all(Ended)
        return ended

    def spoken(self, item_id: str) -> Spoken:
        return next(one for one in self.ended.spoken if one.item_id == item_id)
