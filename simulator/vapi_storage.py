"""The files that Vapi keeps of its calls: recordings in mp3 and WAV, logs. One second each, the same for every call."""

import gzip
import io
import math
import struct
import wave
from typing import Final

from simulator.asgi import Send, respond

STORAGE: Final = "/storage/"
_RATE: Final = 16_000
# A frame of MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: the header, then zeros, which is silence.
_MP3_FRAME: Final = b"\xff\xfb\x90\xc4" + bytes(413)
_TYPES: Final = {".mp3": "audio/mpeg", ".wav": "audio/wav", ".jsonl.gz": "application/gzip"}


async def stored(path: str, send: Send) -> None:
    """Answer with a file; those whose name holds "expired" are refused, as old links are."""
    ending = next((ending for ending in _TYPES if path.endswith(ending)), "")
    if "expired" in path or not ending:
        page = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
        await respond(send, page, status=403 if ending else 404, content_type="application/xml")
        return
    await respond(send, _content(ending, channels=2 if "stereo" in path else 1), content_type=_TYPES[ending])


def _content(ending: str, *, channels: int) -> bytes:
    if ending == ".mp3":
        return _MP3_FRAME * 39
    if ending == ".jsonl.gz":
        return gzip.compress(b'{"level": "INFO", "body": "simulated"}\n', mtime=0)
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        tone = (int(6000 * math.sin(2 * math.pi * 440 * at / _RATE)) for at in range(_RATE))
        file.writeframes(b"".join(struct.pack("<h", value) * channels for value in tone))
    return held.getvalue()
