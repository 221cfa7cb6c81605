"""Which messages a call's rows call for by now, each with the key by which it is known. Pure.

The same rows always call for the same messages, however often and by whom they are looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from calls.messages import kinds


@dataclass(frozen=True, slots=True)
class SpokenSeen:
    """One side's words in one turn. ``heard``: some of them reached the other side."""

    item: str
    role: str  # Vapi's: assistant, user
    began_at: datetime
    ended_at: datetime
    heard: bool
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """A transfer, with the moments that are known of it."""

    id: str
    dialled_at: datetime | None
    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rows of a call say. ``parts`` are the moments at which each assistant took it, ``wanted`` what each wants."""

    created_at: datetime
    wanted: tuple[frozenset[str], ...]
    parts: tuple[datetime, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reported_at: datetime | None = None  # when the report may go out
    spoken: tuple[SpokenSeen, ...] = ()
    transfers: tuple[TransferSeen, ...] = ()
    hangs: tuple[tuple[str, datetime], ...] = ()

    def part_at(self, at: datetime) -> int:
        """Which assistant had the call then."""
        later = [n for n, began_at in enumerate(self.parts) if n and began_at <= at]
        return later[-1] if later else 0

    def wanted_at(self, at: datetime) -> frozenset[str]:
        """What the assistant wanted that had the call then."""
        part = self.part_at(at)
        return self.wanted[min(part, len(self.wanted) - 1)]


@dataclass(frozen=True, slots=True)
class Due:
    """One message that is to be sent, once. ``rank`` orders those of one moment."""

    kind: str
    key: str
    at: datetime
    part: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 0


def messages_due(seen: Seen) -> list[Due]:
    """The messages, in the order in which they became true."""
    found = [*_life(seen), *_parts(seen), *_transfers(seen), *_talk(seen), *_end(seen)]
    told = [
        Due(kind, key, at, seen.part_at(at), facts, rank)
        for kind, key, at, facts, rank in found
        if kind in seen.wanted_at(at)
    ]
    # What belongs to the end comes last, whatever the clocks of several machines say.
    return sorted(told, key=lambda one: (one.key in kinds.ENDS, one.at, one.rank))


_Found = tuple[str, str, datetime, dict[str, Any], int]


def _life(seen: Seen) -> Iterator[_Found]:
    if seen.started_at is not None:
        yield kinds.STATUS, "status:in-progress", seen.started_at, {"status": "in-progress"}, 0
        yield kinds.STARTED, "assistant.started:0", seen.started_at, {}, 1
    for key, at in seen.hangs:
        yield kinds.HANG, f"hang:{key}", at, {}, 0


def _parts(seen: Seen) -> Iterator[_Found]:
    for n, began_at in enumerate(seen.parts):
        if n:
            yield kinds.TRANSFER, f"transfer:part:{n}", began_at, {"part": n}, 0
            yield kinds.STARTED, f"assistant.started:{n}", began_at, {}, 1


def _transfers(seen: Seen) -> Iterator[_Found]:
    for one in seen.transfers:
        if one.dialled_at is None:
            continue
        facts = {"transfer": one.id}
        yield kinds.TRANSFER, f"transfer:{one.id}", one.dialled_at, facts, 0
        yield (
            kinds.STATUS,
            f"status:forwarding:{one.id}",
            one.dialled_at,
            {"status": "forwarding", **facts},
            1,
        )
        if one.resumed_at is not None:
            yield (
                kinds.STATUS,
                f"status:in-progress:{one.id}",
                one.resumed_at,
                {"status": "in-progress"},
                0,
            )


def _talk(seen: Seen) -> Iterator[_Found]:
    for turn, one in enumerate(seen.spoken):
        item, facts = one.item, {"item": one.item}
        ours = one.role == "assistant"
        if ours and one.heard:
            yield kinds.SPEECH_STARTED, f"speech-begun:{item}", one.began_at, {**facts, "turn": turn}, 3
            yield kinds.MODEL_OUTPUT, f"output:{item}", one.ended_at, facts, 3
        if ours and one.interrupted:
            yield kinds.INTERRUPTED, f"interrupted:{item}", one.ended_at, facts, 4
        if one.heard:
            form = kinds.transcript_kind(seen.wanted_at(one.ended_at))
            if form:
                yield form, f"transcript:{item}", one.ended_at, facts, 5
            yield kinds.CONVERSATION, f"conversation:{item}", one.ended_at, facts, 6


def _end(seen: Seen) -> Iterator[_Found]:
    if seen.ended_at is not None:
        yield kinds.STATUS, kinds.STATUS_ENDED, seen.ended_at, {"status": "ended"}, 0
    if seen.reported_at is not None:
        yield kinds.REPORT, kinds.REPORT_KEY, seen.reported_at, {}, 1
