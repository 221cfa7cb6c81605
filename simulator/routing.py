"""What answers a number, as its configuration says: the trunk before the application before the number's own URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call to a number goes. With a trunk there is nothing else."""

    trunk_sid: str = ""
    voice_url: str = ""
    voice_method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_callback: str = ""
    status_method: str = "POST"


class NobodyError(ValueError):
    """A number that no call gets through to; the text says why."""


def route_of(number: JSON, applications: Mapping[str, JSON]) -> Route:
    """The route of a number at this moment. Raises NobodyError."""
    if number["trunk_sid"]:
        return Route(trunk_sid=number["trunk_sid"])
    if number["status"] != "in-use" or not number["capabilities"]["voice"]:
        raise NobodyError(f"{number['phone_number']} takes no calls")
    if number["voice_receive_mode"] != "voice":
        raise NobodyError(f"{number['phone_number']} takes faxes")
    source = applications[number["voice_application_sid"]] if number["voice_application_sid"] else number
    if not source["voice_url"]:
        raise NobodyError(f"{number['phone_number']} has no voice URL")
    return Route(
        voice_url=source["voice_url"],
        voice_method=source["voice_method"] or "POST",
        fallback_url=source["voice_fallback_url"] or "",
        fallback_method=source["voice_fallback_method"] or "POST",
        status_callback=source["status_callback"] or "",
        status_method=source["status_callback_method"] or "POST",
    )
