"""The sound of a recording over HTTP: all of it, or the part that a player asks for."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from asgiref.sync import sync_to_async
from django.core.files import File
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from assistants.voices.byte_ranges import UnsatisfiableRangeError, byte_range
from calls.models import Recording
from calls.recordings.sides import OneTrack, Side
from calls.recordings.waveform import NoWavError

# A player asks for "everything from here on" and takes less; a whole hour is not to stand in memory for it.
PART: Final = 1024 * 1024


def part_asked(request: HttpRequest, size: int) -> range | None:
    """The part that is asked for; None: all of it. Raises UnsatisfiableRangeError."""
    asked = request.headers.get("Range", "")
    return byte_range(asked, size) if asked else None


def part_missing(size: int) -> HttpResponse:
    """What is answered for a part behind the end."""
    return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})


def whole_sound(request: HttpRequest, recording: Recording, part: range | None) -> HttpResponseBase:
    """The file as it is kept. Raises Http404 where it is missing."""
    name, storage = str(recording.file.name), recording.file.storage
    if not hasattr(storage, "path") and getattr(storage, "querystring_auth", False):
        # A bucket serves ranges itself, to whoever holds a link that is good for minutes.
        return HttpResponseRedirect(storage.url(name))
    file = _opened(recording)
    if part is None:
        return _dressed(request, recording, _streamed(request, file), recording.size, None)
    part = part[:PART]
    with file:
        file.seek(part.start)
        return _dressed(request, recording, HttpResponse(file.read(len(part))), recording.size, part)


def one_track(request: HttpRequest, recording: Recording, side: Side) -> HttpResponseBase:
    """One side of it, or both mixed. Raises Http404 where the file is missing or damaged."""
    file = _opened(recording)
    try:
        track = OneTrack(file, side)  # type: ignore[arg-type]  # a file in all but name
    except NoWavError as exc:
        file.close()
        raise Http404("The file is damaged.") from exc
    try:
        part = part_asked(request, track.size)
    except UnsatisfiableRangeError:
        file.close()
        return part_missing(track.size)
    if part is None:
        body = _pieces(request, _track_pieces(track, file))
        return _dressed(request, recording, body, track.size, None, side=side)
    part = part[:PART]
    with file:
        made = HttpResponse(track.read(part.start, part.stop))
    return _dressed(request, recording, made, track.size, part, side=side)


def _opened(recording: Recording) -> File[bytes]:
    try:
        file: File[bytes] = recording.file.storage.open(str(recording.file.name))
    except OSError as exc:
        raise Http404("The file is missing in the storage.") from exc
    return file


def _dressed(
    request: HttpRequest,
    recording: Recording,
    response: HttpResponseBase,
    size: int,
    part: range | None,
    *,
    side: Side = Side.STEREO,
) -> HttpResponseBase:
    if part is None:
        response["Content-Length"] = str(size)
    else:
        response.status_code = 206
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    response["Content-Type"] = recording.content_type
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = f'"{recording.pk.hex}-{size}{"" if side is Side.STEREO else f"-{side}"}"'
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    suffix = ".mp3" if recording.content_type == "audio/mpeg" else ".wav"
    of = "" if side is Side.STEREO else f"-{side}"
    response["Content-Disposition"] = (
        content_disposition_header(
            as_attachment="download" in request.GET, filename=f"call-{recording.call_id}{of}{suffix}"
        )
        or "inline"
    )
    return response


def _streamed(request: HttpRequest, file: File[bytes]) -> HttpResponseBase:
    if not isinstance(request, ASGIRequest):
        return FileResponse(file)
    return _pieces(request, _file_pieces(file))


def _file_pieces(file: File[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PART):
            yield piece


def _track_pieces(track: OneTrack, file: File[bytes]) -> Iterator[bytes]:
    with file:
        for at in range(0, track.size, PART):
            yield track.read(at, at + PART)


def _pieces(request: HttpRequest, pieces: Iterator[bytes]) -> StreamingHttpResponse:
    if not isinstance(request, ASGIRequest):
        return StreamingHttpResponse(pieces)

    def following() -> bytes:
        return next(pieces, b"")

    async def away() -> AsyncIterator[bytes]:
        try:
            while piece := await sync_to_async(following, thread_sensitive=False)():
                yield piece
        finally:
            await sync_to_async(pieces.close, thread_sensitive=False)()  # type: ignore[attr-defined]  # a generator

    return StreamingHttpResponse(away())
