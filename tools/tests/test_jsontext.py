import json
from typing import Any

import orjson
import pytest
from channels.layers import get_channel_layer
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.jsontext import MAX_DEPTH, digits_kept, json_clean, json_text, text_clean

ANY_TEXT = st.text(st.characters(codec=None, categories=["L", "N", "P", "Z", "C"]))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.0, "4"),
        (4.5, "4.5"),
        (1e21, "1e+21"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        ({"a": [1, None, True]}, '{"a":[1,null,true]}'),
        ("é\n", '"é\\n"'),
        ("\ud83d\ude00", '"😀"'),
        ("\ud800", '"\ufffd"'),
        ("\x00", '"\ufffd"'),
    ],
)
def test_json_is_spelled_as_javascript_spells_it(value: object, text: str) -> None:
    assert json_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        4.0,
        0.0,
        -3.0,
        4.5,
        0.1,
        1e15,
        1e16,
        123456789012345678.0,
        1e20,
        1e21,
        1e22,
        1e-4,
        1e-5,
        1e-7,
        2**70,
        -1e300,
    ],
)
def test_a_number_is_spelled_the_same_alone_and_deep_inside(value: float) -> None:
    assert json_text({"a": [{"b": value}]}) == f'{{"a":[{{"b":{json_text(value)}}}]}}'


@pytest.mark.parametrize("text", ["4.0", "1e5", "a\\u0000b", "a\x00b", "\ud800", '\x7f\u2028\x1f"\\/'])
def test_a_text_is_spelled_the_same_alone_and_deep_inside(text: str) -> None:
    assert (
        json_text({text: [text, (text,)]}) == f"{{{json_text(text)}:[{json_text(text)},[{json_text(text)}]]}}"
    )


@given(ANY_JSON)
def test_cleaned_json_can_be_stored_and_sent(value: object) -> None:
    text = json_text(value)

    assert json.loads(text) == json_clean(value)
    assert "\x00" not in text
    assert "\\u0000" not in text
    assert text.encode().decode() == text


@given(ANY_TEXT)
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert text_clean(text_clean(text)) == text_clean(text)


def test_nesting_beyond_the_limit_is_refused() -> None:
    deep: list[object] = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]

    with pytest.raises(ValueError, match="deeper"):
        json_text(deep)


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        json_text({"a": b"x"})


@settings(max_examples=30)
@given(value=ANY_JSON)
def test_what_keeps_its_digits_can_be_carried_on(value: Any) -> None:
    carried = digits_kept(json_clean(value))
    layer: Any = get_channel_layer()

    assert layer.deserialize(layer.serialize(carried)) == carried
    assert orjson.loads(orjson.dumps(carried)) == carried


@pytest.mark.parametrize("value", [0, True, -(2**63), 2**64 - 1, 4.5, None, "7"])
def test_a_number_that_can_be_carried_stays_one(value: object) -> None:
    assert digits_kept([value]) == [value]
