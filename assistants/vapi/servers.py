"""Where webhooks go and how they are signed, of an assistant or of a tool: reading it, and asking for what Vapi keeps."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from assistants.vapi.drafts import Verdict
from assistants.vapi.hiding import is_secret_header, url_shown
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from tools.encrypted_arguments import path_problem

_valid_url: Final = URLValidator(schemes=["http", "https"])
_RETRIES: Final = {"type": str, "maxRetries": float, "baseDelaySeconds": float}
SECRET_FLAG: Final = ("isServerUrlSecretSet",)
# Of other signs before the path, a backslash above all, one reader of addresses makes another host than the next.
_PLAIN: Final = re.compile(r"https?://[!-\[\]-~]+?(?=[/?#]|$)", re.IGNORECASE)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(slots=True)
class Server:
    """A server as it was read. ``secrets`` are columns of ours; ``url_path`` is where the URL stood."""

    url: str = ""
    url_path: Path = ("server", "url")
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    backoff_plan: dict[str, Any] = field(default_factory=dict)
    encrypted_paths: tuple[str, ...] = ()
    signed: bool = False  # by something else than a secret
    timeout_s: float | None = None


def server_read(ledger: Ledger) -> Server:
    """The server of an object, of whichever generation."""
    server = Server(backoff_plan=backoff_read(ledger, ("server", "backoffPlan")))
    server.url, server.url_path = _url(ledger)
    server.credential_id = (ledger.text("server", "credentialId") or "") if ledger.mapping("server") else ""
    _secret(ledger, server)
    headers = {
        name: value
        for name, value in _object(ledger.secret("server", "headers")).items()
        if isinstance(value, str)
    }
    if headers:
        server.secrets["server_headers"] = json.dumps(headers, ensure_ascii=False)
    if ledger.flag("server", "staticIpAddressesEnabled"):
        ledger.say(
            ("server", "staticIpAddressesEnabled"),
            Verdict.DECISION,
            "Your server expects requests from Vapi's fixed addresses only. Tandem's come from its own address: let that in, "
            "or its webhooks never arrive.",
            code="static_ip",
        )
    server.encrypted_paths = encrypted_paths_read(ledger, "server", "encryptedPaths")
    server.timeout_s = ledger.number("server", "timeoutSeconds")
    server.signed = bool(server.credential_id) or any(is_secret_header(name) for name in headers)
    return server


def secret_ask(ledger: Ledger, server: Server, *, page: str) -> None:
    """Asks for what Vapi does not give back. ``page`` is where people enter it."""
    if "server_secret" in server.secrets:
        if ledger.flag(*SECRET_FLAG):
            ledger.say(SECRET_FLAG, Verdict.KEPT, "The secret stands in this export and was taken over.")
        return
    if ledger.flag(*SECRET_FLAG):
        reason = f"Vapi does not give back the secret of {url_shown(server.url) or 'the server URL'}; enter it on {page}. Without it your server refuses the webhooks."
        ledger.say(SECRET_FLAG, Verdict.DECISION, reason, field="server_secret", code="missing_secret")
    elif server.url and not server.signed and ledger.flag(*SECRET_FLAG) is None:
        legacy = server.url_path == ("serverUrl",)
        ledger.decide(
            ("serverUrlSecret",) if legacy else ("server", "secret"),
            f"Vapi does not give back the secret of {url_shown(server.url)}; enter it on {page}, or settle this if your server checks none.",
            field="server_secret",
            code="missing_secret",
        )


def encrypted_paths_read(ledger: Ledger, *path: str) -> tuple[str, ...]:
    """The arguments that are to be encrypted, each of which asks for the key; one that is no path asks for another."""
    paths = []
    for number, _ in enumerate(ledger.items(*path)):
        text = ledger.text(*path, number)
        if text is None:
            continue
        paths.append(text)
        problem = path_problem(text)
        if problem:
            ledger.say(
                (*path, number),
                Verdict.DECISION,
                f"{problem} Until it is corrected nothing is sent.",
                field="encrypted_paths",
                code="bad_encrypted_path",
            )
    return tuple(paths)


def url_checked(ledger: Ledger, *path: str, code: str = "bad_url") -> str:
    """The URL there if requests can be sent to it; else a decision is asked for, and it is empty."""
    url = (ledger.text(*path) or "").strip()
    if not url:
        return ""
    try:
        _valid_url(url)
    except ValidationError:
        ledger.say(
            path,
            Verdict.DECISION,
            "This is no complete address of a web server (https://…), so nothing could be sent there. Enter the right one.",
            code=code,
        )
        return ""
    return url


def backoff_read(ledger: Ledger, path: Path) -> dict[str, Any]:
    """The plan for failed requests, as far as it is well formed."""
    plan = ledger.mapping(*path)
    read: dict[str, Any] = {}
    if isinstance(plan.get("type"), str):
        read["type"] = plan["type"]
    for name in ("maxRetries", "baseDelaySeconds"):
        value = ledger.number(*path, name)
        if value is not None:
            read[name] = value
    codes = [
        code
        for number, _ in enumerate(ledger.items(*path, "excludedStatusCodes"))
        if (code := ledger.number(*path, "excludedStatusCodes", number)) is not None
    ]
    return read | ({"excludedStatusCodes": codes} if codes else {})


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _url(ledger: Ledger) -> tuple[str, Path]:
    url = url_checked(ledger, "server", "url")
    if url and ledger.text("serverUrl"):
        ledger.say(
            ("serverUrl",),
            Verdict.DROPPED,
            "There is a newer setting, server.url, and that one counts, as at Vapi.",
        )
    if url or not ledger.text("serverUrl"):
        return url, ("server", "url")
    return url_checked(ledger, "serverUrl"), ("serverUrl",)


def _secret(ledger: Ledger, server: Server) -> None:
    legacy = server.url_path == ("serverUrl",)
    newer, older = ledger.secret("server", "secret"), ledger.secret("serverUrlSecret")
    first, second = (older, newer) if legacy else (newer, older)
    for secret in (first, second):
        if isinstance(secret, str) and secret:
            server.secrets["server_secret"] = secret
            return


# --- Whose secrets may go along


def same_server(one: str, other: str) -> bool:
    """Whether what is secret between us and the one address may be sent to the other."""
    if one == other:
        return True
    origin = _origin(one)
    return origin is not None and origin == _origin(other)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an address; None where not every reader finds the same."""
    found = _PLAIN.match(url)
    try:
        parts = urlsplit(found[0] if found else "")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
