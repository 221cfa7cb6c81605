"""Smoke tests through the real processes: seeded mutants are found, the same is the same, and nobody's server is asked."""

import asyncio
import base64
import copy
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from calls.models import Call, SmokePair, SmokeRun
from calls.smoke.hearing import Hearing
from calls.smoke.loopback_line import LoopbackLine
from calls.smoke.planning import Wish, run_create
from calls.smoke.playing import run_play
from calls.smoke.simulator_line import SimulatorLine
from calls.tests.smoke.factories import make_scenario, make_vapi_call
from simulator.clips import clip_of
from tests.integration.outside import ACCOUNT_SID, AUTH_TOKEN, MEDIA_ORIGIN, PUBLIC_ORIGIN
from tests.integration.rows import Desk, make_desk, written
from tests.integration.stack import Stack
from tests.integration.stories import ASKS, THANKS
from tools.models import ToolCall

ASKED = {"call": "get_repair_status", "arguments": {"ticket": "481", "include_price": True}}
NOTED = {"call": "note_wish", "arguments": {"wish": "a call back"}}
SCRIPT: dict[str, Any] = {
    "turns": [
        {
            "caller": "Hi, is my bike ready? The ticket is four eight one.",
            "assistant": [
                {"say": "Let me check that ticket."},
                ASKED,
                {"say": "It should be ready on Tuesday."},
                NOTED,
                {"say": "They will call you back."},
            ],
        },
        {"caller": "Great, thank you, goodbye.", "assistant": [{"say": "Goodbye."}, {"call": "end_call"}]},
    ],
    "mocks": [
        {"tool": "get_repair_status", "arguments": {"ticket": "481"}, "result": {"ready_on": "Tuesday"}},
        {"tool": "note_wish", "result": "Noted."},
    ],
}
AT_VAPI: list[tuple[str, dict[str, Any]]] = [
    ("get_repair_status", {"ticket": "481", "include_price": True}),
    ("note_wish", {"wish": "a call back"}),
    ("endCall", {}),
]
Change = Callable[[dict[str, Any]], Any]


def skipped(script: dict[str, Any]) -> None:
    script["turns"][0]["assistant"][1:3] = [{"say": "Soon, I think."}]


def only_said(script: dict[str, Any]) -> None:
    script["turns"][0]["assistant"][1:3] = [{"say": "I checked, and it is ready on Tuesday."}]


def extra(script: dict[str, Any]) -> None:
    script["turns"][1]["assistant"].insert(0, ASKED)


def swapped(script: dict[str, Any]) -> None:
    script["turns"][0]["assistant"][1:4] = [NOTED, ASKED]


def unanswered(script: dict[str, Any]) -> None:
    script["mocks"][0]["arguments"] = {"ticket": "999"}


def changed(script: dict[str, Any]) -> None:
    del script["mocks"][0]["arguments"]
    # What the model does, and not what is expected of it: that is the call at Vapi's.
    script["turns"][0]["assistant"][1] = {**ASKED, "arguments": {"ticket": "482", "include_price": True}}


MUTANTS: dict[str, tuple[Change, str, list[str]]] = {
    "same": (lambda _: None, "same", []),
    "skipped": (skipped, "drifted", ["skipped"]),
    "only said": (only_said, "drifted", ["said_instead"]),
    "extra": (extra, "drifted", ["extra"]),
    "swapped": (swapped, "drifted", ["swapped"]),
    "unanswered": (unanswered, "errored", []),
    "changed": (changed, "same", ["arguments"]),
}


def line(stack: Stack) -> SimulatorLine:
    return SimulatorLine(
        simulator_url=stack.outside.http_url,
        voice_origin=f"http://127.0.0.1:{stack.ports.web}",
        public_origin=PUBLIC_ORIGIN,
        media_origin=f"http://127.0.0.1:{stack.ports.media}",
        media_origin_public=MEDIA_ORIGIN,
    )


def desk_with(stack: Stack, mutants: dict[str, Change]) -> Desk:
    desk = make_desk(stack, other={"name": "note_wish", "server_url": stack.outside.tool_url("note_wish")})
    for name, change in mutants.items():
        script = copy.deepcopy(SCRIPT)
        change(script)
        make_scenario(
            desk.assistant,
            name=name,
            script=script,
            references=[make_vapi_call(desk.assistant, called=AT_VAPI)],
        )
    return desk


def test_seeded_mutants_are_found_and_nobodys_server_is_asked(alone: Stack, settings: Any) -> None:
    settings.SECRET_KEY = "only-for-integration-tests"  # what the processes sign with
    desk = desk_with(alone, {name: change for name, (change, _, _) in MUTANTS.items()})
    asked_before = len(alone.outside.simulator.tools.requests)
    run = run_create(
        Wish(assistant=desk.assistant, number=desk.number, runs=len(MUTANTS), speed=4.0, side_by_side=3)
    )
    # The expectation is what was called at Vapi; the scenario's own words are the simulated model's part here.
    for pair in run.pairs.all():
        expected = [{**step, "arguments": dict(AT_VAPI[n][1])} for n, step in enumerate(pair.expected)]
        SmokePair.objects.filter(pk=pair.pk).update(expected=expected)

    assert not run_play(run.pk, line=line(alone))

    run = SmokeRun.objects.get(pk=run.pk)
    pairs = {pair.title: pair for pair in run.pairs.select_related("call")}
    found = {
        title: (pair.outcome, sorted(cause["kind"] for cause in pair.causes if pair.outcome != "errored"))
        for title, pair in pairs.items()
    }
    assert found == {name: (outcome, kinds) for name, (_, outcome, kinds) in MUTANTS.items()}
    assert run.status == SmokeRun.Status.DONE
    assert (run.outcome, run.verdict["drifted"], run.verdict["errored"]) == ("fail", 4, 1)
    assert "no answer for the way in which get_repair_status was called" in pairs["unanswered"].why
    assert "I checked" in pairs["only said"].causes[0]["evidence"]
    calls = [pair.call for pair in pairs.values() if pair.call]
    assert len(calls) == len(MUTANTS)
    assert all(call.smoke_test and call.version == desk.assistant.live_version for call in calls)
    # The mocked way is the real way: the ledger has rows with answers, and the customer's server heard nothing.
    same = pairs["same"].call
    assert same is not None
    answers = ToolCall.objects.filter(call_id=same.pk, name="get_repair_status")
    assert [(row.status, row.http_status, "Tuesday" in row.outcome) for row in answers] == [
        ("answered", 200, True)
    ]
    assert len(alone.outside.simulator.tools.requests) == asked_before


def test_a_draft_is_tested_without_being_published(alone: Stack, settings: Any) -> None:
    settings.SECRET_KEY = "only-for-integration-tests"
    desk = desk_with(alone, {"same": lambda _: None})
    desk.assistant.first_message = "This is the draft speaking."
    desk.assistant.save()

    run = run_create(Wish(assistant=desk.assistant, runs=1, draft=True, speed=4.0))
    run_play(run.pk, line=line(alone))

    pair = SmokePair.objects.select_related("call").get(run=run)
    assert pair.outcome == "same", pair.why
    assert pair.call is not None
    assert pair.call.version is None
    assert Call.objects.filter(assistant=desk.assistant, smoke_test=False, stack="direct").count() == 0


@pytest.mark.long
def test_our_own_line_plays_twilio_without_twilio(alone: Stack, settings: Any) -> None:
    settings.SECRET_KEY = "only-for-integration-tests"
    settings.OPENAI_API_KEY = "sk-simulated"
    desk = make_desk(alone)
    script = {
        "turns": [
            {"caller": ASKS, "assistant": [ASKED]},
            {"caller": THANKS, "assistant": [{"call": "end_call"}]},
        ],
        "mocks": [{"tool": "get_repair_status", "result": {"status": "waiting_for_parts"}}],
    }
    make_scenario(desk.assistant, script=script)
    run = run_create(Wish(assistant=desk.assistant, runs=1, line=SmokeRun.Line.LOOPBACK))
    asked_before = len(alone.outside.simulator.rest.requests)

    run_play(
        run.pk,
        line=LoopbackLine(
            public_origin=PUBLIC_ORIGIN,
            media_origin=MEDIA_ORIGIN,
            web_at=f"http://127.0.0.1:{alone.ports.web}",
            media_at=f"ws://127.0.0.1:{alone.ports.media}",
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            speech=lambda text: clip_of(text, "caller").audio,
        ),
    )

    pair = SmokePair.objects.select_related("call").get(run=run)
    assert pair.outcome == "same", (pair.why, pair.causes, pair.steps)
    assert pair.call is not None
    assert pair.call.ended_reason == "assistant-ended-call"
    assert written(pair.call.call_sid).said("caller") == [ASKS, THANKS]
    # Twilio knows nothing of the call, so nothing was asked of it.
    assert len(alone.outside.simulator.rest.requests) == asked_before


class PlaysCallers:
    """A Realtime API that plays a caller: says a line whenever the other side has spoken and fallen silent, then hangs up."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.instructions = ""

    async def __call__(self, socket: ServerConnection) -> None:
        hearing, heard, quiet, said = Hearing(), False, 0, 0
        async for text in socket:
            event = json.loads(text)
            if event["type"] == "session.update":
                self.instructions = event["session"]["instructions"]
                await socket.send('{"type": "session.updated"}')
            if event["type"] != "input_audio_buffer.append":
                continue
            speaks = hearing.speaks(base64.b64decode(event["audio"]))
            heard, quiet = heard or speaks, 0 if speaks else quiet + 1
            if heard and quiet > 75 and said < len(self.lines):
                await self._say(socket, self.lines[said], last=said + 1 == len(self.lines))
                heard, said = False, said + 1

    async def _say(self, socket: ServerConnection, words: str, *, last: bool) -> None:
        delta = base64.b64encode(clip_of(words, "caller").audio).decode()
        hang_up = {"type": "function_call", "name": "hang_up", "arguments": '{"goal_reached": true}'}
        for event in (
            {"type": "response.created"},
            {"type": "response.output_audio.delta", "item_id": "item_1", "delta": delta},
            {"type": "response.output_audio_transcript.done", "transcript": words},
            {
                "type": "response.done",
                "response": {"status": "completed", "output": [hang_up] if last else []},
            },
        ):
            await socket.send(json.dumps(event))


@contextmanager
def realtime_that(plays: PlaysCallers) -> Iterator[str]:
    """Where a Realtime API listens, in a thread of its own."""
    loop, at = asyncio.new_event_loop(), Future[str]()

    async def listen() -> None:
        async with serve(plays, "127.0.0.1", 0, compression=None) as server:
            at.set_result(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),), name="plays-callers")
    thread.start()
    try:
        yield at.result(60)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(60)
        loop.close()


@pytest.mark.long
def test_a_model_plays_the_caller_on_our_own_line(alone: Stack, settings: Any) -> None:
    settings.SECRET_KEY = "only-for-integration-tests"
    settings.OPENAI_API_KEY = "sk-simulated"
    desk = make_desk(alone)
    script = {
        "goal": "Wants to know whether the bike is ready.",
        "facts": {"ticket number": "four eight one"},
        "never": ["their e-mail address"],
        "turns": [{"caller": "Whatever leads there.", "assistant": [ASKED, {"call": "end_call"}]}],
        "mocks": [{"tool": "get_repair_status", "result": {"status": "waiting_for_parts"}}],
    }
    make_scenario(desk.assistant, script=script)
    run = run_create(
        Wish(
            assistant=desk.assistant,
            runs=1,
            line=SmokeRun.Line.LOOPBACK,
            caller=SmokeRun.Caller.MODEL,
        )
    )
    plays = PlaysCallers([ASKS, THANKS])

    with realtime_that(plays) as url:
        settings.OPENAI_REALTIME_URL = url
        run_play(
            run.pk,
            line=LoopbackLine(
                public_origin=PUBLIC_ORIGIN,
                media_origin=MEDIA_ORIGIN,
                web_at=f"http://127.0.0.1:{alone.ports.web}",
                media_at=f"ws://127.0.0.1:{alone.ports.media}",
                account_sid=ACCOUNT_SID,
                auth_token=AUTH_TOKEN,
            ),
        )

    pair = SmokePair.objects.select_related("call").get(run=run)
    assert pair.call is not None, pair.why
    assert written(pair.call.call_sid).said("caller") == [ASKS, THANKS]
    assert [step["name"] for step in pair.steps][:1] == ["get_repair_status"]
    assert pair.caller_note.startswith("The caller got what they called for")
    assert "four eight one" in plays.instructions
