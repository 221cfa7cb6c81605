"""Where the Realtime API is and how one introduces oneself to it; live calls and recorded voices ask alike."""

from typing import Final, Literal, TypedDict
from urllib.parse import urlencode, urlsplit

from django.conf import settings

# Events with audio of 3 MB were seen; the default limit of 1 MiB would end the call in the middle of an answer.
_LARGEST_EVENT: Final = 16 * 1024 * 1024


class Opening(TypedDict):
    """Arguments of ``connect``."""

    uri: str
    additional_headers: dict[str, str]
    compression: None
    max_size: int
    proxy: Literal[True] | None


def realtime_opening(model: str, *, request_id: str = "") -> Opening:
    """What every ``connect`` of `websockets` is given to open a session with this model.

    OpenAI's support finds a session by the ``request_id`` that it was asked for with.
    """
    url = f"{settings.OPENAI_REALTIME_URL}?{urlencode({'model': model})}"
    named = {"X-Client-Request-Id": request_id} if request_id else {}
    return {
        "uri": url,
        # Never the beta's header: it would be turned away.
        "additional_headers": {"Authorization": f"Bearer {settings.OPENAI_API_KEY}", **named},
        "compression": None,  # base64 hardly shrinks, and every frame would pay for trying
        "max_size": _LARGEST_EVENT,
        "proxy": True if url.startswith("wss://") else None,
    }


def is_simulated() -> bool:
    """Whether the simulator plays the Realtime API: nothing costs anything, and every voice sounds the same."""
    simulator = urlsplit(settings.SIMULATOR_URL).netloc
    return bool(simulator) and urlsplit(settings.OPENAI_REALTIME_URL).netloc == simulator
