"""What a tool server answered: read leniently, by the rules customers' servers were written against.

Vapi accepts more than it documents (docs: server-url/custom-tools; field notes in VapiAI/gitops), so anything that
ever worked is read here too, and what cannot be read becomes a failure that says why. Nothing here raises.
"""

import codecs
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.jsontext import json_clean, json_text, text_clean
from tools.outcomes import error_output, http_error_output, no_result_output, output_clip

# Vapi's own words for an answer without content; customers' prompts quote them.
NO_RESULT = "No result returned."
ERROR_MAX_CHARS = 1_000

_LINE_BREAKS = re.compile("[\r\n\x0b\x0c\x85\u2028\u2029]+")
# An object, or an array of anything but bare words: JSON that lost its end, not a sentence in brackets.
_BROKEN_JSON = re.compile(r"\s*(\{|\[\s*[\[{\"])")
_CHARSETS = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "iso8859-1", "iso8859-15", "cp1252"}
)


@dataclass(frozen=True, slots=True)
class Result:
    """What an answer means.

    ``output_text`` is the text for the model in either case, ``error`` the reason for ops staff, empty when
    answered. ``message`` is Vapi's "spoken instead" (type, content, role …), None where there is none. ``value`` is
    the result as it came, for variables; ``by_status`` marks a failure of which only the HTTP status tells.
    """

    status: Literal["answered", "failed"]
    output_text: str = field(repr=False)
    error: str = ""
    message: dict[str, Any] | None = field(default=None, repr=False)
    value: Any = field(default=None, repr=False)
    by_status: bool = False


def answer_read(*, body: bytes, content_type: str, http_status: int, tool_call_id: str) -> Result:
    """The result for the one call that was sent, from the server's whole answer."""
    accepted = 200 <= http_status < 300
    text = _decode(body, content_type)
    if not text.strip():
        return _answered(NO_RESULT) if accepted else _http_error(http_status)
    try:
        value = json_clean(json.loads(text))
    except (ValueError, RecursionError):
        return _text_read(text, content_type) if accepted else _http_error(http_status)
    item = _item_find(value, tool_call_id)
    if item is not None:
        return _item_read(item)  # also on an error status, as Vapi does
    if not accepted:
        return _http_error(
            http_status, said=_error_text(value.get("error")) if isinstance(value, dict) else ""
        )
    return _value_read(value)


def api_answer_read(*, body: bytes, content_type: str, http_status: int) -> Result:
    """The result of a request without Vapi's envelope: the whole answer, which must be JSON."""
    text = _decode(body, content_type)
    accepted = 200 <= http_status < 300
    try:
        value = json_clean(json.loads(text)) if text.strip() else None
    except (ValueError, RecursionError):
        return _unreadable("no JSON") if accepted else _http_error(http_status)
    if not accepted:
        said = _error_text(value.get("error") or value.get("message")) if isinstance(value, dict) else ""
        return _http_error(http_status, said=said)
    return _answered(_one_line(value) or NO_RESULT, value=value)


def _item_find(value: object, tool_call_id: str) -> dict[str, Any] | None:
    """The entry of ``results``, of a bare array, or the bare object itself, that names this call."""
    entries = value.get("results", value) if isinstance(value, dict) else value
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list):
        return None
    matching = (entry for entry in entries if isinstance(entry, dict) and _is_for(entry, tool_call_id))
    return next(matching, None)


def _is_for(entry: dict[str, Any], tool_call_id: str) -> bool:
    return str(entry.get("toolCallId", "")).strip() == tool_call_id


def _item_read(item: dict[str, Any]) -> Result:
    """One entry: ``error`` counts only where there is no ``result``, and words to be spoken only where neither is."""
    result = _one_line(item.get("result"))
    message = item.get("message")
    message = message if isinstance(message, dict) else None
    if result:
        return _answered(result, message=message, value=item.get("result"))
    said = _error_text(item.get("error"))
    if said:
        output = error_output(code="tool_error", message=f"The tool reported an error: {said}")
        return Result("failed", output, f"The server reported an error: {said}", message)
    spoken = _one_line(message.get("content")) if message else ""
    return _answered(spoken or NO_RESULT, message=message)


def _value_read(value: object) -> Result:
    """An accepted answer in which no entry belongs to this call."""
    match value:
        case {"results": list() | dict()}:
            return _unmatched()
        case dict() if "result" in value or "error" in value:
            return _unmatched() if value.get("toolCallId") else _item_read(value)
        case dict() | list() if value:
            why = "The tool's server answered in a form that holds no result"
            return Result(
                "failed", no_result_output(why), "The answer is JSON, but holds neither results nor result."
            )
        case dict() | list():
            return _answered(NO_RESULT)
        case _:
            return _answered(_one_line(value) or NO_RESULT, value=value)


def _unmatched() -> Result:
    why = "The tool's server answered, but not for this request: no toolCallId matches"
    return Result("failed", no_result_output(why), "No entry of the answer has this call's toolCallId.")


def _text_read(text: str, content_type: str) -> Result:
    """An accepted answer that is no JSON: taken as the result where it is plain text."""
    kind = content_type.partition(";")[0].strip().lower()
    start = text.lstrip()[:20].lower()
    declared_json = kind.endswith(("/json", "+json"))
    if _BROKEN_JSON.match(text) or (declared_json and start.startswith('"')):
        return _unreadable("broken JSON")
    # Express sends every string as text/html, so the type alone does not make a page.
    if start.startswith(("<!doctype", "<html")) or (start.startswith("<") and kind != "text/plain"):
        return _unreadable("a web page or XML")
    if not (kind == "" or kind.startswith("text/") or declared_json):
        return _unreadable("no text")
    return _answered(_one_line(text) or NO_RESULT, value=text)


def _answered(text: str, *, message: dict[str, Any] | None = None, value: Any = None) -> Result:
    return Result("answered", output_clip(text), message=message, value=value)


def _http_error(http_status: int, *, said: str = "") -> Result:
    error = f"The server answered with HTTP status {http_status}."
    return Result("failed", http_error_output(http_status, said=said), error, by_status=True)


def _unreadable(what: str) -> Result:
    why = f"The tool's server answered with {what}, which holds no result"
    return Result("failed", no_result_output(why), f"The answer is {what}.")


def _one_line(value: object) -> str:
    """A result as one line of text; empty for null and for blank text."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json_text(value)
    return _LINE_BREAKS.sub(" ", text).strip()


def _error_text(value: object) -> str:
    """An error as one line, clipped; empty for null, false and blank text."""
    return _one_line(value)[:ERROR_MAX_CHARS] if value else ""


def _decode(body: bytes, content_type: str) -> str:
    """The body as text, by its charset where that is a usual one, else as UTF-8; never raises."""
    found = re.search(r"charset\s*=\s*\"?([\w.:-]+)", content_type, re.IGNORECASE)
    charset = "utf-8"
    if found:
        try:
            named = codecs.lookup(found[1]).name
        except (LookupError, ValueError):
            named = ""
        charset = named if named in _CHARSETS else charset
    return text_clean(body.decode(charset, errors="replace").removeprefix("\ufeff"))
