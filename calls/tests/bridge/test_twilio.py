"""Twilio's messages, read and built."""

from base64 import b64decode
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.bridge import twilio
from calls.bridge.audio import MULAW, payload_bytes, pieces
from calls.bridge.errors import RemoteProtocolError

FIXTURE = Path(__file__).parents[3] / "tests" / "fixtures" / "twilio" / "media-stream-call.jsonl"
START = {
    "accountSid": "AC1",
    "callSid": "CA1",
    "streamSid": "MZ1",
    "customParameters": {"token": "t"},
    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
}


def frame(**fields: object) -> bytes:
    return orjson.dumps(fields)


def test_every_message_of_a_recorded_call_is_read() -> None:
    lines = [orjson.loads(line) for line in FIXTURE.read_bytes().splitlines()]
    messages = [line.get("message", line) for line in lines]

    kinds = {
        type(twilio.parse(orjson.dumps(m))) for m in messages if "event" in m and m.get("event") != "clear"
    }

    assert {twilio.Connected, twilio.Start, twilio.Media, twilio.Mark, twilio.Stop} <= kinds


def test_a_start_is_read_with_its_parameters() -> None:
    message = twilio.parse(frame(event="start", streamSid="MZ1", start=START))

    assert message == twilio.Start("MZ1", "CA1", "AC1", {"token": "t"})


def test_a_start_without_parameters_or_format_is_read() -> None:
    start = {"accountSid": "AC1", "callSid": "CA1"}

    assert twilio.parse(frame(event="start", streamSid="MZ1", start=start)) == twilio.Start(
        "MZ1", "CA1", "AC1", {}
    )


@pytest.mark.parametrize("payload", ["/w==", "//8=", "////"])
def test_a_frame_of_any_length_is_read(payload: str) -> None:
    message = twilio.parse(frame(event="media", media={"payload": payload, "timestamp": "155"}))

    assert message == twilio.Media(payload, 155)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event": "connected", "protocol": "Call"}, twilio.Connected()),
        ({"event": "mark", "mark": {"name": "g1:1"}}, twilio.Mark("g1:1")),
        ({"event": "mark", "mark": {}}, twilio.Mark("")),
        ({"event": "dtmf", "dtmf": {"digit": "5"}}, twilio.Dtmf("5")),
        ({"event": "stop", "stop": {}}, twilio.Stop()),
        ({"event": "weather"}, twilio.Ignored("weather")),
    ],
)
def test_the_other_messages_are_read(fields: dict[str, object], message: twilio.Message) -> None:
    assert twilio.parse(frame(**fields)) == message


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        frame(),
        frame(event=1),
        frame(event="media"),
        frame(event="media", media={"payload": "", "timestamp": "1"}),
        frame(event="media", media={"payload": "abc", "timestamp": "1"}),
        frame(event="media", media={"payload": ["a"] * 4, "timestamp": "1"}),
        frame(event="media", media={"payload": "////", "timestamp": "soon"}),
        frame(event="media", media={"payload": "////", "timestamp": None}),
        frame(event="media", media="////"),
        frame(event="mark", mark={"name": 7}),
        frame(event="dtmf", dtmf=None),
        frame(event="start", start={**START, "callSid": ""}),
        frame(event="start", start={**START, "callSid": "C" * 65}),
        frame(event="start", start={**START, "customParameters": ["token"]}),
        frame(event="start", start={**START, "mediaFormat": {"encoding": "audio/l16"}}),
        frame(event="start", start={**START, "mediaFormat": {"sampleRate": 16000}}),
    ],
)
def test_a_malformed_message_is_the_peers_error_and_shows_nothing_of_it(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        twilio.parse(text)

    assert "////" not in str(raised.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "payload",
    "timestamp",
    "name",
    "digit",
    "callSid",
    "accountSid",
    "streamSid",
    "customParameters",
    "mediaFormat",
]


@given(text=st.binary() | st.text())
def test_no_bytes_raise_anything_else(text: bytes | str) -> None:
    with suppress(RemoteProtocolError):
        twilio.parse(text)


@given(
    kind=st.sampled_from(["media", "mark", "start", "dtmf", "stop", "connected"]),
    inner=JSON | st.dictionaries(st.sampled_from(KEYS), JSON),
)
def test_no_shape_of_a_known_message_raises_anything_else(kind: str, inner: object) -> None:
    try:
        text = orjson.dumps({"event": kind, kind: inner})
    except TypeError:  # an integer that this JSON cannot write
        return
    with suppress(RemoteProtocolError):
        twilio.parse(text)


def test_what_is_sent_has_exactly_the_keys_that_twilio_takes() -> None:
    assert orjson.loads(twilio.media("MZ1", "////")) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": "////"},
    }
    assert orjson.loads(twilio.mark("MZ1", "m")) == {
        "event": "mark",
        "streamSid": "MZ1",
        "mark": {"name": "m"},
    }
    assert orjson.loads(twilio.clear("MZ1")) == {"event": "clear", "streamSid": "MZ1"}


# Audio --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 159, 160, 161, 999])
def test_the_bytes_of_a_payload_are_counted_without_decoding_it(n_bytes: int) -> None:
    assert payload_bytes(MULAW.silence(n_bytes)) == n_bytes
    assert b64decode(MULAW.silence(n_bytes)) == b"\xff" * n_bytes


@pytest.mark.parametrize("n_bytes", [1, 5999, 6000, 6001, 20_000])
def test_pieces_are_valid_alone_and_lose_nothing(n_bytes: int) -> None:
    cut = pieces(MULAW.silence(n_bytes), 8000)

    assert all(len(piece) <= 8000 for piece in cut)
    assert b"".join(b64decode(piece, validate=True) for piece in cut) == b"\xff" * n_bytes
