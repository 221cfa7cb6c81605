"""What a server's usage report says, in quantities that can be priced. Pure.

Cached input is a subset of the input: it is taken out of it, for each kind of it, and never below nothing. What a report
leaves open is counted at the dearest, and said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

TEXT: Final = "text"
AUDIO: Final = "audio"
IMAGE: Final = "image"
_INPUTS: Final = (TEXT, AUDIO, IMAGE)
_OUTPUTS: Final = (TEXT, AUDIO)
UNKNOWN_KIND: Final = "Tokens of a kind that the server did not name were counted as audio."
TOO_MANY_CACHED: Final = "The server told more cached tokens than tokens; those too many were left out."
# No call has so many of anything; a figure beyond it is a mistake of the server's, and counts as not told.
MOST: Final = 10**12


@dataclass(frozen=True, slots=True)
class Reading:
    """Quantities by part, none of them in two. ``told``: the server said anything at all."""

    quantities: Mapping[str, Decimal]
    told: bool
    notes: tuple[str, ...] = field(default=())


def response_read(usage: Mapping[str, Any]) -> Reading:
    """What a response used."""
    if not _known(usage, "input_tokens", "output_tokens", "input_token_details", "output_token_details"):
        return Reading({}, told=False)
    notes: list[str] = []
    details = _part(usage, "input_token_details")
    whole = _split(usage, "input_tokens", details, _INPUTS, notes)
    cached = _cached(details, whole, notes)
    out = _split(usage, "output_tokens", _part(usage, "output_token_details"), _OUTPUTS, notes)
    counts = {
        **{f"{kind}_in": whole[kind] - cached[kind] for kind in _INPUTS},
        **{f"{kind}_cached": cached[kind] for kind in _INPUTS},
        **{f"{kind}_out": out[kind] for kind in _OUTPUTS},
    }
    return Reading(
        {part: Decimal(n) for part, n in counts.items() if n},
        told=True,
        notes=tuple(dict.fromkeys(notes)),
    )


def transcription_read(usage: Mapping[str, Any]) -> Reading:
    """What a transcription used: seconds of audio, or tokens."""
    seconds = usage.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= MOST:
        exact = Decimal(str(seconds)).quantize(Decimal("0.001"))
        return Reading({"seconds": exact} if exact else {}, told=True)
    if not _known(usage, "input_tokens", "output_tokens"):
        return Reading({}, told=False)
    whole = _split(usage, "input_tokens", _part(usage, "input_token_details"), (TEXT, AUDIO), [])
    counts = {
        "audio_in": whole[AUDIO],
        "text_in": whole[TEXT],
        "text_out": _count(usage, "output_tokens"),
    }
    return Reading({part: Decimal(n) for part, n in counts.items() if n}, told=True)


def better(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fuller of two reports on the same thing, whichever came first."""
    return max(one, other, key=_fullness)


def _fullness(usage: Mapping[str, Any]) -> tuple[Decimal, str]:
    figures = sum(response_read(usage).quantities.values(), Decimal(0))
    figures += sum(transcription_read(usage).quantities.values(), Decimal(0))
    return figures, repr(sorted((name, repr(value)) for name, value in usage.items()))


def _known(usage: Mapping[str, Any], *names: str) -> bool:
    return any(_count(usage, name) or _part(usage, name) or usage.get(name) == 0 for name in names)


def _split(
    usage: Mapping[str, Any], total: str, details: Mapping[str, Any], kinds: tuple[str, ...], notes: list[str]
) -> dict[str, int]:
    """Tokens by kind; what the details leave out of the total counts as audio."""
    counts = {kind: _count(details, f"{kind}_tokens") for kind in kinds}
    rest = _count(usage, total) - sum(counts.values())
    if rest > 0:
        counts[AUDIO] += rest
        notes.append(UNKNOWN_KIND)
    return counts


def _cached(details: Mapping[str, Any], whole: Mapping[str, int], notes: list[str]) -> dict[str, int]:
    """Of these tokens, those that were cached; what is not said to be of a kind is text first, then audio."""
    by_kind = _part(details, "cached_tokens_details")
    counts = {kind: min(_count(by_kind, f"{kind}_tokens"), whole[kind]) for kind in _INPUTS}
    claimed = max(
        _count(details, "cached_tokens"), sum(_count(by_kind, f"{kind}_tokens") for kind in _INPUTS)
    )
    rest = claimed - sum(counts.values())
    for kind in _INPUTS:
        more = min(rest, whole[kind] - counts[kind])
        counts[kind] += more
        rest -= more
    if rest:
        notes.append(TOO_MANY_CACHED)
    return counts


def _part(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, Mapping) else {}


def _count(tree: Mapping[str, Any], name: str) -> int:
    value = tree.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value <= MOST else 0
