"""Where the Realtime API is and how one introduces oneself to it; live calls and recorded voices ask alike."""

from urllib.parse import urlencode, urlsplit

from django.conf import settings

# Events with audio of 3 MB were seen; the default limit of 1 MiB would end the call in the middle of an answer.
LARGEST_EVENT = 16 * 1024 * 1024


def realtime_url(model: str) -> str:
    """The address of a session with this model."""
    return f"{settings.OPENAI_REALTIME_URL}?{urlencode({'model': model})}"


def realtime_headers() -> dict[str, str]:
    """The headers of the upgrade. Never the beta's: it would be turned away."""
    return {"Authorization": f"Bearer {settings.OPENAI_API_KEY}"}


def is_simulated() -> bool:
    """Whether the simulator plays the Realtime API: nothing costs anything, and every voice sounds the same."""
    simulator = urlsplit(settings.SIMULATOR_URL).netloc
    return bool(simulator) and urlsplit(settings.OPENAI_REALTIME_URL).netloc == simulator
