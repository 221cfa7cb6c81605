"""The sound of a call whose process was killed in the middle of it: what was heard by then is kept by the next one."""

import contextlib
import time

import pytest
import requests
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from calls.models import Call, CallProblem, Recording
from tests.integration.outside import MEDIA_ORIGIN
from tests.integration.rows import make_desk
from tests.integration.stack import Stack, eventually
from tools.access.keys import key_create

RATE = 24_000
HEARD_S = 1.0  # less than the greeting


@pytest.mark.long
def test_what_a_killed_process_has_recorded_is_kept_by_the_next(alone: Stack) -> None:
    desk = make_desk(alone, recording_enabled=True)
    _, key = key_create(name="websocket")
    made = requests.post(
        f"http://127.0.0.1:{alone.ports.web}/call",
        json={
            "assistantId": str(desk.assistant.pk),
            "transport": {
                "provider": "vapi.websocket",
                "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": RATE},
            },
        },
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    ).json()
    url = made["transport"]["websocketCallUrl"].replace(MEDIA_ORIGIN, f"ws://127.0.0.1:{alone.ports.media}")
    heard, began = 0, time.monotonic()
    with contextlib.suppress(ConnectionClosed), websockets.sync.client.connect(url, proxy=None) as socket:
        for message in socket:
            socket.send(b"\x00\x08" * (RATE // 50))
            heard += len(message) if isinstance(message, bytes) else 0
            if heard > HEARD_S * RATE * 2:
                alone.kill("media")
    lasted_s = time.monotonic() - began

    alone.start("media")

    kept = eventually(
        lambda: Recording.objects.filter(call=made["id"], state=Recording.State.STORED).first(), "kept"
    )
    assert kept is not None
    assert kept.source == Recording.Source.TANDEM
    assert (HEARD_S - 0.6) * 1000 < (kept.duration_ms or 0) < lasted_s * 1000
    assert (alone.spool.parent / "recordings" / str(kept.file.name)).stat().st_size == kept.size
    assert CallProblem.objects.filter(call=made["id"], code="recording_cut_short").exists()
    over = eventually(
        lambda: Call.objects.filter(pk=made["id"], status=Call.Status.ENDED).first(), "closed", within_s=60
    )
    assert over is not None
    assert over.ended_reason == "call.in-progress.error-vapifault-worker-died"
