"""Each document once, whoever sends it, however often, and however many at a time."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from assistants.mcp_lists import McpLists
from assistants.models import Transient
from assistants.transient.making import UnfitError
from assistants.transient.rows import Rows, rows_joined
from assistants.vapi.hiding import hidden
from tools.encryption import SecretUnreadableError

_NAMESPACE: Final = uuid.UUID("6c9e1f0a-5d0f-4b6e-9a53-0f5a3b1d7c42")
_DAY: Final = timedelta(days=1)
MADE_BY_MAX: Final = 120
_TRIES: Final = 3

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A document that was sent, with what the MCP servers inside it offer. ``beside``: all else that decides what becomes of it."""

    given: Document = field(repr=False)
    beside: tuple[str, ...] = field(repr=False)
    lists: McpLists = field(repr=False)

    def digest(self, kind: Transient.Kind) -> str:
        """The same for what would make the same."""
        # Keyed, for a document may hold a secret that could be guessed; in its own order, which a model reads.
        text = json.dumps([kind, self.given, *self.beside])
        return salted_hmac("assistants.transient", text, algorithm="sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class New:
    """A document that nobody has sent yet, and the row that is to stand for it."""

    transient: Transient
    sent: Sent


# What is made of new documents: the rows of each, or why there are none.
Make = Callable[[Sequence[New]], Iterable[Rows | UnfitError]]


def made_once(
    kind: Transient.Kind, sent: Sequence[Sent], make: Make, *, actor: str
) -> list[uuid.UUID | UnfitError]:
    """The ids of what these documents make, which is made if it was not yet; or why nothing can be made of one.

    Of two at once that send the same, one makes it and the other waits.
    """
    now = timezone.now()
    digests = [one.digest(kind) for one in sent]
    asked = dict(zip(digests, sent, strict=True))
    made: dict[str, uuid.UUID | UnfitError] = {}
    tries, before = _TRIES, len(asked)
    while True:
        places = _places(asked.keys() - made.keys(), now)
        made |= {digest: pk for digest, (pk, there) in places.items() if there}
        fresh = {digest: pk for digest, (pk, there) in places.items() if not there}
        if not fresh:
            return [made[digest] for digest in digests]
        # Of many, somebody else may make one after the other: that goes forward, however often.
        tries, before = (_TRIES if len(fresh) < before else tries), len(fresh)
        new = {
            digest: New(_row(kind, pk, asked[digest], actor, now), asked[digest])
            for digest, pk in fresh.items()
        }
        rows = dict(zip(new, _tried(make, list(new.values())), strict=True))
        good = {digest: one for digest, one in rows.items() if isinstance(one, Rows)}
        made |= {digest: one for digest, one in rows.items() if isinstance(one, UnfitError)}
        tries -= 1
        try:
            with transaction.atomic():
                rows_joined(good.values()).write()
        except IntegrityError:
            # Somebody else has made some of it meanwhile, unless it was something else.
            if not tries:
                raise
        else:
            made |= {digest: fresh[digest] for digest in good}


def _row(kind: Transient.Kind, pk: uuid.UUID, sent: Sent, actor: str, now: datetime) -> Transient:
    return Transient(pk=pk, kind=kind, document=hidden(sent.given), made_by=actor[:MADE_BY_MAX], used_at=now)


def _tried(make: Make, new: Sequence[New]) -> list[Rows | UnfitError]:
    try:
        return list(make(new))
    except UnfitError as exc:
        return [exc] * len(new)
    except SecretUnreadableError as exc:
        return [UnfitError([str(exc)])] * len(new)


# --- Places


@dataclass(slots=True)
class _Look:
    """How far the place of a document was looked for: the last one that is known to be emptied, and the next one to try.

    ``free`` is the first that is not emptied as far as is known, and whether something is there.
    """

    emptied: int = -1
    n: int = 0
    free: tuple[int, bool] | None = None

    @property
    def over(self) -> bool:
        """Whether the place is found."""
        return self.free is not None and self.free[0] - self.emptied == 1

    def saw(self, *, used: bool | None) -> None:
        """Take in what is at the one that was tried: something, nothing, or (None) what was emptied."""
        if used is None:
            self.emptied = self.n
        else:
            self.free = (self.n, used)
        self.n = 2 * self.n + 1 if self.free is None else (self.free[0] + self.emptied) // 2


def _places(digests: Iterable[str], now: datetime) -> dict[str, tuple[uuid.UUID, bool]]:
    """The ids of these documents, and whether they are there.

    One that was emptied, with the calls that ran on it, is never run on again: it has the next id then, and so on. A document
    that is sent every day and erased every day has many, so they are not tried one by one.
    """
    looks = {digest: _Look() for digest in digests}
    waiting = list(looks)
    while waiting:
        ids = {digest: _id(digest, looks[digest].n) for digest in waiting}
        used = _used(ids.values(), now)
        for digest, pk in ids.items():
            looks[digest].saw(used=used.get(pk, False))
        waiting = [digest for digest in waiting if not looks[digest].over]
    return {digest: _found(digest, look) for digest, look in looks.items()}


def _found(digest: str, look: _Look) -> tuple[uuid.UUID, bool]:
    assert look.free is not None  # it is over
    n, there = look.free
    return _id(digest, n), there


def _id(digest: str, n: int) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{digest} {n}")


def _used(ids: Iterable[uuid.UUID], now: datetime) -> dict[uuid.UUID, bool | None]:
    """Those that are there, None for what was emptied; a day that one is used on is written down once."""
    rows = Transient.objects.filter(pk__in=list(ids)).values_list("pk", "used_at", "kind")
    found: dict[uuid.UUID, bool | None] = {}
    old = []
    for pk, used_at, kind in rows:
        found[pk] = True if kind != Transient.Kind.EMPTIED else None
        if found[pk] and used_at < now - _DAY:
            old.append(pk)
    if old:
        found |= _used_again(old, now)
    return found


def _used_again(ids: list[uuid.UUID], now: datetime) -> dict[uuid.UUID, bool | None]:
    """The same of documents that were not used for a day. One may be going in this very moment: whoever takes it away holds it."""
    with transaction.atomic():
        # In one order, so that two who use the same ones do not wait for each other.
        held = Transient.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
        kinds = dict(held.values_list("pk", "kind"))
        here = [pk for pk, kind in kinds.items() if kind != Transient.Kind.EMPTIED]
        Transient.objects.filter(pk__in=here).update(used_at=now)
    return {**dict.fromkeys(ids, False), **dict.fromkeys(kinds), **dict.fromkeys(here, True)}
