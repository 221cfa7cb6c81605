"""What `/analytics` takes and answers."""

from typing import Final

from calls.analytics.asking import (
    COLUMNS,
    GROUPS,
    GROUPS_MAX,
    KEY_MAX,
    OPERATIONS,
    OPERATIONS_MAX,
    QUERIES_MAX,
    STEPS,
    TEXT_MAX,
)
from tools.access.described import (
    Operation,
    Part,
    array,
    mapping,
    moment,
    nullable,
    one_of,
    record,
    ref,
    text,
)

_RANGE: Final = {
    "start": moment("Seven days before the end, where it is missing."),
    "end": moment("Now, where it is missing."),
    "step": one_of(STEPS, "One row for each of these."),
    "timezone": text("Where days begin. UTC, where it is missing."),
}
QUERY: Final = record(
    {
        "name": text(minLength=1, maxLength=TEXT_MAX),
        "table": one_of(("call", "subscription"), "`subscription` is refused: there are none."),
        "timeRange": nullable(record({name: nullable(one) for name, one in _RANGE.items()})),
        "groupBy": nullable(array(one_of(GROUPS), maxItems=GROUPS_MAX)),
        "groupByVariableValue": nullable(
            array(record({"key": text(maxLength=KEY_MAX)}, required="key"), maxItems=GROUPS_MAX)
        ),
        "operations": array(
            record(
                {
                    "operation": one_of(OPERATIONS),
                    "column": one_of(COLUMNS),
                    "alias": nullable(text("Its name in the answer.", maxLength=TEXT_MAX)),
                },
                required="operation column",
            ),
            minItems=1,
            maxItems=OPERATIONS_MAX,
        ),
    },
    required="name table operations",
)
ANALYTICS: Final = Part(
    "Analytics",
    "Figures of calls: smoke tests are left out, erased calls are counted.",
    (
        Operation(
            "POST", "/analytics", "analytics_ask", "Count and sum up calls", "analytics:read", array(ref("Figures")),
            body=record({"queries": array(ref("AnalyticsQuery"), minItems=1, maxItems=QUERIES_MAX)}, required="queries"),
            example={
                "queries": [
                    {
                        "name": "calls by day",
                        "table": "call",
                        "timeRange": {"start": "2026-11-01T00:00:00Z", "step": "day", "timezone": "Europe/Paris"},
                        "groupBy": ["endedReason"],
                        "operations": [
                            {"operation": "count", "column": "id"},
                            {"operation": "sum", "column": "duration", "alias": "minutes"},
                        ],
                    }
                ]
            },
        ),
    ),
    {
        "AnalyticsQuery": QUERY,
        "Figures": record(
            {
                "name": text(),
                "timeRange": record(
                    {"start": moment(), "end": moment(), "step": one_of(STEPS), "timezone": text()},
                    required="start end timezone",
                ),
                "result": array(mapping(), "One row for each group in each step."),
            },
            required="name timeRange result",
        ),
    },
)  # fmt: skip
