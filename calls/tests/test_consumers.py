"""The shell: nothing that anybody waits for stands between a frame and the other socket."""

import asyncio
import threading
import time
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from calls import clients
from calls.bridge.conversation import Conversation
from calls.clients import RealtimeRefusedError, TwilioRefusedError
from calls.database_threads import in_database_thread
from calls.lines import shell
from calls.tests.stage import ACCOUNT, CALL_ID, SID, FakeRealtime, Stage, playing, stage, until

__all__ = ["stage"]


async def test_a_frame_goes_to_the_model_while_the_database_and_other_threads_are_stuck(
    stage: Stage, settings: Settings
) -> None:
    stuck = threading.Event()
    # One thread is left: with none, the token could not be checked, and there would be no call.
    waiting = [asyncio.ensure_future(in_database_thread(lambda: stuck.wait(10))) for _ in range(7)]
    sync = [asyncio.ensure_future(asyncio.to_thread(stuck.wait, 10)) for _ in range(3)]

    async with playing(stage, settings):
        await stage.talk()
        began = time.monotonic()
        for number in range(1, 50):
            stage.frame(number)
            await asyncio.sleep(0.002)
        await until(lambda: stage.realtime.frames() >= 45)
        took = time.monotonic() - began
        stage.hang_up()
        await asyncio.sleep(0)
        stuck.set()

    await asyncio.gather(*waiting, *sync)
    assert took < 5.0  # the threads are stuck for ten


async def test_frames_for_a_model_that_is_stuck_are_bounded_and_counted(
    stage: Stage, settings: Settings
) -> None:
    async with playing(stage, settings):
        await stage.talk()
        stage.realtime.flows.clear()
        for number in range(1, 400):
            stage.frame(number)
        await asyncio.sleep(0.05)
        stage.realtime.flows.set()
        await until(lambda: stage.realtime.frames() >= 100)
        stage.hang_up()

    (end,) = stage.outbox.of("call_finish")
    assert end["facts"]["frames_in"] == 400
    assert end["facts"]["frames_dropped"] + stage.realtime.frames() == 400


async def test_the_last_words_come_although_twilio_is_gone_in_the_middle_of_an_answer(
    stage: Stage, settings: Settings
) -> None:
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
    stage.claim = lambda **_: free.wait(10)
    monkeypatch.setattr(shell, "LOAD_WITHIN_S", 0.05)

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
    async def refuse(_model: str) -> FakeRealtime:
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

    async with playing(stage, settings, breaks_with=ZeroDivisionError):
        await stage.talk()
        monkeypatch.setattr(Conversation, "receive_twilio", broken)
        stage.frame(1)

    assert "the bridge of a call broke" in caplog.text
    assert stage.realtime.closed
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
