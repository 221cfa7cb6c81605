"""The parts of the API, in the order in which people read of them."""

from typing import Final

from assistants.api.described import ASSISTANTS, SQUADS, TOOLS
from calls.analytics.described import ANALYTICS
from calls.api.described import CALLS
from calls.live.described import LIVE_CALLS
from calls.messages.described import MESSAGES
from calls.numbers.api.described import PHONE_NUMBERS
from calls.placing.described import PLACING
from calls.recordings.described import RECORDINGS
from calls.websocket_calls.described import WEBSOCKET_CALLS
from tools.access.described import Part

PARTS: Final[tuple[Part, ...]] = (
    ASSISTANTS,
    TOOLS,
    SQUADS,
    PHONE_NUMBERS,
    PLACING,
    CALLS,
    LIVE_CALLS,
    RECORDINGS,
    WEBSOCKET_CALLS,
    ANALYTICS,
    MESSAGES,
)
