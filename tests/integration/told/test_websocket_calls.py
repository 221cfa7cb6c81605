"""A call without a telephone, from the request to the record: the example of the documentation, met by every process."""

import contextlib
import io
import re
import wave
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

from calls.models import Call
from tests.integration.outside import MEDIA_ORIGIN
from tests.integration.rows import GREETING, make_desk
from tests.integration.stack import ROOT, Stack, eventually
from tools.access.keys import key_create
from transcripts.models import Utterance


def test_the_example_of_the_documentation_talks_to_an_assistant(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/websocket-calls.md").read_text(), re.DOTALL)
    desk = make_desk(stack)
    _, key = key_create(name="websocket")
    connect = websockets.sync.client.connect

    def connect_here(url: str, **how: Any) -> Any:
        return connect(url.replace(MEDIA_ORIGIN, f"ws://127.0.0.1:{stack.ports.media}"), proxy=None, **how)

    monkeypatch.setattr(websockets.sync.client, "connect", connect_here)
    monkeypatch.setenv("TANDEM_URL", f"http://127.0.0.1:{stack.ports.web}")
    monkeypatch.setenv("TANDEM_KEY", key)
    monkeypatch.setenv("ASSISTANT_ID", str(desk.assistant.pk))
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()

    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "docs/websocket-calls.md", "exec"), names)  # noqa: S102  # our own example

    call = eventually(
        lambda: Call.objects.filter(pk=names["call"]["id"], status=Call.Status.ENDED).first(), "written down"
    )
    assert call is not None
    assert call.ended_reason == "customer-ended-call"
    said = eventually(lambda: Utterance.objects.filter(transcript__call_id=call.pk).first(), "words")
    assert said is not None
    assert said.text == GREETING
    assert said.heard_text == GREETING
    with wave.open("assistant.wav") as heard:
        assert abs(heard.getnframes() / 16_000 - said.generated_ms / 1000) < 0.2
    assert GREETING in printed.getvalue()
    assert printed.getvalue().endswith("The call is over.\n")
