"""A server that is asked where a call is to be transferred, and what it answers."""

from typing import Any

from tools.answers import Result, api_answer_read
from tools.clients import HttpAnswer
from tools.jsontext import json_text
from tools.outcomes import error_output

_HONEST = "The call was not transferred. Say so honestly, and offer what else you can do."


def destination_answer_read(answer: HttpAnswer) -> Result:
    """The answer to a transfer-destination-request: JSON with ``destination``, and ``message`` where there is one."""
    result = api_answer_read(
        body=answer.body, content_type=answer.content_type, http_status=answer.http_status
    )
    if result.status == "failed":
        return result
    match result.value:
        case {"destination": dict() | str() as destination} if destination:
            chosen: dict[str, Any] = {"destination": destination}
            if "message" in result.value:
                chosen["message"] = result.value["message"]
            return Result("answered", json_text(chosen), value=chosen)
        case {"error": str() as said} if said:
            return _none(f"The server named no destination and says: {said[:1000]}")
        case _:
            return _none("The server named no destination.")


def _none(why: str) -> Result:
    return Result("failed", error_output(code="no_destination", message=f"{why} {_HONEST}"), why)
