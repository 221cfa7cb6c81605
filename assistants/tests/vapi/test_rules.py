"""The tables of rules, held against Vapi's own OpenAPI document."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistants.vapi.drafts import Verdict
from assistants.vapi.paths import ANY_ITEM, path_text, pattern_steps
from assistants.vapi.rules import Origin, Rule, Rules, Type, rules_for
from assistants.vapi.squad_rules import NUMBER, SQUAD
from assistants.vapi.tables.assistant import ASSISTANT
from assistants.vapi.tool_rules import FUNCTION, IMPLICIT, TOOL

OPENAPI = Path(__file__).parents[3] / "tests" / "fixtures" / "vapi" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(OPENAPI.read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]

Steps = tuple[str, ...]


def answers(path: str) -> list[str]:
    """The names of the schemas that GET of this path may answer with."""
    schema = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return [one["$ref"].rsplit("/", 1)[1] for one in schema.get("oneOf", [schema])]


def inline_tools() -> list[str]:
    items = SCHEMAS["OpenAIModel"]["properties"]["tools"]["items"]
    return [one["$ref"].rsplit("/", 1)[1] for one in items["oneOf"]]


ROOTS = [
    *((name, ASSISTANT) for name in (*answers("/assistant/{id}"), "AssistantOverrides")),
    *((name, TOOL) for name in (*answers("/tool/{id}"), *inline_tools())),
    *((name, SQUAD) for name in answers("/squad/{id}")),
    *((name, NUMBER) for name in answers("/phone-number/{id}")),
]


def leaves(
    schema: dict[str, Any], rules: Rules, path: Steps = (), within: tuple[str, ...] = ()
) -> Iterator[Steps]:
    """Every path of the schema, each branch of each union, down to scalars and to what a rule keeps whole."""
    rule = rules.match(path) if path else None
    if rule is not None and rule.whole:
        yield path
        return
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        # A schema inside itself has the paths that it has outside.
        if name not in within:
            yield from leaves(SCHEMAS[name], rules, path, (*within, name))
        else:
            yield path
        return
    branches = [branch for key in ("oneOf", "anyOf", "allOf") for branch in schema.get(key, [])]
    for branch in branches:
        yield from leaves(branch, rules, path, within)
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from leaves(inner, rules, (*path, name), within)
    elif schema.get("type") == "array":
        yield from leaves(schema.get("items", {}), rules, (*path, ANY_ITEM), within)
    elif schema.get("type") == "object" and "enum" not in schema and rule is None:
        yield (*path, "anything")
    elif not branches:
        yield path


@pytest.mark.parametrize(("root", "rules"), ROOTS, ids=[name for name, _ in ROOTS])
def test_every_property_that_vapi_documents_has_a_rule(root: str, rules: Rules) -> None:
    paths = set(leaves(SCHEMAS[root], rules))

    unclassified = sorted(".".join(path) for path in paths if rules.match(path) is None)

    assert len(paths) >= 5
    assert unclassified == []


def test_the_walk_sees_what_it_must() -> None:
    paths = {".".join(path) for name in ("Assistant",) for path in leaves(SCHEMAS[name], ASSISTANT)}

    assert {
        "model.messages.[].content",
        "hooks.[].do.[].exact.[]",
        "voice.speed",
        "server.backoffPlan.type",
    } <= paths


@pytest.mark.parametrize(
    ("rules", "roots"),
    [(rules, [name for name, its in ROOTS if its is rules]) for rules in (ASSISTANT, TOOL, SQUAD, NUMBER)],
    ids=["assistant", "tool", "squad", "phone-number"],
)
def test_every_rule_is_about_something_that_vapi_documents_or_is_marked_as_known_otherwise(
    rules: Rules, roots: list[str]
) -> None:
    used = {rules.match(path) for root in roots for path in leaves(SCHEMAS[root], rules)}

    dead = [rule.pattern for rule in rules.all if rule.origin is Origin.SPEC and rule not in used]
    alive = [rule.pattern for rule in rules.all if rule.origin is not Origin.SPEC and rule in used]

    assert dead == []
    assert alive == [], "Vapi documents these now"


@pytest.mark.parametrize("rules", [ASSISTANT, TOOL, SQUAD, NUMBER, FUNCTION, IMPLICIT])
def test_every_rule_tells_people_why_in_a_sentence(rules: Rules) -> None:
    for rule in rules.all:
        assert rule.reason[0].isupper() or rule.reason.startswith("“"), rule.pattern
        assert rule.reason.endswith("."), rule.pattern
        assert bool(rule.code) == (rule.verdict is Verdict.DECISION), rule.pattern
        assert rule.verdict is not Verdict.DEFAULT, rule.pattern


def test_the_more_exact_pattern_wins_wherever_it_stands_in_the_table() -> None:
    rules = Rules(
        [
            Rule("a.**", Verdict.DROPPED, "Any."),
            Rule("a.b", Verdict.KEPT, "Exact."),
            Rule("a.*.c", Verdict.KEPT, "Star."),
        ]
    )

    assert rules.match(("a", "b")) is rules.all[1]
    assert rules.match(("a", "x", "c")) is rules.all[2]
    assert rules.match(("a", "x", 3, "d")) is rules.all[0]
    assert rules.match(("b",)) is None


def test_two_rules_for_one_place_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"a\.b"):
        Rules(rules_for(Verdict.KEPT, "a.b a.b", "Twice."))


def test_a_value_of_the_wrong_type_is_one_leaf_however_much_is_in_it() -> None:
    rules = Rules(
        rules_for(Verdict.KEPT, "text", "A text.", type=Type.TEXT),
        rules_for(Verdict.KEPT, "list[].x", "Its x."),
    )

    found = list(rules.leaves({"text": {"a": [1, 2]}, "list": {"x": 1}, "unknown": {"deep": [1]}}))

    assert [path for path, _ in found] == [("text",), ("list",), ("unknown",)]


def test_paths_are_written_as_people_write_them_and_no_two_alike() -> None:
    assert path_text(("model", "messages", 0, "content")) == "model.messages[0].content"
    assert path_text(("a", "b.c")) == 'a["b.c"]'
    assert path_text(("a", "b", "c")) == "a.b.c"
    assert path_text(("a", "[0]")) == 'a["[0]"]'
    assert path_text(("tools:append", 1)) == "tools:append[1]"
    assert pattern_steps("hooks[].do[].exact[]") == ("hooks", "[]", "do", "[]", "exact", "[]")


def test_places_are_remembered_within_bounds_whoever_invents_them() -> None:
    rules = Rules(rules_for(Verdict.KEPT, "metadata.** name", "x"))
    for n in range(10_000):
        rules.match(("metadata", f"k{n}"))
        rules.leads_to(("metadata", f"k{n}"))
    kept = max(len(rules._matched), len(rules._leading))
    long = ("metadata", "k" * 100_000)

    short = ("metadata", "k")
    assert (rules.match(long), rules.leads_to(long)) == (rules.match(short), rules.leads_to(short))
    assert kept <= 4096
    assert not {long} & {*rules._matched, *rules._leading}
