"""Checks of which the rules for client events are made: a check takes a value and its path, and raises.

Codes and texts are the Realtime API's, as its error events show them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]


class RefusedError(ValueError):
    """An event that the API answers with `error`."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def expect(value: Any, kind: type | tuple[type, ...], wanted: str, path: str) -> None:
    """Refuse a value of another kind; true and false are no numbers."""
    is_bool = isinstance(value, bool) and kind is not bool
    if is_bool or not isinstance(value, kind):
        raise RefusedError(
            "invalid_type",
            f"Invalid type for '{path}': expected {wanted}, but got {_kind(value)} instead.",
            path,
        )


def string(*, most: int | None = None, pattern: str | None = None) -> Check:
    """A string of at most `most` characters that matches the pattern."""

    def check(value: Any, path: str) -> None:
        expect(value, str, "a string", path)
        if most is not None and len(value) > most:
            message = f"Invalid '{path}': string too long. Expected a string with maximum length {most}."
            raise RefusedError("string_above_max_length", message, path)
        if pattern is not None and re.fullmatch(pattern, value) is None:
            message = f"Invalid '{path}': string does not match pattern. Expected a string that matches '{pattern}'."
            raise RefusedError("invalid_value", message, path)

    return check


def one_of(*allowed: str) -> Check:
    """One of these strings."""

    def check(value: Any, path: str) -> None:
        expect(value, str, "a string", path)
        if value not in allowed:
            supported = ", ".join(f"'{entry}'" for entry in allowed)
            raise RefusedError(
                "invalid_value", f"Invalid value: '{value}'. Supported values are: {supported}.", path
            )

    return check


def integer(least: int, most: int) -> Check:
    """An integer of that range."""

    def check(value: Any, path: str) -> None:
        expect(value, int, "an integer", path)
        _in_range(value, least, most, path, "integer")

    return check


def decimal(least: float, most: float) -> Check:
    """A number of that range."""

    def check(value: Any, path: str) -> None:
        expect(value, (int, float), "a decimal", path)
        _in_range(value, least, most, path, "decimal")

    return check


def _in_range(value: float, least: float, most: float, path: str, kind: str) -> None:
    if value < least:
        message = (
            f"Invalid '{path}': {kind} below minimum value. Expected a value >= {least}, but got {value}."
        )
        raise RefusedError(f"{kind}_below_min_value", message, path)
    if value > most:
        message = (
            f"Invalid '{path}': {kind} above maximum value. Expected a value <= {most}, but got {value}."
        )
        raise RefusedError(f"{kind}_above_max_value", message, path)


def boolean(value: Any, path: str) -> None:
    """True or false."""
    expect(value, bool, "a boolean", path)


def anything(value: Any, path: str) -> None:
    """Whatever it is."""


def nullable(inner: Check) -> Check:
    """Null, or what `inner` accepts."""
    return lambda value, path: None if value is None else inner(value, path)


def array(inner: Check, *, least: int = 0, most: int | None = None) -> Check:
    """A list of what `inner` accepts."""

    def check(value: Any, path: str) -> None:
        expect(value, list, "an array", path)
        if len(value) < least:
            raise RefusedError(
                "array_below_min_length", f"Invalid '{path}': expected at least {least} entries.", path
            )
        if most is not None and len(value) > most:
            message = f"Invalid '{path}': array too long. Expected an array with maximum length {most}."
            raise RefusedError("array_above_max_length", message, path)
        for index, entry in enumerate(value):
            inner(entry, f"{path}[{index}]")

    return check


def fields(known: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    """An object with these keys and no others; what is missing is complained of first."""

    def check(value: Any, path: str) -> None:
        expect(value, dict, "an object", path)
        prefix = f"{path}." if path else ""
        for name in required:
            if name not in value:
                missing = f"{prefix}{name}"
                raise RefusedError(
                    "missing_required_parameter", f"Missing required parameter: '{missing}'.", missing
                )
        for name in value:
            if name not in known:
                raise RefusedError(
                    "unknown_parameter", f"Unknown parameter: '{prefix}{name}'.", f"{prefix}{name}"
                )
        for name, entry in value.items():
            known[name](entry, f"{prefix}{name}")

    return check


def by_type(variants: Mapping[str, Check]) -> Check:
    """An object whose `type` decides which check applies."""

    def check(value: Any, path: str) -> None:
        expect(value, dict, "an object", path)
        prefix = f"{path}." if path else ""
        if "type" not in value:
            raise RefusedError(
                "missing_required_parameter", f"Missing required parameter: '{prefix}type'.", f"{prefix}type"
            )
        one_of(*variants)(value["type"], f"{prefix}type")
        variants[value["type"]](value, path)

    return check
