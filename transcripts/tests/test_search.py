"""Search over what was said: what is found, in which order, and what is shown of it."""

# ruff: noqa: RUF001 - apostrophes as people type them

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transcripts import search
from transcripts.models import Transcript, Utterance
from transcripts.search import Part, marked, parts_read, snippets_of, transcripts_find
from transcripts.tests.factories import make_transcript, make_utterance
from transcripts.words import Said, plain

EVERY = Transcript.objects.all


def said(*texts: str, days_ago: int = 0, **fields: Any) -> Transcript:
    """A transcript in which these turns were spoken."""
    transcript = make_transcript(started_at=timezone.now() - timedelta(days=days_ago))
    for text in texts:
        make_utterance(transcript=transcript, text=text, **fields)
    return transcript


def find(text: str, **how: Any) -> list[int]:
    return list(transcripts_find(parts_read(text), EVERY(), **how).ids)


# --- What was typed


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("", ()),
        ("   ", ()),
        ('"', ()),
        ("?! -- *", ()),
        ("Ticket 481", (Part(("Ticket",)), Part(("481",)))),
        ('"ready on Tuesday"', (Part(("ready", "on", "Tuesday")),)),
        ("“ready on” tues*", (Part(("ready", "on")), Part(("tues",), begins=True))),
        ('bike -"red one"', (Part(("bike",)), Part(("red", "one"), excluded=True))),
        ('"never closed', (Part(("never", "closed")),)),
        ("don't", (Part(("dont",)),)),
        ("$84.50", (Part(("84", "50")),)),
        ("555-0100", (Part(("555", "0100")),)),
    ],
)
def test_what_is_typed_is_taken_apart(typed: str, parts: tuple[Part, ...]) -> None:
    assert parts_read(typed) == parts


def test_no_more_is_looked_for_than_anybody_means() -> None:
    assert len(parts_read("word " * 100)) <= search.PARTS_MAX


# --- What is found


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("bicycle", "Is my BICYCLE ready?"),
        ("ready bicycle", "Is my bicycle ready?"),
        ('"my bicycle"', "Is my, erm: bicycle ready?".replace(" erm:", "")),
        ("481", "The ticket is 481."),
        ("84.50", "It comes to $84.50 in all."),
        ("0100", "Call me at 415-555-0100."),
        ('"555 0100"', "Call me at 415-555-0100."),
        ("book*", "I want to have booked it."),
        ('"ready on tues*"', "It is ready on Tuesday."),
        ("dont", "I don’t know."),
        ("don't", "I dont know."),
        ("or", "Yes and/or no."),
        ("next", "That is done.Next one please."),
        ("الدراجة", "هل الدراجة جاهزة؟ رقم التذكرة أربعة."),
        ("جاهزة", "هل الدِّراجة جاهِزة؟"),
        ("שלישי", "האופניים יהיו מוכנים ביום שלישי, והתיקון."),
        ("straße", "Die STRAßE hinunter"),
        ("कृपया", "नमस्ते, कृपया प्रतीक्षा करें।"),
        ("a_b", "The code is A_B."),
        ("select", "'; SELECT pg_sleep(9); --"),
    ],
)
def test_what_was_said_is_found(typed: str, text: str) -> None:
    found = said("Hello.", text)
    said("Something else altogether.")

    assert find(typed) == [found.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("cycle", "Is my bicycle ready?"),
        ('"bicycle my"', "Is my bicycle ready?"),
        ("bicycle -ready", "Is my bicycle ready?"),
        ("-bicycle", "Something else."),
        ("bicycle scooter", "Is my bicycle ready?"),
        ("%", "100 % sure"),
    ],
)
def test_what_was_not_said_is_not_found(typed: str, text: str) -> None:
    said(text)

    assert find(typed) == []


@pytest.mark.django_db
def test_words_may_stand_in_different_turns_but_a_phrase_may_not() -> None:
    call = said("Is my bicycle", "ready?")

    assert find("bicycle ready") == [call.pk]
    assert find('"bicycle ready"') == []


@pytest.mark.django_db
@pytest.mark.parametrize("few", [0, 30_000], ids=["by-age", "by-index"])
def test_both_ways_give_the_newest_first_page_by_page(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(search, "_FEW_TURNS", few - 1)
    monkeypatch.setattr(search, "_FIRST_STEP", 2)
    monkeypatch.setattr(search, "_SECONDS_AT_ONCE", 600.0)  # on a busy machine, too, a page is full
    calls = [said("A spare part, please.", days_ago=days) for days in (3, 0, 4, 1, 2)]
    said("Nothing of the sort.", days_ago=2)
    newest_first = [calls[n].pk for n in (1, 3, 4, 0, 2)]

    pages, before = [], None
    while True:
        page = transcripts_find(parts_read("spare -sort"), EVERY(), before=before, limit=2)
        pages.append(list(page.ids))
        before = page.older
        if before is None:
            break

    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


@pytest.mark.django_db
def test_a_search_that_looks_through_too_much_says_how_far_it_came_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "_FEW_TURNS", -1)
    monkeypatch.setattr(search, "_FIRST_STEP", 2)
    monkeypatch.setattr(search, "_CALLS_AT_ONCE", 2)
    oldest = said("a needle", days_ago=9)
    for days in range(3):
        said("hay", days_ago=days)

    first = transcripts_find(parts_read("needle"), EVERY())
    assert (first.ids, first.older is not None, first.back_to is not None) == ((), True, True)
    second = transcripts_find(parts_read("needle"), EVERY(), before=first.older)

    assert second.ids == (oldest.pk,)


@pytest.mark.django_db
def test_a_rare_word_is_found_by_its_index(django_assert_max_num_queries: Any) -> None:
    said("xylophone")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

    plan = Utterance.objects.filter(Said("'xylophone'")).order_by().explain()

    assert "utterance_words" in plan
    with django_assert_max_num_queries(12):
        assert len(find("xylophone")) == 1


@pytest.mark.django_db
def test_a_turn_that_is_longer_than_any_index_takes_is_kept() -> None:
    call = said(" ".join(f"word{n}" for n in range(200_000)))

    assert find("word7") == [call.pk]


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(typed=st.text(max_size=40) | st.text(alphabet="ab\"*-'\\:&|!()<> %\x00", max_size=30))
def test_nothing_that_is_typed_fails(typed: str) -> None:
    if not Transcript.objects.exists():
        said("a b ab", "it's a \\ test: (a & b) | !c <-> d")

    ids = find(typed)
    snippets_of(ids, parts_read(typed))


@given(text=st.text(max_size=60))
def test_words_are_the_same_to_the_page_and_to_the_index(text: str) -> None:
    assert plain(plain(text)) == plain(text)


# --- What is shown


@pytest.mark.django_db
def test_the_turns_that_were_found_are_shown_with_their_speaker() -> None:
    call = said("Hello.", "Is my bicycle ready?", "Bicycle 481.", "bicycle", "bicycle again")
    Utterance.objects.filter(text="Bicycle 481.").update(assistant="Front desk")

    shown = snippets_of([call.pk], parts_read("bicycle"))[call.pk]

    assert [(one.speaker, one.pieces) for one in shown] == [
        ("Caller", (("Is my ", False), ("bicycle", True), (" ready?", False))),
        ("Front desk", (("Bicycle", True), (" 481.", False))),
        ("Caller", (("bicycle", True),)),
    ]


@pytest.mark.parametrize(
    ("typed", "text", "hits"),
    [
        ("dont", "I don’t know", ["don’t"]),
        ('"84 50"', "It is $84.50.", ["84.50"]),
        ("book*", "booked a booklet, rebook", ["booked", "booklet"]),
        ("book", "booked", []),
        ("جاهزة", "الدراجة جاهِزة؟", ["جاهِزة"]),
    ],
)
def test_what_was_looked_for_is_marked(typed: str, text: str, hits: list[str]) -> None:
    assert [piece for piece, is_hit in marked(text, parts_read(typed)) if is_hit] == hits


def test_a_long_turn_is_shown_around_what_was_found() -> None:
    pieces = marked("before " * 100 + "needle" + " after" * 100, parts_read("needle"))

    shown = "".join(piece for piece, _ in pieces)
    assert ("needle", True) in pieces
    assert shown.startswith("…before")
    assert shown.endswith("after…")
    assert len(shown) < 400


@given(text=st.text(max_size=600), typed=st.text(max_size=12))
@settings(max_examples=50)
def test_what_is_shown_is_the_text_itself(text: str, typed: str) -> None:
    shown = "".join(piece for piece, _ in marked(text, parts_read(typed)))

    assert shown.strip("…") in text
