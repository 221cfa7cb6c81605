"""The verdict: what the counts prove, and the sentence that says what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.smoke.causes import Kind
from calls.smoke.verdict import Counted, PairResult, verdict_of

SAME = PairResult("same", strictly_same=True)
BROKE = PairResult("errored", strictly_same=False)


def differs(kind: Kind = Kind.SKIPPED, tool: str = "book") -> PairResult:
    return PairResult("drifted", strictly_same=False, causes=((kind, tool),))


@pytest.mark.parametrize(
    ("same", "differing", "broke", "outcome"),
    [
        (50, 0, 0, "inconclusive"),
        (72, 0, 0, "inconclusive"),
        (73, 0, 0, "pass"),
        (47, 3, 0, "fail"),
        (48, 2, 0, "inconclusive"),
        (38, 2, 0, "inconclusive"),  # 5 % is not over 5 %
        (0, 1, 0, "fail"),
        (0, 0, 0, "errored"),
        (0, 0, 5, "errored"),
        (90, 0, 11, "errored"),
        (90, 0, 10, "pass"),
        (4, 5, 3, "fail"),  # even if all that broke had been the same
    ],
)
def test_the_outcome_follows_from_the_counts(same: int, differing: int, broke: int, outcome: str) -> None:
    found = verdict_of([SAME] * same + [differs()] * differing + [BROKE] * broke)

    assert found.outcome == outcome
    assert (found.counted.n, found.counted.hits, found.errored) == (same + differing, differing, broke)


def test_an_inconclusive_run_says_how_many_clean_calls_would_decide() -> None:
    found = verdict_of([SAME] * 50)

    assert found.further == 23
    assert "0 of 50 calls differ from Vapi (0.0 %)" in found.sentence
    assert (
        "only known to be below 7.1 %; 23 further calls without a difference would make it pass"
        in found.sentence
    )


def test_a_failed_run_says_what_to_fix() -> None:
    pairs = [SAME] * 40 + [differs(Kind.SAID_INSTEAD, "book_visit")] * 6 + [differs(Kind.EXTRA, "sms")] * 4

    sentence = verdict_of(pairs).sentence

    assert sentence == (
        "Failed: 10 of 50 calls differ from Vapi (20.0 %); mostly said instead of called: the prompt must say that "
        "book_visit is called before anything is said to be done."
    )


def test_lawful_orders_and_other_arguments_stand_beside_the_rate() -> None:
    reordered = PairResult("reordered", strictly_same=False, causes=((Kind.SWAPPED, "sms"),))
    other = PairResult("same", strictly_same=True, causes=((Kind.ARGUMENTS, "book"),))

    found = verdict_of([SAME] * 80 + [reordered] * 15 + [other] * 5)

    assert (found.outcome, found.counted.hits, found.strict.hits) == ("pass", 0, 15)
    assert (found.reordered, found.other_arguments, found.causes) == (15, 5, {})


def test_a_reference_that_drifts_from_itself_is_not_held_against_us_and_makes_no_pass() -> None:
    pairs = [SAME] * 45 + [differs()] * 5

    assert verdict_of(pairs, baseline=Counted(3, 20)).outcome == "inconclusive"
    assert (
        "Vapi differs from itself in 3 of 20 (15.0 %)" in verdict_of(pairs, baseline=Counted(3, 20)).sentence
    )
    assert verdict_of(pairs, baseline=Counted(0, 20)).outcome == "fail"
    assert verdict_of(pairs, baseline=Counted(2, 5)).outcome == "fail"  # too few to be a rate
    assert verdict_of([differs()] * 50, baseline=Counted(3, 20)).outcome == "fail"  # worse than that
    assert verdict_of([SAME] * 50, baseline=Counted(10, 20)).outcome == "inconclusive"


def test_answer_times_are_compared_on_the_same_pairs_only() -> None:
    both = [
        PairResult("same", strictly_same=True, latency_ms=ms, reference_latency_ms=1000) for ms in (700, 900)
    ]
    ours_alone = PairResult("same", strictly_same=True, latency_ms=5000)

    found = verdict_of([*both, ours_alone])

    assert (found.latency_ms, found.reference_latency_ms) == (800, 1000)


@given(st.integers(0, 120), st.integers(0, 30), st.integers(0, 30), st.integers(0, 10))
def test_a_verdict_never_contradicts_its_figures(same: int, differing: int, broke: int, noise: int) -> None:
    pairs = [SAME] * same + [differs()] * differing + [BROKE] * broke
    found = verdict_of(pairs, baseline=Counted(noise, 20))
    stored = found.to_json()

    rate, upper = stored["rate"], stored["upper"]
    match found.outcome:
        case "pass":
            assert upper <= 0.05
        case "fail":
            assert rate > 0.05
        case "inconclusive":
            assert upper > 0.05
            assert rate <= 0.05 or noise > 1
        case "errored":
            assert rate is None or broke
    assert found.sentence.endswith(".")
    assert "{" not in found.sentence
