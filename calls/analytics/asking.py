"""What a program wants to know of its calls: Vapi's analytics queries, read and checked. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tools.access.lists import moment_read

QUERIES_MAX: Final = 50
OPERATIONS_MAX: Final = 20
GROUPS_MAX: Final = 5
TEXT_MAX: Final = 40
KEY_MAX: Final = 100
SPAN: Final = timedelta(days=7)

OPERATIONS: Final = ("sum", "avg", "count", "min", "max", "history")
GROUPS: Final = ("type", "assistantId", "endedReason", "analysis.successEvaluation", "status")
STEPS: Final = (
    "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium",
)  # fmt: skip
COLUMNS: Final = (
    "id", "cost", "costBreakdown.llm", "costBreakdown.stt", "costBreakdown.tts", "costBreakdown.vapi",
    "costBreakdown.transport", "costBreakdown.analysisBreakdown.summary", "costBreakdown.transcriber",
    "costBreakdown.ttsCharacters", "costBreakdown.llmPromptTokens", "costBreakdown.llmCompletionTokens",
    "costBreakdown.llmCachedPromptTokens", "duration", "concurrency", "minutesUsed",
)  # fmt: skip
CONCURRENCY: Final = "concurrency"
HISTORY: Final = "history"
_NO_SUBSCRIPTIONS: Final = "{}.table subscription: Tandem has no subscriptions. Ask the table call for the columns concurrency and minutesUsed"


@dataclass(frozen=True, slots=True)
class Operation:
    """One figure. ``alias`` is its name in the answer."""

    operation: str
    column: str
    alias: str


@dataclass(frozen=True, slots=True)
class Span:
    """From when, and until just before when; ``step`` is empty where all of it is one."""

    start: datetime
    end: datetime
    step: str = ""
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Query:
    """One question, and the name that its answer has."""

    name: str
    span: Span
    operations: tuple[Operation, ...]
    groups: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def is_history(self) -> bool:
        """Whether single values are asked for, and no figures of many."""
        return any(one.operation == HISTORY for one in self.operations)


class QueryProblemsError(Exception):
    """What is wrong with a body, one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(len(problems))
        self.problems = list(problems)


def queries_read(body: Mapping[str, Any], *, now: datetime) -> list[Query]:
    """The questions in a body. Raises QueryProblemsError with everything that is wrong with them."""
    problems = [f"property {name} should not exist" for name in body if name != "queries"]
    given = body.get("queries")
    if not isinstance(given, list) or not given:
        raise QueryProblemsError([*problems, "queries must be an array with a query in it"])
    if len(given) > QUERIES_MAX:
        raise QueryProblemsError([*problems, f"queries must contain no more than {QUERIES_MAX} elements"])
    reader = _Reader(problems, now)
    found = [reader.query(f"queries.{number}", one) for number, one in enumerate(given)]
    if problems:
        raise QueryProblemsError(problems)
    return [one for one in found if one is not None]


class _Reader:
    """Reads one place after the other, and gathers what is wrong."""

    def __init__(self, problems: list[str], now: datetime) -> None:
        self._problems = problems
        self._now = now

    def query(self, path: str, given: Any) -> Query | None:
        known = ("table", "name", "groupBy", "groupByVariableValue", "timeRange", "operations")
        if not self._object(path, given, known):
            return None
        if given.get("table") == "subscription":
            self._problems.append(_NO_SUBSCRIPTIONS.format(path))
        else:
            self._choice(f"{path}.table", given.get("table"), ("call", "subscription"))
        query = Query(
            name=self._text(f"{path}.name", given.get("name"), TEXT_MAX),
            span=self._span(f"{path}.timeRange", given.get("timeRange")),
            operations=tuple(self._operations(f"{path}.operations", given.get("operations"))),
            groups=tuple(
                self._choice(f"{path}.groupBy.{number}", one, GROUPS)
                for number, one in enumerate(self._list(f"{path}.groupBy", given.get("groupBy"), GROUPS_MAX))
            ),
            variables=tuple(
                self._variables(f"{path}.groupByVariableValue", given.get("groupByVariableValue"))
            ),
        )
        self._problems += _contradictions(path, query)
        return query

    def _operations(self, path: str, given: Any) -> Iterator[Operation]:
        listed = self._list(path, given, OPERATIONS_MAX)
        if not listed:
            self._problems.append(f"{path} should not be empty")
        for number, one in enumerate(listed):
            here = f"{path}.{number}"
            if not self._object(here, one, ("operation", "column", "alias")):
                continue
            operation = self._choice(f"{here}.operation", one.get("operation"), OPERATIONS)
            column = self._choice(f"{here}.column", one.get("column"), COLUMNS)
            if column == "id" and operation not in ("count", HISTORY):
                self._problems.append(
                    f"{here}.operation {operation}: of the column id there is only the count"
                )
            alias = f"{operation}{column[:1].upper()}{column[1:]}"
            if one.get("alias") is not None:
                alias = self._text(f"{here}.alias", one["alias"], TEXT_MAX)
            yield Operation(operation, column, alias)

    def _variables(self, path: str, given: Any) -> Iterator[str]:
        for number, one in enumerate(self._list(path, given, GROUPS_MAX)):
            if self._object(f"{path}.{number}", one, ("key",)):
                yield self._text(f"{path}.{number}.key", one.get("key"), KEY_MAX)

    def _span(self, path: str, given: Any) -> Span:
        if given is None:
            return Span(self._now - SPAN, self._now)
        if not self._object(path, given, ("start", "end", "step", "timezone")):
            return Span(self._now, self._now)
        end = self._moment(f"{path}.end", given.get("end"), self._now)
        try:
            default = end - SPAN
        except OverflowError:
            default = end
        start = self._moment(f"{path}.start", given.get("start"), default)
        if start > end:
            self._problems.append(f"{path}.start must be before {path}.end")
        step = self._choice(f"{path}.step", given["step"], STEPS) if given.get("step") is not None else ""
        return Span(start, end, step, self._timezone(f"{path}.timezone", given.get("timezone")))

    def _timezone(self, path: str, given: Any) -> str:
        if given is None:
            return "UTC"
        try:
            # A name is a path below the folder of time zones; this refuses those that lead out of it.
            return ZoneInfo(given).key if isinstance(given, str) and given else self._wrong_timezone(path)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return self._wrong_timezone(path)

    def _wrong_timezone(self, path: str) -> str:
        self._problems.append(f"{path} must be a time zone such as Europe/Berlin")
        return "UTC"

    def _moment(self, path: str, given: Any, default: datetime) -> datetime:
        if given is None:
            return default
        at = moment_read(given) if isinstance(given, str) else None
        if at is None:
            self._problems.append(f"{path} must be a valid ISO 8601 date string")
        return at or default

    def _choice(self, path: str, given: Any, known: Sequence[str]) -> str:
        if isinstance(given, str) and given in known:
            return given
        self._problems.append(f"{path} must be one of the following values: {', '.join(known)}")
        return ""

    def _text(self, path: str, given: Any, longest: int) -> str:
        if not isinstance(given, str) or not given:
            self._problems.append(f"{path} must be a string")
            return ""
        if len(given) > longest:
            self._problems.append(f"{path} must be shorter than or equal to {longest} characters")
        return given

    def _list(self, path: str, given: Any, most: int) -> list[Any]:
        if given is None:
            return []
        if not isinstance(given, list):
            self._problems.append(f"{path} must be an array")
            return []
        if len(given) > most:
            self._problems.append(f"{path} must contain no more than {most} elements")
        return given[:most]

    def _object(self, path: str, given: Any, known: Sequence[str]) -> bool:
        if not isinstance(given, dict):
            self._problems.append(f"{path} must be an object")
            return False
        self._problems += [
            f"{path}.property {name[:60]} should not exist" for name in given if name not in known
        ]
        return True


def _contradictions(path: str, query: Query) -> Iterator[str]:
    """What each part allows, and all together do not."""
    names = [
        *(["date"] if query.span.step or query.is_history else []),
        *query.groups,
        *query.variables,
        *(one.alias for one in query.operations),
    ]
    for name in dict.fromkeys(name for name in names if name and names.count(name) > 1):
        yield f"{path}: {name} would stand twice in each row of the answer; give an operation another alias"
    grouped = bool(query.groups or query.variables)
    if query.is_history:
        if grouped or any(one.operation != HISTORY for one in query.operations):
            yield f"{path}: history gives single values; ask for it in a query without groups and other operations"
        if len({one.column == CONCURRENCY for one in query.operations}) > 1:
            yield f"{path}: the history of concurrency has moments of its own; ask for it in a query of its own"
    elif grouped and any(one.column == CONCURRENCY for one in query.operations):
        yield f"{path}: concurrency is that of all calls together, and cannot be grouped"
