"""Scripted trouble of Twilio's REST: what happens to which request."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A scripted answer to one request: `after_ms` first, then the error; status 0 means slow but well.

    A request with an error status is not carried out unless `execute`; one with status 0 always is, whatever `body` makes of the answer.
    `body` bends the answer: "none" sends no body, "html" a proxy's page, "half" JSON cut in the middle, "drop" closes the
    connection without an answer. `before` and `after` change numbers (by PN... or E.164), as somebody in the console would do just before
    and just after the request is carried out.
    """

    status: int
    code: int = 0
    after_ms: float = 0.0
    execute: bool = False  # carry the request out all the same, as when only the answer is lost
    body: str = ""
    retry_after: str = ""
    before: Mapping[str, JSON] = field(default_factory=dict)
    after: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(slots=True)
class _Rule:
    failure: Failure
    fits: Callable[[JSON], bool]
    skip: int
    times: int


class Failures(deque[Failure]):
    """What goes wrong next: its members in order, one a request; and rules, which strike the requests that fit them."""

    def __init__(self) -> None:
        super().__init__()
        self._rules: list[_Rule] = []

    def on(
        self,
        failure: Failure,
        *,
        method: str = "",
        path: str = "",
        nth: int = 1,
        times: int = 1,
        when: Callable[[JSON], bool] | None = None,
    ) -> None:
        """Have the nth request of that method strike, whose path holds the pattern, and `times - 1` after it.

        `when` sees the request as `Rest.requests` records it; times 0 means for ever.
        """

        def fits(request: JSON) -> bool:
            return (
                (not method or request["method"] == method)
                and re.search(path, request["path"]) is not None
                and (when is None or when(request))
            )

        self._rules.append(_Rule(failure, fits, nth - 1, times or -1))

    def take_orders(self, asked: Any) -> int:
        """How many wait, with those of a JSON list: Failure's keys and `method`, `path`, `nth`, `times`. Raises ValueError."""
        known = {part.name for part in fields(Failure)} | {"method", "path", "nth", "times"}
        if not isinstance(asked, list) or not all(isinstance(entry, dict) for entry in asked):
            raise ValueError("a list of failures is due")
        for entry in asked:
            if unknown := entry.keys() - known:
                raise ValueError(f"unknown keys {sorted(unknown)}; known are {sorted(known)}")
            where = {key: entry[key] for key in ("method", "path", "nth", "times") if key in entry}
            rest = {key: value for key, value in entry.items() if key not in where}
            failure = Failure(**{"status": 0, **rest})
            if where:
                self.on(failure, **where)
            else:
                self.append(failure)
        return len(self) + len(self._rules)

    def take(self, request: JSON) -> Failure | None:
        """What happens to this request."""
        struck: Failure | None = None
        for rule in list(self._rules):
            if not rule.fits(request):
                continue
            if rule.skip:
                rule.skip -= 1
            elif struck is None:
                struck = rule.failure
                rule.times -= 1
                if not rule.times:
                    self._rules.remove(rule)
        if struck is None and self:
            struck = self.popleft()
        return struck

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        super().clear()
        self._rules.clear()
