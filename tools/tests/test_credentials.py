import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from tools.auth.credentials import (
    CredentialError,
    OAuth2,
    ServerAuth,
    Signable,
    auth_headers,
    custom_headers,
    oauth2_of,
    signature_headers,
)
from tools.encryption import SecretUnreadableError, encrypt
from tools.tests.factories import MOMENT

REQUEST = Signable("POST", "https://h.example/x?a=1", '{"text":"für"}'.encode(), "call_1", MOMENT)
TIMESTAMP = str(int(MOMENT.timestamp()))


def auth(kind: str = "", settings: Any = None, **fields: str) -> ServerAuth:
    credential = (
        {
            "credential_id": "c-1",
            "credential_kind": kind,
            "credential_token": encrypt(json.dumps(settings)) if settings is not None else "",
            "credential_hosts": "h.example",
        }
        if kind or settings is not None
        else {}
    )
    return ServerAuth(**{**credential, **fields})


def headers(given: ServerAuth) -> dict[str, bytes]:
    def no_token(client: OAuth2) -> str:
        raise AssertionError("no token is needed")

    return auth_headers(given, REQUEST, access_token=no_token)


def hmac_hex(secret: bytes, payload: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret, payload, algorithm).hexdigest()


def test_without_anything_entered_nothing_is_added() -> None:
    assert headers(ServerAuth()) == {}


def test_a_secret_goes_into_vapis_header_in_any_script() -> None:
    assert headers(auth(secret_token=encrypt("geheim-ß"))) == {"X-Vapi-Secret": "geheim-ß".encode()}


def test_custom_headers_are_sent_as_they_are() -> None:
    token = encrypt('{"X-Site": "north", "X-Number": 3, "X-Umlaut": "ü"}')

    assert headers(auth(headers_token=token)) == {
        "X-Site": b"north",
        "X-Number": b"3",
        "X-Umlaut": "ü".encode(),
    }


def test_an_authorization_among_them_beats_the_credential() -> None:
    token = encrypt('{"authorization": "Basic abc"}')

    assert headers(auth("bearer", {"token": "t"}, headers_token=token)) == {"authorization": b"Basic abc"}
    # Not even one that has not been entered is missed then.
    assert headers(auth("", {}, headers_token=token)) == {"authorization": b"Basic abc"}


def test_a_custom_secret_header_beats_the_secret_whatever_its_case() -> None:
    token = encrypt('{"x-vapi-secret": "custom"}')

    assert headers(auth(secret_token=encrypt("own"), headers_token=token)) == {"x-vapi-secret": b"custom"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"token": "t"}, {"Authorization": b"Bearer t"}),
        ({"token": "t", "bearerPrefixEnabled": False}, {"Authorization": b"t"}),
        ({"token": "t", "headerName": "X-Token"}, {"X-Token": b"Bearer t"}),
    ],
)
def test_bearer_tokens(settings: dict[str, Any], expected: dict[str, bytes]) -> None:
    assert headers(auth("bearer", settings)) == expected


def test_a_credential_goes_beside_the_secret() -> None:
    both = auth("bearer", {"token": "t"}, secret_token=encrypt("s"))

    assert headers(both) == {"X-Vapi-Secret": b"s", "Authorization": b"Bearer t"}


def test_oauth2_takes_the_token_that_is_fetched_for_it() -> None:
    given = auth(
        "oauth2", {"url": "https://id.example/t", "clientId": "c", "clientSecret": "s", "scope": "a b"}
    )
    asked: list[OAuth2] = []

    def fetched(client: OAuth2) -> str:
        asked.append(client)
        return "tok"

    assert auth_headers(given, REQUEST, access_token=fetched) == {"Authorization": b"Bearer tok"}
    (client,) = asked
    assert (client.url, client.client_id, client.client_secret, client.scope) == (
        "https://id.example/t",
        "c",
        "s",
        "a b",
    )
    assert (
        "s"
        not in repr(client).replace("scope", "").replace("https", "").replace("OAuth2", "").split("'c'")[1]
    )


def test_a_changed_client_has_another_place_in_the_cache() -> None:
    settings = {"url": "https://id.example/t", "clientId": "c", "clientSecret": "s"}
    first, second = oauth2_of(auth("oauth2", settings)), oauth2_of(auth("oauth2", {**settings, "scope": "x"}))

    assert first is not None
    assert second is not None
    assert first.cache_key != second.cache_key


def test_a_signature_covers_the_exact_bytes_and_the_moment() -> None:
    expected = hmac_hex(b"k", TIMESTAMP.encode() + b"." + REQUEST.body)

    assert headers(auth("hmac", {"secretKey": "k"})) == {
        "x-signature": expected.encode(),
        "x-timestamp": TIMESTAMP.encode(),
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"algorithm": "sha1", "includeTimestamp": False},
            {"x-signature": hmac_hex(b"k", REQUEST.body, "sha1")},
        ),
        (
            {"algorithm": "sha512", "includeTimestamp": False},
            {"x-signature": hmac_hex(b"k", REQUEST.body, "sha512")},
        ),
        (
            {"signatureHeader": "X-Sig", "timestampHeader": "X-Time", "signaturePrefix": "v1="},
            {
                "X-Sig": "v1=" + hmac_hex(b"k", f"{TIMESTAMP}.".encode() + REQUEST.body),
                "X-Time": TIMESTAMP,
            },
        ),
        (
            {"payloadFormat": "{method}|{url}|{svix-id}|{body}|{else}", "includeTimestamp": False},
            {
                "x-signature": hmac_hex(
                    b"k", b"POST|https://h.example/x?a=1|call_1|" + REQUEST.body + b"|{else}"
                )
            },
        ),
        (
            {"signatureEncoding": "base64", "includeTimestamp": False},
            {"x-signature": base64.b64encode(hmac.new(b"k", REQUEST.body, hashlib.sha256).digest()).decode()},
        ),
        (
            {"messageIdHeader": "svix-id", "includeTimestamp": False},
            {"x-signature": hmac_hex(b"k", REQUEST.body), "svix-id": "call_1"},
        ),
        (
            {"preset": "x-vapi-signature", "signaturePrefix": "sha256="},
            {"x-vapi-signature": "sha256=" + hmac_hex(b"k", REQUEST.body)},
        ),
    ],
)
def test_every_option_of_a_signature(settings: dict[str, Any], expected: dict[str, str]) -> None:
    made = signature_headers({"secretKey": "k", **settings}, REQUEST)

    assert {name: value.decode() for name, value in made.items()} == expected


@pytest.mark.parametrize(
    "secret", [base64.b64encode(b"key!").decode(), "whsec_" + base64.b64encode(b"key!").decode()]
)
def test_a_secret_in_base64_is_its_bytes(secret: str) -> None:
    made = signature_headers(
        {"secretKey": secret, "secretIsBase64": True, "includeTimestamp": False}, REQUEST
    )

    assert made == {"x-signature": hmac_hex(b"key!", REQUEST.body).encode()}


def test_a_placeholder_in_the_body_is_no_placeholder() -> None:
    tricky = replace(REQUEST, body=b'{"text":"{timestamp}{url}"}')

    made = signature_headers({"secretKey": "k", "includeTimestamp": False}, tricky)

    assert made == {"x-signature": hmac_hex(b"k", tricky.body).encode()}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (auth("bearer"), "not been entered"),
        (auth("", {}), "not been entered"),
        (auth("bearer", {}), "no token"),
        (auth("bearer", ["x"]), "JSON object"),
        (auth("bearer", {"token": "a\r\nX-Injected: b"}), "line break"),
        (auth("bearer", {"token": "t", "headerName": "A b"}), "name that may not be set"),
        (auth("oauth2", {"url": "https://x"}), "no clientId"),
        (auth("hmac", {}), "no secretKey"),
        (auth("hmac", {"secretKey": "k", "algorithm": "md5"}), "algorithm"),
        (auth("hmac", {"secretKey": "k", "signatureEncoding": "hex2"}), "encoding"),
        (auth("hmac", {"secretKey": "?", "secretIsBase64": True}), "Base64"),
    ],
)
def test_what_cannot_convince_says_why_without_secrets(given: ServerAuth, says: str) -> None:
    given = given if given.credential_id else replace(given, credential_id="c-1")

    with pytest.raises(CredentialError, match=says):
        headers(given)


@pytest.mark.parametrize(
    "entry",
    [
        {"X-A": "a\r\nX-Injected: b"},
        {"X-A": "a\nb"},
        {"X-A": "a\0"},
        {"X-A\r\nX-B": "a"},
        {"X A": "a"},
        {"": "a"},
        {"Host": "inside.example"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
    ],
)
def test_a_header_that_could_forge_a_request_is_refused(entry: dict[str, str]) -> None:
    with pytest.raises(CredentialError):
        custom_headers(encrypt(json.dumps(entry)))


def test_a_token_under_a_lost_key_is_told_apart() -> None:
    with pytest.raises(SecretUnreadableError):
        headers(ServerAuth(secret_token="gAAAA"))


def test_no_token_shows_in_a_log() -> None:
    given = auth("bearer", {"token": "t"}, secret_token="gSECRET", headers_token="gHEADERS")

    assert "gSECRET" not in repr(given)
    assert "gHEADERS" not in repr(given)
    assert given.credential_token not in repr(given)
    assert ServerAuth.from_json(given.to_json()) == given
