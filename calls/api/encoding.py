"""A page of calls as JSON text. What was said is most of it and stands in a call twice: it is written once."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tools.jsontext import json_text


def calls_json(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """The documents as a JSON array, as `json_text` would spell them."""
    return b"[" + b",".join(_call_json(one) for one in documents) + b"]"


def _call_json(document: Mapping[str, Any]) -> bytes:
    artifact = document["artifact"]
    # Their numbers are spelled already, and their texts come from the database.
    messages = orjson.Fragment(orjson.dumps(document["messages"]))
    formatted = orjson.Fragment(orjson.dumps(artifact["messagesOpenAIFormatted"]))
    told = {
        **document,
        "artifact": {**artifact, "messages": messages, "messagesOpenAIFormatted": formatted},
        "messages": messages,
    }
    return json_text(told).encode()
