"""A call on a program's socket is recorded as it was heard: both sides, in their places, as long as it lasted."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calls.bridge.commands import Speaker
from calls.lines.line import Receive
from calls.recordings.taking.keeper import Keeper
from calls.recordings.taking.process import Sounds
from calls.recordings.taking.writer import Ended, Writer
from calls.tests.stage import CALL, CALL_ID, Stage, stage, until
from calls.tests.websocket_calls.test_consumers import LEAD_MS, Client, client, connected
from calls.websocket_calls import consumers, pacing
from calls.websocket_calls.consumers import SocketCallConsumer
from calls.websocket_calls.formats import ClientFormat

__all__ = ["client", "stage"]

PCM = ClientFormat("pcm_s16le", 24_000)
LOUD = b"\x00\x20"  # the model speaks with half of that


class Studio:
    """What records the calls of a test, and what it has completed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ended: list[Ended] = []
        self.writer = Writer(root, self.ended.append, spare_bytes=0, most_bytes=2**20 * 64)
        self.sounds = Sounds(self.writer, Keeper(root, self.ended.append))
        self.writer.start()

    def heard(self) -> tuple[int, "np.ndarray[tuple[int, int], np.dtype[np.int16]]"]:
        """The rate of the one recording, and both its sides."""
        self.writer.close(60)
        (ended,) = self.ended
        assert ended.tracks is not None
        assert ended.tracks.complete
        assert ended.facts.call_id == CALL_ID
        assert (ended.lost_ms, ended.why) == (0, "")
        both = np.frombuffer(ended.tracks.frames(0, ended.tracks.samples), "<i2").reshape(-1, 2)
        ended.tracks.drop()
        return ended.facts.rate, both


@pytest.fixture
def studio(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    stage.call = replace(CALL, call_sid="", snapshot=replace(CALL.snapshot, recording_enabled=True))
    made = Studio(tmp_path)
    monkeypatch.setattr(consumers, "process_sounds", lambda: made.sounds)
    yield made
    made.writer.close(60)


def where(side: "np.ndarray[tuple[int], np.dtype[np.int16]]", rate: int) -> tuple[float, float]:
    """Between which seconds there is any sound."""
    (found,) = np.nonzero(side)
    return (found[0] / rate, (found[-1] + 1) / rate) if len(found) else (0.0, 0.0)


async def begun() -> None:
    """Until the recording has begun for so long that a frame which comes then lies in it: it is taken to have begun 20 ms before."""
    loop = asyncio.get_running_loop()
    at = loop.time() + 0.05
    await until(lambda: loop.time() > at)


async def test_both_sides_are_recorded_where_they_were_heard(
    stage: Stage, client: Client, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LEAD_MS", LEAD_MS)
    loop = asyncio.get_running_loop()
    async with connected(stage, monkeypatch, PCM):
        zero = loop.time()
        await client.talk()
        await begun()
        for _ in range(10):
            client.send(LOUD * (24 * 20))
        await until(lambda: stage.realtime.frames() >= 10)
        heard_at = loop.time()
        client.model_speaks(300)
        await until(lambda: len(client.sound) >= 300 * 48)
        await until(lambda: stage.outbox.of("utterances_write"))
        client.leave()
    over_at = loop.time()

    rate, both = studio.heard()

    assert rate == 24_000
    began, ended = where(both[:, 0], rate)
    assert 0 < began <= heard_at - zero + 0.02  # places are counted in frames
    assert ended - began == pytest.approx(0.2, abs=0.001)
    began, ended = where(both[:, 1], rate)
    assert np.count_nonzero(both[:, 1]) / rate == pytest.approx(0.3, abs=0.001)
    said = stage.outbox.of("utterances_write")[-1]["utterances"][0]
    assert said["speaker"] == Speaker.ASSISTANT
    # Words and sound are on one clock.
    assert began * 1000 == pytest.approx(said["began_ms"], abs=1000)
    assert ended <= len(both) / rate <= over_at - zero
    assert stage.outbox.of("recording_start") == [{"call_id": str(CALL_ID)}]


async def test_an_interruption_leaves_in_the_recording_what_was_heard(
    stage: Stage, client: Client, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "LEAD_MS", LEAD_MS)
    async with connected(stage, monkeypatch, PCM):
        await client.talk()
        client.send(b"\x00" * 960)
        client.model_speaks(8000)
        await until(lambda: len(client.sound) > (LEAD_MS + 300) * 48)
        stage.realtime.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_c")
        await until(lambda: any(e["type"] == "conversation.item.truncate" for e in stage.realtime.sent))
        client.leave()

    (cut,) = [e for e in stage.realtime.sent if e["type"] == "conversation.item.truncate"]
    rate, both = studio.heard()
    heard_s = np.count_nonzero(both[:, 1]) / rate
    assert heard_s * 1000 == pytest.approx(cut["audio_end_ms"], abs=250)
    assert heard_s < len(client.sound) / 48_000


async def test_mu_law_is_recorded_at_its_own_rate(
    stage: Stage, client: Client, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(stage, monkeypatch, ClientFormat("mulaw", 8000)):
        await client.talk()
        await begun()
        for _ in range(5):
            client.send(b"\x20" * 160)
        await until(lambda: stage.realtime.frames() >= 5)
        client.leave()

    rate, both = studio.heard()

    assert rate == 8000
    assert set(both[:, 0].tolist()) == {0, -7932}
    assert np.count_nonzero(both[:, 0]) == 800
    assert not both[:, 1].any()


@pytest.mark.parametrize(("wanted", "hipaa"), [(False, False), (True, True)], ids=["off", "hipaa"])
async def test_nothing_is_recorded_of_whom_nothing_is_to_be_kept(
    stage: Stage,
    client: Client,
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    *,
    wanted: bool,
    hipaa: bool,
) -> None:
    stage.call = replace(
        CALL, call_sid="", snapshot=replace(CALL.snapshot, recording_enabled=wanted, hipaa=hipaa)
    )
    async with connected(stage, monkeypatch, PCM):
        await client.talk()
        client.send(LOUD * (24 * 500))
        await until(lambda: stage.realtime.frames() >= 20)
        client.leave()

    studio.writer.close(60)
    assert studio.ended == []
    assert list(studio.root.iterdir()) == []
    assert stage.outbox.of("recording_start") == []


async def test_a_socket_that_is_refused_its_call_records_nothing(
    stage: Stage, client: Client, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.claim = lambda **_: False
    async with connected(stage, monkeypatch, PCM):
        client.send(LOUD * (24 * 500))
        await until(lambda: stage.closed_with() is not None)

    studio.writer.close(60)
    assert stage.closed_with() == 1008
    assert studio.ended == []
    assert list(studio.root.iterdir()) == []


async def test_a_client_that_leaves_while_its_token_is_looked_at_leaves_no_recording_open(
    stage: Stage, client: Client, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, listen = asyncio.Event(), SocketCallConsumer._listen_to_caller

    async def verified_late(self: SocketCallConsumer, receive: Receive) -> int:
        code = await listen(self, receive)
        self._line.is_open = False
        self.recorder.started()
        self._verified()  # as if the answer had come in this moment
        good.set()
        return code

    monkeypatch.setattr(SocketCallConsumer, "_listen_to_caller", verified_late)
    stage.claim = lambda **_: False
    async with connected(stage, monkeypatch, PCM):
        client.leave()

    studio.writer.close(60)
    assert good.is_set()
    assert [one.tracks for one in studio.ended] == [None]
