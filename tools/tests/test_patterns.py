import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.patterns import PatternError, TooSlowError, pattern_found, pattern_problem


def found(pattern: str, text: str, within_s: float = 60.0) -> bool:
    return pattern_found(pattern, [text], until=time.monotonic() + within_s)


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        (r"cat", "I love cats", True),
        (r"(?i)\b(bye|goodbye)\b", "Well, Goodbye then", True),
        (r"\bbye\b", "byebye", False),
        (r"\?", "Really?", True),
        (r"(?<word>no) \k<word>", "no no", True),
        (r"(no) \1", "no no", True),
        (r"^(?!.*agent).*$", "a person please", True),
        (r"^(?!.*agent).*$", "an agent please", False),
        (r"(?<=No, )thank", "No, thank you", True),
        # ASCII alone counts, as in JavaScript.
        (r"\bäh\b", "äh", False),
        (r"^\w+$", "Zürich", False),
        (r"^[\w]+$", "Zürich", False),
        (r"^[\w\u00fc]+$", "Zürich", True),
        (r"\d", "٣", False),
        (r"(?i)É", "é", True),
        # The end is the end, without a line break before it.
        (r"end$", "end\n", False),
        (r"[$]", "5 $", True),
        (r"a[^]b", "a\nb", True),
        (r"a[]b", "a]b", False),
        (r"[[]", "[", True),
        (r"[^\d\s]", "12 3", False),
        (r"[\b]", "\b", True),
        # What is special only to Python's modules stands for itself.
        (r"{name}", "{name}", True),
        (r"foo{e}", "fop", False),
        (r"x{2}", "xx", True),
        (r"x{2,}", "x", False),
        (r"\/path", "/path", True),
        (r"\A", "A", True),
        (r"\Ze", "Ze", True),
        (r"\W\D\S\B", "- bc", True),
        (r"x\B", "xx", True),
        ("", "", True),
        ("\\\\", "\\", True),
    ],
)
def test_it_says_what_javascript_says(pattern: str, text: str, holds: bool) -> None:
    assert found(pattern, text) is holds


@pytest.mark.parametrize("pattern", ["(", "[", "a**", "(?P<x", "x{2,1}", "\\", "(?<a>x)(?<a>y)\\"])
def test_what_cannot_be_read_is_no_pattern(pattern: str) -> None:
    assert pattern_problem(pattern) == "it cannot be read as a regular expression"
    with pytest.raises(PatternError, match="cannot be read"):
        found(pattern, "x")


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "a{99999999}",
        "a{1,99999999}",
        "a{" + "9" * 400 + "}",
        "(a{99,}){99}" * 9,
        "x" * 2001,
        "(" * 900 + ")" * 900,
    ],
)
def test_a_pattern_that_would_fill_the_memory_is_refused_before_it_is_read(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|aa)+$", "(?=(a+)+$)a"])
def test_a_pattern_that_would_take_for_ever_is_stopped(pattern: str) -> None:
    with pytest.raises(TooSlowError):
        found(pattern, "a" * 3000 + "!", within_s=0.1)


def test_no_time_is_too_slow() -> None:
    with pytest.raises(TooSlowError):
        pattern_found("a", ["a"], until=time.monotonic() - 1)


def test_any_of_the_texts_will_do() -> None:
    until = time.monotonic() + 60

    assert pattern_found("b", ["a", "b"], until=until)
    assert not pattern_found("b", ["a", "c"], until=until)
    assert not pattern_found("b", [], until=until)


@settings(max_examples=150, deadline=None)
@given(
    pattern=st.text("ab[]^$(){}?*+|\\dwbDWBkps<>=!0123,-.xu", max_size=25),
    text=st.text("ab01 {}[]", max_size=20),
)
def test_no_pattern_does_anything_else_than_answer_or_refuse(pattern: str, text: str) -> None:
    try:
        found(pattern, text, within_s=1)
    except (PatternError, TooSlowError):
        return


WORDS = st.text("ab c.-", min_size=1, max_size=12)


@given(words=WORDS, around=WORDS)
def test_words_without_a_meaning_of_their_own_are_found_as_they_stand(words: str, around: str) -> None:
    pattern = words.replace(".", r"\.")

    assert found(pattern, around + words + around)
