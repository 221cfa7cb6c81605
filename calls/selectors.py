"""Reading calls: by number, and for the media stream."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from assistants.snapshots import Snapshot, snapshot_read
from calls.models import Call, PhoneNumber
from tools.encryption import stored_token
from tools.selectors import tool_secret_tokens


@dataclass(frozen=True, slots=True)
class StreamCall:
    """Everything of a call that its media stream needs, read once, before the first frame."""

    call_id: uuid.UUID
    call_sid: str
    account_sid: str
    did: str
    caller: str
    created_at: datetime
    phone_number_id: str
    version_number: int
    snapshot: Snapshot
    # Fernet tokens, never plain. A tool with a server URL of its own is in the first, with its secret or "".
    tool_secrets: dict[str, str]
    assistant_secret: str


def phone_number_for_did(did: str) -> PhoneNumber | None:
    """The number that a caller dialled, with the assistant that answers it; None for a foreign one."""
    return (
        PhoneNumber.objects.select_related("assistant")
        .defer("assistant__instructions", "assistant__server_secret")
        .filter(did=did)
        .first()
    )


def call_for_stream(call_id: uuid.UUID) -> StreamCall | None:
    """The call that this stream may open, or None: unknown, over, without a version, or opened before.

    Raises TypeError for a version that no release ever wrote.
    """
    call = (
        Call.objects.select_related("version")
        .annotate(assistant_secret=stored_token("assistant__server_secret"))
        .filter(pk=call_id, status=Call.Status.RINGING, token_used_at__isnull=True, version__isnull=False)
        .first()
    )
    if call is None or call.version is None:
        return None
    snapshot = snapshot_read(call.version.snapshot)
    # Secrets are not in the snapshot: a rotated one must be in force at once, for old versions too.
    return StreamCall(
        call_id=call.id,
        call_sid=call.call_sid,
        account_sid=call.account_sid,
        did=call.did,
        caller=call.caller,
        created_at=call.created_at,
        phone_number_id=str(call.phone_number_id or ""),
        version_number=call.version.number,
        snapshot=snapshot,
        tool_secrets=tool_secret_tokens(tool_ids=[tool.id for tool in snapshot.tools]),
        assistant_secret=call.assistant_secret or "",
    )
