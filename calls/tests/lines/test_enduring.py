"""Whatever fails in whatever handler at whatever event: the call goes on, or is given to another session, or ends told."""

import asyncio
import base64
import heapq
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as fuzzing
from hypothesis import strategies as st

from calls import recorder
from calls.bridge import (
    answers,
    beginning,
    caller,
    control,
    dialogue,
    ending,
    errands,
    floor,
    hearing,
    meter,
    partials,
    patience,
    playback,
    responses,
    settling,
    toolcalls,
    twilio,
    utterances,
    voice,
)
from calls.bridge import commands as do
from calls.bridge.conversation import Conversation
from calls.bridge.limits import ANSWER_WITHIN_S, HANG_UP_WITHIN_S, OVERTIME_S, RETRIES
from calls.lines.enduring import MOST_REPORTED, MOST_SKIPPED, NEEDED, UNEXPECTED
from calls.lines.line import LOST, ASGIMessage
from calls.lines.shell import CallShell
from calls.tests.stage import ACCOUNT, CALL, SID, SNAPSHOT, STREAM, FakeOutbox

# All but the line itself, without whose deadlines and commands a conversation is nothing: then the stream is closed.
MODULES = (
    answers, beginning, caller, control, dialogue, ending, errands, floor, hearing, meter, partials, patience, playback, responses, settling,
    toolcalls, utterances, voice,
)  # fmt: skip
SECRET = "the caller's own words"
FRAME = base64.b64encode(b"\xff" * 160).decode()
# From a fault to the end, or to the next try to answer, at the most.
TOLD_WITHIN_S = OVERTIME_S + HANG_UP_WITHIN_S + ANSWER_WITHIN_S * (RETRIES + 1)


class Clock:
    """A loop's clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, int, Handle]] = []
        self._n = 0

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> "Handle":
        self._n += 1
        handle = Handle(call)
        heapq.heappush(self._due, (at, self._n, handle))
        return handle

    def wait(self, seconds: float) -> None:
        until, rung = self.now + seconds, 0
        while self._due and self._due[0][0] <= until:
            at, _, handle = heapq.heappop(self._due)
            self.now = max(self.now, at)
            if handle.call is not None:
                handle.call()
                rung += 1
                assert rung < 2000, "the same deadline comes again and again"
        self.now = until


class Handle:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Line:
    """The caller's side: what it is given is kept, and marks come back when they are asked for."""

    is_open = True
    waiting = False

    def __init__(self) -> None:
        self.put_in: list[do.Command] = []
        self.heard = 0

    def read(self, message: ASGIMessage) -> Sequence[twilio.Message]:
        return (message["said"],)

    def put(self, command: do.Play | do.Mark | do.Clear) -> None:
        self.put_in.append(command)
        self.heard += isinstance(command, do.Play)

    def gone(self, code: int) -> Sequence[twilio.Message]:
        return ()

    async def close(self, code: int) -> None:
        self.is_open = False


class Bench(CallShell):
    """The shell without sockets, on a clock of the test's."""

    recorder: recorder.Recorder

    def __init__(self) -> None:
        self.outbox, self.left, self.clock = FakeOutbox(), list[do.Command](), Clock()
        self.in_line = Line()

    async def begin(self) -> None:
        self._begin(replace(CALL, snapshot=replace(SNAPSHOT, max_duration_s=60, silence_timeout_s=30)))
        self._layer = None
        self._loop = self.clock  # type: ignore[assignment]  # what is needed of one
        self._carry_out_now(self.conversation.opened(now=self.clock.now))

    def _line_for(self, call: Any) -> Line:  # type: ignore[override]  # what is needed of one
        return self.in_line

    def _leave(self, command: do.HangUp | do.Apologise | do.Forward | do.PressKeys) -> None:
        self.left.append(command)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        name = getattr(work, "__qualname__", "")
        work.close()
        if name.endswith("_verify"):
            self.recorder.started()
            with suppress(StopIteration):  # nothing in it waits
                self._found_out(partial(self.conversation.stream_verified, now=self.clock.now)).send(None)
        return None  # type: ignore[return-value]  # nobody looks at it

    # What a test has happen -----------------------------------------------------------------------------------

    def caller(self, said: twilio.Message) -> None:
        if self.in_line.is_open and not self._over.is_set():
            self._hear_caller({"type": "websocket.receive", "said": said})

    def model(self, kind: str, **fields: Any) -> None:
        link = self._links[self.conversation.session]
        if not link._closed:
            self._from_realtime(link.session, orjson.dumps({"type": kind, "event_id": "e", **fields}))

    def marks(self) -> None:
        waiting, self.in_line.put_in = self.in_line.put_in, []
        for command in waiting:
            if isinstance(command, do.Mark):
                self.caller(twilio.Mark(command.name))

    def start(self) -> None:
        self.caller(twilio.Start(STREAM, SID, ACCOUNT, {"token": "t"}))
        self.model("session.created", session={})
        # What was asked for is what it is.
        sent = [orjson.loads(text) for text in self._links[0]._waiting]
        updates = [one["session"] for one in sent if one["type"] == "session.update"]
        if updates:
            self.model("session.updated", session=updates[0])

    def turn(self, n: int, *, tool: bool = False) -> None:
        """The caller says something, and the model answers it."""
        item, response = f"item_{n}", f"resp_{n}"
        self.caller(twilio.Media(FRAME, n * 2000 + 20))
        self.model("input_audio_buffer.speech_started", item_id=item, audio_start_ms=n * 2000)
        self.clock.wait(0.5)
        self.model("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=n * 2000 + 500)
        self.model("input_audio_buffer.committed", item_id=item)
        self.model("conversation.item.input_audio_transcription.delta", item_id=item, delta="one ")
        self.model("conversation.item.input_audio_transcription.completed", item_id=item, transcript=SECRET)
        self.answer(response, tool=tool)
        self.clock.wait(0.5)
        self.marks()

    def answer(self, response: str, *, tool: bool = False) -> None:
        keys = {"response_id": response, "item_id": f"{response}_i", "output_index": 0, "content_index": 0}
        call = {"type": "function_call", "id": "fc", "call_id": response, "arguments": "{}"}
        call["name"] = "get_repair_status"
        self.model("response.created", response={"id": response, "status": "in_progress"})
        self.model("response.output_audio.delta", **keys, delta=base64.b64encode(b"\x20" * 800).decode())
        self.model("response.output_audio_transcript.delta", **keys, delta=SECRET)
        self.model("response.output_audio_transcript.done", **keys, transcript=SECRET)
        self.model("response.output_audio.done", **keys)
        done = {"id": response, "status": "completed", "output": [call] if tool else [{"type": "message"}]}
        self.model("response.done", response=done)

    async def end(self) -> None:
        """The stream is closed, by whomever."""
        self.in_line.is_open = False
        await self._stream_over(LOST)
        self.clock.wait(10)
        self._end_told()

    # What became of it ----------------------------------------------------------------------------------------

    @property
    def told(self) -> bool:
        """Whether the caller is told, or asked about: an order to Twilio, or a closed stream, upon which it asks."""
        return bool(self.left) or self._broken or self._over.is_set()

    def waits_no_longer(self, heard: int) -> bool:
        """Whether the caller has heard more than so much, or is told that they will not."""
        return self.told or self.in_line.heard > heard

    @property
    def problems(self) -> list[dict[str, Any]]:
        return [one for one in self.outbox.of("problem_write") if one["code"] == UNEXPECTED]


def methods(module: ModuleType) -> list[tuple[type, str]]:
    """The methods of the classes of a part of the bridge."""
    found = [
        one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__
    ]
    return [
        (owner, name)
        for owner in found
        for name, function in vars(owner).items()
        if inspect.isfunction(function) and not name.startswith("__")
    ]


# What fails before anything has come is no event's: the stream is closed for that, too.
METHODS = sorted(
    (one for module in MODULES for one in methods(module) if one != (beginning.Beginning, "opened")), key=str
)


@contextmanager
def faulty(owner: type, name: str, *, at: int, again: bool) -> Any:
    """Have a method raise at its so many-th call; ``again``: at every one that follows, too."""
    real, calls, raised = getattr(owner, name), [0], [0]

    def broken(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] - 1 == at or (again and calls[0] > at):
            raised[0] += 1
            raise LookupError(SECRET)
        return real(*args, **kwargs)

    setattr(owner, name, broken)
    try:
        yield raised
    finally:
        setattr(owner, name, real)


@contextmanager
def bench_made() -> Any:
    made = Bench()
    real, recorder.process_outbox = recorder.process_outbox, lambda: made.outbox  # type: ignore[assignment]
    try:
        yield made
    finally:
        recorder.process_outbox = real


def run(story: Callable[[Bench], Coroutine[Any, Any, None]]) -> Bench:
    async def whole(bench: Bench) -> None:
        await bench.begin()
        await story(bench)

    with bench_made() as bench:
        asyncio.run(whole(bench))
    assert isinstance(bench, Bench)
    return bench


@fuzzing(max_examples=25, deadline=None)
@given(where=st.sampled_from(METHODS), at=st.integers(0, 6), again=st.booleans(), tools=st.booleans())
def test_whatever_fails_the_call_ends_told_and_written_and_is_not_silent(
    where: tuple[type, str], at: int, *, again: bool, tools: bool
) -> None:
    fails(where, at=at, again=again, tools=tools)


@pytest.mark.long
@pytest.mark.parametrize("where", METHODS, ids=lambda one: f"{one[0].__name__}.{one[1]}")
def test_every_part_of_the_bridge_may_fail(where: tuple[type, str]) -> None:
    for at in (0, 1, 2, 5):
        for again in (False, True):
            fails(where, at=at, again=again, tools=at == 1)


def fails(where: tuple[type, str], *, at: int, again: bool, tools: bool) -> None:
    """A call in which this fails ends told and written, and nobody waits in silence."""

    async def story(bench: Bench) -> None:
        bench.start()
        for n in (1, 2, 3):
            bench.turn(n, tool=tools and n == 2)
        if not bench.told:
            heard = bench.in_line.heard
            bench.turn(4)
            if bench.in_line.heard == heard:
                bench.clock.wait(TOLD_WITHIN_S)
                assert bench.waits_no_longer(heard), "nobody says anything"
        bench.clock.wait(90)
        assert bench.told, "nobody ends the call, however long it lasts"
        await bench.end()

    with faulty(*where, at=at, again=again) as raised:
        bench = run(story)

    assert bench.conversation.over
    assert bench._over.is_set()
    begun = bench.conversation._line.verified
    assert len(bench.outbox.of("call_finish")) == (1 if begun else 0) or again
    if raised[0]:
        assert bench.problems, "ops see it"
        assert len(bench.problems) <= MOST_REPORTED
    assert SECRET not in str(bench.problems)


def test_an_event_that_nobody_waits_for_is_skipped_and_the_call_goes_on() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        with faulty(partials.Partials, "assistant", at=0, again=True):
            bench.turn(1)
        bench.turn(2)
        bench.caller(twilio.Stop())
        await bench.end()

    bench = run(story)

    assert bench.left == []
    (ended,) = bench.outbox.of("call_finish")
    assert ended["ended_reason"] == "customer-ended-call"
    assert [one["message"].partition(":")[0] for one in bench.problems] == ["TextDelta", "TextDone"]


def test_a_fault_that_comes_again_and_again_costs_the_session() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        for n in range(MOST_SKIPPED + 100):
            bench.caller(twilio.Media(FRAME, n * 20))
        await bench.end()

    with faulty(Conversation, "_media", at=0, again=True):
        bench = run(story)

    assert [(type(one), getattr(one, "again", None)) for one in bench.left] == [(do.Apologise, True)]
    assert len(bench.problems) == MOST_REPORTED


@pytest.mark.parametrize(
    "kind", sorted(one.__name__ for one in NEEDED if one.__module__.endswith("realtime"))
)
def test_an_event_that_somebody_waits_for_costs_the_session_at_once(kind: str) -> None:
    async def story(bench: Bench) -> None:
        for handled, handle in bench.conversation._on_realtime.items():
            if handled.__name__ == kind:
                bench.conversation._on_realtime[handled] = _failing(handle)
        bench.start()
        bench.turn(1, tool=kind == "FunctionCall")
        if kind == "FunctionCall":
            item = {"type": "function_call", "id": "f", "call_id": "c", "name": "x", "arguments": "{}"}
            bench.model("response.output_item.done", response_id="resp_1", item=item)
        assert bench._links[0]._closed, "what else it says is not heard"
        bench.clock.wait(OVERTIME_S)
        assert bench.left
        await bench.end()

    bench = run(story)

    talked = not kind.startswith("Session")
    assert bench.left == [do.Apologise("We are sorry.", again=talked)]
    assert [one["message"].partition(":")[0] for one in bench.problems] == [kind]
    assert "session_given_up" in {one["code"] for one in bench.outbox.of("problem_write")}
    assert len(bench.outbox.of("call_finish")) == 1


def _failing(_handle: Any) -> Callable[[Any, float], None]:
    def fails(_event: Any, _now: float) -> None:
        raise LookupError(SECRET)

    return fails


def test_a_call_that_cannot_even_be_given_up_loses_its_stream() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        bench.turn(1)
        assert bench._broken
        await bench.end()

    with (
        faulty(Conversation, "_response_done", at=0, again=False),
        faulty(ending.Ending, "give_up", at=0, again=False),
    ):
        bench = run(story)

    assert bench.left == []
    (ended,) = bench.outbox.of("call_finish")
    assert ended["ended_reason"] == "phone-call-provider-closed-websocket", (
        "so it may go on in another stream"
    )


def test_a_deadline_that_fails_while_the_call_ends_closes_the_stream() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        bench._carry_out_now(bench.conversation.hang_up("customer-ended-call", now=bench.clock.now))
        with faulty(Conversation, "_caller_gone", at=0, again=False):
            bench.clock.wait(HANG_UP_WITHIN_S + 1)
        assert bench._broken
        await bench.end()

    bench = run(story)

    assert [one["message"].partition(":")[0] for one in bench.problems] == ["Deadline"]
    assert len(bench.outbox.of("call_finish")) == 1


def test_an_end_that_cannot_be_told_closes_the_stream() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        bench.turn(1)
        with faulty(utterances.Utterances, "all_spoken", at=0, again=True):
            bench.caller(twilio.Stop())
        assert bench._over.is_set(), "a client may wait for us to close its socket"
        await bench.end()

    bench = run(story)

    assert [one["message"].partition(":")[0] for one in bench.problems] == ["Stop"]
    (ended,) = bench.outbox.of("call_finish")
    assert ended["ended_reason"] == "customer-ended-call"


def test_a_tool_that_cannot_be_asked_has_failed_as_far_as_the_model_knows() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        with faulty(recorder.Recorder, "tool_forward", at=0, again=False):
            bench.turn(1, tool=True)
        outputs = [text for text in bench._links[0]._waiting if "function_call_output" in text]
        assert len(outputs) == 1
        assert "not_sent" in outputs[0]
        bench.caller(twilio.Stop())
        await bench.end()

    assert run(story).left == []


def test_words_that_cannot_be_written_down_do_not_keep_the_end_from_being_written() -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        bench.turn(1)
        with faulty(recorder.Recorder, "_utterance", at=0, again=True):
            bench.caller(twilio.Stop())
            await bench.end()

    bench = run(story)

    assert len(bench.outbox.of("call_finish")) == 1
    assert bench.outbox.of("utterances_write")[-1]["closed_at"]


def test_neither_the_log_nor_the_problem_says_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    async def story(bench: Bench) -> None:
        bench.start()
        with faulty(partials.Partials, "assistant", at=0, again=False):
            bench.turn(1)
        bench.caller(twilio.Stop())
        await bench.end()

    (problem,) = run(story).problems

    assert problem["message"].startswith("TextDelta: LookupError in lines/test_enduring.py:")
    (record,) = [one for one in caplog.records if one.name == "calls.lines.enduring"]
    assert (vars(record)["call_id"], vars(record)["event"]) == (str(CALL.call_id), "TextDelta")
    assert record.exc_info is None
    assert SECRET not in str(vars(record))
