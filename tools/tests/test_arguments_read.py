from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.schemas import ArgumentsError, arguments_read

NEEDS_SLOT = {"type": "object", "properties": {"slot": {}}, "required": ["slot"]}


@pytest.mark.parametrize(
    ("text", "parameters", "arguments"),
    [
        ('{"slot": "a"}', NEEDS_SLOT, {"slot": "a"}),
        ("{}", NEEDS_SLOT, {}),  # what is required is the customer's server to judge
        ("", {}, {}),
        ("  ", {"type": "object", "properties": {}}, {}),
        ('{"n": 4.0}', {}, {"n": 4}),
    ],
)
def test_arguments_are_read(text: str, parameters: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert arguments_read(text=text, parameters=parameters) == arguments


@pytest.mark.parametrize("text", ["", '{"slot": "a', "[1]", '"a"', "null", "[" * 100_000, "1" * 5_000])
def test_unusable_arguments_are_refused_without_quoting_them(text: str) -> None:
    with pytest.raises(ArgumentsError) as raised:
        arguments_read(text=text, parameters=NEEDS_SLOT)

    assert '"a' not in str(raised.value)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(arguments_read(text=text, parameters={}), dict)
    except ArgumentsError:
        pass
