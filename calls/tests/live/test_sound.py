"""What listeners hear: both sides on one clock, in the samples that Vapi's listeners get."""

import asyncio
import struct
import uuid
from base64 import b64encode
from typing import Any

import pytest

from calls.bridge.commands import Clear, Play
from calls.live import tap as taps
from calls.live.sound import StereoOfSamples, stereo
from calls.live.tap import PIECE_MS, Tap


class Layer:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.news = asyncio.Event()

    async def group_send(self, _group: str, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.news.set()

    async def next(self) -> dict[str, Any]:
        """What is sent next."""
        self.news.clear()
        async with asyncio.timeout(60):
            await self.news.wait()
        return self.sent[-1]


def test_mu_law_becomes_linear_samples_with_the_caller_left_at_twice_the_rate() -> None:
    pcm = stereo(bytes([0x80, 0xFF]), bytes([0x00, 0x00]))

    assert struct.unpack("<8h", pcm) == (32124, -32124, 32124, -32124, 0, -32124, 0, -32124)


def test_the_two_signs_of_every_code_mirror_each_other() -> None:
    for code in range(128):
        low, high = struct.unpack("<4h", stereo(bytes([code]), bytes([code | 0x80])))[:2]
        assert low == -high


async def test_the_assistant_is_heard_as_fast_as_twilio_plays_it_and_not_after_a_clear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taps, "MOST_LATE_S", 60.0)  # or a machine that stands still leaves something out
    layer, loop = Layer(), asyncio.get_running_loop()
    closed: list[bool] = []
    tap = Tap(uuid.uuid4(), layer, loop, lambda: closed.append(True))  # type: ignore[arg-type]
    tap.renew()
    media = b64encode(b"\x20" * 8 * PIECE_MS * 20).decode()
    tap.to_caller(Play(media))
    tap.from_caller(b64encode(b"\x10" * 160).decode())
    job = asyncio.ensure_future(tap.run())

    first, second = await layer.next(), await layer.next()
    tap.to_caller(Clear())
    after = await layer.next()
    tap.stop()
    await job

    assert first["caller"] == b"\x10" * 160 + b"\xff" * 640
    assert first["assistant"] == second["assistant"] == b"\x20" * 800
    assert after["assistant"] == b"\xff" * 800
    assert closed == [True]
    assert tap.over


async def test_nobody_listens_for_ever_who_does_not_say_so_again() -> None:
    closed: list[bool] = []
    tap = Tap(uuid.uuid4(), Layer(), asyncio.get_running_loop(), lambda: closed.append(True))  # type: ignore[arg-type]

    await tap.run()

    assert closed == [True]


async def test_what_is_no_sound_breaks_no_call_because_somebody_listens() -> None:
    tap = Tap(uuid.uuid4(), Layer(), asyncio.get_running_loop(), lambda: None)  # type: ignore[arg-type]

    for payload in ("ab=c", "é!!!", "===="):
        tap.from_caller(payload)
        tap.to_caller(Play(payload))


async def test_after_a_standstill_the_present_is_heard_and_not_the_past() -> None:
    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

    class Stuck(Layer):
        async def group_send(self, _group: str, message: dict[str, Any]) -> None:
            await super().group_send(_group, message)
            clock.now += 5.0 if len(self.sent) == 1 else 0.1
            if len(self.sent) == 3:
                tap.stop()

    clock, layer = Clock(), Stuck()
    tap = Tap(uuid.uuid4(), layer, clock, lambda: None)  # type: ignore[arg-type]
    tap.renew()
    sound = b"".join(bytes([n]) * 8 * PIECE_MS for n in range(100))
    tap.to_caller(Play(b64encode(sound).decode()))

    async with asyncio.timeout(60):
        await tap.run()

    before, first, second = (one["assistant"][0] for one in layer.sent)
    assert (before, 47 <= first <= 51) == (0, True)
    assert second == first + 1


def test_samples_of_a_call_without_a_telephone_are_heard_at_vapis_rate() -> None:
    mixed = StereoOfSamples()
    caller, assistant = struct.pack("<h", 4000) * 2400, struct.pack("<h", -9000) * 2400

    heard = b"".join(mixed.stereo(caller, assistant) for _ in range(5))

    samples = struct.unpack(f"<{len(heard) // 2}h", heard)[1000:]
    assert len(heard) == pytest.approx(5 * 1600 * 4, abs=200)
    assert set(samples[0::2]) == {4000}
    assert set(samples[1::2]) == {-9000}
