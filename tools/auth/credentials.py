"""How a request convinces a customer's server that it is ours: secret, headers, bearer, OAuth2, HMAC.

Everything secret travels as a Fernet token and is opened here, at the last moment. Nothing here does IO: who needs an
access token from elsewhere gets it by the function that was given.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from tools.auth import hosts
from tools.encryption import decrypt

# The scheme of Vapi's first years, which some servers still check: choose it by {"preset": "x-vapi-signature"}.
PRESETS: dict[str, dict[str, Any]] = {
    "x-vapi-signature": {
        "algorithm": "sha256",
        "signatureHeader": "x-vapi-signature",
        "includeTimestamp": False,
        "payloadFormat": "{body}",
        "signatureEncoding": "hex",
    }
}
_ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
_PLACEHOLDER = re.compile(rb"\{(body|timestamp|method|url|svix-id)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Whoever may set these decides where one request ends and the next begins, or whom it is for.
_NEVER_CUSTOM = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip


class CredentialError(Exception):
    """The request cannot be made convincing. The text is a clause for people and for the model, without secrets."""


class HostError(CredentialError):
    """The request goes to a host that is not to have the credential's secret."""


@dataclass(frozen=True, slots=True)
class ServerAuth:
    """What goes with the requests to one server; each ``…_token`` is a Fernet token or empty."""

    secret_token: str = field(default="", repr=False)
    headers_token: str = field(default="", repr=False)
    credential_id: str = ""
    credential_kind: str = ""
    credential_token: str = field(default="", repr=False)
    encryption_key: str = ""  # the public key for arguments that only the server may read
    credential_hosts: str = ""  # where the credential's secret may go (tools.auth.hosts)

    def to_json(self) -> dict[str, str]:
        """The tokens as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, str]) -> "ServerAuth":
        """The tokens behind their JSON. Raises TypeError for a shape that no release ever wrote."""
        if not all(isinstance(value, str) for value in stored.values()):
            raise TypeError("a token is not a text")
        # An order of a call that an earlier release still carries tells of no hosts.
        return cls(**{"credential_hosts": hosts.ANY, **stored})


@dataclass(frozen=True, slots=True)
class OAuth2:
    """A client of somebody's token endpoint, for the client credentials grant."""

    cache_key: str
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Signable:
    """The request as it goes out: what a signature may cover."""

    method: str
    url: str
    body: bytes = field(repr=False)
    message_id: str
    at: datetime


def auth_headers(
    auth: ServerAuth, request: Signable, *, access_token: Callable[[OAuth2], str]
) -> dict[str, bytes]:
    """The headers that convince the server, by name. The one place where a credential's secret joins a request.

    Custom headers come last and win, an Authorization among them too. Raises CredentialError (HostError where the request goes
    to a host that is not to have the secret), and what decrypting and ``access_token`` raise.
    """
    headers: dict[str, bytes] = {}
    if auth.secret_token:
        headers["X-Vapi-Secret"] = decrypt(auth.secret_token).encode()
    custom = custom_headers(auth.headers_token)
    if auth.credential_id and "authorization" not in {name.lower() for name in custom}:
        headers = merged(headers, _credential_headers(auth, request, access_token))
    return merged(headers, custom)


def custom_headers(headers_token: str) -> dict[str, bytes]:
    """The headers of a stored JSON object. Raises CredentialError for what no request can carry."""
    given = _object(headers_token, "the tool's headers") if headers_token else {}
    return {name: header_value(name, value) for name, value in given.items()}


def header_value(name: str, value: object) -> bytes:
    """The value of a header that people entered, as bytes. Raises CredentialError where it could forge a request."""
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _NEVER_CUSTOM:
        raise CredentialError("one of the tool's headers has a name that may not be set")
    text = value if isinstance(value, str) else json.dumps(value)
    if any(sign in text for sign in "\r\n\0"):
        raise CredentialError("one of the tool's headers has a line break in it")
    # As bytes, or a letter outside Latin-1 would raise deep inside http.client.
    return text.strip().encode()


def merged(headers: Mapping[str, bytes], over: Mapping[str, bytes]) -> dict[str, bytes]:
    """Both, with the second in force where a name stands in both, whatever its case."""
    taken = {name.lower() for name in over}
    return {**{name: value for name, value in headers.items() if name.lower() not in taken}, **over}


def oauth2_of(auth: ServerAuth) -> OAuth2 | None:
    """The OAuth2 client that the server wants, or None. Raises CredentialError, and what decrypting raises."""
    if auth.credential_kind != "oauth2":
        return None
    given = _settings(auth)
    # A changed secret or scope has a place of its own in the cache.
    fingerprint = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]
    return OAuth2(
        cache_key=f"{auth.credential_id}:{fingerprint}",
        url=_text(given, "url"),
        client_id=_text(given, "clientId"),
        client_secret=_text(given, "clientSecret"),
        scope=str(given.get("scope") or ""),
    )


def _credential_headers(
    auth: ServerAuth, request: Signable, access_token: Callable[[OAuth2], str]
) -> dict[str, bytes]:
    if auth.credential_token and not hosts.is_allowed(auth.credential_hosts, request.url):
        told = hosts.host_told(request.url)
        raise HostError(
            f"its credential may not be sent to {told}; whoever keeps the credential can allow that host"
        )
    match auth.credential_kind:
        case "bearer":
            given = _settings(auth)
            prefix = "Bearer " if given.get("bearerPrefixEnabled", True) else ""
            name = str(given.get("headerName") or "Authorization")
            return {name: header_value(name, prefix + _text(given, "token"))}
        case "oauth2":
            client = oauth2_of(auth)
            assert client is not None
            return {"Authorization": header_value("Authorization", f"Bearer {access_token(client)}")}
        case "hmac":
            return signature_headers(_settings(auth), request)
        case _:
            raise CredentialError("its credential has not been entered yet")


def signature_headers(given: Mapping[str, Any], request: Signable) -> dict[str, bytes]:
    """The headers of an HMAC credential: the signature over these exact bytes, and what it was made with."""
    preset = PRESETS.get(str(given.get("preset", "")), {})
    given = {**preset, **given}
    with_timestamp = bool(given.get("includeTimestamp", True))
    # Vapi does not say its unit; seconds are what the schemes with such a header have in common.
    timestamp = str(int(request.at.timestamp())).encode()
    default_format = "{timestamp}.{body}" if with_timestamp else "{body}"
    parts = {
        b"body": request.body,
        b"timestamp": timestamp,
        b"method": request.method.encode(),
        b"url": request.url.encode(),
        b"svix-id": request.message_id.encode(),
    }
    payload = _PLACEHOLDER.sub(
        lambda found: parts[found[1]], str(given.get("payloadFormat") or default_format).encode()
    )
    digest = hmac.new(_key(given), payload, _algorithm(given)).digest()
    encoded = base64.b64encode(digest).decode() if _encoding(given) == "base64" else digest.hex()
    signature_header = str(given.get("signatureHeader") or "x-signature")
    headers = {
        signature_header: header_value(signature_header, f"{given.get('signaturePrefix') or ''}{encoded}")
    }
    if with_timestamp:
        name = str(given.get("timestampHeader") or "x-timestamp")
        headers[name] = header_value(name, timestamp.decode())
    message_id_header = str(given.get("messageIdHeader") or "")
    if message_id_header:
        headers[message_id_header] = header_value(message_id_header, request.message_id)
    return headers


def _key(given: Mapping[str, Any]) -> bytes:
    secret = _text(given, "secretKey")
    if not given.get("secretIsBase64"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise CredentialError("its HMAC secret is not valid Base64") from None


def _algorithm(given: Mapping[str, Any]) -> Callable[..., Any]:
    algorithm = _ALGORITHMS.get(str(given.get("algorithm") or "sha256"))
    if algorithm is None:
        raise CredentialError("its HMAC algorithm is none of sha1, sha256 and sha512")
    return algorithm


def _encoding(given: Mapping[str, Any]) -> Literal["hex", "base64"]:
    encoding = str(given.get("signatureEncoding") or "hex")
    if encoding not in ("hex", "base64"):
        raise CredentialError("its HMAC encoding is neither hex nor base64")
    return cast(Literal["hex", "base64"], encoding)


def _settings(auth: ServerAuth) -> dict[str, Any]:
    if not auth.credential_token:
        raise CredentialError("its credential has not been entered yet")
    return _object(auth.credential_token, "its credential")


def _object(token: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(decrypt(token))
    except ValueError:
        raise CredentialError(f"{what} cannot be read as a JSON object") from None
    if not isinstance(value, dict):
        raise CredentialError(f"{what} cannot be read as a JSON object")
    return value


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise CredentialError(f"its credential has no {key}")
    return value
