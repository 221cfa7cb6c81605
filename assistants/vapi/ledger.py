"""The report on one object while it is being written: reads the object, and answers for each of its leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assistants.vapi.drafts import ABSENT, Finding, Verdict
from assistants.vapi.hiding import CUT, HIDDEN, cleaned, hidden, usable
from assistants.vapi.paths import Path, path_text, value_at
from assistants.vapi.rules import Rule, Rules, Type, is_number

UNKNOWN_FIELD: Final = (
    "Tandem does not know this field. Vapi may have added it since. It has no effect on calls here: look up what it "
    "does at Vapi, and whether callers would miss it."
)
EMPTY: Final = "Empty at Vapi: there is nothing to carry over."
_TOLD_MAX: Final = 200
TOO_DEEP: Final = "This is nested deeper than anything Vapi writes. It was cut there: check the original."


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said about a place instead of what its rule says."""

    verdict: Verdict
    reason: str
    field: str = ""
    ours: str = ""
    code: str = ""


class Ledger:
    """One object of an export, and what became of it.

    ``full`` is the object with its secrets, ``usable`` the same without them but with whole addresses, and ``raw`` what of
    it is shown and kept with the report: addresses without what may be a password.
    """

    def __init__(self, raw: Any, rules: Rules) -> None:
        clean = cleaned(raw)
        self.full: dict[str, Any] = clean if isinstance(clean, dict) else {}
        self.usable: dict[str, Any] = usable(self.full)
        self.raw: dict[str, Any] = hidden(self.full)
        self._rules = rules
        self._said: dict[Path, Saying] = {}
        self._absent: dict[Path, Saying] = {}
        self._notes: dict[Path, str] = {}

    # Reading: None where nothing of that type stands there

    def text(self, *path: str | int) -> str | None:
        """The text there."""
        value = value_at(self.usable, path)
        return value if isinstance(value, str) else None

    def number(self, *path: str | int) -> float | None:
        """The number there."""
        value = value_at(self.usable, path)
        return value if is_number(value) else None

    def flag(self, *path: str | int) -> bool | None:
        """True or false, as it stands there."""
        value = value_at(self.usable, path)
        return value if isinstance(value, bool) else None

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """The object there, empty where there is none."""
        value = value_at(self.usable, path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> list[Any]:
        """The list there, empty where there is none."""
        value = value_at(self.usable, path)
        return value if isinstance(value, list) else []

    def texts(self, *path: str | int) -> list[tuple[int, str]]:
        """The texts of the list there, with their numbers."""
        return [(number, item) for number, item in enumerate(self.items(*path)) if isinstance(item, str)]

    def secret(self, *path: str | int) -> Any:
        """What stands there, secret or not."""
        return value_at(self.full, path)

    def has(self, *path: str | int) -> bool:
        """Whether anything but null stands there."""
        return value_at(self.raw, path) is not None

    # Writing

    def say(
        self,
        path: Sequence[str | int],
        verdict: Verdict,
        reason: str,
        *,
        field: str = "",
        ours: object = "",
        code: str = "",
    ) -> None:
        """What became of the leaf there, or of all leaves below. The last word counts."""
        self._said[tuple(path)] = Saying(verdict, reason, field, _told(ours), code)

    def missing(
        self,
        path: Sequence[str | int],
        reason: str,
        *,
        field: str = "",
        ours: object = "",
        code: str = "",
        verdict: Verdict = Verdict.DEFAULT,
    ) -> None:
        """What is done because nothing stands there. Says nothing where something does."""
        place = tuple(path)
        saying = Saying(verdict, reason, field, _told(ours), code)
        if self._is_null(place):
            self._said[place] = saying
        elif not self.has(*place):
            self._absent[place] = saying

    def decide(
        self, path: Sequence[str | int], reason: str, *, code: str, field: str = "", ours: object = ""
    ) -> None:
        """Asks people for a decision, at a place where something stands or nothing does."""
        if self.has(*path):
            self.say(path, Verdict.DECISION, reason, field=field, ours=ours, code=code)
        else:
            self.missing(path, reason, field=field, ours=ours, code=code, verdict=Verdict.DECISION)

    def is_decided(self, path: Sequence[str | int]) -> bool:
        """Whether people were asked for a decision at that very place."""
        said = self._said.get(tuple(path))
        return said is not None and said.verdict is Verdict.DECISION

    def note(self, path: Sequence[str | int], text: str) -> None:
        """Adds a sentence to the reason of every leaf there and below."""
        self._notes[tuple(path)] = text

    def _is_null(self, path: Path) -> bool:
        if not path or not isinstance(path[-1], str):
            return False
        parent = value_at(self.raw, path[:-1])
        return isinstance(parent, dict) and path[-1] in parent and parent[path[-1]] is None

    # The report

    def findings(self) -> tuple[Finding, ...]:
        """One finding for each leaf, in the order of the export; then one for each absent setting spoken of."""
        leaves = [self._finding(path, value) for path, value in self._leaves()]
        absent = [_finding(path, ABSENT, saying) for path, saying in self._absent.items()]
        return (*leaves, *absent)

    def _leaves(self) -> Iterator[tuple[Path, Any]]:
        return self._rules.leaves(self.raw) if self.raw else iter(())

    def _finding(self, path: Path, value: Any) -> Finding:
        saying = self._saying(path, value)
        note = next(
            (self._notes[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._notes), ""
        )
        if note:
            reason = f"{saying.reason} {note}".strip()
            saying = Saying(saying.verdict, reason, saying.field, saying.ours, saying.code)
        saying = _with_ours(saying, value)
        return _finding(path, value, _without_secrets(saying, value, value_at(self.usable, path)))

    def _saying(self, path: Path, value: Any) -> Saying:
        rule = self._rules.match(path)
        said = self._said.get(path)
        if said is not None and (rule is None or value is None or rule.accepts(value)):
            return said
        if value is None or value in ({}, []):
            return self._nothing(path, value, rule)
        if holds(value, CUT):
            return Saying(Verdict.DECISION, TOO_DEEP, code="too_deep")
        if rule is None:
            return self._unruled(path, value)
        if not rule.accepts(value):
            return _not_read(rule, value)
        above = next(
            (self._said[path[:end]] for end in range(len(path) - 1, 0, -1) if path[:end] in self._said), None
        )
        return above or Saying(rule.verdict, rule.reason, rule.field, "", rule.code)

    def _nothing(self, path: Path, value: Any, rule: Rule | None) -> Saying:
        known = rule is not None or bool(self._rules.leads_to(path))
        if not known:
            return Saying(Verdict.DECISION, UNKNOWN_FIELD, code="unknown_field")
        fits = value is None or type(value) in self._rules.leads_to(path) or (rule and rule.accepts(value))
        if fits:
            return Saying(Verdict.KEPT, EMPTY)
        return _wrong_type(rule.type.value if rule else _due(self._rules.leads_to(path)))

    def _unruled(self, path: Path, value: Any) -> Saying:
        expected = self._rules.leads_to(path)
        if expected:
            return _wrong_type(_due(expected))
        return Saying(Verdict.DECISION, UNKNOWN_FIELD, code="unknown_field")


def _with_ours(saying: Saying, value: Any) -> Saying:
    """What is kept as it was has the same value here; a long text is told by its place alone."""
    if saying.verdict is not Verdict.KEPT or not saying.field or saying.ours or value in (None, HIDDEN):
        return saying
    if isinstance(value, dict | list) or (isinstance(value, str) and len(value) > _TOLD_MAX):
        return saying
    return Saying(saying.verdict, saying.reason, saying.field, _told(value), saying.code)


def _without_secrets(saying: Saying, shown: Any, used: Any) -> Saying:
    """What is kept without the secrets in it, or is shown without them, is not kept as it was."""
    if saying.verdict is not Verdict.KEPT or used == HIDDEN or saying.field in _TOLD_ELSEWHERE:
        return saying
    if holds(used, HIDDEN):
        told = _LEFT_OUT
    elif shown != used and saying.field:
        told = _ADDRESS if isinstance(used, str) and shown != HIDDEN else _WITHIN
    else:
        return saying
    return Saying(Verdict.CONVERTED, f"{saying.reason} {told}", saying.field, saying.ours, saying.code)


_LEFT_OUT: Final = "The parts that look like secrets were left out."
_KEPT_READABLE: Final = "Tandem needs the whole of it and stores it readable, but does not show it here."
_ADDRESS: Final = f"The address holds something like a password. {_KEPT_READABLE}"
_WITHIN: Final = f"Something in it looks like a password. {_KEPT_READABLE}"
# What has a report of its own.
_TOLD_ELSEWHERE: Final = frozenset({"tools", "members"})


def _not_read(rule: Rule, value: Any) -> Saying:
    if rule.type is Type.NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        reason = "This number is too large to be meant. It was left out, as if nothing were set here."
        return Saying(Verdict.DECISION, reason, code="wrong_type")
    return _wrong_type(rule.type.value)


def _due(expected: frozenset[type]) -> str:
    return "a list" if expected == {list} else "an object"


def _wrong_type(due: str) -> Saying:
    reason = f"This is not the type that Vapi writes here, which is {due}. It was left out, as if nothing were set here."
    return Saying(Verdict.DECISION, reason, code="wrong_type")


def _finding(path: Path, value: Any, saying: Saying) -> Finding:
    return Finding(
        path_text(path), saying.verdict, value, saying.field, saying.ours, saying.reason, saying.code
    )


def _told(ours: object) -> str:
    match ours:
        case True:
            return "Yes"
        case False:
            return "No"
        case float() if ours.is_integer():
            return str(int(ours))
        case _:
            return str(ours)


def holds(value: Any, mark: str) -> bool:
    """Whether the mark stands anywhere in the value, alone or at the end of an address."""
    if isinstance(value, dict):
        return any(holds(item, mark) for item in value.values())
    if isinstance(value, list):
        return any(holds(item, mark) for item in value)
    return isinstance(value, str) and (value == mark or value.endswith(f"/{mark}"))
