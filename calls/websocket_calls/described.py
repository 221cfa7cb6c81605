"""Calls without a telephone: the socket of `vapi.websocket`, and what is said to those that ask for a web call."""

from typing import Final

from tools.access.described import Operation, Part, Socket, anything, ref

WEBSOCKET_CALLS: Final = Part(
    "Calls over a WebSocket",
    'A program, or a browser, talks with an assistant: `POST /call` with `{"transport": {"provider": "vapi.websocket"}}`, then '
    "the socket at `transport.websocketCallUrl`.",
    (
        Operation(
            "POST", "/call/web", "call_web", "Refused: there are no web calls", "call:write", ref("Error"), 400,
            description="Vapi's web SDK joins a WebRTC room at Daily, and there is none here. The answer says what to do instead.",
            body=anything("Whatever Vapi's web client sends."), body_required=False, public=True,
        ),
    ),
    sockets=(
        Socket(
            "/media/{id}/transport", "Talk", "",
            "Sound both ways as binary messages, in the format that was asked for; events as JSON text. Opened by the token that "
            "the address carries. The client may order as at the control address, and hang up.",
        ),
    ),
)  # fmt: skip
