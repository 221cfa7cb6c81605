"""Whether an assistant's words claim that something was done which only a tool can do. Pure heuristics, no model.

A claim is a sentence that has a finished form of one of the tool's verbs ("booked", "I've looked it up"), or one of its
nouns with a word for being finished ("your appointment is all set"), and that neither asks, nor denies, nor promises.
English; for other languages a scenario names the claims of its tools.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

# Finished forms of what tools are named after. A verb that is not here gets the regular forms.
_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "book": ("booked", "reserved", "scheduled"),
    "reserve": ("reserved", "booked"),
    "schedule": ("scheduled", "booked", "set up"),
    "reschedule": ("rescheduled", "moved", "changed"),
    "cancel": ("cancelled", "canceled"),
    "send": ("sent", "texted", "emailed"),
    "text": ("texted", "sent"),
    "sms": ("texted", "sent"),
    "email": ("emailed", "sent"),
    "notify": ("notified", "informed", "let them know"),
    "create": ("created", "opened", "added", "made"),
    "add": ("added", "put"),
    "open": ("opened", "created"),
    "submit": ("submitted", "sent", "filed"),
    "file": ("filed", "submitted"),
    "log": ("logged", "noted", "written down"),
    "save": ("saved", "noted", "stored"),
    "record": ("recorded", "noted"),
    "store": ("stored", "saved", "noted"),
    "set": ("set", "set up"),
    "update": ("updated", "changed"),
    "change": ("changed", "updated"),
    "modify": ("modified", "changed", "updated"),
    "delete": ("deleted", "removed"),
    "remove": ("removed", "deleted"),
    "order": ("ordered", "placed"),
    "place": ("placed", "ordered"),
    "buy": ("bought", "ordered"),
    "pay": ("paid", "charged"),
    "charge": ("charged", "taken"),
    "refund": ("refunded",),
    "confirm": ("confirmed",),
    "verify": ("verified", "checked", "confirmed"),
    "register": ("registered", "signed you up", "signed up"),
    "transfer": ("transferred", "transferring", "connecting", "connected", "putting you through"),
    "forward": ("forwarded", "forwarding", "transferring", "connecting"),
    "handoff": ("transferring", "connecting", "handing you over"),
    "get": ("checked", "looked", "found", "i can see", "i see that", "according to"),
    "fetch": ("checked", "looked", "found", "i can see", "i see that", "according to"),
    "find": ("found", "looked", "i can see", "i see that", "according to"),
    "search": ("searched", "looked", "found", "i can see", "i see that", "according to"),
    "lookup": ("looked", "checked", "found", "i can see", "i see that", "according to"),
    "look": ("looked", "checked", "found", "i can see", "i see that", "according to"),
    "check": ("checked", "looked", "i can see", "i see that", "according to"),
    "query": ("checked", "looked", "found"),
    "list": ("checked", "found", "i can see", "i see that", "according to"),
    "read": ("checked", "looked", "i can see", "i see that", "according to"),
}
_DONE: Final = (
    "done", "all set", "set", "confirmed", "complete", "completed", "finished", "taken care of", "arranged", "sorted",
    "on its way", "in the system", "on the books", "in place", "gone through", "went through", "gone out", "went out",
)  # fmt: skip
# Parts of tools' names that say nothing about what they are for.
_EMPTY: Final = {
    "the", "a", "an", "of", "for", "to", "by", "up", "in", "on", "with", "tool",
    "function", "api", "call", "v1", "v2", "new", "my", "and", "or", "data", "info",
}  # fmt: skip
_NOT_YET: Final = re.compile(
    r"\b(?:not|no|never|cannot|can't|couldn't|could not|unable|won't|wasn't|hasn't|haven't|isn't|aren't|didn't|don't|"
    r"will|shall|would|could|should|can|may|might|let me|going to|want|like me to|need to|to be|once|before|after|if|"
    r"when|unless|until|as soon as|trying|i'll|we'll|you'll|it'll|i'd|we'd|before i|failed|sorry)\b",
    re.IGNORECASE,
)
_SENTENCES: Final = re.compile(r"[^.!?;\n]+[.!?;]?")
_CLAUSES: Final = re.compile(r",|\bbut\b|\band then\b|\bso\b|[\u2013\u2014]")


def claim_of(said: Iterable[str], *, tool: str, phrases: Sequence[str] = ()) -> str:
    """The first sentence that claims what the tool is for, or an empty text. ``phrases`` count as claims as they stand."""
    words = _words_of(tool)
    finished = _finished(words)
    nouns = _nouns(words)
    for text in said:
        for sentence in _SENTENCES.findall(text.replace("\u2019", "'")):
            if any(phrase.strip() and phrase.lower() in sentence.lower() for phrase in phrases):
                return str(sentence.strip())
            if sentence.rstrip().endswith("?"):
                continue
            if any(_claims(clause, finished, nouns) for clause in _CLAUSES.split(sentence)):
                return str(sentence.strip())
    return ""


def _claims(clause: str, finished: frozenset[str], nouns: frozenset[str]) -> bool:
    clause = clause.lower()
    if _NOT_YET.search(clause):
        return False
    if any(_has(clause, form) for form in finished):
        return True
    return any(_has(clause, noun) for noun in nouns) and any(_has(clause, done) for done in _DONE)


def _has(clause: str, words: str) -> bool:
    return re.search(rf"\b{re.escape(words)}\b", clause) is not None


def _words_of(tool: str) -> list[str]:
    """The words of a tool's name, however it is written: book_appointment, bookAppointment, book-appointment."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", tool)
    return [word for word in re.split(r"[^A-Za-z]+", spaced.lower()) if word and word not in _EMPTY]


def _finished(words: list[str]) -> frozenset[str]:
    """The finished forms of the verbs among these words; a name without a known verb is taken to begin with one."""
    known = [form for word in words for form in _FORMS.get(word, ())]
    return frozenset(known or [form for word in words[:1] for form in _regular(word)])


def _regular(verb: str) -> tuple[str, ...]:
    if verb.endswith("e"):
        return (f"{verb}d",)
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return (f"{verb[:-1]}ied",)
    return (f"{verb}ed", f"{verb}{verb[-1]}ed")


def _nouns(words: list[str]) -> frozenset[str]:
    return frozenset(form for word in words if word not in _FORMS for form in (word, f"{word}s"))
