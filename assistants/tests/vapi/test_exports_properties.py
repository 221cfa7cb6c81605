"""Any bytes are an export or one message, and what an export holds comes back as it was."""

import json
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.tests.vapi.exported import ASSISTANT, outcome
from assistants.vapi.exports import export_missing, export_read

WORDS = ["id", "type", "model", "members", "tools", "assistants", "results", "provider", "number", "message"]
WORDS += [
    "statusCode",
    "voice",
    "hooks",
    "toolIds",
    "functions",
    "toolCallId",
    "function",
    "metadata",
    "a\x00",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(
    st.binary(max_size=60)
    | st.text(string.printable, max_size=60).map(str.encode)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.tuples(VALUES, st.integers(0, 80)).map(lambda pair: json.dumps(pair[0]).encode()[: pair[1]])
    | st.tuples(VALUES, st.sampled_from(["utf-16", "utf-8-sig", "utf-32-be"])).map(
        lambda pair: json.dumps(pair[0]).encode(pair[1])
    )
)
def test_any_bytes_are_an_export_or_one_message_that_names_the_file(content: bytes) -> None:
    export, message = outcome(content)

    json.dumps([item.raw for item in export.items], allow_nan=False).encode()
    assert "\\u0000" not in json.dumps([item.raw for item in export.items])
    assert message == "" or message.startswith("some.json")
    assert "\n" not in message
    export_missing(export)


CLEAN = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=10)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CLEAN
OWN = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CLEAN, inner), max_leaves=12
)


@settings(max_examples=50)
@given(st.dictionaries(CLEAN, OWN, max_size=5), st.booleans())
def test_whatever_an_assistant_holds_comes_back_as_it_was(own: dict[str, Any], as_escapes: bool) -> None:
    raw = {**ASSISTANT, "metadata": own}

    (item,) = export_read(json.dumps(raw, ensure_ascii=as_escapes).encode(), name="x").items

    assert json.dumps(item.raw) == json.dumps(raw)
