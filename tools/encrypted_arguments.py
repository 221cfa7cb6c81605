"""Arguments that only the customer's server may read: encrypted one by one, as Vapi does, with a public key. Pure.

A path names an argument as it stands in the tool's parameters: ``ssn``, ``payment.cardNumber``, ``guests[0].passport``
or ``guests[*].passport``. In its place comes RSA-OAEP with SHA-256 of the value, as Base64: of a text its UTF-8, of
anything else its JSON. Vapi's page shows texts only.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tools.jsontext import json_text

# In the ledger and in the history of a call, where Vapi's page says nothing of them.
MASK = "[encrypted]"
SMALLEST_KEY_BITS = 2048
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\*|[0-9]{1,6})\]")
_ALL = "*"


class EncryptionError(ValueError):
    """The arguments cannot be encrypted, so they must not be sent. The text is a clause that quotes none of them."""


def path_problem(path: object) -> str:
    """Why this is no path to an argument, as a sentence; empty where it is one."""
    if isinstance(path, str) and _steps(path):
        return ""
    return f"{str(path)[:80]} names no argument. Write ssn, payment.cardNumber or guests[0].passport."


def key_problem(pem: str) -> str:
    """Why arguments cannot be encrypted with this key, as a sentence; empty where they can."""
    try:
        _key(pem)
    except EncryptionError as exc:
        return f"It cannot be used: {exc}."
    return ""


def arguments_encrypted(arguments: Mapping[str, Any], paths: Sequence[object], *, pem: str) -> dict[str, Any]:
    """The arguments with what stands at the paths encrypted; what does not stand there needs none.

    Raises EncryptionError.
    """
    steps = [_steps(path) if isinstance(path, str) else [] for path in paths]
    if not all(steps):
        raise EncryptionError("one of the paths to be encrypted names no argument")
    if not paths:
        return dict(arguments)
    key = _key(pem)
    encrypted: Any = dict(arguments)
    for one in _outermost(steps):
        encrypted = _replaced(encrypted, one, lambda value: _encrypted(value, key))
    return dict(encrypted)


def arguments_masked(arguments: Mapping[str, Any], paths: Sequence[object]) -> dict[str, Any]:
    """The arguments with a mark in place of what is to be encrypted; none at all where a path cannot be read."""
    steps = [_steps(path) if isinstance(path, str) else [] for path in paths]
    if not all(steps):
        return {}
    masked: Any = dict(arguments)
    for one in steps:
        masked = _replaced(masked, one, lambda _: MASK)
    return dict(masked)


def _steps(path: str) -> list[str]:
    """The keys on the way, as texts; empty where the path cannot be read."""
    rest = path.strip().removeprefix("$")
    steps: list[str] = []
    while rest:
        found = _STEP.match(rest)
        if found is None or (not steps and found[2] is not None):
            return []
        steps.append(found[1].strip() if found[1] is not None else found[2])
        rest = rest[found.end() :]
    return steps if all(steps) else []


def _outermost(paths: list[list[str]]) -> list[list[str]]:
    """The paths without those that lead into another: what is inside is encrypted with the whole."""
    return [
        one
        for n, one in enumerate(paths)
        if not any(
            one[: len(other)] == other and (len(other) < len(one) or m < n)
            for m, other in enumerate(paths)
            if m != n
        )
    ]


def _replaced(value: Any, steps: list[str], change: Callable[[Any], Any]) -> Any:
    if not steps:
        return value if value is None else change(value)
    step, rest = steps[0], steps[1:]
    match value:
        case dict() if step in value:
            return {**value, step: _replaced(value[step], rest, change)}
        case dict() if step == _ALL:
            return {key: _replaced(item, rest, change) for key, item in value.items()}
        case list() if step == _ALL or (step.isdecimal() and int(step) < len(value)):
            return [
                _replaced(item, rest, change) if step in (_ALL, str(n)) else item
                for n, item in enumerate(value)
            ]
        case _:
            return value


def _encrypted(value: Any, key: rsa.RSAPublicKey) -> str:
    text = value if isinstance(value, str) else json_text(value)
    data = text.encode()
    longest = key.key_size // 8 - 2 * hashes.SHA256.digest_size - 2
    if len(data) > longest:
        raise EncryptionError(
            f"an argument that has to be encrypted is longer than its key can encrypt, which is {longest} bytes"
        )
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return base64.b64encode(key.encrypt(data, oaep)).decode()


def _key(pem: str) -> rsa.RSAPublicKey:
    if not pem.strip():
        raise EncryptionError(
            "its arguments have to be encrypted, and the public key for that has not been entered"
        )
    try:
        key = load_pem_public_key(pem.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise EncryptionError("the key is no public key in PEM form (-----BEGIN PUBLIC KEY-----)") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise EncryptionError("the key is no RSA key")
    if key.key_size < SMALLEST_KEY_BITS:
        raise EncryptionError(f"the key is shorter than {SMALLEST_KEY_BITS} bits")
    return key
