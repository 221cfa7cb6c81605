"""What was said and done in a call as JSON text, put together of what the database has written of it."""

from bisect import bisect_right
from typing import NamedTuple

import orjson

from calls.api.messages import openai_message, unsaid
from calls.api.records import Record


class Written(NamedTuple):
    """All messages in the order of their times; the same as a chat model is given them; and what was said, as one text."""

    messages: bytes
    formatted: bytes
    transcript: bytes


def written_of(record: Record) -> Written:
    """What was said and done in a call.

    What the assistant said is what was heard of it; what was added nobody has said. ``time`` and ``endTime`` are epoch
    milliseconds, ``duration`` too.
    """
    spoken, more = record.spoken, unsaid(record.tool_calls, record.added, zero=record.zero)
    if not more:
        return Written(_array(spoken.messages), _array(spoken.formatted), spoken.transcript)
    messages, formatted = _lines(spoken.messages), _lines(spoken.formatted)
    times: list[float] = list(spoken.began_ms)
    for at, one in more:
        # At one moment, what was said comes before what was done, and a question before its answer.
        place = bisect_right(times, at)
        times.insert(place, at)
        messages.insert(place, orjson.dumps(one))
        formatted.insert(place, orjson.dumps(openai_message(one)))
    return Written(b"[%b]" % b",".join(messages), b"[%b]" % b",".join(formatted), spoken.transcript)


def _array(said: bytes) -> bytes:
    """The lines of what was said as a JSON array."""
    return b"[%b]" % said.replace(b"\n", b",")


def _lines(said: bytes) -> list[bytes]:
    return said.split(b"\n") if said else []
