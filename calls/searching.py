"""Search over what was said, narrowed to some calls, with the calls behind what was found."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from assistants.models import Assistant
from calls.models import Call
from tools.jsontext import text_clean
from transcripts.models import Transcript
from transcripts.search import Found, Part, Place, Snippet, parts_read, snippets_of, transcripts_find

# Of a list only the first pages are read; whoever wants more searches what was said, page by page.
_LISTED: Final = 200
# Fewer digits are looked for in what was said alone; so many are a number, and are not.
_FEWEST_DIGITS: Final = 4
_DIGITS_OF_A_NUMBER: Final = 7
_HOME: Final = "1"  # the country whose numbers are typed without it
# A number as people write it, so that its digits can be looked for.
_PHONE_LIKE: Final = re.compile(r"\+?[\d\s().\-/]{3,24}")
_SID: Final = re.compile(r"CA[0-9A-Za-z]{4,}")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Which calls are looked through; what is not given leaves nothing out."""

    date_from: datetime | None = None
    date_to: datetime | None = None
    assistant_id: uuid.UUID | None = None
    did: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A transcript that was found, with its call, which may be missing, and some of the turns for which it was found."""

    transcript: Transcript
    call: Call | None
    snippets: list[Snippet]


@dataclass(frozen=True, slots=True)
class Results:
    """A page of hits, the newest first; ``found`` tells whether there is more."""

    hits: list[Hit]
    found: Found


def said_find(
    parts: tuple[Part, ...], narrowing: Narrowing, *, before: Place | None = None, limit: int = 25
) -> Results:
    """The newest calls in which all of it was said. As many queries for many hits as for one."""
    found = transcripts_find(parts, _among(narrowing), before=before, limit=limit)
    transcripts = Transcript.objects.in_bulk(found.ids)
    snippets = snippets_of(found.ids, parts)
    in_order = [transcripts[pk] for pk in found.ids if pk in transcripts]
    rows = Call.objects.filter(pk__in=[one.call_id for one in in_order]).select_related("assistant")
    calls = {call.pk: call for call in rows.defer("assistant__instructions", "assistant__server_secret")}
    hits = [Hit(one, calls.get(one.call_id), snippets.get(one.pk, [])) for one in in_order]
    return Results(hits, found)


def _among(narrowing: Narrowing) -> QuerySet[Transcript]:
    among = Transcript.objects.all()
    if narrowing.date_from is not None:
        among = among.filter(started_at__gte=narrowing.date_from)
    if narrowing.date_to is not None:
        among = among.filter(started_at__lt=narrowing.date_to)
    of_call: dict[str, Any] = {
        "assistant_id": narrowing.assistant_id,
        "did": narrowing.did,
        "stack": narrowing.stack,
    }
    asked = {name: value for name, value in of_call.items() if value}
    # Transcripts whose call is missing are found as long as nothing is asked of the call.
    return among.filter(call_id__in=Call.objects.filter(**asked).values("pk")) if asked else among


def phone_search_term(term: str) -> str:
    """The search term; when it looks like a telephone number, without spaces, brackets and dashes."""
    stripped = term.strip()
    if not _PHONE_LIKE.fullmatch(stripped):
        return term
    return re.sub(r"[^\d+]", "", stripped)


def calls_matching(term: str) -> Q:
    """Calls by what somebody types above their list: an id, a SID, a number, a name, or words that were said.

    Of a number its beginning or its end is enough, with or without the country; every way is one that an index goes.
    """
    text = term.strip()
    named, sure = calls_named(text) or (None, False)
    if named is not None and sure:
        return named
    found = transcripts_find(parts_read(text), Transcript.objects.all(), limit=_LISTED)
    said = Q(pk__in=list(Transcript.objects.filter(pk__in=found.ids).values_list("call_id", flat=True)))
    if named is not None:
        return said | named
    if _PHONE_LIKE.fullmatch(text):
        return said
    # Ids, not a query: what is one arm of an OR has to be found by an index of its own.
    assistants = list(Assistant.objects.filter(name__icontains=text_clean(text)).values_list("pk", flat=True))
    called = Q(caller__icontains=text_clean(text)) & ~Q(caller__startswith="+") & ~Q(caller="")
    return said | called | (Q(assistant__in=assistants) if assistants else Q(pk__in=[]))


def calls_named(term: str) -> tuple[Q, bool] | None:
    """Calls by an id, the beginning of a SID, or a number's beginning or end, and whether the term can be nothing else.

    None for a term that is none of these.
    """
    text = term.strip()
    try:
        return Q(pk=uuid.UUID(text)), True
    except ValueError:
        pass
    if _SID.fullmatch(text):
        # The index is one of calls that have a SID.
        return Q(call_sid__startswith=text) & ~Q(call_sid=""), True
    digits = phone_search_term(text)
    n = len(digits.lstrip("+"))
    if not _PHONE_LIKE.fullmatch(text) or n < _FEWEST_DIGITS:
        return None
    return _numbered(digits), n >= _DIGITS_OF_A_NUMBER


def calls_found(term: str) -> list[uuid.UUID]:
    """The newest calls of those, so many as anybody reads in a list of something else."""
    matching = Call.objects.filter(calls_matching(term)).order_by("-created_at")
    return list(matching.values_list("pk", flat=True)[:_LISTED])


def numbers_found(term: str, *, stack: str) -> list[uuid.UUID] | None:
    """The newest calls of a stack from or to a number that begins or ends so; None for what is no part of a number."""
    digits = phone_search_term(term)
    if not _PHONE_LIKE.fullmatch(term.strip()) or len(digits.lstrip("+")) < _FEWEST_DIGITS:
        return None
    calls = Call.objects.filter(_numbered(digits), stack=stack).order_by("-created_at")
    return list(calls.values_list("pk", flat=True)[:_LISTED])


def _numbered(digits: str) -> Q:
    """Calls from or to a number that begins or ends so."""
    if digits.startswith("+"):
        begins, ends = [digits], ""
    else:
        begins, ends = [f"+{digits}", f"+{_HOME}{digits}"], digits
    dids = [did for did in _dids() if did.startswith(tuple(begins)) or (ends and did.endswith(ends))]
    wanted = Q(did__in=dids) if dids else Q(pk__in=[])
    for begin in begins:
        wanted |= Q(caller__startswith=begin)
    return wanted | Q(caller__reverse__startswith=ends[::-1]) if ends else wanted


def _dids() -> list[str]:
    """Every number that was ever called, each found by one step down the index."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE d (did) AS (
                (SELECT did FROM calls_call ORDER BY did LIMIT 1)
                UNION ALL
                SELECT (SELECT c.did FROM calls_call c WHERE c.did > d.did ORDER BY c.did LIMIT 1) FROM d WHERE d.did IS NOT NULL
            )
            SELECT did FROM d WHERE did IS NOT NULL
            """
        )
        return [did for (did,) in cursor.fetchall()]


def transcript_lost(call_id: str) -> int | None:
    """The transcript of a call that has no row of its own; None where there is neither."""
    try:
        key = uuid.UUID(call_id)
    except ValueError:
        return None
    if Call.objects.filter(pk=key).exists():
        return None
    return Transcript.objects.filter(call_id=key).values_list("pk", flat=True).first()
