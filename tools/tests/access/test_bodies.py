"""What is no body is refused with a sentence, before anybody looks at what it means."""

import json
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.access.bodies import MAX_BYTES, MAX_DEPTH, body_read
from tools.access.errors import ApiError

NONE_AT_ALL: dict[str, bytes] = {
    "cut in a letter": b'{"name": "\xc3',
    "a letter cut within": b'{"name": "\xe2\x82"}',
    "an overlong letter": b'{"name": "\xc0\xaf"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-32 without a mark": '{"name": "x"}'.encode("utf-32-le"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "Latin": '{"name": "é"}'.encode("latin-1"),
    "half a pair": b'{"name": "\\ud83d"}',
    "the other half": b'{"name": "\\ude00"}',
    "halves in the wrong order": b'{"name": "\\ude00\\ud83d"}',
    "half a pair as bytes": b'{"name": "\xed\xa0\x80"}',
    "a raw null": b'{"name": "a\x00b"}',
    "a null": b'{"name": "a\\u0000b"}',
    "a null in a key": b'{"a\\u0000": {"b": 1}}',
    "a null far within": b'{"a": [[{"b": ["\\u0000"]}]]}',
    "a raw line break": b'{"name": "a\nb"}',
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": Infinity}',
    "minus infinity": b'{"name": -Infinity}',
    "a number of 10,000 digits": b'{"name": ' + b"9" * 10_000 + b"}",
    "a number beyond all": b'{"name": 1e999}',
    "hexadecimal": b'{"name": 0x10}',
    "a leading zero": b'{"name": 007}',
    "a plus": b'{"name": +1}',
    "a comment": b'{"name": 1 /* one */}',
    "a comma too many": b'{"name": 1,}',
    "single quotes": b"{'name': 1}",
    "two values": b'{"name": 1}{"name": 2}',
    "something behind": b'{"name": 1} x',
    "a form": b"name=x&type=y",
    "several parts": b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
    "XML": b"<?xml version='1.0'?><a/>",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "a list": b'[{"name": 1}]',
    "a text": b'"name"',
    "nothing": b"null",
    "true": b"true",
    "depth": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "depth in lists": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
}


def read(content: bytes, **headers: Any) -> dict[str, Any]:
    return body_read(
        RequestFactory().generic("POST", "/x", content, content_type="application/json", **headers)
    )


@pytest.mark.parametrize("content", NONE_AT_ALL.values(), ids=NONE_AT_ALL)
def test_what_is_no_body_is_refused_with_a_sentence(content: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read(content)
    assert refused.value.status == 400
    assert str(refused.value.message).startswith("The body ")
    assert str(refused.value.message).endswith(".")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", {}),
        (b" \r\n\t", {}),
        (b'{"a": 1, "a": 2}', {"a": 2}),  # as JavaScript reads it
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"": {"": ""}}', {"": {"": ""}}),
        (b'{"__proto__": {"admin": true}}', {"__proto__": {"admin": True}}),
        (b'{"a": 18446744073709551616}', {"a": 18446744073709551616.0}),
        (b'{"a": 1e-400}', {"a": 0.0}),
        (b'{"a":' * (MAX_DEPTH - 1) + b"{}" + b"}" * (MAX_DEPTH - 1), None),
    ],
)
def test_what_is_odd_and_allowed_is_read(content: bytes, value: Any) -> None:
    assert read(content) == (value if value is not None else json.loads(content))


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    frame = len(b'{"a": ""}')
    assert len(read(b'{"a": "%b"}' % (b"x" * (MAX_BYTES - frame)))["a"]) == MAX_BYTES - frame
    for content in (b'{"a": "%b"}' % (b"x" * (MAX_BYTES - frame + 1)), b" " * (MAX_BYTES + 1)):
        with pytest.raises(ApiError) as refused:
            read(content)
        assert refused.value.status == 413


def test_a_length_that_lies_changes_nothing() -> None:
    assert read(b'{"a": 1}', CONTENT_LENGTH="abc") == {}
    with pytest.raises(ApiError) as refused:
        read(b'{"a": 1}', CONTENT_LENGTH=str(10**18))
    assert refused.value.status == 413


# Letters of all kinds, with those that no database or no UTF-8 takes among them.
_LETTERS = st.text(st.sampled_from('ab\\"\x00\x1f\u00e9\ud83d\ude00\ufffe\U0001f600'), max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _LETTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_LETTERS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_LETTERS, _VALUES, min_size=1, max_size=3), st.booleans())
@settings(max_examples=50)
def test_whatever_is_read_can_be_stored_and_sent_again(value: dict[str, Any], ascii_only: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    try:
        found = read(content)
    except ApiError as exc:
        refused = exc.status
    else:
        refused = 0
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        assert not any("\x00" in one for one in _texts(found))
    # Nothing is refused that could be stored: a number may be too long, and the rest has a letter that is none.
    assert refused in (0, 400)
    if refused:
        told = json.dumps(value)
        assert (
            any(one in told for one in ("\\u0000", "\\ud", "\\u001f", "NaN", "Infinity")) or len(told) > 300
        )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else []
