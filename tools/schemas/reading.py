"""The arguments a model gives for a tool: read once, from the text it wrote."""

import json
from typing import Any

from tools.jsontext import json_clean
from tools.schemas.errors import ArgumentsError


def arguments_read(*, text: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments object behind the model's text.

    Empty text is an empty object where the schema requires nothing (OpenAI sends that for tools without
    parameters). Raises ArgumentsError for anything that is not a JSON object.
    """
    if not text.strip():
        if parameters.get("required"):
            raise ArgumentsError("The arguments are empty, but this tool requires some.")
        return {}
    try:
        value = json_clean(json.loads(text))
    except (ValueError, RecursionError) as exc:
        raise ArgumentsError("The arguments are not valid JSON.") from exc
    if not isinstance(value, dict):
        raise ArgumentsError("The arguments are not a JSON object.")
    return value
