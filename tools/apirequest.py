"""Vapi's ``apiRequest`` tools: a plain HTTP request without any envelope. Pure.

``settings`` of such a tool holds ``url``, ``method``, ``headers`` (a schema whose properties carry ``value``) and
``body`` (the schema of the arguments, whose ``default`` may be a template).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from tools.auth.credentials import CredentialError, header_value
from tools.jsontext import json_clean, json_text
from tools.liquid import render
from tools.snapshots import ToolSnapshot
from tools.static_parameters import arguments_complete, rendered

_ENCODES = re.compile(r"\|\s*(url_encode|cgi_escape|uri_escape)\b")
_DEEPEST = 20
METHODS = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The request, before anything that convinces its server."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(repr=False)
    headers: Mapping[str, bytes] = field(repr=False)


class ApiRequestError(ValueError):
    """The tool cannot be carried out as it is set up. The text is a clause for people and for the model."""


def api_request(
    tool: ToolSnapshot,
    arguments: Mapping[str, Any],
    *,
    variables: Mapping[str, Any],
    now: datetime,
    protect: Callable[[dict[str, Any]], dict[str, Any]] = lambda complete: complete,
) -> ApiRequest:
    """The request for these arguments. Raises ApiRequestError.

    What the model left out comes from the body's defaults; static parameters win over both. Templates see the
    arguments beside the call's variables. A GET has no body: its arguments are for the URL. ``protect`` is given the
    complete arguments before any of them goes anywhere.
    """
    method = str(tool.settings.get("method") or "POST").upper()
    if method not in METHODS:
        raise ApiRequestError("its HTTP method is not one that can be used")
    with_defaults = {**_defaults(tool.settings.get("body"), variables, now), **arguments}
    complete = arguments_complete(
        with_defaults, tool.static_parameters, variables={**variables, **with_defaults}, now=now
    )
    complete = protect(complete)
    known = {**variables, **complete}
    url = _url(tool, variables, complete, now)
    headers = _headers(tool.settings.get("headers"), known, now)
    try:
        # As Vapi, which reads the defaults and the arguments of a GET only for the URL.
        body = None if method == "GET" else json_text(json_clean(complete)).encode()
    except (ValueError, RecursionError):
        raise ApiRequestError("the arguments cannot be written as JSON") from None
    return ApiRequest(method, url, body, headers)


def _url(tool: ToolSnapshot, variables: Mapping[str, Any], arguments: dict[str, Any], now: datetime) -> str:
    """The URL of the template. An argument, which is a caller's word, neither leaves its place in it nor names the host."""
    template = tool.settings.get("url") or tool.server_url
    if not isinstance(template, str) or not template:
        raise ApiRequestError("the tool has no URL")
    # Where the template encodes by itself, a second time would change the value.
    placed = (
        arguments if _ENCODES.search(template) else _each_text(arguments, lambda text: quote(text, safe=""))
    )
    made = render(template, {**variables, **placed}, now=now)
    if made.error:
        raise ApiRequestError("the template of its URL has a mistake")
    without = render(template, {**variables, **_each_text(arguments, lambda _: "0")}, now=now)
    if _host(made.text) != _host(without.text):
        raise ApiRequestError("an argument would change which server is asked")
    return made.text.strip()


def _host(url: str) -> tuple[object, ...]:
    try:
        parsed = parse_url(url.strip())
    except (HTTPError, ValueError):
        raise ApiRequestError("its URL is not valid") from None
    return parsed.scheme, parsed.auth, parsed.host, parsed.port


def _each_text(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """The JSON value with every text in it changed."""
    match value:
        case str():
            return change(value)
        case dict() if depth < _DEEPEST:
            return {key: _each_text(item, change, depth + 1) for key, item in value.items()}
        case list() if depth < _DEEPEST:
            return [_each_text(item, change, depth + 1) for item in value]
        case _:
            return value


def _headers(schema: Any, known: Mapping[str, Any], now: datetime) -> dict[str, bytes]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    headers: dict[str, bytes] = {}
    for name, given in (properties if isinstance(properties, dict) else {}).items():
        value = (given.get("value", given.get("default")) if isinstance(given, dict) else given) or ""
        try:
            headers[name] = header_value(name, rendered(value, variables=known, now=now))
        except CredentialError as exc:
            raise ApiRequestError(str(exc)) from None
    return headers


def _defaults(schema: Any, variables: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What the body's schema gives for arguments that the model left out."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    found: dict[str, Any] = {}
    for name, prop in (properties if isinstance(properties, dict) else {}).items():
        if isinstance(prop, dict) and ("value" in prop or "default" in prop):
            found[name] = rendered(prop.get("value", prop.get("default")), variables=variables, now=now)
    return found
