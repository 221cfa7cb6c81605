"""Makers of recordings and of their sound."""

import io
import math
import uuid
import wave
from array import array
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from calls.models import Call, Recording
from calls.recordings.waveform import wav_read
from calls.tests.factories import make_call


def wav_bytes(*, seconds: float = 1.0, channels: int = 2, rate: int = 8000, loud: float = 0.5) -> bytes:
    """A WAV file: on the first channel a tone, on the others a tone of half the loudness."""
    frames = int(seconds * rate)
    samples = array("h", bytes(2 * frames * channels))
    for at in range(frames):
        value = int(32767 * loud * math.sin(2 * math.pi * 440 * at / rate))
        for channel in range(channels):
            samples[at * channels + channel] = value if channel == 0 else value // 2
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return held.getvalue()


def make_recording(*, call: Call | None = None, sound: bytes | None = None, **fields: Any) -> Recording:
    """A saved recording that is kept here."""
    call = call or make_call()
    sound = sound if sound is not None else wav_bytes(seconds=0.1)
    read = wav_read(io.BytesIO(sound))
    defaults: dict[str, Any] = {
        "state": Recording.State.STORED,
        "sid": f"RE{uuid.uuid4().hex}",
        "account_sid": call.account_sid,
        "began_at": call.started_at,
        "content_type": "audio/wav",
        "size": len(sound),
        "duration_ms": read.duration_ms,
        "channels": read.channels,
        "peaks": read.peaks,
        "stored_at": timezone.now(),
    }
    recording = Recording(call=call, created_at=timezone.now(), **{**defaults, **fields})
    if recording.state == Recording.State.STORED:
        recording.file.save(".wav", ContentFile(sound), save=False)
    recording.save()
    return recording
