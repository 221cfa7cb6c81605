"""Keys that the model wants pressed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.bridge.keys import KEYS, MOST, KeysError, keys_asked


@pytest.mark.parametrize(
    ("arguments", "digits"),
    [
        ({"keys": "1"}, "1"),
        ({"digits": "12#"}, "12#"),
        ({"dtmf": "*0"}, "*0"),
        ({"keys": "1w2W3,4"}, "1w2ww3w4"),
        ({"keys": "(555) 123-45.67"}, "5551234567"),
        ({"keys": "AD"}, "AD"),
        ({"keys": 9}, "9"),
        ({"menu_option": "2"}, "2"),
        ({"keys": "1", "digits": "2"}, "1"),
        ({"keys": "1" * MOST}, "1" * MOST),
    ],
)
def test_keys_are_read_as_twilio_takes_them(arguments: dict[str, Any], digits: str) -> None:
    assert keys_asked(arguments) == digits


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "No keys were given. Give them"),
        ({"keys": None}, "No keys were given. Give them"),
        ({"keys": True}, "No keys were given. Give them"),
        ({"keys": ["1"]}, "No keys were given. Give them"),
        ({"a": "1", "b": "2"}, "No keys were given. Give them"),
        ({"keys": ""}, "only pauses or nothing"),
        ({"keys": "wW, "}, "only pauses or nothing"),
        ({"keys": "one"}, "only the keys 0 to 9"),
        ({"keys": "1e"}, "only the keys 0 to 9"),
        ({"keys": "\u0661"}, "only the keys 0 to 9"),
        ({"keys": "1" * (MOST + 1)}, "too many"),
        ({"keys": "1" + "W" * 25}, "too many"),
    ],
)
def test_what_cannot_be_pressed_is_refused_with_words_for_the_model(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(KeysError, match=words):
        keys_asked(arguments)


@given(st.text(alphabet="0123456789*#ABCDwW, -x", max_size=MOST * 2))
def test_nothing_but_keys_and_half_seconds_is_ever_pressed_and_no_key_is_lost(text: str) -> None:
    try:
        digits = keys_asked({"keys": text})
    except KeysError:
        return

    assert set(digits) <= KEYS | {"w"}
    assert len(digits) <= MOST
    assert [key for key in digits if key in KEYS] == [key for key in text if key in KEYS]
