"""Keys that the model wants pressed, as the telephone network takes them."""

from collections.abc import Mapping

KEYS = frozenset("0123456789*#ABCD")
# Half seconds of each pause: Twilio knows only ``w``.
_PAUSES = {"w": 1, "W": 2, ",": 1}
# What people write between keys, so that they can be read.
_SEPARATORS = frozenset(" -().")
# Prompts of Vapi's customers name the argument in either way.
_NAMES = ("keys", "digits", "dtmf")
MOST = 50  # keys, and half seconds of pause; longer than any card number with its code


class KeysError(ValueError):
    """What cannot be pressed. The text is for the model."""


def keys_asked(arguments: Mapping[str, object]) -> str:
    """The keys and pauses in the arguments of a tool call, as digits of Twilio's. Raises KeysError."""
    given = next((arguments[name] for name in _NAMES if name in arguments), None)
    if given is None and len(arguments) == 1:
        (given,) = arguments.values()  # a tool with a schema of its own calls it as it likes
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str):
        raise KeysError("No keys were given. Give them as one text, for example 1 or 12#.")
    digits = "".join(_digit(sign) for sign in given)
    if not KEYS.intersection(digits):
        raise KeysError("No keys were given, only pauses or nothing.")
    if len(digits) > MOST:
        raise KeysError(f"These are too many: at most {MOST} keys and half seconds of pause at once.")
    return digits


def _digit(sign: str) -> str:
    if sign in KEYS:
        return sign
    if sign in _PAUSES:
        return "w" * _PAUSES[sign]
    if sign in _SEPARATORS:
        return ""
    raise KeysError(
        "There are only the keys 0 to 9, *, # and A to D; w or a comma waits half a second, W a whole one."
    )
