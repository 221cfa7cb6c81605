"""Reading calls: by number, and for the media stream."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from assistants.snapshots import Snapshot, snapshot_read
from calls.models import Call, PhoneNumber
from tools.encryption import encrypt
from tools.models import Tool


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
    # Fernet tokens, never plain: by tool id, and the assistant's under "".
    secrets: dict[str, str]
    # Ids of the tools that have a server URL of their own, whose secret therefore is their own or none.
    tools_with_url: frozenset[str]


def phone_number_for_did(did: str) -> PhoneNumber | None:
    """The number that a caller dialled, with its assistant and the version that answers; None for a foreign one."""
    return (
        PhoneNumber.objects.select_related("assistant__live_version", "assistant__model")
        .filter(did=did)
        .first()
    )


def call_for_stream(call_id: uuid.UUID) -> StreamCall | None:
    """The call that this stream may open, or None: unknown, over, without a version, or opened before."""
    call = (
        Call.objects.select_related("version", "assistant")
        .filter(pk=call_id, status=Call.Status.RINGING, token_used_at__isnull=True, version__isnull=False)
        .first()
    )
    if call is None or call.version is None or call.assistant is None:
        return None
    snapshot = snapshot_read(call.version.snapshot)
    tools = list(Tool.objects.filter(pk__in=[tool.id for tool in snapshot.tools]))
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
        secrets=_secrets(tools, call.assistant.server_secret),
        tools_with_url=frozenset(str(tool.id) for tool in tools if tool.server_url),
    )


def _secrets(tools: list[Tool], assistant_secret: str) -> dict[str, str]:
    # Secrets are not in the snapshot: a rotated one must be in force at once, for old versions too.
    tokens = {str(tool.id): encrypt(tool.server_secret) for tool in tools if tool.server_secret}
    if assistant_secret:
        tokens[""] = encrypt(assistant_secret)
    return tokens
