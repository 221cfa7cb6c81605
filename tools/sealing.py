"""JSON that passes through other hands, such as a journal on disk or a broker, and is to be read by our own processes only."""

import json
from typing import Any, Final

from tools.encryption import decrypt, encrypt

_KEY: Final = "sealed"


def seal(value: Any, **shown: str) -> dict[str, str]:
    """The JSON value as one that says nothing but what is to be ``shown``."""
    return {**shown, _KEY: encrypt(json.dumps(value))}


def unseal(value: Any) -> Any:
    """The value behind a sealed one; any other as it is. Raises SecretUnreadableError."""
    if isinstance(value, dict) and isinstance(value.get(_KEY), str):
        return json.loads(decrypt(value[_KEY]))
    return value
