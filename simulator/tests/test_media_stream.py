import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from simulator.clock import Clock
from simulator.media_stream import End, MediaStream, StreamStart, ViolationError, read_message
from simulator.report import CallLog, CallReport
from simulator.scenario import Line

SID = "MZ" + "2" * 32
REAL = [
    json.loads(line)
    for line in (Path(__file__).parent / "fixtures" / "media-stream-call.jsonl").read_text().splitlines()
]


def media(**changes: Any) -> dict[str, Any]:
    return {"event": "media", "streamSid": SID, "media": {"payload": "/w=="}, **changes}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (media(), ("media", "/w==")),
        ({"event": "mark", "streamSid": SID, "mark": {"name": "a:1"}}, ("mark", "a:1")),
        ({"event": "clear", "streamSid": SID}, ("clear", "")),
    ],
)
def test_well_formed_messages(message: dict[str, Any], expected: tuple[str, str]) -> None:
    assert read_message(json.dumps(message), stream_sid=SID) == expected


@pytest.mark.parametrize(
    "message",
    [
        media(sequenceNumber="1"),
        media(streamSid="MZ1"),
        media(media={"payload": "/w==", "track": "outbound"}),
        media(media={}),
        media(media={"payload": 1}),
        {"event": "media", "stream_sid": SID, "media": {"payload": ""}},
        {"event": "mark", "streamSid": SID, "mark": {}},
        {"event": "mark", "streamSid": SID, "mark": {"name": ""}},
        {"event": "clear", "streamSid": SID, "clear": {}},
        {"event": "stop", "streamSid": SID},
        [],
        None,
    ],
)
def test_malformed_messages_are_31951(message: Any) -> None:
    with pytest.raises(ViolationError) as violation:
        read_message(json.dumps(message), stream_sid=SID)

    assert violation.value.code == "31951"


def test_binary_is_31950() -> None:
    with pytest.raises(ViolationError) as violation:
        read_message(b"{}", stream_sid=SID)

    assert violation.value.code == "31950"


class Server:
    """A bare media endpoint that keeps what it gets and sends what it is told."""

    def __init__(self, *answers: Any, close_after: int | None = None) -> None:
        self.answers = answers
        self.close_after = close_after
        self.received: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers = {key.lower(): value for key, value in connection.request.headers.raw_items()}
        async for text in connection:
            self.received.append(json.loads(text))
            if self.received[-1]["event"] == "start":
                for answer in self.answers:
                    await connection.send(answer if isinstance(answer, str | bytes) else json.dumps(answer))
            if self.close_after is not None and len(self.received) > self.close_after:
                await connection.close(1000)

    def frames(self) -> list[dict[str, Any]]:
        return [message for message in self.received if message["event"] == "media"]


async def play(
    server: Server,
    *,
    ms: float = 400,
    enough: Callable[[CallReport], bool] = lambda _: True,
    line: Line | None = None,
) -> tuple[End, CallReport, MediaStream]:
    """A stream that goes on for so long, by its own clock, and until there is enough in its report."""
    begun = asyncio.Event()
    report = CallReport(call_sid="CA" + "1" * 32, scenario="none")
    log = CallLog(report, Clock())
    async with serve(server.handle, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        stream = MediaStream(
            f"ws://127.0.0.1:{port}/media/1",
            start=StreamStart("AC" + "0" * 32, report.call_sid, SID, {"token": "t"}),
            log=log,
            headers={"X-Twilio-Signature": "s"},
            line=line,
            on_started=begun.set,
        )

        async def stop() -> None:
            await begun.wait()
            await log.clock.sleep(ms)
            while not enough(report):
                await log.clock.sleep(20)
            stream.stop()

        stopper = asyncio.create_task(stop())
        end = await stream.run()
        stopper.cancel()
    return end, report, stream


async def test_messages_have_the_shape_of_a_real_call() -> None:
    server = Server(media(), {"event": "mark", "streamSid": SID, "mark": {"name": "m"}})

    end, report, _ = await play(server)

    real = {message["event"]: message for message in REAL}
    for message in server.received:
        assert set(message) == set(real[message["event"]])
        inner = message.get(message["event"])
        if isinstance(inner, dict):
            assert set(inner) == set(real[message["event"]][message["event"]])
    assert [message["event"] for message in server.received[:3]] == ["connected", "start", "media"]
    assert server.received[-1]["event"] == "stop"
    numbers = [int(message["sequenceNumber"]) for message in server.received[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert end is End.STOPPED
    assert report.violations == {}


async def test_the_upgrade_is_twilios() -> None:
    server = Server()

    await play(server, ms=50)

    assert server.headers["user-agent"] == "Twilio.TmeWs/1.0"
    assert server.headers["x-twilio-signature"] == "s"
    assert not {"origin", "sec-websocket-extensions", "sec-websocket-protocol"} & set(server.headers)


async def test_frames_are_20_ms_against_an_absolute_clock() -> None:
    server = Server()

    await play(server, ms=1000)

    frames = server.frames()
    assert 49 <= len(frames) <= 53
    assert {len(base64.b64decode(frame["media"]["payload"])) for frame in frames} == {160}
    assert [int(frame["media"]["timestamp"]) for frame in frames] == [
        155 + 20 * n for n in range(len(frames))
    ]
    assert [frame["media"]["chunk"] for frame in frames] == [str(n + 1) for n in range(len(frames))]


async def test_marks_come_back_when_their_audio_has_played() -> None:
    payload = base64.b64encode(b"\x80" * 1600).decode()
    server = Server(
        media(media={"payload": payload}),
        {"event": "mark", "streamSid": SID, "mark": {"name": "first"}},
        media(media={"payload": payload}),
        {"event": "mark", "streamSid": SID, "mark": {"name": "second"}},
    )

    _, report, stream = await play(server, ms=500, enough=lambda told: told.marks_echoed == 2)

    chunks = {
        message["mark"]["name"]: sum(1 for earlier in server.received[:n] if earlier["event"] == "media")
        for n, message in enumerate(server.received)
        if message["event"] == "mark"
    }
    assert chunks["first"] >= 9
    assert 9 <= chunks["second"] - chunks["first"] <= 11
    assert stream.playout.heard_bytes == 3200
    assert (report.marks_received, report.marks_echoed) == (2, 2)


async def test_violations_are_counted() -> None:
    server = Server(b"x", "x", media(extra=1), media(media={"payload": "/w"}))

    _, report, _ = await play(server, ms=0, enough=lambda told: told.violations.total() >= 4)

    assert report.violations == {"31950": 1, "31951": 3}


async def test_a_close_by_the_server_is_31921() -> None:
    end, report, _ = await play(Server(close_after=5), ms=60_000)

    assert end is End.CLOSED
    assert report.violations == {"31921": 1}


async def test_a_refused_upgrade_is_31920() -> None:
    report = CallReport(call_sid="CA1", scenario="none")
    stream = MediaStream(
        "ws://127.0.0.1:9/x", start=StreamStart("AC", "CA", SID), log=CallLog(report, Clock())
    )

    assert await stream.run() is End.REFUSED
    assert report.violations == {"31920": 1}


async def test_odd_frames_hold_the_same_time() -> None:
    server = Server()

    await play(server, ms=600, line=Line(frame_bytes=(1, 999, 160)))

    frames = server.frames()
    sizes = [len(base64.b64decode(frame["media"]["payload"])) for frame in frames]
    assert sizes[:4] == [1, 999, 160, 1]
    assert sum(sizes) >= 0.5 * 8000
    assert int(frames[2]["media"]["timestamp"]) == 155 + 1000 // 8


async def test_bursts_lose_nothing() -> None:
    server = Server()

    _, report, _ = await play(server, ms=1000, line=Line(burst_ms=233))

    assert 35 <= len(server.frames()) == report.frames_sent <= 51


async def test_silence_may_be_left_out() -> None:
    server = Server()

    await play(server, ms=200, line=Line(skip_silence=True))

    assert server.frames() == []


async def test_marks_may_be_withheld_and_stop_left_out() -> None:
    server = Server({"event": "mark", "streamSid": SID, "mark": {"name": "m"}})

    await play(
        server,
        ms=0,
        enough=lambda told: told.marks_received == 1 and told.frames_sent > 0,
        line=Line(withhold_marks=True, no_stop=True),
    )

    assert {message["event"] for message in server.received} == {"connected", "start", "media"}
