"""Search over what was said, narrowed to some calls, with the calls behind what was found."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from assistants.models import Assistant
from calls.models import Call
from tools.jsontext import text_clean
from transcripts.models import Transcript
from transcripts.search import Found, Part, Place, Snippet, parts_read, snippets_of, transcripts_find

# Of a list only the first pages are read; whoever wants more searches what was said, page by page.
_LISTED: Final = 500
_FEWEST_DIGITS: Final = 7
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

    Only columns that can hold what is typed are looked at: each costs a walk through the table.
    """
    text = term.strip()
    try:
        return Q(pk=uuid.UUID(text))
    except ValueError:
        pass
    if _SID.fullmatch(text):
        return Q(call_sid__startswith=text)
    digits = phone_search_term(text)
    is_number = bool(_PHONE_LIKE.fullmatch(text))
    if is_number and len(digits.lstrip("+")) >= _FEWEST_DIGITS:
        return Q(did__contains=digits) | Q(caller__contains=digits)
    found = transcripts_find(parts_read(text), Transcript.objects.all(), limit=_LISTED)
    said = Q(pk__in=list(Transcript.objects.filter(pk__in=found.ids).values_list("call_id", flat=True)))
    if is_number:
        return said | Q(did__contains=digits) | Q(caller__contains=digits)
    named = Assistant.objects.filter(name__icontains=text_clean(text)).values("pk")
    return said | Q(assistant__in=named) | Q(caller__icontains=text_clean(text))


def transcript_lost(call_id: str) -> int | None:
    """The transcript of a call that has no row of its own; None where there is neither."""
    try:
        key = uuid.UUID(call_id)
    except ValueError:
        return None
    if Call.objects.filter(pk=key).exists():
        return None
    return Transcript.objects.filter(call_id=key).values_list("pk", flat=True).first()
