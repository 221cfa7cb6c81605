"""A client's side of the line: whatever it sends and however late, nothing breaks and nothing grows."""

import contextlib
import itertools
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.bridge import commands as do
from calls.bridge import twilio
from calls.bridge.errors import RemoteProtocolError
from calls.websocket_calls.formats import PCM_RATES, ClientFormat
from calls.websocket_calls.line import SocketLine

FORMS = [ClientFormat("mulaw", 8000), *(ClientFormat("pcm_s16le", rate) for rate in PCM_RATES)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.one_of(
        st.tuples(st.just("bytes"), st.binary(max_size=5000)),
        st.tuples(st.just("text"), st.text(max_size=200)),
        st.tuples(st.just("json"), JSON),
        st.tuples(st.just("order"), st.sampled_from(["say", "end-call", "hangup", "control", "ping", ""])),
        st.tuples(st.just("bytes"), st.none()),
        st.tuples(st.just("clear"), st.none()),
        st.tuples(st.just("play"), st.integers(0, 4000)),
        st.tuples(st.just("wait"), st.floats(0, 3)),
    ),
    max_size=30,
)


class Talk:
    """One line, with a clock of its own, and what was heard of its client."""

    def __init__(self, form: ClientFormat) -> None:
        self.now = 100.0
        self.asked: list[Any] = []
        self.heard: list[twilio.Message] = []
        self.line = SocketLine(
            _nothing, form, clock=lambda: self.now, heard=_nothing, asked=self.asked.append
        )

    def do(self, kind: str, value: Any) -> None:
        match kind:
            case "wait":
                self.now += value
            case "clear":
                self.line.put(do.Clear())
            case "play":
                self.line.put(do.Play(b64encode(bytes(value)).decode()))
                self.line.put(do.Mark("m"))
            case "json":
                self._read(text=json.dumps(value))
            case "order":
                self._read(text=json.dumps({"type": value}))
            case _:
                self._read(**{kind: value})

    def _read(self, **message: Any) -> None:
        with contextlib.suppress(RemoteProtocolError):
            self.heard += self.line.read({"type": "websocket.receive", **message})


@settings(max_examples=25, deadline=None)
@given(form=st.sampled_from(FORMS), messages=MESSAGES)
def test_whatever_a_client_sends_is_frames_or_an_order_or_its_own_fault(
    form: ClientFormat, messages: list[tuple[str, Any]]
) -> None:
    talk = Talk(form)

    for kind, value in messages:
        talk.do(kind, value)

    frames = [one for one in talk.heard if isinstance(one, twilio.Media)]
    assert {type(one) for one in talk.heard} <= {twilio.Media, twilio.Stop}
    assert {len(b64decode(one.payload)) for one in frames} <= {20 * form.at_model.bytes_per_ms}
    assert all(one.timestamp_ms >= before.timestamp_ms + 20 for before, one in itertools.pairwise(frames))
    assert all(isinstance(one["type"], str) for one in talk.asked)


async def _nothing(_: Any) -> None:
    return


async def test_a_fault_behind_the_line_is_not_taken_for_a_client_that_is_gone() -> None:
    async def fails(_: Any) -> None:
        raise OSError("of something else")

    line = SocketLine(_nothing, FORMS[0], clock=lambda: 100.0, heard=fails, asked=lambda _: None)
    line.put(do.Mark("m"))

    with pytest.raises(OSError, match="something else"):
        await line.run()


@pytest.mark.parametrize("how", [OSError, RuntimeError])
async def test_a_client_that_is_gone_ends_the_line_quietly(how: type[Exception]) -> None:
    async def gone(_: Any) -> None:
        raise how("client disconnected")

    line = SocketLine(gone, FORMS[0], clock=lambda: 100.0, heard=_nothing, asked=lambda _: None)
    line.tell({"type": "status-update"})

    await line.run()

    assert (line.is_open, line.too_slow) == (False, False)
