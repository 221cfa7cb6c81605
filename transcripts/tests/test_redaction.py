import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from transcripts.redaction import KINDS, SpokenRedactor, redactor

CARD = [
    "four",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
    "one",
]


def told(pieces: list[str], *, go_on: str = "Mhm, go on.") -> tuple[list[str], list[str]]:
    """What is written of a caller's turns at once, and once the call is over, the assistant speaking in between."""
    spoken = SpokenRedactor(KINDS)
    at_once = []
    for n, piece in enumerate(pieces):
        at_once.append(spoken.said(f"c{n}", "caller", piece))
        spoken.said(f"a{n}", "assistant", go_on)
    return at_once, [spoken.settled(f"c{n}", "caller", piece) for n, piece in enumerate(pieces)]


def test_a_number_said_over_several_turns_is_never_written_down() -> None:
    at_once, settled = told(
        ["Sure, it's four one one one", "one one one one", "one one one one.", "and one one one one. Got it?"]
    )

    assert at_once[:2] == ["Sure, it's [number]", "[number]"]
    assert settled == ["Sure, it's [card]", "[card]", "[card].", "and [card]. Got it?"]


@settings(max_examples=40)
@given(cuts=st.sets(st.integers(1, 15), max_size=5))
def test_wherever_a_card_number_is_cut_into_turns_nothing_of_it_is_left(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), 16]
    pieces = [" ".join(CARD[begin:end]) for begin, end in itertools.pairwise(edges)]

    at_once, settled = told(pieces)

    assert settled == ["[card]"] * len(pieces)
    # Until then no turn shows more than the two digits that anybody may say.
    assert all(len(set(one.split()) & {"four", "one"}) == 0 or len(one.split()) <= 2 for one in at_once)


def test_a_turn_that_is_cut_short_in_the_middle_of_digits_shows_none_of_them_until_it_is_known_what_they_are() -> (
    None
):
    spoken = SpokenRedactor(KINDS)
    whole, cut = "Your card is 4111 1111", "Your card is 4111 11"

    written = spoken.said("a1", "assistant", whole)
    assert written == "Your card is [number]"
    assert spoken.heard("a1", whole, cut, written=written) == "Your card is [number]"

    written = spoken.settled("a1", "assistant", whole)
    assert (written, spoken.heard("a1", whole, cut, written=written)) == (whole, cut)


def test_digits_that_were_none_are_shown_once_the_call_is_over() -> None:
    at_once, settled = told(["My order is four four one seven", "That's all."])

    assert at_once == ["My order is [number]", "That's all."]
    assert settled == ["My order is four four one seven", "That's all."]


def test_what_the_other_side_asks_for_tells_what_a_number_is() -> None:
    spoken = SpokenRedactor(KINDS)
    spoken.said("a", "assistant", "What is your order number?")
    spoken.said("b", "caller", "123456789")
    spoken.said("c", "assistant", "And your social security number?")
    spoken.said("d", "caller", "123456789")

    assert spoken.settled("b", "caller", "123456789") == "123456789"
    assert spoken.settled("d", "caller", "123456789") == "[ssn]"


def test_an_interrupted_turn_shows_no_beginning_of_a_number() -> None:
    spoken, text = SpokenRedactor(KINDS), "I read it back: 4111 1111 1111 1111, right?"
    written = spoken.said("a", "assistant", text)

    assert spoken.heard("a", text, text, written=written) == "I read it back: [card], right?"
    assert spoken.heard("a", text, "I read it back: 4111 11", written=written) == "I read it back: [card]"
    assert spoken.heard("a", text, "I read", written=written) == "I read"


def test_a_turn_that_was_understood_anew_is_looked_at_anew() -> None:
    spoken = SpokenRedactor(KINDS)
    spoken.said("a", "caller", "")

    assert spoken.settled("a", "caller", "4111 1111 1111 1111") == "[card]"


def test_without_kinds_every_turn_stays_as_it_is() -> None:
    spoken = SpokenRedactor(())

    assert spoken.said("a", "caller", "4111 1111 1111 1111") == "4111 1111 1111 1111"
    assert spoken.heard("a", "4111", "41", written="4111") == "41"


def test_kinds_can_come_later() -> None:
    spoken = SpokenRedactor(())
    spoken.look_for(["card"])

    assert spoken.said("a", "caller", "4111 1111 1111 1111") == "[card]"


@settings(max_examples=30)
@given(st.lists(st.text(alphabet="0123456789 abc@.", max_size=20), max_size=30))
def test_a_turn_alone_is_never_told_less_strictly_than_by_itself(turns: list[str]) -> None:
    spoken, alone = SpokenRedactor(KINDS), redactor(KINDS)
    for n, turn in enumerate(turns):
        kept = spoken.said(str(n), "caller", turn)

        assert kept == turn or "[" in kept
        assert alone(kept).count("[card]") == kept.count("[card]")
