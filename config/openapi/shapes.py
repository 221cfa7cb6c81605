"""Paths compared whatever their parameters are called."""

import re
from typing import Final

_PARAMETER: Final = re.compile(r"<[^>]*>|\{[^}]*\}")


def shape(path: str) -> str:
    """The path with ``{}`` for each of its parameters."""
    return "/" + _PARAMETER.sub("{}", path).lstrip("/")
