"""A call without a telephone, from the request to the record: the example of the documentation, met by every process."""

import contextlib
import io
import os
import re
import wave
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
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
    desk = make_desk(stack, recording_enabled=True)
    _, key = key_create(name="websocket")
    connect = websockets.sync.client.connect

    def connect_here(url: str, **how: Any) -> Any:
        url = url.replace(MEDIA_ORIGIN, f"ws://127.0.0.1:{stack.ports.media}")
        return connect(url, proxy=None, open_timeout=60, **how)

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
    _recorded(stack, key, str(call.pk), said)
    assert GREETING in printed.getvalue()
    assert printed.getvalue().endswith("The call is over.\n")
    _lost(stack, names)


def _lost(stack: Stack, names: dict[str, Any]) -> None:
    """A client whose network goes in the middle of a sentence has not hung up."""
    made = requests.post(
        f"{os.environ['TANDEM_URL']}/call", json=names["order"], headers=names["key"], timeout=60
    ).json()
    with websockets.sync.client.connect(made["transport"]["websocketCallUrl"]) as socket:
        for message in socket:
            if isinstance(message, bytes):
                break
        socket.socket.shutdown(SHUT_RDWR)
    call = eventually(
        lambda: Call.objects.filter(pk=made["id"], status=Call.Status.ENDED).first(), "written down"
    )
    assert call is not None
    assert call.ended_reason == "phone-call-provider-closed-websocket"


def _recorded(stack: Stack, key: str, call_id: str, said: Utterance) -> None:
    """What programs find of the sound: the caller's silence left, the greeting right, where the transcript has it."""

    def kept() -> dict[str, Any] | None:
        artifact = requests.get(f"{base}/call/{call_id}", headers=bearer, timeout=60).json()["artifact"]
        return artifact if "recordingUrl" in artifact else None

    base, bearer = f"http://127.0.0.1:{stack.ports.web}", {"Authorization": f"Bearer {key}"}
    artifact = eventually(kept, "recorded")
    assert artifact is not None
    assert artifact["recording"]["mono"].keys() == {"combinedUrl", "customerUrl", "assistantUrl"}
    path = urlsplit(artifact["stereoRecordingUrl"]).path
    found = requests.get(f"{base}{path}", headers=bearer, timeout=60, allow_redirects=False)
    assert found.status_code == 302
    link = urlsplit(found.headers["Location"])
    sound = requests.get(f"{base}{link.path}?{link.query}", timeout=60)
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 24_000)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert not both[:, 0].any()
    (heard,) = np.nonzero(np.abs(both[:, 1]) > 500)
    began_ms, ended_ms = heard[0] / 24, heard[-1] / 24
    assert abs(began_ms - said.began_ms) < 1000
    assert abs(ended_ms - began_ms - said.generated_ms) < 1000
    # It is deleted there once it is written down that it is kept.
    eventually(lambda: not any((stack.spool / "sound").iterdir()), "nothing of it is left in the spool")
