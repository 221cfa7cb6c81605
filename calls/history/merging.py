"""Several bodies about one call, in any order and however often: which of them knows each field best. Pure.

Each field is decided for itself, by a rank that does not depend on the order in which the bodies came. So the record
in the tables is the same whichever of REST, recorder and files was first.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from calls.history.messages import Conversation
from calls.history.reading import CallRecord

# As it is stored: a list of numbers and texts that compare one after the other, the digest of the value at its end.
Rank = list[Any]

FIELDS: Final = (
    "org_id", "call_type", "name", "assistant_id", "assistant_name", "assistant_version", "squad_id",
    "phone_number_id", "did", "caller", "call_sid", "created_at", "started_at", "ended_at", "ended_reason",
    "ended_message", "cost", "cost_breakdown", "costs", "analysis", "structured_outputs", "metrics", "recordings",
    "transfers", "activations", "conversation",
)  # fmt: skip


def ranks_of(record: CallRecord) -> dict[str, Rank]:
    """The rank of every field that this record tells something of."""
    seen: Rank = [int(record.finished), record.seen_ms]
    return {
        name: [*_weight(value), *seen, _digest(value)]
        for name in FIELDS
        if not _is_empty(value := getattr(record, name))
    }


def fields_newer(held: Mapping[str, Rank], record: CallRecord) -> dict[str, Rank]:
    """The fields of this record that outrank what is held, with their ranks."""
    return {name: rank for name, rank in ranks_of(record).items() if name not in held or rank > held[name]}


def changes_value(held: Mapping[str, Rank], name: str, rank: Rank) -> bool:
    """Whether a field that outranks what is held is also another value."""
    return name not in held or held[name][-1] != rank[-1]


def _is_empty(value: Any) -> bool:
    if isinstance(value, Conversation):
        return not value.said and not value.steps
    return value is None or value in ("", {}, [])


def _weight(value: Any) -> Rank:
    """What comes before age: a fuller conversation is never replaced by a poorer one."""
    return list(value.richness) if isinstance(value, Conversation) else []


def _digest(value: Any) -> str:
    plain = repr(value) if not isinstance(value, Conversation) else _spelled(value)
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()[:16]


def _spelled(conversation: Conversation) -> str:
    said = [[one.speaker, one.text, one.began_ms, one.ended_ms] for one in conversation.said]
    steps = [
        [one.id, one.name, one.arguments, one.asked_ms, one.answered_ms, one.result, one.outcome]
        for one in conversation.steps
    ]
    return json.dumps([said, steps], sort_keys=True)
