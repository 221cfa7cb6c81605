"""What a body changes of a document: replaced key by key; null takes out, and what is sent back as it was read changes nothing."""

from collections.abc import Collection, Mapping
from typing import Any

from assistants.api.checking import READ_ONLY


def given(body: Mapping[str, Any], *, read_only: Collection[str] = READ_ONLY) -> dict[str, Any]:
    """What a body says of something new."""
    return {name: value for name, value in body.items() if name not in read_only and value is not None}


def patch(
    body: Mapping[str, Any], before: Mapping[str, Any], *, read_only: Collection[str] = READ_ONLY
) -> dict[str, Any]:
    """The keys of a body that are to be replaced."""
    return {
        name: value
        for name, value in body.items()
        if name not in read_only and not (name in before and before[name] == value)
    }


def changes(patch: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether anything is another then: null for what is not there is nothing."""
    return any(value is not None or name in before for name, value in patch.items())


def patched(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document with these keys replaced."""
    return {name: value for name, value in {**before, **patch}.items() if value is not None}
