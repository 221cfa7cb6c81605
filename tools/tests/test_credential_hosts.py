"""A credential's secret goes to the hosts that it may go to, however an address is spelled, and nowhere else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.auth.credentials import HostError, OAuth2, ServerAuth, Signable, auth_headers
from tools.auth.hosts import (
    ANY,
    EntryError,
    entries_read,
    entries_text,
    entry_added,
    entry_for,
    entry_read,
    is_allowed,
    place_of,
)
from tools.encryption import encrypt
from tools.tests.factories import MOMENT

SETTINGS = {
    "bearer": {"token": "t0ken"},
    "oauth2": {"url": "https://id.example/t", "clientId": "c", "clientSecret": "s3cret"},
    "hmac": {"secretKey": "s3cret"},
}


def asked(
    url: str, *, hosts: str, kind: str = "bearer", fetched: list[OAuth2] | None = None
) -> dict[str, bytes]:
    auth = ServerAuth(
        credential_id="c-1",
        credential_kind=kind,
        credential_token=encrypt(json.dumps(SETTINGS[kind])),
        credential_hosts=hosts,
    )

    def token(client: OAuth2) -> str:
        (fetched if fetched is not None else []).append(client)
        return "access"

    return auth_headers(auth, Signable("POST", url, b"{}", "call_1", MOMENT), access_token=token)


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("api.example.com", "https://api.example.com/hook?x=1"),
        ("api.example.com", "https://API.Example.COM:443"),
        ("api.example.com", "https://api.example.com./hook"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("http://api.example.com", "http://api.example.com/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("bücher.example", "https://bücher.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("[::1]:9000", "https://[0:0:0:0:0:0:0:1]:9000/"),
        ("other.example\napi.example.com", "https://user:word@api.example.com/"),
    ],
)
def test_the_secret_goes_to_an_allowed_host(hosts: str, url: str) -> None:
    assert asked(url, hosts=hosts) == {"Authorization": b"Bearer t0ken"}


@pytest.mark.parametrize("kind", list(SETTINGS))
def test_no_kind_of_credential_goes_elsewhere_and_no_token_is_fetched_for_it(kind: str) -> None:
    fetched: list[OAuth2] = []

    with pytest.raises(HostError, match=r"may not be sent to evil\.example;") as refused:
        asked("https://evil.example/", hosts="api.example.com", kind=kind, fetched=fetched)

    assert fetched == []
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ("", "https://api.example.com/"),
        ("api.example.com", "http://api.example.com/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com:8443", "https://api.example.com/"),
        ("http://api.example.com", "https://api.example.com/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://evilexample.com/"),
        ("*.example.com", "https://example.com.evil.net/"),
        ("api.example.com", "https://api.example.com@evil.net/"),
        ("api.example.com", "https://api.example.com:443@evil.net/"),
        ("api.example.com", "https://evil.net/?https://api.example.com"),
        ("api.example.com", "https://evil.net\\@api.example.com/"),
        ("api.example.com", "https://evil.net#@api.example.com/"),
        ("api.example.com", "https://evil.net/\n.api.example.com/"),
        ("api.example.com", "https://api.example.com.evil.net/"),
        ("api.example.com", "https://api.example.com%2eevil.net/"),
        ("api.example.com", "https://\u0430pi.example.com/"),  # a Cyrillic letter
        ("127.0.0.1", "https://2130706433/"),
        ("api.example.com", "https:api.example.com/"),
        ("api.example.com", "//api.example.com/"),
        ("api.example.com", "ftp://api.example.com/"),
        ("api.example.com", "https:///api.example.com/"),
        ("api.example.com", ""),
        ("evil.net/\nno host at all\n*", "https://api.example.com/"),
    ],
)  # fmt: skip
def test_no_spelling_brings_the_secret_elsewhere(hosts: str, url: str) -> None:
    with pytest.raises(HostError):
        asked(url, hosts=hosts)


def test_a_server_that_takes_our_word_by_headers_alone_needs_no_hosts() -> None:
    auth = ServerAuth(secret_token=encrypt("s"))

    headers = auth_headers(
        auth, Signable("POST", "https://h.example/", b"", "", MOMENT), access_token=lambda _: ""
    )

    assert headers == {"X-Vapi-Secret": b"s"}


def test_an_order_of_an_earlier_release_is_still_carried_out() -> None:
    now = ServerAuth(credential_id="c-1", credential_hosts="api.example.com")
    older = {name: value for name, value in now.to_json().items() if name != "credential_hosts"}

    assert ServerAuth.from_json(now.to_json()) == now
    assert is_allowed(ServerAuth.from_json(older).credential_hosts, "https://wherever.example/")
    # Nobody can enter what stands for that.
    with pytest.raises(EntryError):
        entry_read(ANY)


@pytest.mark.parametrize(
    "line",
    ["*", "*.com", "*.localhost", "*.10.0.0.1", "a b", "api.example.com/hook", "user@api.example.com", "ftp://x.example",
     "api.example.com:99999", "-a.example", "{{ host }}", "a..example", "x" * 400],
)  # fmt: skip
def test_a_line_that_names_no_host_or_too_many_is_refused(line: str) -> None:
    with pytest.raises(EntryError, match="“"):
        entry_read(line)


def test_a_list_is_kept_in_one_spelling_each_host_once() -> None:
    given_by_people = (
        " API.example.com \n\nhttps://api.example.com/\n*.Shop.example:8443\nhttp://hub.example:80"
    )

    assert (
        entries_text(entries_read(given_by_people))
        == "api.example.com\n*.shop.example:8443\nhttp://hub.example"
    )


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://api.example.com:8443/a?b", "api.example.com:8443"),
        ("http://127.0.0.1:9000/hook", "http://127.0.0.1:9000"),
        ("https://{{ tenant }}.example.com/x", "*.example.com"),
        ("https://api.example.com/{{ order }}", "api.example.com"),
        ("https://{{ host }}/x", None),
        ("https://{{ a }}.com/", None),
        ("https://api.{{ region }}/", None),
        ("https://{{ x }}@evil.example.com/", None),
        ("no address", None),
    ],
)
def test_what_allows_the_host_of_an_address(url: str, entry: str | None) -> None:
    found = entry_for(url)

    assert (str(found) if found is not None else None) == entry


_LABELS = st.text("abc", min_size=1, max_size=3)
_NAMES = st.lists(_LABELS, min_size=2, max_size=4).map(".".join)
_PLACES = st.tuples(st.sampled_from(["http", "https"]), _NAMES, st.sampled_from(["", ":80", ":443", ":8443"]))


@given(_PLACES, _PLACES, st.booleans())
def test_what_an_entry_lets_through_is_its_own_place_or_below_it(
    one: tuple[str, str, str], other: tuple[str, str, str], below: Any
) -> None:
    entry = entry_read(f"{one[0]}://{'*.' if below else ''}{one[1]}{one[2]}")
    url = f"{other[0]}://{other[1]}{other[2]}/"
    place, home = place_of(url), entry.place
    assert place is not None

    same = (place.scheme, place.port) == (home.scheme, home.port)
    expected = same and (place.host.endswith("." + home.host) if below else place.host == home.host)

    assert is_allowed(entry_added("", entry), url) == expected
    assert entry_read(str(entry)) == entry
