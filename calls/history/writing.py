"""Calls that ran at Vapi, into the same tables as ours: once each, whoever tells of them, in whatever order."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from assistants.models import VapiObject
from calls.history.keeping import beside_keep, conversation_keep, keepings_of
from calls.history.merging import changes_value, fields_newer
from calls.history.messages import Conversation
from calls.history.reading import CallRecord
from calls.history.rows import MOST_MS, call_zero, tool_call_rows, utterance_rows
from calls.models import Call, PhoneNumber, VapiCall, VapiCallErased
from tools.models import ToolCall
from tools.redaction.keeping import Keeping
from transcripts.models import Transcript, Utterance

# Any number: whoever writes calls of Vapi's holds it for a batch, so that two bodies of one call come one after the other.
_LOCK: Final = 7_305_519_027
_NAMES: Final = uuid.UUID("6f1e5a52-38a3-4a5b-9d3c-0d5f3f6a7c11")
_BATCH: Final = 2000
# The fields that stand in the row of the call; all others but the conversation stand in ours.
_OF_CALL: Final = ("did", "caller", "created_at", "started_at", "ended_at", "ended_reason")
_SETTLED: Final = (
    "stack",
    "direction",
    "status",
    "call_sid",
    "phone_number",
    "assistant",
    "first_sound_ms",
    "barge_ins",
)
_OUTBOUND: Final = "outboundPhoneCall"


@dataclass(slots=True)
class Written:
    """What became of some records."""

    created: int = 0
    completed: int = 0
    unchanged: int = 0
    running: int = 0
    erased: int = 0

    def add(self, other: "Written") -> None:
        """Count another batch in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def calls_write(records: Iterable[CallRecord], *, source: VapiCall.Source) -> Written:
    """Write these calls, all of them or none. A call that has not ended yet is left for later, when it is complete.

    The same body a second time changes nothing; a fuller one completes what a poorer one has left open.
    """
    listed = list(records)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        batch = _Batch(listed, source)
        for record in listed:
            batch.take(record)
        batch.save()
    return batch.written


def calls_erase(vapi_calls: Iterable[VapiCall]) -> int:
    """How many calls are gone now, with all that was said and done in them; they do not come back by an import."""
    rows = list(vapi_calls)
    with transaction.atomic():
        call_ids = [row.call_id for row in rows]
        calls_stay_away(call_ids)
        ToolCall.objects.filter(call_id__in=call_ids).delete()
        Transcript.objects.filter(call_id__in=call_ids).delete()
        Call.objects.filter(pk__in=call_ids).delete()
    return len(rows)


def calls_stay_away(call_ids: Iterable[uuid.UUID]) -> int:
    """How many of these calls ran at Vapi: whatever tells of them again is not written any more. For a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    ids = list(VapiCall.objects.filter(call_id__in=list(call_ids)).values_list("vapi_id", flat=True))
    now = timezone.now()
    VapiCallErased.objects.bulk_create(
        [VapiCallErased(digest=_digest(one), erased_at=now) for one in ids], ignore_conflicts=True
    )
    return len(ids)


def calls_link() -> int:
    """How many calls found their assistant or number, which was imported later than they were."""
    found = 0
    rows = VapiCall.objects.select_related("call").filter(
        Q(call__assistant__isnull=True) & ~Q(assistant_id="")
        | Q(call__phone_number__isnull=True) & ~Q(call__did="")
    )
    links = _Links()
    for row in rows.only("assistant_id", "call__did", "call__assistant", "call__phone_number").iterator(
        _BATCH
    ):
        assistant = row.call.assistant_id or links.assistant(row.assistant_id)
        number = row.call.phone_number_id or links.number(row.call.did)
        if (assistant, number) != (row.call.assistant_id, row.call.phone_number_id):
            found += Call.objects.filter(pk=row.call_id).update(
                assistant_id=assistant, phone_number_id=number
            )
    return found


def _digest(vapi_id: str) -> str:
    return hashlib.sha256(vapi_id.encode()).hexdigest()


# --- What a call is linked to --------------------------------------------------------------------------------


class _Links:
    """Our assistants by Vapi's ids and our numbers by DID, each looked up once."""

    def __init__(self) -> None:
        rows = VapiObject.objects.filter(kind=VapiObject.Kind.ASSISTANT, assistant__isnull=False)
        self._assistants: dict[str, uuid.UUID | None] = dict(rows.values_list("key", "assistant_id"))
        self._dids: dict[str, str] = {
            str(key): did
            for key, did in VapiObject.objects.filter(kind=VapiObject.Kind.PHONE_NUMBER).values_list(
                "key", "raw__number"
            )
            if isinstance(did, str)
        }
        self._numbers: dict[str, uuid.UUID] = dict(PhoneNumber.objects.values_list("did", "pk"))

    def assistant(self, vapi_id: str) -> uuid.UUID | None:
        """The assistant that came of Vapi's."""
        return self._assistants.get(vapi_id)

    def did(self, phone_number_id: str) -> str:
        """The number behind Vapi's id of it, as it was imported."""
        return self._dids.get(phone_number_id, "")[:40]

    def number(self, did: str) -> uuid.UUID | None:
        """Our row of a number."""
        return self._numbers.get(did)


# --- A batch -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Row:
    """One call on its way: its rows, and what is to be done about them."""

    vapi_call: VapiCall
    call: Call
    call_is_new: bool
    is_new: bool
    changed: bool = False
    ranks_changed: bool = False
    conversation: Conversation | None = field(default=None, repr=False)
    zero_before: datetime | None = None  # of a call that was here already


class _Batch:
    """Gathers what a list of records changes, and writes it with a query for each table."""

    def __init__(self, records: Sequence[CallRecord], source: VapiCall.Source) -> None:
        self.written = Written()
        self._source = source
        self._keepings: dict[uuid.UUID, Keeping] = {}
        self._now = timezone.now()
        self._links = _Links()
        ids = {record.vapi_id for record in records}
        self._rows = {
            row.vapi_id: _Row(row, row.call, call_is_new=False, is_new=False, zero_before=call_zero(row.call))
            for row in VapiCall.objects.select_related("call").filter(vapi_id__in=ids)
        }
        digests = {_digest(one): one for one in ids}
        self._erased = {
            digests[one]
            for one in VapiCallErased.objects.filter(pk__in=digests).values_list("digest", flat=True)
        }
        new = [record for record in records if record.vapi_id not in self._rows]
        sids = {record.call_sid for record in records if record.call_sid}
        known = Call.objects.filter(
            Q(pk__in=[_call_id(record.vapi_id) for record in new]) | Q(call_sid__in=sids)
        )
        calls = list(known.select_related("vapi_call"))
        self._by_pk = {call.pk: call for call in calls}
        self._by_sid = {call.call_sid: call for call in calls if call.call_sid}

    def take(self, record: CallRecord) -> None:
        """Note what a record adds."""
        if record.vapi_id in self._erased:
            self.written.erased += 1
            return
        if not record.finished:
            self.written.running += 1
            return
        row = self._rows.get(record.vapi_id)
        begun = row is None
        if row is None:
            row = self._rows[record.vapi_id] = self._begun(record)
        held = row.vapi_call.ranks
        newer = fields_newer(held, record)
        changing = {name for name, rank in newer.items() if changes_value(held, name, rank)}
        row.vapi_call.ranks = {**held, **newer}
        row.ranks_changed |= bool(newer)
        if changing:
            self._apply(row, record, changing)
        if begun:
            self.written.created += 1
        elif changing:
            self.written.completed += 1
        else:
            self.written.unchanged += 1

    def _begun(self, record: CallRecord) -> _Row:
        """The rows of a call that is not here yet. A call that we sent to Vapi has its own already, without a record."""
        known = self._by_sid.get(record.call_sid) if record.call_sid else None
        if not _is_free(known):
            known = self._by_pk.get(_call_id(record.vapi_id))
        if _is_free(known) and known is not None:
            call, is_new = known, False
        else:
            taken = known is not None and known.pk == _call_id(record.vapi_id)
            pk = uuid.uuid5(_NAMES, record.vapi_id) if taken else _call_id(record.vapi_id)
            call, is_new = Call(pk=pk, stack=Call.Stack.VAPI, status=Call.Status.ENDED), True
        vapi_call = VapiCall(call=call, vapi_id=record.vapi_id, source=self._source, imported_at=self._now)
        return _Row(vapi_call, call, call_is_new=is_new, is_new=True)

    def _apply(self, row: _Row, record: CallRecord, changing: set[str]) -> None:
        call, vapi_call = row.call, row.vapi_call
        if not row.is_new:
            vapi_call.completed_at = self._now
        row.changed = True
        for name in changing:
            if name == "conversation":
                row.conversation = record.conversation
            elif name in _OF_CALL:
                setattr(call, name, getattr(record, name))
            else:
                setattr(vapi_call, name, getattr(record, name))
        vapi_call.notes = sorted({*vapi_call.notes, *record.notes})
        self._settle(row)

    def _settle(self, row: _Row) -> None:
        """What follows from the fields, whichever body each of them came from."""
        call, vapi_call = row.call, row.vapi_call
        call.status = Call.Status.ENDED
        call.direction = (
            Call.Direction.OUTBOUND if vapi_call.call_type == _OUTBOUND else Call.Direction.INBOUND
        )
        call.did = call.did or self._links.did(vapi_call.phone_number_id)
        call.phone_number_id = self._links.number(call.did) or call.phone_number_id
        call.assistant_id = self._links.assistant(vapi_call.assistant_id) or call.assistant_id
        if not call.call_sid and vapi_call.call_sid and vapi_call.call_sid not in self._by_sid:
            call.call_sid = vapi_call.call_sid
            self._by_sid[call.call_sid] = call
        if call.started_at and call.ended_at and call.ended_at < call.started_at:
            call.ended_at = call.started_at
        interrupted = vapi_call.metrics.get("numAssistantInterrupted")
        call.barge_ins = (
            int(interrupted) if isinstance(interrupted, int | float) and 0 <= interrupted < 10_000 else 0
        )
        if row.conversation is not None:
            began = [one.began_ms for one in row.conversation.said if one.speaker == "assistant"]
            timed = row.conversation.timed and began
            call.first_sound_ms = min(began[0], MOST_MS) if timed else None

    # --- Writing

    def save(self) -> None:
        """Write everything down."""
        changed = [row for row in self._rows.values() if row.changed or row.is_new]
        self._keepings = keepings_of(row.call.assistant_id for row in changed)
        for row in changed:
            rules = self._rules(row)
            if rules is not None:
                beside_keep(rules, row.vapi_call)
        new_calls = [row.call for row in changed if row.call_is_new]
        created_at: dict[uuid.UUID, datetime | None] = {row.call.pk: row.call.created_at for row in changed}
        Call.objects.bulk_create(new_calls, batch_size=_BATCH)
        for row in changed:
            # On creation Django puts now there, whatever was given.
            row.call.created_at = created_at.get(row.call.pk) or row.call.started_at or self._now
        Call.objects.bulk_update(new_calls, ["created_at"], batch_size=500)
        known_calls = [row.call for row in changed if not row.call_is_new]
        Call.objects.bulk_update(known_calls, [*_OF_CALL, *_SETTLED], batch_size=500)
        VapiCall.objects.bulk_create([row.vapi_call for row in changed if row.is_new], batch_size=500)
        VapiCall.objects.bulk_update(
            [row.vapi_call for row in changed if not row.is_new], _VAPI_COLUMNS, batch_size=500
        )
        ranked = [
            row.vapi_call
            for row in self._rows.values()
            if row.ranks_changed and not row.changed and not row.is_new
        ]
        VapiCall.objects.bulk_update(ranked, ["ranks"], batch_size=500)
        self._save_conversations([row for row in changed if row.conversation is not None])
        for row in changed:
            if row.conversation is None and row.zero_before is not None:
                self._move_conversation(row.call, row.zero_before)

    def _rules(self, row: _Row) -> Keeping | None:
        """What may be kept of the call, where not all of it is."""
        return self._keepings.get(row.call.assistant_id) if row.call.assistant_id else None

    def _move_conversation(self, call: Call, zero_before: datetime) -> None:
        """Put a conversation that stays as it is on the clock of a call whose beginning or end is known better now."""
        zero = call_zero(call)
        times = {"started_at": zero} | ({"closed_at": call.ended_at} if call.ended_at else {})
        Transcript.objects.filter(call_id=call.pk).update(**times)
        if zero != zero_before:
            columns = ("requested_at", "sent_at", "answered_at", "told_at")
            ToolCall.objects.filter(call_id=call.pk).update(
                **{name: F(name) + (zero - zero_before) for name in columns}
            )

    def _save_conversations(self, rows: list[_Row]) -> None:
        known = [row.call.pk for row in rows if not row.is_new]
        Transcript.objects.filter(call_id__in=known).delete()
        ToolCall.objects.filter(call_id__in=known).delete()
        transcripts = {
            row.call.pk: Transcript(
                call_id=row.call.pk, started_at=call_zero(row.call), closed_at=row.call.ended_at or self._now
            )
            for row in rows
            if row.conversation and row.conversation.said
        }
        Transcript.objects.bulk_create(transcripts.values(), batch_size=_BATCH)
        utterances: list[Utterance] = []
        tool_calls: list[ToolCall] = []
        for row in rows:
            if row.conversation is not None:
                said = (
                    utterance_rows(transcripts[row.call.pk], row.conversation)
                    if row.conversation.said
                    else []
                )
                done = tool_call_rows(row.call, row.conversation.steps)
                rules = self._rules(row)
                if rules is not None:
                    conversation_keep(rules, said, done)
                utterances += said
                tool_calls += done
        Utterance.objects.bulk_create(utterances, batch_size=_BATCH)
        ToolCall.objects.bulk_create(tool_calls, batch_size=_BATCH)


_VAPI_COLUMNS: Final = [
    one.name for one in VapiCall._meta.concrete_fields if one.name not in ("id", "call", "vapi_id", "imported_at", "source")
]  # fmt: skip


def _is_free(call: Call | None) -> bool:
    """Whether a call that is here already is one that ran at Vapi and of which nothing came yet."""
    return call is not None and call.stack == Call.Stack.VAPI and not hasattr(call, "vapi_call")


def _call_id(vapi_id: str) -> uuid.UUID:
    """Our id of a call of Vapi's: its own, where that is a UUID."""
    try:
        return uuid.UUID(vapi_id)
    except ValueError:
        return uuid.uuid5(_NAMES, vapi_id)
