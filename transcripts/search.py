"""Search over what was said: the newest calls in which all that is looked for was spoken, by whomever.

There are two ways, and how common the rarest of the words is decides which is gone. A rare one leads through the index
to all its turns, which are then put in order. A common one is in every other call: from the newest backwards, call by
call, the page is full long before the index had been read. PostgreSQL keeps a list of the common words, and takes one that is
not on it for a fraction of all turns, a hundred thousand of twenty million: here it is rare. Nothing here fails on what people
type.
"""

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from psycopg.errors import QueryCanceled

from tools.jsontext import text_clean
from transcripts.models import Transcript, Utterance
from transcripts.words import UNSEEN, Said, plain

TEXT_MAX: Final = 200
PARTS_MAX: Final = 8
# So many turns are put in order quicker than calls are looked through; a guess from a table of 20 million turns.
_FEW_TURNS: Final = 30_000
_MANY_CALLS: Final = 50_000
_FIRST_STEP: Final = 200
_LONGEST_STEP: Final = 800
# Then the page says how far back it has come, and offers to go on: nobody waits a second.
_CALLS_AT_ONCE: Final = 30_000
_SECONDS_AT_ONCE: Final = 0.5
_STATEMENT_MS: Final = 8000

_SNIPPETS: Final = 3
_AROUND: Final = 110
_QUOTES: Final = str.maketrans("“”„«»", '"""""')
_PART: Final = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Part:
    """A word or a phrase: words that one side spoke one after the other, in one turn.

    ``begins``: its last word may go on. ``excluded``: calls in which it was said are left out.
    """

    words: tuple[str, ...]
    begins: bool = False
    excluded: bool = False
    query: str = ""
    # What PostgreSQL looks for: of a beginning, the words before it.
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of results ends: the next one has calls that began before."""

    started_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of transcripts, the newest first.

    ``older``: where to go on, None at the end. ``back_to`` is set where that is not for lack of room, but because so
    much had to be looked through; ``too_slow`` where the database was stopped.
    """

    ids: tuple[int, ...] = ()
    older: Place | None = None
    back_to: datetime | None = None
    too_slow: bool = False


@dataclass(frozen=True, slots=True)
class Snippet:
    """A turn that was found, in pieces of which those that were looked for are marked."""

    began_ms: int
    speaker: str
    pieces: tuple[tuple[str, bool], ...]


def parts_read(text: str) -> tuple[Part, ...]:
    """What is looked for: words, "phrases", beginnings* and -exclusions, in the order in which they were typed."""
    parts = []
    for dash, phrase, word in _PART.findall(text_clean(text)[:TEXT_MAX].translate(_QUOTES)):
        said = phrase or word
        words = tuple(plain(said).split())
        if words:
            parts.append(Part(words, begins=said.rstrip().endswith("*"), excluded=bool(dash)))
    return tuple(parts[:PARTS_MAX])


def transcripts_find(
    parts: Sequence[Part], among: QuerySet[Transcript], *, before: Place | None = None, limit: int = 50
) -> Found:
    """The newest of these transcripts in which all parts were said. Nothing is found by exclusions alone."""
    asked = [part for part in _queries(parts) if part.query]
    wanted = [part for part in asked if not part.excluded]
    if not wanted:
        return Found()
    if before is not None:
        among = among.filter(
            Q(started_at__lt=before.started_at) | Q(started_at=before.started_at, id__lt=before.id)
        )
    among = among.order_by("-started_at", "-id")
    try:
        with transaction.atomic(), _patience():
            turns_n, rarest = min(_estimates(wanted), key=itemgetter(0))
            if turns_n <= _FEW_TURNS:
                found = _by_index(rarest, asked, among, limit)
                if found is not None:
                    return found
            return _by_age(asked, among, limit)
    except OperationalError as exc:
        if not isinstance(exc.__cause__, QueryCanceled):
            raise
        return Found(too_slow=True)


def snippets_of(transcript_ids: Iterable[int], parts: Sequence[Part]) -> dict[int, list[Snippet]]:
    """Of each transcript the first turns in which something that is looked for was said. One query."""
    wanted = [part for part in parts if not part.excluded]
    queries = [part.query for part in _queries(wanted) if part.query]
    if not queries:
        return {}
    turns = Utterance.objects.filter(
        Said(" | ".join(f"({query})" for query in queries)), transcript_id__in=list(transcript_ids)
    )
    snippets: dict[int, list[Snippet]] = {}
    rows = turns.order_by("transcript_id", "began_ms", "id").values_list(
        "transcript_id", "began_ms", "speaker", "assistant", "text"
    )
    for transcript_id, began_ms, speaker, assistant, text in rows:
        of_call = snippets.setdefault(transcript_id, [])
        if len(of_call) < _SNIPPETS:
            label = assistant or Utterance.Speaker(speaker).label
            of_call.append(Snippet(began_ms, str(label), marked(text, wanted)))
    return snippets


# --- What was found, marked ----------------------------------------------------------------------------------

_BETWEEN: Final = rf"[\W_{re.escape(UNSEEN)}]+"
_INSIDE: Final = f"[{re.escape(UNSEEN)}]*"


def marked(text: str, parts: Sequence[Part]) -> tuple[tuple[str, bool], ...]:
    """The text around the first part that is found in it, in pieces: each with whether it was looked for."""
    pattern = _pattern(parts)
    first = pattern.search(text) if pattern else None
    begin, end = (first.start(), first.end()) if first else (0, 0)
    shown_from, shown_to = _room(text, begin, end)
    pieces: list[tuple[str, bool]] = [("…", False)] if shown_from else []
    at = shown_from
    for match in pattern.finditer(text, shown_from, shown_to) if pattern else ():
        pieces += [(text[at : match.start()], False), (match[0], True)]
        at = match.end()
    pieces += [(text[at:shown_to], False)] + ([("…", False)] if shown_to < len(text) else [])
    return tuple((piece, is_hit) for piece, is_hit in pieces if piece)


def _room(text: str, begin: int, end: int) -> tuple[int, int]:
    """Where the shown part of the text begins and ends: between words, where there are any near."""
    shown_from, shown_to = max(0, begin - _AROUND), min(len(text), end + 2 * _AROUND)
    if shown_from:
        gap = text.find(" ", shown_from, begin)
        shown_from = shown_from if gap < 0 else gap + 1
    if shown_to < len(text):
        gap = text.rfind(" ", end, shown_to)
        shown_to = shown_to if gap < 0 else gap
    return shown_from, shown_to


def _pattern(parts: Sequence[Part]) -> re.Pattern[str] | None:
    spelled = []
    for part in sorted(parts, key=lambda one: -sum(map(len, one.words))):
        words = [_INSIDE.join(map(re.escape, word)) for word in part.words]
        end = r"[^\W_]*" if part.begins else r"(?![^\W_])"
        spelled.append(rf"(?<![^\W_]){_BETWEEN.join(words)}{end}")
    return re.compile("|".join(spelled), re.IGNORECASE) if spelled else None


# --- In the database -----------------------------------------------------------------------------------------


def _queries(parts: Sequence[Part]) -> list[Part]:
    """The parts with what PostgreSQL makes of each; one that is no word to it, as a lone emoji, has an empty query."""
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT phraseto_tsquery('pg_catalog.simple', p.said)::text,
                tsvector_to_array(to_tsvector('pg_catalog.simple', p.whole))
            FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY p (said, whole, n) ORDER BY p.n
            """,
            [
                [" ".join(part.words) for part in parts],
                [" ".join(part.words[:-1] if part.begins else part.words) for part in parts],
            ],
        )
        rows = cursor.fetchall()
    # It is spelled by PostgreSQL itself, each word in quotes, so it can be read back and added to.
    return [
        replace(part, query=f"{query}:*" if query and part.begins else query, whole=tuple(whole))
        for part, (query, whole) in zip(parts, rows, strict=True)
    ]


class _patience:  # noqa: N801  # used as a context manager only
    """No statement of ours may take longer than a person waits."""

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            row = cursor.fetchone()
            self._before = row[0] if row else "0"
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(_STATEMENT_MS)])

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [self._before])


def _estimates(parts: Sequence[Part]) -> list[tuple[int, Part]]:
    """Each part with how many turns are believed to have it: none where it has a word that is not among the common ones."""
    unlisted = _unlisted({word for part in parts for word in part.whole})
    return [(0 if unlisted.intersection(part.whole) else _estimate(part), part) for part in parts]


def _unlisted(words: Iterable[str]) -> set[str]:
    """Those of the words that the statistics do not list as common. None while there are no statistics."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.word FROM unnest(%s::text[]) w (word), pg_stats s
            WHERE s.schemaname = current_schema() AND s.tablename = 'utterance_words' AND s.most_common_elems IS NOT NULL
                AND NOT w.word = ANY (s.most_common_elems::text::text[])
            """,
            [sorted(words)],
        )
        return {word for (word,) in cursor.fetchall()}


def _estimate(part: Part) -> int:
    """How many turns the database believes to have it, from its statistics. It reads none for that."""
    plan = json.loads(Utterance.objects.filter(Said(part.query)).order_by().explain(format="json"))
    rows: int = plan[0]["Plan"]["Plan Rows"]
    return rows


def _by_index(rarest: Part, asked: Sequence[Part], among: QuerySet[Transcript], limit: int) -> Found | None:
    """The page, through all turns that have the rarest part; None where those were far more than was believed."""
    turns = Utterance.objects.filter(Said(rarest.query)).order_by()
    ids = list(turns.values_list("transcript_id", flat=True).distinct()[: _MANY_CALLS + 1])
    if len(ids) > _MANY_CALLS:
        return None
    others = [part for part in asked if part is not rarest]
    rows = list(_saying(among.filter(pk__in=ids), others).values_list("started_at", "id")[: limit + 1])
    return _page(rows, limit)


def _by_age(asked: Sequence[Part], among: QuerySet[Transcript], limit: int) -> Found:
    """The page, through the transcripts themselves from the newest on."""
    rows: list[tuple[datetime, int]] = []
    looked, step, since = 0, _FIRST_STEP, time.monotonic()
    last: tuple[datetime, int] | None = None
    while len(rows) <= limit:
        rest = among
        if last is not None:
            rest = among.filter(Q(started_at__lt=last[0]) | Q(started_at=last[0], id__lt=last[1]))
        batch = list(rest.values_list("started_at", "id")[:step])
        if batch:
            of_batch = Transcript.objects.filter(pk__in=[pk for _, pk in batch])
            saying = set(_saying(of_batch.order_by(), asked).values_list("id", flat=True))
            rows += [row for row in batch if row[1] in saying]
            last = batch[-1]
        if len(batch) < step:
            break
        looked += len(batch)
        step = min(step * 2, _LONGEST_STEP)
        if len(rows) <= limit and (looked >= _CALLS_AT_ONCE or time.monotonic() - since > _SECONDS_AT_ONCE):
            assert last is not None
            return Found(tuple(pk for _, pk in rows), Place(*last), back_to=last[0])
    return _page(rows, limit)


def _saying(transcripts: QuerySet[Transcript], asked: Sequence[Part]) -> QuerySet[Transcript]:
    """Those of the transcripts in which all parts were said, and none of the excluded."""
    for n, part in enumerate(asked):
        # Not EXISTS: that may be turned into a join with all turns of the table that have the word.
        said = Utterance.objects.filter(Said(part.query), transcript=OuterRef("pk")).order_by()
        name = f"said_{n}"
        wanted: dict[str, Any] = {f"{name}__isnull": part.excluded}
        transcripts = transcripts.annotate(**{name: Subquery(said.values("pk")[:1])}).filter(**wanted)
    return transcripts


def _page(rows: Sequence[tuple[datetime, int]], limit: int) -> Found:
    shown = rows[:limit]
    return Found(tuple(pk for _, pk in shown), Place(*shown[-1]) if len(rows) > limit else None)
