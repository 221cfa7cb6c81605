"""`GET /call/{id}/…-recording`: with a key to a link that is good for half an hour, and the sound behind that."""

import logging
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from assistants.voices.byte_ranges import UnsatisfiableRangeError
from calls.api.selectors import call_id_of
from calls.live.entering import READS, key_entrant
from calls.privacy.access import call_opened, call_opened_within
from calls.recordings.links import LIVES_S, link_make, link_open, recording_kept, sides_of
from calls.recordings.serving import one_track, part_asked, part_missing, whole_sound
from calls.recordings.sides import Side
from tools.access.asking import request_address
from tools.access.errors import ApiError, database_away, error_response
from tools.access.other_origins import for_any_origin

logger = logging.getLogger(__name__)

_READING: Final = ("GET", "HEAD")
_NONE: Final = "Couldn't Get Recording. The call has none, or none of this kind."
_GONE: Final = (
    "Couldn't Get Recording. The link is not good any more; ask for it again at /call/{id}/mono-recording."
)


def call_recording(request: HttpRequest, given: str, side: str) -> HttpResponse:
    """Where the sound is to be had, for half an hour."""
    try:
        _reading_require(request)
        entrant = key_entrant(
            request.headers.get("Authorization", ""), READS, address=request_address(request)
        )
        recording = recording_kept(call_id_of(given), Side(side))
        if recording is None or entrant.key is None:
            return error_response(ApiError(HTTPStatus.NOT_FOUND, _NONE))
    except ApiError as exc:
        return error_response(exc)
    except OperationalError:
        logger.exception("the database does not answer a request of the api")
        return error_response(database_away())
    link = reverse("api-recording", args=[link_make(recording, Side(side), entrant.key)])
    logger.info("a link to a recording was given", extra={"by": entrant.label, "call_id": given[:36]})
    response = HttpResponseRedirect(settings.PUBLIC_ORIGIN + link)
    response["Cache-Control"] = "no-store"
    return response


@for_any_origin("GET", "HEAD")
def recording_sound(request: HttpRequest, link: str) -> HttpResponseBase:
    """The sound, or the part of it that is asked for. Who asked for the link is written down as having heard it."""
    try:
        _reading_require(request)
    except ApiError as exc:
        return error_response(exc)
    opened = link_open(link)
    if opened is None:
        return error_response(ApiError(HTTPStatus.NOT_FOUND, _GONE))
    recording, side = opened.recording, opened.side
    try:
        whole = side is Side.STEREO or Side.CUSTOMER not in sides_of(recording)
        part = part_asked(request, recording.size)
        response = whole_sound(request, recording, part) if whole else one_track(request, recording, side)
    except UnsatisfiableRangeError:
        return part_missing(recording.size)
    if request.method == "GET" and recording.call_id is not None:
        # A player asks for many parts. Whoever begins within has heard it too, and is written down once.
        begins = part is None or part.start == 0
        if begins or not call_opened_within(
            LIVES_S, call_id=recording.call_id, key=opened.key, what="recording"
        ):
            call_opened(call_id=recording.call_id, key=opened.key, what="recording")
    return response


def _reading_require(request: HttpRequest) -> None:
    if request.method not in _READING:
        raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"Cannot {request.method} {request.path}")
