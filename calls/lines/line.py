"""What a conversation needs of the caller's side of a call, whatever that is."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from calls.bridge import commands as do
from calls.bridge import twilio

ASGIMessage = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

# The servers' words for a socket that is closed: by the other side, or by us.
SOCKET_GONE = (OSError, RuntimeError)
SERVICE_RESTART: Final = 1012  # what the server closes with when it is shut down
GOING_AWAY: Final = 1001
NO_CODE: Final = 1005
LOST: Final = 1006


async def sent_or_gone(send: Send, message: ASGIMessage) -> bool:
    """Whether this was sent; where nobody is there any more, that is all right, too."""
    try:
        await send(message)
    except SOCKET_GONE:
        return False
    return True


def closed_with(message: ASGIMessage) -> int:
    """The code with which a socket was closed, 1006 for one that was lost.

    What the other side has said comes with its reason, if only an empty one. A socket without a word of farewell is 1005 to uvicorn, too; and
    only our own server can say that it restarts.
    """
    code = int(message.get("code") or LOST)
    if "reason" in message:
        return GOING_AWAY if code == SERVICE_RESTART else code
    return LOST if code == NO_CODE else code


class CallerLine(Protocol):
    """The caller's socket: what comes in is read, what is to be heard goes out in order.

    Media Streams' own words stand for what happens on any line; a line that knows no ``Mark`` makes its own.
    """

    is_open: bool

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent."""

    def read(self, message: ASGIMessage) -> Sequence[twilio.Message]:
        """What a frame says. Raises RemoteProtocolError."""

    def put(self, command: do.Play | do.Mark | do.Clear) -> None:
        """Have this done, after all that was put before."""

    async def flush(self) -> None:
        """Send what can be sent now."""

    async def close(self, code: int) -> None:
        """Close the socket, once."""

    def gone(self, code: int) -> Sequence[twilio.Message]:
        """The socket was closed with this code: what that says of the caller."""
