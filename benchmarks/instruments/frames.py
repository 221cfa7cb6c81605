"""Audio that carries its own number: whose stream it belongs to and the how-manieth frame it is.

The first six bytes of a payload are a letter, the stream and the sequence number. Six bytes are exactly eight
characters of base64, so they can be read without decoding the rest, whatever stands around them.
"""

from base64 import b64decode, b64encode

FRAME_MS = 20
BYTES_PER_MS = 8
HEAD = 8  # characters
CALLER = 0x43
ASSISTANT = 0x41
SILENCE = b"\xff"


def head(kind: int, stream: int, number: int) -> bytes:
    """The first eight characters of a payload."""
    return b64encode(bytes([kind]) + stream.to_bytes(2, "big") + number.to_bytes(3, "big"))


def rest(ms: int) -> bytes:
    """All further characters of a payload of so many ms: silence."""
    return b64encode(SILENCE * (ms * BYTES_PER_MS - 6))


def read_head(text: bytes) -> tuple[int, int, int] | None:
    """Kind, stream and number of the payload that begins with these characters; None for audio that is not ours."""
    data = b64decode(text[:HEAD])
    if len(data) != 6 or data[0] not in (CALLER, ASSISTANT):
        return None
    return data[0], int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:6], "big")


def value_at(data: bytes, name: bytes) -> int:
    """Where the text begins that stands under this name (given in quotes), however the JSON is spaced; -1 if nowhere."""
    at = data.find(name)
    return data.find(b'"', at + len(name)) + 1 if at >= 0 else -1


class Order:
    """Whether numbered frames arrived once each and in order, counted from the first that arrived."""

    __slots__ = ("_seen", "doubled", "first", "highest", "received", "reordered")

    def __init__(self) -> None:
        self._seen = bytearray(4096)
        self.first = -1
        self.highest = -1
        self.received = 0
        self.doubled = 0
        self.reordered = 0

    def take(self, number: int) -> bool:
        """Note a frame; False for one that was here before."""
        if self.first < 0:
            self.first = number
        while number >= len(self._seen):
            self._seen.extend(bytes(len(self._seen)))
        if self._seen[number]:
            self.doubled += 1
            return False
        self._seen[number] = 1
        self.received += 1
        if number < self.highest:
            self.reordered += 1
        else:
            self.highest = number
        return True

    def missing(self, first: int, end: int) -> int:
        """How many of the frames from `first` up to and without `end` never arrived."""
        return max(0, end - first) - sum(self._seen[first:end])
