"""Twilio's side of a call, where a server offers no short way to its socket."""

import asyncio
from typing import Any

from calls.bridge import commands as do
from calls.lines.twilio_line import TwilioLine


async def test_whoever_flushes_while_the_caller_takes_nothing_waits_until_they_do() -> None:
    takes = asyncio.Event()
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        await takes.wait()
        sent.append(message["text"])

    line = TwilioLine(send)
    line.put(do.Mark("one"))
    first = asyncio.ensure_future(line.flush())
    await asyncio.sleep(0)
    line.put(do.Mark("two"))
    second = asyncio.ensure_future(line.flush())
    await asyncio.sleep(0)
    assert not second.done()  # or the model would be read on for a caller who is stuck

    takes.set()
    await asyncio.gather(first, second)

    assert ["one" in sent[0], "two" in sent[1]] == [True, True]
    assert not line.waiting
