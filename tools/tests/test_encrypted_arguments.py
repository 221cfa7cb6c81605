import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from tools.arguments import NotSendableError, arguments_protected, arguments_shown
from tools.auth.credentials import ServerAuth
from tools.encrypted_arguments import (
    MASK,
    EncryptionError,
    arguments_encrypted,
    arguments_masked,
    key_problem,
    path_problem,
)
from tools.tests.factories import make_order_tool

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GUEST = {
    "name": "Ana",
    "ssn": "123-45-6789",
    "payment": {"cardNumber": "4111", "cvc": 123},
    "guests": [{"passport": "X1"}, {"passport": "X2"}],
    "note": None,
}


def pem_of(key: Any) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode())


PEM = pem_of(PRIVATE)


def opened(text: str) -> str:
    """What a customer's server does, as Vapi's page shows it."""
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return PRIVATE.decrypt(base64.b64decode(text, validate=True), oaep).decode()


def test_what_stands_at_a_path_can_be_opened_with_the_private_key_alone() -> None:
    encrypted = arguments_encrypted(GUEST, ["ssn", "payment.cardNumber", "guests[*].passport"], pem=PEM)

    assert opened(encrypted["ssn"]) == "123-45-6789"
    assert opened(encrypted["payment"]["cardNumber"]) == "4111"
    assert [opened(one["passport"]) for one in encrypted["guests"]] == ["X1", "X2"]
    assert encrypted["name"] == "Ana"
    assert encrypted["payment"]["cvc"] == 123
    assert GUEST["ssn"] == "123-45-6789"


@pytest.mark.parametrize(
    ("path", "place", "clear"),
    [
        ("payment.cvc", ("payment", "cvc"), "123"),
        ("payment", ("payment",), '{"cardNumber":"4111","cvc":123}'),
        ("$.ssn", ("ssn",), "123-45-6789"),
        ("guests[1].passport", ("guests", 1, "passport"), "X2"),
        ("guests.0.passport", ("guests", 0, "passport"), "X1"),
    ],
)
def test_values_of_any_kind_are_encrypted_texts_as_they_stand(
    path: str, place: tuple[Any, ...], clear: str
) -> None:
    value: Any = arguments_encrypted(GUEST, [path], pem=PEM)
    for step in place:
        value = value[step]

    text = opened(value)
    assert text == clear or json.loads(text) == json.loads(clear)


def test_a_path_within_another_is_encrypted_with_the_whole_and_once() -> None:
    encrypted = arguments_encrypted(GUEST, ["payment.cvc", "payment", "payment"], pem=PEM)

    assert json.loads(opened(encrypted["payment"])) == GUEST["payment"]


@pytest.mark.parametrize(
    "path", ["missing", "ssn.part", "guests[7].passport", "payment[0]", "note", "guests.x"]
)
def test_what_does_not_stand_there_needs_no_encryption(path: str) -> None:
    assert arguments_encrypted(GUEST, [path], pem=PEM) == GUEST


@pytest.mark.parametrize(
    "pem",
    ["", "nonsense", pem_of(ec.generate_private_key(ec.SECP256R1())),
     pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024))],  # noqa: S505
    ids=["none", "no key", "no RSA", "short"],
)  # fmt: skip
def test_without_a_good_key_there_are_no_arguments(pem: str) -> None:
    with pytest.raises(EncryptionError) as caught:
        arguments_encrypted(GUEST, ["ssn"], pem=pem)

    assert "123" not in str(caught.value)
    assert key_problem(pem)
    assert not key_problem(PEM)


def test_a_value_longer_than_the_key_can_hold_is_not_sent() -> None:
    assert opened(arguments_encrypted({"a": "x" * 190}, ["a"], pem=PEM)["a"]) == "x" * 190

    with pytest.raises(EncryptionError, match="190 bytes"):
        arguments_encrypted({"a": "x" * 191}, ["a"], pem=PEM)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[", "a[x]", "[0]", "$", "a]", 7, None, "a. "])
def test_what_is_no_path_stops_everything(path: Any) -> None:
    assert path_problem(path)
    with pytest.raises(EncryptionError):
        arguments_encrypted(GUEST, ["ssn", path], pem=PEM)
    assert arguments_masked(GUEST, ["ssn", path]) == {}


def test_without_paths_nothing_is_touched() -> None:
    assert arguments_encrypted(GUEST, [], pem="") == GUEST


def test_a_mask_stands_where_only_the_server_may_read() -> None:
    masked = arguments_masked(GUEST, ["ssn", "payment", "guests[0].passport"])

    assert masked == {
        **GUEST,
        "ssn": MASK,
        "payment": MASK,
        "guests": [{"passport": MASK}, {"passport": "X2"}],
    }


def test_what_others_are_shown_has_the_form_that_the_paths_speak_of() -> None:
    schema = {"type": "object", "properties": {"ssn": {"type": "string"}}, "required": ["ssn"]}
    tool = make_order_tool(parameters=schema, encrypted_paths=["ssn"])

    assert arguments_shown(tool, {"ssn": "123-45-6789"}) == {"ssn": MASK}
    # What does not fit has an unknown form, in which the secret may stand anywhere.
    assert arguments_shown(tool, {"sssn": "123-45-6789"}) == {}
    assert arguments_shown(make_order_tool(parameters=schema), {"sssn": "1"}) == {"sssn": "1"}


def test_a_request_that_cannot_be_protected_is_not_sendable() -> None:
    tool = make_order_tool(encrypted_paths=["ssn"])

    with pytest.raises(NotSendableError, match="public key") as caught:
        arguments_protected(tool, ServerAuth(), {"ssn": "1"})

    assert caught.value.code == "not_encrypted"
    protected = arguments_protected(tool, ServerAuth(encryption_key=PEM), {"ssn": "1"})
    assert opened(protected["ssn"]) == "1"


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.text("xyz", max_size=4) | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(
    arguments=st.dictionaries(NAMES, VALUES, max_size=3),
    paths=st.lists(
        st.lists(st.sampled_from(["a", "b", "[0]", "[*]"]), min_size=1, max_size=3).map("".join),
        max_size=3,
    ),
)
def test_whatever_is_not_encrypted_stays_as_it_was(arguments: dict[str, Any], paths: list[str]) -> None:
    paths = [path for path in paths if not path_problem(path)]
    masked = arguments_masked(arguments, paths)

    assert set(masked) == set(arguments)
    for name, value in arguments.items():
        if not any(path.startswith(name) for path in paths):
            assert masked[name] == value
