"""The shell: nothing that anybody waits for stands between a frame and the other socket."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import clients
from calls.bridge import ending
from calls.bridge.conversation import Conversation
from calls.clients import RealtimeRefusedError, TwilioRefusedError
from calls.database_threads import in_database_thread
from calls.lines import lookups
from calls.sockets.media import EXTENSION
from calls.tests.stage import ACCOUNT, CALL_ID, SID, FakeRealtime, Stage, playing, stage, until

__all__ = ["stage"]


async def test_a_frame_goes_to_the_model_while_the_database_and_other_threads_are_stuck(
    stage: Stage, settings: Settings
) -> None:
    stuck = threading.Event()
    # One thread is left: with none, the token could not be checked, and there would be no call.
    waiting = [asyncio.ensure_future(in_database_thread(lambda: stuck.wait(120))) for _ in range(7)]
    sync = [asyncio.ensure_future(asyncio.to_thread(stuck.wait, 120)) for _ in range(3)]

    async with playing(stage, settings):
        await stage.talk()
        for number in range(1, 50):
            stage.frame(number)
            await asyncio.sleep(0.002)
        await until(lambda: stage.realtime.frames() >= 45)
        assert not any(one.done() for one in (*waiting, *sync))
        stage.hang_up()
        await asyncio.sleep(0)
        stuck.set()

    await asyncio.gather(*waiting, *sync)


async def test_frames_for_a_model_that_is_stuck_are_bounded_and_counted(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.paused = True
        for number in range(1, 400):
            stage.frame(number)
        await until(stage.from_twilio.empty)
        stage.realtime.flow()
        await until(lambda: stage.realtime.frames() >= 100)
        stage.hang_up()

    (end,) = stage.outbox.of("call_finish")
    assert end["facts"]["frames_in"] == 400
    assert end["facts"]["frames_dropped"] + stage.realtime.frames() == 400


class ShortWay:
    """A socket with a short way, whose other end takes something or does not."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.sent: list[dict[str, Any]] = []
        self.hear: Callable[[bytes], None] | None = None

    def listen(self, hear: Callable[[bytes], None]) -> None:
        self.hear = hear

    def leave(self) -> None:
        self.hear = None

    def put(self, text: str) -> None:
        self.sent.append(orjson.loads(text))

    def say(self, message: dict[str, Any]) -> None:
        assert self.hear is not None
        self.hear(message["text"].encode())


async def test_a_short_way_carries_frames_at_once_and_stops_the_model_while_nobody_takes_its_sound(
    stage: Stage, settings: Settings
) -> None:
    short = ShortWay()
    async with playing(stage, settings, extensions={EXTENSION: {"socket": short}}):
        await stage.talk()
        await until(lambda: short.hear is not None)
        stage.frame(1)
        frame, frames = stage.from_twilio.get_nowait(), stage.realtime.frames()
        short.say(frame)
        assert stage.realtime.frames() == frames + 1
        stage.speak()
        await until(lambda: [one["event"] for one in short.sent][:2] == ["media", "mark"])
        short.writable.clear()
        stage.speak(item="item_2")
        await until(lambda: not stage.realtime.read)
        short.writable.set()
        await until(lambda: stage.realtime.read)
        stage.hang_up()

    assert short.hear is None
    assert stage.events() == []


async def test_the_last_words_come_although_twilio_is_gone_in_the_middle_of_an_answer(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "LAST_WORDS_WITHIN_S", 9.0)  # less than the shell waits for the end
    async with playing(stage, settings):
        await stage.talk()
        for number in range(1, 10):
            stage.frame(number)
        stage.realtime.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_c")
        stage.realtime.say(type="input_audio_buffer.speech_stopped", audio_end_ms=900, item_id="item_c")
        stage.realtime.say(type="input_audio_buffer.committed", item_id="item_c", previous_item_id=None)
        stage.speak()
        await until(lambda: "media" in stage.events())
        stage.gone = True  # the socket is dead before anybody is told
        stage.speak(item="item_2")
        await asyncio.sleep(0.05)
        stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await asyncio.sleep(0.05)
        stage.realtime.say(
            type="conversation.item.input_audio_transcription.completed",
            item_id="item_c",
            content_index=0,
            transcript="Is my bike ready?",
        )
        stage.realtime.say(
            type="response.done", response={"id": "resp_1", "status": "cancelled", "output": []}
        )

    closing = stage.outbox.of("utterances_write")[-1]
    assert closing["closed_at"] is not None
    assert "Is my bike ready?" in [one["text"] for one in closing["utterances"]]


async def test_all_is_on_disk_before_the_socket_is_done(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.frame(1)
        stage.hang_up()

    names = [name for name, _ in stage.outbox.entries]
    assert names[-2:] == ["call_finish", "written"]
    assert stage.realtime.closed


async def test_a_token_that_takes_too_long_to_check_is_refused(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    stage.claim = lambda **_: free.wait(120)
    monkeypatch.setattr(lookups, "LOAD_WITHIN_S", 0.05)

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.closed_with() is not None)
        free.set()

    assert stage.closed_with() == 1008
    assert stage.outbox.of("call_finish") == []
    assert stage.realtime.frames() == 0


async def test_a_token_that_cannot_be_checked_is_refused(stage: Stage, settings: Settings) -> None:
    def away(**_: Any) -> bool:
        raise OperationalError("away")

    stage.claim = away

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1008


async def test_a_layer_that_fails_is_joined_again_and_its_messages_arrive(
    stage: Stage, settings: Settings
) -> None:
    stage.layer.failures = 3

    async with playing(stage, settings):
        await stage.talk()
        await until(lambda: stage.layer.joined)
        stage.layer.messages.put_nowait({"type": "nonsense"})
        stage.layer.messages.put_nowait(
            {"type": "call.over", "reason": "call.in-progress.twilio-completed-call"}
        )
        await until(lambda: stage.rest)
        stage.hang_up()

    assert stage.layer.joined == [f"call.{CALL_ID}"]
    assert stage.rest[0][0] == "hang_up"
    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "call.in-progress.twilio-completed-call"


async def test_a_model_that_cannot_be_had_is_apologised_for(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_model: str, **_: Any) -> FakeRealtime:
        raise RealtimeRefusedError("http_503")

    monkeypatch.setattr(clients, "realtime_connect", refuse)

    async with playing(stage, settings):
        stage.start()
        await until(lambda: stage.rest)
        stage.hang_up()

    assert stage.rest == [
        ("apologise", {"call_sid": SID, "account_sid": ACCOUNT, "text": "We are sorry.", "language": "en"})
    ]
    assert [one["code"] for one in stage.outbox.of("problem_write")] == ["http_503"]


async def test_a_twilio_that_will_not_hang_up_loses_the_socket_and_is_a_problem(
    stage: Stage, settings: Settings
) -> None:
    stage.rest_error = TwilioRefusedError("Twilio answered 500, error 20500.")

    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.lose(1011)
        await until(lambda: stage.closed_with() is not None)

    assert stage.closed_with() == 1000
    assert [one["code"] for one in stage.outbox.of("problem_write")] == ["closed_1011", "hang_up_failed"]


async def test_a_bridge_that_breaks_is_logged_and_ends_its_own_socket_only(
    stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Conversation, "opened", broken)
    async with playing(stage, settings, breaks_with=ZeroDivisionError):
        pass

    assert "the bridge of a call broke" in caplog.text
    assert stage.outbox.entries[-1][0] == "written"


async def test_a_server_that_shuts_down_is_named_as_the_reason(stage: Stage, settings: Settings) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.gone = True
        stage.from_twilio.put_nowait({"type": "websocket.disconnect", "code": 1012})

    (end,) = stage.outbox.of("call_finish")
    assert end["ended_reason"] == "worker-shutdown"


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"type": 5}', b"\xff\xfe", b"null", b'{"type":"session.weather"}']
)
async def test_what_the_model_sends_never_breaks_a_call(
    stage: Stage, settings: Settings, text: bytes
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.say_raw(text)
        stage.speak()
        await until(lambda: "media" in stage.events())
        stage.hang_up()

    assert all(one["benign"] for one in stage.outbox.of("problem_write"))
