"""How programs get the sound of a call."""

from typing import Final

from calls.recordings.sides import Side
from tools.access.described import Operation, Part

_HEARD: Final = {
    "mono": "Both parties in one channel.",
    "stereo": "The caller left, the assistant right.",
    "customer": "The caller alone.",
    "assistant": "The assistant alone.",
}
RECORDINGS: Final = Part(
    "Recordings",
    "Each path leads, by a redirect, to a link that is good for half an hour and needs no key.",
    tuple(
        Operation(
            "GET", f"/call/{{id}}/{side}-recording", f"call_{side}_recording", f"Hear a call: {side}", "call:read", None, 302,
            description=_HEARD[side.value],
        )
        for side in Side
    ),
)  # fmt: skip
