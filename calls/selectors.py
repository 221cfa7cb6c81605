"""Reading calls: by number, and for the media stream."""

import itertools
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from assistants.models import Transient, VapiObject
from assistants.snapshots import Snapshot, snapshot_read
from calls.bridge.audio import MULAW, AudioFormat
from calls.handoffs import overrides_of
from calls.models import (
    LIVE,
    OVER,
    Call,
    CallPart,
    CallTransfer,
    CallVariables,
    NumberServer,
    PhoneNumber,
    Placing,
    SmokePair,
    SmokeRun,
)
from calls.resumptions import Resumption, resumption_of
from calls.transfers import destination_read
from tools.auth.credentials import ServerAuth
from tools.encryption import SecretUnreadableError, decrypt, stored_token
from tools.jsontext import json_read
from tools.selectors import auth_columns, server_auth, tool_auths, tool_calls_known, tool_calls_of
from tools.snapshots import ToolSnapshot
from transcripts.models import Transcript

_AUTH_NAMES = (
    "auth_secret",
    "auth_headers",
    "auth_credential",
    "auth_credential_kind",
    "auth_settings",
    "auth_key",
    "auth_hosts",
)


@dataclass(frozen=True, slots=True)
class Whisper:
    """What an operator is told. ``pending``: a summary may still come; ``lacks_summary``: it has not."""

    text: str
    language: str
    waits: bool
    pending: bool
    lacks_summary: bool


@dataclass(frozen=True, slots=True)
class LineServer:
    """The server of the number that was dialled, for tools that have none of their own or their assistant's."""

    url: str = field(repr=False)
    auth: ServerAuth
    backoff_plan: dict[str, Any] = field(default_factory=dict)
    encrypted_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SmokeCall:
    """What makes a call one of a smoke test: the answers of its tools, which go to nobody.

    ``off_network``: Twilio knows nothing of it, so the stream itself is all that there is to end.
    """

    mocks: list[dict[str, Any]] = field(repr=False)
    off_network: bool


@dataclass(frozen=True, slots=True)
class Member:
    """An assistant that may take a call over, as it was published when the call came in; None: it was not then.

    ``ways`` are the ids of those to whom it can hand the call over itself, by tool and destination.
    """

    name: str
    version_number: int
    snapshot: Snapshot | None = field(repr=False)
    ways: dict[str, dict[str, str]]
    assistant_auth: ServerAuth


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
    number_server: LineServer | None = None
    phone_number_label: str = ""
    # The tools as published, what the snapshot's templates were rendered with, and what they lacked: filled in by
    # calls.variables.
    tools_written: tuple[ToolSnapshot, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    undefined: tuple[str, ...] = ()
    template_errors: tuple[str, ...] = ()
    resumption: Resumption | None = None
    smoke: SmokeCall | None = None
    # Where several assistants may share the call: all of them by id, whither the one that has it can hand it over, and
    # how many had it before.
    members: dict[str, Member] = field(default_factory=dict)
    ways: dict[str, dict[str, str]] = field(default_factory=dict)
    part: int = 0
    squad_id: str = ""
    outbound: bool = False
    # The values that a program gave with the call; they win over the assistant's.
    given: dict[str, Any] = field(default_factory=dict, repr=False)
    # The same without those that are secret; and by which ids programs know assistants, squad and number, by ours.
    given_told: dict[str, Any] = field(default_factory=dict, repr=False)
    known_ids: dict[str, str] = field(default_factory=dict)
    # What a program sent along with the call for itself, and the settings that it laid over the assistant's, without secrets.
    metadata: Any = field(default=None, repr=False)
    overrides: dict[str, Any] = field(default_factory=dict, repr=False)
    audio: AudioFormat = MULAW  # how its sound goes to the model, and comes back

    @property
    def is_recorded(self) -> bool:
        """Whether the call's sound is to be kept: every assistant that may have it must want that, and forbid it none."""
        every = [self.snapshot, *(member.snapshot for member in self.members.values() if member.snapshot)]
        allowed = all(one.recording_enabled and not one.hipaa for one in every)
        return allowed and self.smoke is None


def phone_number_for_did(did: str) -> PhoneNumber | None:
    """The number that a caller dialled, with the assistant that answers it; None for a foreign one."""
    return (
        PhoneNumber.objects.select_related("assistant", "squad")
        .defer("assistant__instructions", "assistant__server_secret")
        .filter(did=did)
        .first()
    )


def call_for_stream(call_id: uuid.UUID) -> StreamCall | None:
    """The call that this stream may open, or None: unknown, over, without a version, or opened before.

    A call that comes back from a transfer, or whose stream ended for another, may be opened once more. One of a smoke test runs on what its run has frozen.

    Raises TypeError for a version that no release ever wrote.
    """
    call = (
        Call.objects.select_related("version", "phone_number")
        .annotate(**dict(zip(_AUTH_NAMES, auth_columns("version__assistant__"), strict=True)))
        .annotate(
            squad_made_of=F("squad__transient"),
            placed_metadata=F("placing__metadata"),
            socket_metadata=F("socket__metadata"),
            sent_kind=F("version__assistant__transient__kind"),
            sent=F("version__assistant__transient__document"),
        )
        .filter(
            pk=call_id,
            status__in=LIVE,
            token_used_at__isnull=True,
        )
        .first()
    )
    pair = _smoke_pair(call) if call is not None and call.smoke_test else None
    stored = _stored(call, pair) if call is not None else None
    if call is None or stored is None:
        return None
    snapshot = snapshot_read(stored)
    members = {} if pair else _members(call)
    tools = [
        tool.id for one in (snapshot, *(m.snapshot for m in members.values())) if one for tool in one.tools
    ]
    values, secret_values = _variables(call.id)
    # Secrets are not in the snapshot: a rotated one must be in force at once, for old versions too.
    whole = StreamCall(
        call_id=call.id,
        call_sid=call.call_sid,
        account_sid=call.account_sid,
        did=call.did,
        caller=call.caller,
        created_at=call.created_at,
        phone_number_id=str(call.phone_number_id or ""),
        version_number=call.version.number if call.version else 0,
        snapshot=snapshot,
        tool_auths={} if pair else tool_auths(tool_ids=list(dict.fromkeys(tools))),
        assistant_auth=ServerAuth() if pair else server_auth(*(getattr(call, name) for name in _AUTH_NAMES)),
        number_server=None if pair else _line_server(call.phone_number_id),
        phone_number_label=call.phone_number.label if call.phone_number else "",
        smoke=_smoke(pair) if pair else None,
        members=members,
        squad_id=str(call.squad_id or "") if call.squad_made_of is None else "",
        outbound=call.direction == Call.Direction.OUTBOUND,
        given={**values, **secret_values},
        given_told=values,
        known_ids=_known_ids(call, members),
        metadata=call.placed_metadata if call.placed_metadata is not None else call.socket_metadata,
        overrides=call.sent if call.sent_kind == Transient.Kind.OVERRIDES else {},
    )
    current = _with_part(call, whole) if members else whole
    return replace(current, resumption=resumption_of(call, language=current.snapshot.language))


def variables_given(call_id: uuid.UUID) -> dict[str, Any]:
    """The values that a program gave with a call; without the secret ones where no key opens them."""
    values, secret = _variables(call_id)
    return {**values, **secret}


def names_it(key: str) -> bool:
    """Whether an object was imported under an id of its own, and not as a part of another."""
    return not any(mark in key for mark in ":#/")


def _known_ids(call: Call, members: Mapping[str, Member]) -> dict[str, str]:
    """Vapi's ids, by ours, of what was imported: servers that were written for Vapi know it by them."""
    number = call.phone_number
    known = {str(number.pk): number.vapi_id} if number is not None and number.vapi_id else {}
    assistants = [one for one in (call.assistant_id, *members) if one]
    rows = VapiObject.objects.filter(
        Q(assistant__in=assistants) | Q(squad=call.squad_id, squad__isnull=False)
    )
    for row in rows.order_by("-pk").only("assistant", "squad", "key"):
        if names_it(row.key):
            known[str(row.assistant_id or row.squad_id)] = row.key
    return known


def _variables(call_id: uuid.UUID) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same, plain and secret ones apart."""
    rows = CallVariables.objects.filter(pk=call_id).annotate(token=stored_token("secret_values"))
    for values, token in rows.values_list("values", "token"):
        try:
            secret = json_read(decrypt(token)) if token else {}
        except SecretUnreadableError:
            secret = {}
        return values, secret
    return {}, {}


def _members(call: Call) -> dict[str, Member]:
    rows = (
        call.members.select_related("version", "assistant")
        .only("call", "ways", "position", "assistant__name", "version__number", "version__snapshot")
        .annotate(**dict(zip(_AUTH_NAMES, auth_columns("version__assistant__"), strict=True)))
    )
    return {
        str(row.assistant_id): Member(
            name=row.assistant.name,
            version_number=row.version.number if row.version else 0,
            snapshot=snapshot_read(row.version.snapshot) if row.version else None,
            ways=row.ways,
            assistant_auth=server_auth(*(getattr(row, name) for name in _AUTH_NAMES)),
        )
        for row in rows
    }


def _with_part(call: Call, whole: StreamCall) -> StreamCall:
    """The call as the assistant runs it that had it last: one that was away comes back to where it was.

    It knows the values of those who had the call before, and what the ways to it have given, as when they handed it over.
    """
    parts = list(call.parts.order_by("n"))
    had = [whole.members[str(part.assistant_id)] for part in parts if str(part.assistant_id) in whole.members]
    part, member = (parts[-1], had[-1]) if len(parts) == len(had) > 0 else (None, None)
    if part is None or member is None or member.snapshot is None:
        return whole
    values: dict[str, Any] = {}
    for one in had:
        own: object = one.snapshot.variables if one.snapshot else {}  # JSON that people write
        values |= own if isinstance(own, dict) else {}
    handed: dict[str, Any] = {}
    for before, after in itertools.pairwise(zip(parts, had, strict=True)):
        handed |= _handed(call, before[1], after[0])
    return replace(
        whole,
        given={**whole.given, **handed},
        snapshot=replace(member.snapshot, variables=values),
        version_number=member.version_number,
        assistant_auth=member.assistant_auth,
        ways=member.ways,
        part=part.n,
    )


def _handed(call: Call, member: Member, part: CallPart) -> Mapping[str, Any]:
    """The values that the destination gave by which this member has handed the call over."""
    taken = str(part.assistant_id)
    ways = [
        (tool, name)
        for tool in (member.snapshot.tools if member.snapshot else ())
        for name, key in member.ways.get(tool.name, {}).items()
        if key == taken
    ]
    if len(ways) > 1:
        asked = tool_calls_of(call_id=call.id).filter(item_id=part.tool_call_id).first()
        given: object = asked.arguments if asked else {}  # as far as they may be written down
        where = given.get("destination") if isinstance(given, Mapping) else None
        ways = [way for way in ways if asked and way[0].name == asked.name] or ways
        ways = [way for way in ways if way[1] == where] or ways
    values = overrides_of(*ways[0]).get("variableValues") if ways else None
    return values if isinstance(values, Mapping) else {}


def _line_server(phone_number_id: uuid.UUID | None) -> LineServer | None:
    columns = ("server_url", "server_backoff_plan", "server_encrypted_paths")
    row = (
        NumberServer.objects.filter(pk=phone_number_id).values_list(*columns, *auth_columns()).first()
        if phone_number_id is not None
        else None
    )
    if row is None:
        return None
    url, plan, paths = row[: len(columns)]
    return LineServer(
        url,
        server_auth(*row[len(columns) :]),
        plan if isinstance(plan, dict) else {},
        tuple(str(path) for path in paths) if isinstance(paths, list) else (),
    )


def _stored(call: Call, pair: SmokePair | None) -> dict[str, Any] | None:
    """The snapshot that the call runs on. One of a smoke test whose pair is gone has none: it must reach nobody's tools."""
    if call.smoke_test:
        return pair.run.snapshot if pair else None
    return call.version.snapshot if call.version else None


def _smoke_pair(call: Call) -> SmokePair | None:
    return SmokePair.objects.select_related("run").filter(call=call).first()


def _smoke(pair: SmokePair) -> SmokeCall:
    mocks = pair.script.get("mocks")
    return SmokeCall(
        mocks=mocks if isinstance(mocks, list) else [],
        off_network=pair.run.line == SmokeRun.Line.LOOPBACK,
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


def came_since(since: datetime) -> Q:
    """Of calls: those that came in since then, or were dialled since then that had been scheduled long before."""
    scheduled = Placing.objects.filter(earliest_at__isnull=False, claimed_at__gte=since)
    # Their ids, and not a query for them: with that the planner would read every call there is.
    return Q(created_at__gte=since) | Q(pk__in=list(scheduled.values_list("pk", flat=True)))


def calls_written(call_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the calls that are over and of which every word and every tool call is in the tables.

    Workers write side by side, so the last words of a call may stand there before a tool call that came earlier.
    """
    ended = Call.objects.filter(pk__in=call_ids, status__in=OVER)
    made = dict(ended.values_list("pk", "tool_calls_made"))
    closed = Transcript.objects.filter(call_id__in=made, closed_at__isnull=False)
    rows = tool_calls_known(call_ids=made)
    return {
        call_id
        for call_id in closed.values_list("call_id", flat=True)
        if rows.get(call_id, 0) >= (made[call_id] or 0)
    }
