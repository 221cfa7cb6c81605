"""How Vapi's REST answers: its errors, lists and dates, for every kind of object."""

import math
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from simulator.asgi import Scope, header

JSON = dict[str, Any]

PUBLIC_KEY: Final = "simulator-public"  # the one key that is refused for being public
ORG: Final = "7c1f0b52-3d0e-4a0b-9f5e-2a6c1f4de901"
REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_MAX_LIMIT: Final = 1000
_DEFAULT_LIMIT: Final = 100
_COMPARE: Final = {
    "Gt": lambda one, other: one > other,
    "Lt": lambda one, other: one < other,
    "Ge": lambda one, other: one >= other,
    "Le": lambda one, other: one <= other,
}
_PERIODS: Final = {
    f"{moment}{how}": (moment, how) for moment in ("createdAt", "updatedAt") for how in _COMPARE
}


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """An error to answer with."""

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(status)
        self.status = status
        self.body: JSON = {"message": message, "error": REASONS[status], "statusCode": status}
        if status == 401:
            del self.body["error"]


def authenticate(scope: Scope) -> None:
    """Nothing for a good key. Raises Refused."""
    kind, _, key = (header(scope, "authorization") or "").partition(" ")
    if kind != "Bearer" or not key.strip():
        raise Refused(401, "Unauthorized")
    if key == PUBLIC_KEY or key.startswith("invalid"):
        raise Refused(
            401,
            "Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa.",
        )


def listed(held: Iterable[JSON], asked: dict[str, str], *, also: Collection[str] = ()) -> list[JSON]:
    """The newest objects that were asked for; `also` names fields that may be asked for besides the dates.

    Raises Refused for parameters that Vapi does not know.
    """
    problems = [
        f"property {name} should not exist"
        for name in asked
        if name not in {"limit", *also} and name not in _PERIODS
    ]
    limit = _limit(asked.get("limit"), problems)
    bounds = [
        (*_PERIODS[name], moment_of(text, name, problems)) for name, text in asked.items() if name in _PERIODS
    ]
    if problems:
        raise Refused(400, problems)
    fitting = [
        item
        for item in held
        if all(item.get(name) == asked[name] for name in also if name in asked)
        and all(_COMPARE[how](moment_of(item[moment], moment, []), bound) for moment, how, bound in bounds)
    ]
    fitting.sort(key=lambda item: moment_of(item["createdAt"], "createdAt", []))
    fitting.reverse()  # after, not by `sort`: of one moment, what was added last is the newest
    return fitting[:limit]


def _limit(text: str | None, problems: list[str]) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        problems.append("limit must be a number conforming to the specified constraints")
        return 0
    if limit > _MAX_LIMIT:
        problems.append(f"limit must not be greater than {_MAX_LIMIT}")
    if limit < 0:
        problems.append("limit must not be less than 0")
    return int(limit)


def moment_of(text: str, name: str, problems: list[str]) -> datetime:
    """The moment of a date; what is none is added to the problems."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problems.append(f"{name} must be a valid ISO 8601 date string")
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def object_of(body: bytes) -> JSON:
    """The object in a body. Raises Refused."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, str(error)) from error
    if not isinstance(value, dict):
        raise Refused(400, "the body must be an object")
    return value


def now_text() -> str:
    """This moment as Vapi writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
