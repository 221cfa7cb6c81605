"""The short way reads what the library's parser reads, in whatever pieces it comes."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.uri import parse_uri

from calls.sockets import frames
from calls.sockets.frames import Keys, at_rest, framed, framed_masked, parser_known, texts_taken

MESSAGES = st.one_of(
    st.text(st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=300).map(
        lambda text: [(Opcode.TEXT, text.encode(), True)]
    ),
    st.text(max_size=200).map(lambda text: [(Opcode.TEXT, text.encode(), True)]),
    st.sampled_from([125, 126, 127, 65_535, 65_536]).map(lambda size: [(Opcode.TEXT, b"a" * size, True)]),
    st.sampled_from([[(Opcode.PING, b"p", True)], [(Opcode.PONG, b"", True)]]),
    st.binary(max_size=9).map(lambda data: [(Opcode.BINARY, data, True)]),
    st.just([(Opcode.TEXT, b"one ", False), (Opcode.PING, b"", True), (Opcode.CONT, b"two", True)]),
)


def parser(*, masked: bool) -> Protocol:
    """The side that hears frames that are masked, or not; its handshake is done."""
    made: Protocol = ServerProtocol() if masked else ClientProtocol(parse_uri("ws://h/"))
    made.state = OPEN
    made.parser = Protocol.parse(made)
    next(made.parser)
    return made


def messages(found: list[Frame]) -> list[bytes]:
    """What was said in text, of frames that the parser has found."""
    said: list[bytes] = []
    texts = False
    for frame in found:
        if frame.opcode is Opcode.TEXT:
            texts = True
            said.append(bytes(frame.data))
        elif frame.opcode is Opcode.BINARY:
            texts = False
        elif frame.opcode is Opcode.CONT and texts:
            said[-1] += frame.data
    return said


def found_by_both(side: Protocol, stream: bytes, cuts: list[int], *, masked: bool) -> list[Frame]:
    """The frames of a stream that is read in such pieces, the short way first."""
    found: list[Frame] = []
    for cut in [*cuts, len(stream)]:
        read, stream = stream[:cut], stream[cut:]
        if read and at_rest(side):
            texts, read = texts_taken(read, masked=masked)
            found += [Frame(Opcode.TEXT, text) for text in texts]
        side.receive_data(read)
        found += [event for event in side.events_received() if isinstance(event, Frame)]
    return found


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(MESSAGES, max_size=6), cuts=st.lists(st.integers(1, 400), max_size=30), masked=st.booleans()
)
def test_every_message_is_heard_once_and_in_order_by_one_of_the_two(
    said: list[list[tuple[Opcode, bytes, bool]]], cuts: list[int], masked: bool
) -> None:
    sent = [Frame(opcode, data, fin) for message in said for opcode, data, fin in message]
    stream = b"".join(frame.serialize(mask=masked) for frame in sent)
    side = parser(masked=masked)

    assert messages(found_by_both(side, stream, cuts, masked=masked)) == messages(sent)
    assert at_rest(side)


@pytest.mark.parametrize(
    ("head", "key", "text"),
    [
        (b"\x81\x85", b"\x81\x80\x00\x00", b"hello"),
        (b"\x81\xfe\x00\x81", b"\x81\x81\x00\x00", b"a" * 129),
        (b"\x81\x7e\x81\x10", b"", b"a" * 0x8110),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x01\x81\x02", b"", b"a" * 0x18102),
        (b"\x82\x84", b"abcd", bytes(a ^ b for a, b in zip(b"\x81\x80no", b"abcd", strict=True))),
    ],
)
def test_what_looks_like_a_frame_within_a_frame_is_none_wherever_the_read_ends(
    head: bytes, key: bytes, text: bytes
) -> None:
    stream = head + key + (apply_mask(text, key) if key else text)
    masked = bool(key)

    for cut in range(1, len(head) + len(key) + 3):
        side = parser(masked=masked)
        (frame,) = found_by_both(side, stream, [cut], masked=masked)
        assert bytes(frame.data) == text, cut
        assert at_rest(side)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 200, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("masked", [True, False])
def test_what_is_framed_is_read_by_the_library(size: int, masked: bool) -> None:
    side, text = parser(masked=masked), "ä" * (size // 2) + "a" * (size % 2)

    side.receive_data(framed_masked(text, os.urandom(4)) if masked else framed(text))

    (frame,) = side.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, text.encode())


@pytest.mark.parametrize(
    ("data", "masked"),
    [
        (b"\x81\x05hello", True),  # a client must mask
        (b"\x81\x85abcdhello", False),  # a server must not
        (b"\xc1\x05hello", False),  # compressed, or another extension's
        (b"\x01\x05hello", False),  # the first of several
        (b"\x81\x05hell", False),
        (b"\x81\x05h\xc3\xa4ll", False),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello", False),
        (b"\x88\x02\x03\xe8", False),
        (b"\x81", False),
        (b"", True),
    ],
)
def test_anything_else_is_left_to_the_library(data: bytes, masked: bool) -> None:
    assert texts_taken(data, masked=masked) == ([], data)


def test_another_parser_of_the_library_is_not_taken_for_the_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert parser_known()
    monkeypatch.setattr(frames, "Protocol", lambda _: object())
    assert not parser_known()


def test_a_key_is_used_once() -> None:
    keys = Keys()

    drawn = [keys.draw() for _ in range(3000)]

    assert {len(key) for key in drawn} == {4}
    assert len(set(drawn)) > 2990
