"""What of an export is secret, and the export without it.

Vapi hands out few secrets, but older exports, files edited by hand and inline credentials hold some. The place of a
secret stays visible, with a mark instead of its value.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from tools.jsontext import json_clean, text_clean

HIDDEN: Final = "(hidden)"
CUT: Final = "(cut: nested too deeply)"
# A setting of Vapi's is some ten levels deep; a schema of arguments rarely as many more.
MAX_DEPTH: Final = 50

_SECRET_KEY = re.compile(
    r"secret|passw|passphrase|token$|bearer|authorization|connectionString$|^(pw|pwd|pass)$"
    r"|(api|private|signing|subscription|access|hmac|oauth|auth|encryption|openAI)[_-]?keys?$",
    re.IGNORECASE,
)
# Nothing but secrets stands in them.
_SECRET_PARTS = re.compile(r"oauth2?(plan)?|authentication", re.IGNORECASE)
_SECRET_HEADER = re.compile(
    r"auth|cookie|token|secret|passw|signature|credential|api-?_?key|(^|[-_])key$", re.IGNORECASE
)
# Whatever they hold says how a body is written, and opens nothing.
_OPEN_HEADERS = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-language",
        "content-type",
        "user-agent",
    }
)
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
# Under these, keys are names of arguments and no settings.
_NAMED_BY_USERS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_SET_IN_SCHEMA = frozenset({"value", "default", "const", "examples"})
# Of a header's schema; everything else of it may be the value.
_OPEN_OF_HEADER = ("type", "title", "description")
# Everything else of a credential may open a door.
_OPEN_OF_CREDENTIAL = frozenset({"provider", "name", "id", "type", "region"})
# Addresses that are secret as a whole: whoever knows one may use it.
_SECRET_URLS = frozenset({"triggerUrl", "webhookUrl"})
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)((?P<user>[^/?#\s]*)@)?(?P<host>[^/?#\s]*)(?P<path>[^?#\s]*)"
    r"(\?(?P<query>[^#\n]*))?(#(?P<rest>\S*))?"
)
_STAND_IN = re.compile("\0(\\d+)\0")


def is_secret_header(name: str) -> bool:
    """Whether a header of that name usually carries a secret."""
    return _SECRET_HEADER.search(name) is not None


def with_secret_headers(given: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """The headers that were given, and those stored ones that are never given back and that nobody has sent anew, in whatever case."""
    named = {name.lower() for name in given}
    kept = {
        name: value for name, value in stored.items() if is_secret_header(name) and name.lower() not in named
    }
    return {**kept, **given}


def is_open_header(name: str) -> bool:
    """Whether a header of that name holds no secret, whatever it says."""
    return name.strip().lower() in _OPEN_HEADERS


def is_template(value: Any) -> bool:
    """Whether a header holds no secret of its own: a template alone, or after a word such as Bearer."""
    if not isinstance(value, str) or "{{" not in value:
        return False
    return _TEMPLATE.sub("", value).strip().lower() in ("", "bearer", "basic", "token")


def cleaned(value: Any) -> Any:
    """A copy that every store accepts: clean texts, finite numbers, nothing nested deeper than MAX_DEPTH."""
    return _cleaned(value, 0)


def _cleaned(value: Any, depth: int) -> Any:
    # In one go, by exact types: of a large document nothing else takes as long.
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\x00" not in value else text_clean(value)
    if kind is dict:
        if depth >= MAX_DEPTH:
            return CUT
        return {
            key if type(key) is str and key.isascii() and "\x00" not in key else text_clean(str(key)): item
            if item is None or type(item) is bool or type(item) is int
            else _cleaned(item, depth + 1)
            for key, item in value.items()
        }
    if kind is list:
        return CUT if depth >= MAX_DEPTH else [_cleaned(item, depth + 1) for item in value]
    return json_clean(_cut(value, depth))


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return CUT if depth >= MAX_DEPTH else {str(key): _cut(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return CUT if depth >= MAX_DEPTH else [_cut(item, depth + 1) for item in value]
    return value if isinstance(value, str | int | float) or value is None else str(value)


def hidden(value: Any) -> Any:
    """A copy of a cleaned value with a mark for each secret, as it is shown to people and kept with the report."""
    return _hidden(value, urls=True)


def usable(value: Any) -> Any:
    """A copy with a mark for each secret, but with whole addresses, for the settings that need them to work."""
    return _hidden(value, urls=False)


def _hidden(value: Any, *, urls: bool) -> Any:
    if isinstance(value, list):
        return [_hidden(item, urls=urls) for item in value]
    if isinstance(value, str):
        return url_shown(value) if urls else value
    if not isinstance(value, dict):
        return value
    return {key: _hidden_item(key, item, urls=urls) for key, item in value.items()}


@lru_cache(maxsize=4096)
def _names_secret(key: str) -> bool:
    return bool(_SECRET_KEY.search(key) or _SECRET_PARTS.fullmatch(key))


def _hidden_item(key: str, value: Any, *, urls: bool) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if _names_secret(key):
        return _every_text_hidden(value, keep=("type", "provider", "id"))
    if key in _NAMED_BY_USERS and isinstance(value, dict):
        return {name: _hidden_argument(name, item, urls=urls) for name, item in value.items()}
    match key:
        case "headers":
            return _hidden_headers(value, urls=urls)
        case "sipHeaders" if urls:  # the tool's settings need them, as they need addresses
            return _hidden_headers(value, urls=urls)
        case "credentials":
            return _hidden_credential(value)
        case "environmentVariables" if isinstance(value, list):
            return [_hidden_variable(item) for item in value]
        case _ if key in _SECRET_URLS and isinstance(value, str):
            return _host_shown(value)
        case _:
            return _hidden(value, urls=urls)


def _hidden_argument(name: str, schema: Any, *, urls: bool) -> Any:
    """The schema of an argument. A value that is set in it is needed for the request, and shown nowhere if it may be secret."""
    if not isinstance(schema, dict):
        return _hidden_item(name, schema, urls=urls)
    shown = {key: _hidden_item(key, item, urls=urls) for key, item in schema.items()}
    if urls and _SECRET_KEY.search(name):
        set_here = {key: item for key, item in schema.items() if key in _SET_IN_SCHEMA}
        shown |= {
            key: item if is_template(item) else _every_text_hidden(item) for key, item in set_here.items()
        }
    return shown


def _hidden_headers(headers: Any, *, urls: bool) -> Any:
    """Plain headers, or the schema in whose properties an apiRequest tool keeps them."""
    if not isinstance(headers, dict):
        return _every_text_hidden(headers, keep=("name", "key"))
    properties = headers.get("properties")
    if isinstance(properties, dict):
        shown = {name: _hidden_header(name, value) for name, value in properties.items()}
        return {**_hidden(headers, urls=urls), "properties": shown}
    return {name: _hidden_header(name, value) for name, value in headers.items()}


def _hidden_header(name: str, value: Any) -> Any:
    if is_open_header(name) or is_template(value):
        return value
    if not isinstance(value, dict):
        return _every_text_hidden(value)
    return {
        key: item
        if is_template(item)
        else _every_text_hidden(item, keep=_OPEN_OF_HEADER)
        if key not in _OPEN_OF_HEADER
        else item
        for key, item in value.items()
    }


def url_shown(text: str) -> str:
    """The text, without user, password and values of the query where it is an address. Templates stay."""
    templates: list[str] = []

    def away(found: re.Match[str]) -> str:
        templates.append(found[0])
        return f"\0{len(templates) - 1}\0"

    def back(short: str) -> str:
        return _STAND_IN.sub(lambda found: templates[int(found[1])], short)

    if "://" not in text[:40]:
        return text
    url = _URL.fullmatch(_TEMPLATE.sub(away, text.strip()))
    if url is None:
        return text
    shown = url["scheme"]
    shown += f"{_value_shown(url['user'])}@" if url["user"] else ""
    shown += url["host"] + url["path"]
    if url["query"]:
        shown += "?" + "&".join(_pair_shown(pair) for pair in url["query"].split("&"))
    if url["rest"]:
        shown += "#" + _value_shown(url["rest"])
    return text if shown == text.strip() else back(shown)


def _host_shown(text: str) -> str:
    url = _URL.fullmatch(text.strip())
    return f"{url['scheme']}{url['host']}/{HIDDEN}" if url and url["host"] else HIDDEN if text else text


def _pair_shown(pair: str) -> str:
    key, sign, value = pair.partition("=")
    return f"{key}={_value_shown(value)}" if sign else _value_shown(key)


def _value_shown(value: str) -> str:
    return value if not _STAND_IN.sub("", value) else HIDDEN


def _hidden_credential(value: Any) -> Any:
    if isinstance(value, list):
        return [_hidden_credential(item) for item in value]
    return _every_text_hidden(value, keep=tuple(_OPEN_OF_CREDENTIAL)) if isinstance(value, dict) else HIDDEN


def _hidden_variable(value: Any) -> Any:
    return _every_text_hidden(value, keep=("name",)) if isinstance(value, dict) else HIDDEN


def _every_text_hidden(value: Any, keep: tuple[str, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {
            key: item if key in keep and isinstance(item, str) else _every_text_hidden(item, keep)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_every_text_hidden(item, keep) for item in value]
    return HIDDEN if value not in (None, "", True, False) else value
