"""Requests that a tool sends to an address of its own."""

import json
from typing import Any

from assistants.vapi.drafts import Verdict
from assistants.vapi.hiding import is_open_header
from assistants.vapi.ledger import Ledger


def request_read(ledger: Ledger, fields: dict[str, Any], secrets: dict[str, str]) -> None:
    """Completes the settings of a tool that asks an address of its own, and its secrets by what its headers hold."""
    ledger.missing(("method",), "Vapi sends a POST where no method is set.", field="settings", ours="POST")
    fields["settings"].setdefault("method", "POST")
    headers = _headers(ledger)
    if headers:
        older = json.loads(secrets.get("server_headers", "{}"))
        secrets["server_headers"] = json.dumps({**older, **headers}, ensure_ascii=False)
        ledger.say(
            ("headers",),
            Verdict.CONVERTED,
            "Sent with the request. What is no template is stored encrypted, since it may be a password.",
            field="settings",
        )
    if ledger.mapping("headers", "properties"):
        # Sent from there; a mark in place of the secret must not be sent besides.
        shown = {
            name: _with_templates(value, ledger.secret("headers", "properties", name))
            for name, value in ledger.mapping("headers", "properties").items()
            if name not in headers
        }
        fields["settings"]["headers"] = {**ledger.mapping("headers"), "properties": shown}


def _headers(ledger: Ledger) -> dict[str, str]:
    """The headers whose values stand in the export and may be secret: all that are no templates."""
    stored = ledger.secret("headers", "properties")
    headers: dict[str, str] = {}
    for name, given in stored.items() if isinstance(stored, dict) else ():
        value = given.get("value", given.get("default")) if isinstance(given, dict) else given
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            continue
        if not is_open_header(name) and "{{" not in str(value):
            headers[name] = str(value)
    return headers


def _with_templates(shown: Any, full: Any) -> Any:
    """A header with its templates whole, where words stand beside them: only so can they be filled in."""
    if not isinstance(shown, dict) or not isinstance(full, dict):
        return full if isinstance(full, str) and "{{" in full else shown
    whole = {
        key: full[key] for key in ("value", "default") if isinstance(full.get(key), str) and "{{" in full[key]
    }
    return {**shown, **whole}
