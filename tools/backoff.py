"""Whether and when a failed request is sent again: only as the tool's own plan says, in Vapi's form. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RETRIES_MAX = 10
DELAY_MAX_S = 10.0
# What may pass within seconds. A refused address or a bad certificate does not.
_PASSING = frozenset(
    {
        "connect_timeout",
        "connection_failed",
        "name_unknown",
        "timeout",
        "connection_lost",
        "answer_incomplete",
    }
)


@dataclass(frozen=True, slots=True)
class Backoff:
    """A plan. Without one, ``max_retries`` is 0."""

    max_retries: int = 0
    base_s: float = 1.0
    exponential: bool = False
    excluded: frozenset[int] = frozenset()

    def pause_s(self, attempt: int) -> float:
        """The pause after the attempt of this number, from 1: each the same, or each twice the one before."""
        return self.base_s * (2.0 ** (attempt - 1) if self.exponential else 1.0)

    def repeats(self, attempt: int, *, code: str, http_status: int | None) -> bool:
        """Whether the attempt of this number, which failed so, is followed by another.

        ``code`` is that of a ToolError, or ``http_error`` for an error status without a result. A request that may
        have been carried out is repeated too: whoever entered the plan asked for that.
        """
        if attempt > self.max_retries:
            return False
        if code == "http_error":
            return http_status not in self.excluded
        return code in _PASSING and (http_status is None or http_status not in self.excluded)


def backoff_read(stored: Mapping[str, Any]) -> Backoff:
    """The plan behind its JSON, within Vapi's limits; what cannot be read in it counts as not said."""
    excluded = stored.get("excludedStatusCodes")
    return Backoff(
        max_retries=int(_number(stored.get("maxRetries"), most=RETRIES_MAX, missing=0)),
        base_s=_number(stored.get("baseDelaySeconds"), most=DELAY_MAX_S, missing=1),
        exponential=_kind(stored.get("type")) == "exponential",
        excluded=frozenset(
            int(code) for code in (excluded if isinstance(excluded, list) else []) if _is_code(code)
        ),
    )


def _number(value: Any, *, most: float, missing: float) -> float:
    return float(min(max(value, 0), most)) if _is_number(value) else missing


def _kind(given: object) -> str:
    # Vapi's own document declares it an object, and some exports have it so.
    return str(given.get("type", "")) if isinstance(given, dict) else str(given)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # NaN


def _is_code(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and value.isascii() and value.isdigit())
