"""Whole text messages on a WebSocket, read and made without a parser's state: nearly all that a call sends and hears.

A message of a call is one frame, and mostly one read of the socket brings one frame. What is anything else is left to the
library that has the socket: control frames, fragments, pieces of frames, very long ones, and text that is not ASCII, which
somebody has to check.
"""

import os
from collections.abc import Callable
from struct import pack
from typing import Any, Final

from websockets.protocol import OPEN, Protocol, Side
from websockets.speedups import apply_mask
from websockets.streams import StreamReader

_TEXT: Final = 0x81  # FIN, and the opcode of text
_MASKED: Final = 0x80
_MEDIUM, _LONG = 126, 127  # in the place of a length: that it follows in 2 bytes, in 8
_MEDIUM_MOST: Final = 0xFFFF
_KEY_BYTES: Final = 4
_KEYS_DRAWN: Final = 256
_BETWEEN_FRAMES: Final = StreamReader.at_eof.__code__  # where the parser waits for a frame to begin


# Whoever is told of a message, as soon as it is read.
Hear = Callable[[bytes], None]


def at_rest(parser: Protocol) -> bool:
    """Whether the next byte from the socket begins a message.

    That nothing is buffered is not enough: the parser takes the head of a frame out of the buffer before the rest is there.
    """
    if parser.state is not OPEN or parser.reader.buffer or parser.current_size is not None:
        return False
    step: Any = parser.parser
    while (inner := step.gi_yieldfrom) is not None:
        step = inner
    return step.gi_code is _BETWEEN_FRAMES


def parser_known() -> bool:
    """Whether the library's parser is such as ``at_rest`` takes it to be."""
    parser = Protocol(Side.SERVER)
    try:
        rested = at_rest(parser)
        parser.receive_data(b"\x81\x85")
        return rested and not at_rest(parser)
    except AttributeError:
        return False


def texts_taken(data: bytes, *, masked: bool) -> tuple[list[bytes], bytes]:
    """The messages at the head of what was read, and the rest, which is for the parser."""
    texts: list[bytes] = []
    begin, have = 0, len(data)
    mask, key_bytes = (_MASKED, _KEY_BYTES) if masked else (0, 0)
    while have - begin > 4 and data[begin] == _TEXT:
        size, at = data[begin + 1] ^ mask, begin + 2
        if size == _MEDIUM:
            size, at = data[at] << 8 | data[at + 1], at + 2
        elif size > _MEDIUM:  # a long one, or one whose mask is not as it must be
            break
        body = at + key_bytes
        end = body + size
        if end > have:
            break
        text = data[body:end]
        if masked:
            text = apply_mask(text, data[at:body])
        if not text.isascii():
            break
        texts.append(text)
        begin = end
    return texts, data[begin:] if begin else data


def framed(text: str) -> bytes:
    """The frame in which a server sends this."""
    body = text.encode()
    return _head(len(body), 0) + body


def framed_masked(text: str, key: bytes) -> bytes:
    """The frame in which a client sends this."""
    body = text.encode()
    return _head(len(body), _MASKED) + key + apply_mask(body, key)


def _head(size: int, mask: int) -> bytes:
    if size < _MEDIUM:
        return pack("!BB", _TEXT, mask | size)
    if size <= _MEDIUM_MOST:
        return pack("!BBH", _TEXT, mask | _MEDIUM, size)
    return pack("!BBQ", _TEXT, mask | _LONG, size)


class Keys:
    """Masking keys of one socket as RFC 6455 wants them, from the system's own source: many at a time, for each asking costs a
    system call. No other socket, thread or process has a part in them.
    """

    def __init__(self) -> None:
        self._drawn: list[bytes] = []

    def draw(self) -> bytes:
        """A key that was never used."""
        if not self._drawn:
            many = os.urandom(_KEY_BYTES * _KEYS_DRAWN)
            self._drawn = [many[at : at + _KEY_BYTES] for at in range(0, len(many), _KEY_BYTES)]
        return self._drawn.pop()
