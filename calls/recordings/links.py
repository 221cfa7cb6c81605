"""Links to recordings that open without a key, for half an hour: who they were given to stands in them, signed."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from django.core import signing

from calls.models import Call, Recording
from calls.recordings.sides import Side
from tools.access.keys import is_open
from tools.models import ApiKey

LIVES_S: Final = 1800  # as Vapi's presigned links
_SALT: Final = "calls.recordings.link"
_READS: Final = "call:read"


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording that may be heard, what of it, and whose key asked for the link."""

    recording: Recording
    side: Side
    key: ApiKey


def link_make(recording: Recording, side: Side, key: ApiKey) -> str:
    """What stands at the end of the link."""
    return signing.dumps({"r": recording.pk.hex, "s": side.value, "k": str(key.pk)}, salt=_SALT)


def link_open(text: str) -> Opened | None:
    """What the link opens; None for one that is forged, late, of a revoked key, or of a recording that is gone."""
    try:
        told: Any = signing.loads(text, salt=_SALT, max_age=LIVES_S)
    except signing.BadSignature:
        return None
    key = ApiKey.objects.filter(pk=told["k"]).first()
    recording = (
        Recording.objects.select_related("call__version")
        .defer("peaks")
        .filter(pk=uuid.UUID(told["r"]), state=Recording.State.STORED, call__isnull=False)
        .first()
    )
    if key is None or not is_open(key) or _READS not in key.scopes:
        return None
    if recording is None or not may_be_heard(recording.call):
        return None
    return Opened(recording, Side(told["s"]), key)


def recording_kept(call_id: uuid.UUID, side: Side) -> Recording | None:
    """The recording of a call, where that side of it can be heard."""
    kept = (
        Recording.objects.select_related("call__version")
        .defer("peaks")
        .filter(call=call_id, state=Recording.State.STORED)
        .order_by("created_at")
        .first()
    )
    if kept is None or not may_be_heard(kept.call) or side not in sides_of(kept):
        return None
    return kept


def sides_of(recording: Recording) -> frozenset[Side]:
    """What of a recording there is: of one whose sides are mixed, that alone."""
    if recording.channels == 2 and recording.content_type == "audio/wav":
        return frozenset(Side)
    return frozenset({Side.MONO, Side.STEREO})


def may_be_heard(call: Call | None) -> bool:
    """Whether programs may hear a call at all: none of an assistant that is switched to HIPAA."""
    if call is None:
        return False
    snapshot = call.version.snapshot if call.version is not None else {}
    return snapshot.get("hipaa") is not True
