"""Reading calls: by number, and for the media stream."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assistants.snapshots import Snapshot, snapshot_read
from calls.models import Call, CallTransfer, PhoneNumber
from calls.transfers import destination_read
from tools.auth.credentials import ServerAuth
from tools.selectors import auth_columns, server_auth, tool_auths

_AUTH_NAMES = ("auth_secret", "auth_headers", "auth_credential", "auth_credential_kind", "auth_settings")


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a call brings back from a transfer that nobody answered, for the session that goes on with it.

    ``messages`` is what was said before, in Vapi's shapes; ``says`` is said first, word for word, where it is not
    empty. The rest are the facts of the call so far.
    """

    began_at: datetime
    session: int  # the number of sessions before this one
    dial_status: str
    messages: list[dict[str, Any]] = field(default_factory=list, repr=False)
    says: str = ""
    facts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Whisper:
    """What an operator is told. ``pending``: a summary may still come; ``lacks_summary``: it has not."""

    text: str
    language: str
    waits: bool
    pending: bool
    lacks_summary: bool


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
    # Fernet tokens, never plain. A tool with a server of its own is in the first, whether or not that wants any.
    tool_auths: dict[str, ServerAuth] = field(default_factory=dict)
    assistant_auth: ServerAuth = field(default_factory=ServerAuth)
    phone_number_label: str = ""
    # What the snapshot's templates were rendered with, and what they lacked: filled in by calls.variables.
    variables: dict[str, Any] = field(default_factory=dict)
    undefined: tuple[str, ...] = ()
    template_errors: tuple[str, ...] = ()
    resumption: Resumption | None = None


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

    A call that comes back from a transfer may be opened once more.

    Raises TypeError for a version that no release ever wrote.
    """
    call = (
        Call.objects.select_related("version", "phone_number")
        .annotate(**dict(zip(_AUTH_NAMES, auth_columns("assistant__"), strict=True)))
        .filter(
            pk=call_id,
            status__in=[Call.Status.RINGING, Call.Status.FORWARDING],
            token_used_at__isnull=True,
            version__isnull=False,
        )
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
        tool_auths=tool_auths(tool_ids=[tool.id for tool in snapshot.tools]),
        assistant_auth=server_auth(*(getattr(call, name) for name in _AUTH_NAMES)),
        phone_number_label=call.phone_number.label if call.phone_number else "",
        resumption=_resumption(call, snapshot.language) if call.status == Call.Status.FORWARDING else None,
    )


def _resumption(call: Call, language: str) -> Resumption | None:
    transfers = [one for one in call.transfers.all() if one.resumed_at is not None]
    if not transfers:
        return None
    last = transfers[-1]
    destination = destination_read(last.destination, language=language)
    fallback = destination.fallback if destination else None
    return Resumption(
        began_at=call.started_at or call.created_at,
        session=len(transfers),
        dial_status=last.dial_status,
        messages=last.history,
        says=fallback.message if fallback else "",
        facts={name: getattr(call, name) or 0 for name in ("barge_ins", "frames_in", "frames_dropped")},
    )


def whisper_for(*, transfer_id: uuid.UUID, now: datetime) -> Whisper | None:
    """What the operator is to be told of the call that comes to them; None: nothing."""
    transfer = CallTransfer.objects.select_related("call__version").filter(pk=transfer_id).first()
    if transfer is None or transfer.call.version is None:
        return None
    language = str(transfer.call.version.snapshot.get("language", "en"))
    destination = destination_read(transfer.destination, language=language)
    if destination is None or not destination.whispers:
        return None
    lacks_summary = destination.summary is not None and not transfer.summary
    due_at = transfer.summary_due_at
    return Whisper(
        text=transfer.summary or destination.says,
        language=language,
        waits=destination.waits,
        pending=lacks_summary and due_at is not None and now < due_at,
        lacks_summary=lacks_summary,
    )
