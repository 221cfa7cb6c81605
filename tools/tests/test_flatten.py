import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.schemas import SchemaError, flatten, parameters_problems, schema_problems

FIXTURES = Path(__file__).parent / "fixtures"
UNIONS = {
    case["name"]: case["parameters"]
    for case in json.loads((FIXTURES / "tool-parameters-unions.json").read_text())
}
TOOLS = json.loads((FIXTURES / "tool-parameters.json").read_text())
NULLABLE = "Leave it out, or give null, when there is none."


def shown(schema: dict[str, Any]) -> dict[str, Any]:
    return flatten(schema).parameters


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = shown(schema)["properties"]
    return properties


def field(schema: Any, **more: Any) -> dict[str, Any]:
    """What becomes of one property."""
    found: dict[str, Any] = fields({"type": "object", "properties": {"x": schema}, **more})["x"]
    return found


# --- The ten union cases


def test_a_union_at_the_top_is_one_object_whose_words_say_what_goes_together() -> None:
    parameters = shown(UNIONS["top_level_any_of"])

    assert parameters["type"] == "object"
    assert list(parameters["properties"]) == ["orderId", "phone", "lastName"]
    assert "required" not in parameters
    assert "anyOf" not in parameters
    sentence = "Give one of these: orderId; or phone and lastName."
    assert parameters["description"] == sentence
    # Nothing says that a model reads the description of the whole.
    assert parameters["properties"]["orderId"]["description"] == sentence


def test_a_union_of_required_fields_beside_properties_is_told_in_words() -> None:
    parameters = shown(UNIONS["root_one_of_beside_properties"])

    assert list(parameters["properties"]) == ["email", "phone", "topic"]
    assert parameters["required"] == ["topic"]
    assert parameters["properties"]["email"]["description"] == "Give exactly one of these: email; or phone."


def test_the_three_spellings_of_nullable_are_fields_that_may_be_left_out() -> None:
    assert fields(UNIONS["optional_style_nullable"]) == {
        "note": {"type": "string", "description": NULLABLE},
        "count": {"type": "integer", "description": NULLABLE},
        "unit": {"type": "string", "description": NULLABLE, "enum": ["kg", "lb"]},
    }
    assert field({"type": "string", "nullable": True}, required=["x"]) == {
        "type": "string",
        "description": NULLABLE,
    }


def test_a_discriminated_union_says_which_fields_go_with_which_value() -> None:
    payment = fields(UNIONS["discriminated_ref_union"])["payment"]

    assert payment["properties"]["type"] == {
        "type": "string",
        "description": 'Decides which other fields go with it. "card": last4. "cash": nothing more. "split": parts.',
        "enum": ["card", "cash", "split"],
    }
    assert payment["properties"]["last4"] == {"type": "string", "description": 'Only with type "card".'}
    assert payment["properties"]["parts"]["minItems"] == 2
    assert payment["required"] == ["type"]


def test_a_tree_is_cut_after_three_levels_and_goes_on_as_json_text() -> None:
    node = fields(UNIONS["recursive_ref"])["tree"]
    for _ in range(2):
        assert node["required"] == ["label"]
        node = node["properties"]["children"]["items"]

    deepest = node["properties"]["children"]["items"]

    assert deepest["type"] == "string"
    assert (
        deepest["description"] == 'An object as JSON text such as {"label": "…"} (children may be left out).'
    )
    assert "$" not in json.dumps(shown(UNIONS["recursive_ref"]))


def test_parts_that_all_hold_are_one_object_with_the_tighter_bounds() -> None:
    slot = fields(UNIONS["all_of_with_conflict"])["slot"]

    assert slot["properties"]["hour"] == {
        "type": "integer", "description": "From 8 to 18.", "minimum": 8, "maximum": 18,
    }  # fmt: skip
    assert list(slot["properties"]) == ["hour", "room", "duration", "until"]
    assert slot["required"] == ["hour"]
    assert slot["description"] == "Give exactly one of these: duration; or until."


def test_one_value_or_a_list_of_them_is_a_list() -> None:
    assert fields(UNIONS["scalar_or_array"])["tags"] == {
        "type": "array",
        "description": "For a single one, give a list of one.",
        "items": {"type": "string"},
    }


def test_unions_in_unions_become_one_text_that_says_how_to_write_each_kind() -> None:
    chosen = fields(UNIONS["three_deep"])["filter"]

    assert chosen["type"] == "string"
    for words in (
        "Text; or a number; or true or false;",
        'such as {"op": "and"',
        'Digits stay text; for a number put = before it, like "=12".',
        NULLABLE,
    ):
        assert words in chosen["description"]


def test_what_strict_mode_rejects_is_shown_in_plain_types_and_words() -> None:
    properties = fields(UNIONS["keywords_strict_mode_rejects"])

    assert properties["free"] == {
        "type": "string", "description": "Field names are free; each value: string. An object as JSON text.",
    }  # fmt: skip
    assert properties["byPattern"]["type"] == "string"
    assert "^x-" in properties["byPattern"]["description"]
    assert properties["pair"] == {
        "type": "array", "description": "A list in this order: number, number.", "items": {"type": "number"},
    }  # fmt: skip
    assert properties["anything"]["type"] == "string"
    assert properties["notEmpty"] == {"type": "string", "description": "Not empty."}
    assert properties["cond"]["description"] == "When a is true, b must be given."
    assert "required" not in properties["cond"]


@pytest.mark.parametrize("parameters", [UNIONS["empty_parameters"], {}, {"type": "object"}, {"$schema": "x"}])
def test_no_arguments_are_an_object_without_properties(parameters: dict[str, Any]) -> None:
    assert shown(parameters) == {"type": "object", "properties": {}}
    assert flatten(parameters).notes == ()


# --- Real tools


def test_the_clinics_booking_keeps_its_meaning() -> None:
    parameters = shown(TOOLS["book_appointment"])
    visit, when, contact = (parameters["properties"][name] for name in ("visit", "when", "contact"))

    assert parameters["required"] == ["patient", "visit", "when"]
    assert parameters["properties"]["patient"]["required"] == ["fullName", "dateOfBirth"]
    assert parameters["properties"]["patient"]["description"] == "Who the visit is for."
    assert parameters["properties"]["patient"]["properties"]["guardian"]["description"] == NULLABLE
    assert visit["properties"]["kind"]["enum"] == ["checkup", "vaccination", "lab"]
    assert '"vaccination": vaccine, optionally dose.' in visit["properties"]["kind"]["description"].replace(
        '"V', '"v'
    )
    assert visit["properties"]["reason"]["description"].endswith('caller\'s words. Only with kind "checkup".')
    assert visit["properties"]["dose"]["description"].startswith("'booster'; or a whole number from 1 to 4.")
    assert when["description"].endswith("Give one of these: slotId; or from, optionally to.")
    assert contact["required"] == ["phone"]
    assert contact["properties"]["language"] == {
        "type": "string",
        "description": 'Default: "en".',
        "enum": ["en", "es"],
    }


def test_a_type_that_contradicts_the_branches_gives_way() -> None:
    day = fields(TOOLS["find_slots"])["day"]

    assert day["type"] == "string"
    for words in (
        "A date, or a weekday name, or a span.",
        "YYYY-MM-DD",
        "'monday'",
        'JSON text such as {"from": ',
    ):
        assert words in day["description"]


def test_texts_in_the_enum_of_an_integer_are_the_integers_they_spell() -> None:
    severity = fields(TOOLS["log_complaint"])["severity"]

    assert severity == {"type": "integer", "enum": [1, 2, 3]}


def test_a_union_inside_a_variant_is_told_with_it() -> None:
    about = fields(TOOLS["log_complaint"])["about"]

    assert (
        '"staff": (one of these: staffName; or role). "wait": optionally minutes.'
        in (about["properties"]["topic"]["description"])
    )
    assert about["properties"]["topic"]["enum"] == ["staff", "wait"]


def test_an_order_of_dishes_takes_extras_as_text_or_json() -> None:
    items = next(fields(one)["items"] for one in TOOLS.values() if "items" in one.get("properties", {}))
    extras = items["items"]["properties"]["extras"]

    assert items["items"]["required"] == ["sku", "qty"]
    assert extras["items"]["type"] == "string"
    assert 'such as {"name": "…"} (grams may be left out)' in extras["items"]["description"]


def test_several_conditions_on_a_text_are_told_together() -> None:
    seating = fields(TOOLS["reserveTable"])["seating"]

    assert seating["type"] == "string"
    assert "One of 'inside', 'terrace'; or text matching ^table-[0-9]{1,2}$." in seating["description"]
    assert "enum" not in seating
    assert "pattern" not in seating


@pytest.mark.parametrize("name", TOOLS)
def test_every_real_tool_is_taken_and_has_no_problem(name: str) -> None:
    assert parameters_problems(shown(TOOLS[name])) == []
    assert schema_problems(TOOLS[name]) == []


# --- Single keywords


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": "card"}, {"type": "string", "enum": ["card"]}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}),
        ({"type": "array"}, "items"),
        ({"type": "string", "enum": [1, 2]}, {"type": "string", "enum": ["1", "2"]}),
        ({"type": "integer", "enum": ["low", "high"]}, {"type": "string", "enum": ["low", "high"]}),
        ({"anyOf": [{"const": "a"}, {"enum": ["b", "c"]}]}, {"type": "string", "enum": ["a", "b", "c"]}),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, {"type": "number"}),
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "description": "More than 1.", "exclusiveMinimum": 1}),
        ({"type": "string", "format": "date"}, {"type": "string", "description": "A date as YYYY-MM-DD.", "format": "date"}),
        ({"type": "boolean", "const": True}, {"type": "boolean", "description": "Always true."}),
        ({"type": "null"}, {"type": "string", "description": "Always null: leave it out."}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "properties": {}, "additionalProperties": False}),
    ],
    ids=str,
)  # fmt: skip
def test_a_keyword_becomes_what_the_model_follows(schema: dict[str, Any], expected: Any) -> None:
    found = field(schema)

    if expected == "items":
        assert found["items"]["type"] == "string"
    else:
        assert found == expected


def test_references_are_written_out_wherever_they_point() -> None:
    schema = {
        "type": "object",
        "$defs": {"a/b": {"type": "integer"}, "c~d e": {"$id": "urn:x", "type": "boolean"}, "n": {"$anchor": "here", "const": 1}},
        "properties": {
            "one": {"$ref": "#/$defs/a~1b", "description": "A number."},
            "two": {"$ref": "#/$defs/c~0d%20e"},
            "three": {"$ref": "#here"},
            "four": {"$ref": "urn:x"},
            "five": {"$ref": "#/properties/one"},
        },
    }  # fmt: skip

    assert fields(schema) == {
        "one": {"type": "integer", "description": "A number."},
        "two": {"type": "boolean"},
        "three": {"type": "integer", "enum": [1]},
        "four": {"type": "boolean"},
        "five": {"type": "integer", "description": "A number."},
    }


def test_a_reference_to_the_root_is_cut_like_any_other() -> None:
    schema = {"type": "object", "properties": {"again": {"$ref": "#"}, "n": {"type": "integer"}}}

    node, depth = shown(schema), 0
    while node["type"] == "object":
        node, depth = node["properties"]["again"], depth + 1

    assert node["type"] == "string"
    assert depth == 4


def test_the_same_name_with_different_types_is_a_text_that_says_how_to_write_it() -> None:
    variants = [
        {"type": "object", "properties": {"kind": {"const": "a"}, "size": {"type": "integer"}}, "required": ["kind", "size"]},
        {"type": "object", "properties": {"kind": {"const": "b"}, "size": {"enum": ["small", "large"]}}, "required": ["kind"]},
    ]  # fmt: skip

    found = field({"oneOf": variants})["properties"]

    assert found["size"] == {"type": "string", "description": "One of 'small', 'large'; or a whole number."}
    assert found["kind"]["description"].endswith('"a": size. "b": optionally size.')


def test_names_that_openai_does_not_take_are_replaced_and_known() -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("a.b", "a_b", "größe", "性别", "", "x" * 70)},
    }

    flattened = flatten(schema)

    assert list(flattened.parameters["properties"]) == [
        "a_b_2",
        "a_b",
        "grosse",
        "field",
        "field_2",
        "x" * 64,
    ]
    assert flattened.names["a_b_2"] == "a.b"
    assert flattened.parameters["properties"]["field"]["description"] == 'Stands for "性别".'


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({"type": "array", "items": {"type": "integer"}}, "array"),
        ({"type": "string"}, "string"),
        ({"enum": ["a", "b"]}, "string"),
        (
            {"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "string"}]},
            "string",
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "string"),
    ],
    ids=str,
)
def test_a_root_that_is_no_object_with_fields_is_wrapped_in_one(schema: dict[str, Any], type_: str) -> None:
    parameters = shown(schema)

    assert parameters["type"] == "object"
    assert parameters["properties"]["value"]["type"] == type_


def test_long_descriptions_are_cut_but_not_what_goes_together() -> None:
    variants = [
        {"properties": {"kind": {"const": f"kind-{n}"}, f"field_{n}": {"type": "string"}}, "required": ["kind", f"field_{n}"]}
        for n in range(12)
    ]  # fmt: skip
    variants[0]["properties"]["kind"]["description"] = "An endless story. " * 300  # type: ignore[index]

    kind = field({"type": "object", "oneOf": variants})["properties"]["kind"]

    assert len(kind["description"]) <= 1_000
    assert kind["description"].startswith("An endless story.")
    assert '"kind-11": field_11.' in kind["description"].replace("Kind", "kind")


# --- Hostile input


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def doubling(levels: int, word: str) -> dict[str, Any]:
    defs = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {
        "type": "object",
        "$defs": {**defs, f"d{levels}": {"type": "string"}},
        "properties": {"x": {"$ref": "#/$defs/d0"}},
    }


HOSTILE: dict[str, Any] = {
    "a reference to itself": {"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}},
    "the root is itself": {"$ref": "#"},
    "two that refer to each other": {
        "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}},
        "properties": {"x": {"$ref": "#/$defs/a"}},
    },
    "a chain of 3,000": {
        "$defs": {str(n): {"title": "t", "$ref": f"#/$defs/{n + 1}"} for n in range(3_000)},
        "properties": {"x": {"$ref": "#/$defs/0"}},
    },
    "doubled thirty times by allOf": doubling(30, "allOf"),
    "doubled thirty times by anyOf": doubling(30, "anyOf"),
    "doubled sixteen times by anyOf": doubling(16, "anyOf"),
    "5,000 properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)}},
    "forty levels": nested(40),
    "a reference to another document": {"properties": {"x": {"$ref": "https://example.com/x.json"}}},
    "huge numbers": {"properties": {"x": {"type": "integer", "minimum": 10**400, "enum": [10**400], "maxLength": 1e300}}},
}  # fmt: skip


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_schema_becomes_something_small_that_openai_takes(schema: dict[str, Any]) -> None:
    flattened = flatten(schema)

    assert parameters_problems(flattened.parameters) == []
    assert len(json.dumps(flattened.parameters)) < 100_000


@pytest.mark.parametrize(
    "schema", [nested(200), nested(100_000), {"enum": ["x"] * 30_000}], ids=["200", "100,000", "wide"]
)
def test_a_schema_beyond_all_measure_is_one_json_text_and_a_problem(schema: dict[str, Any]) -> None:
    flattened = flatten(schema)

    assert [part["type"] for part in flattened.parameters["properties"].values()] == ["string"]
    assert len(flattened.problems) == 1
    assert len(schema_problems(schema)) == 1


@pytest.mark.parametrize("schema", [[], "x", 7, None, True])
def test_what_is_no_object_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError, match="not a JSON object"):
        flatten(schema)


def test_nothing_needs_more_stack_than_a_busy_worker_has_left() -> None:
    schema = nested(48)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(700)
    try:
        assert flatten(schema).parameters["type"] == "object"
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"properties": []}, '"properties" must be an object.'),
        (
            {"properties": {"a": {"required": "b", "type": "object"}}},
            '"required" of a must be a list of names.',
        ),
        ({"properties": {"a": 7}}, 'a must be an object such as {"type": "string"}.'),
        ({"anyOf": []}, '"anyOf" must be a list with at least one schema.'),
        ({"properties": {"a": {"enum": []}}}, '"enum" of a is an empty list: no value is possible.'),
        ({"properties": {"a": {"enum": "b"}}}, '"enum" of a must be a list of values.'),
        (
            {"properties": {"a": {"type": "integer", "minimum": 5, "maximum": 4}}},
            '"minimum" of a is over its "maximum": no value is possible.',
        ),
        (
            {"properties": {"a": {"type": "number", "exclusiveMinimum": 4, "maximum": 4}}},
            '"exclusiveMinimum" of a is not under its "maximum": no value is possible.',
        ),
        (
            {"properties": {"a": {"type": "string", "minLength": 9, "maxLength": 8}}},
            '"minLength" of a is over its "maxLength": no value is possible.',
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/gone"}}},
            "the $ref of a leads to nothing in the parameters.",
        ),
        ({"type": 7}, '"type" must be the name of a type.'),
    ],
)
def test_what_its_author_must_mend_is_a_problem(schema: dict[str, Any], problem: str) -> None:
    assert schema_problems({"type": "object", **schema}) == [problem]


@pytest.mark.parametrize(
    ("bounds", "type_"),
    [
        ({"minimum": 4, "maximum": 4}, "integer"),
        ({"exclusiveMinimum": 4, "exclusiveMaximum": 4.5}, "number"),
        ({"minLength": 3, "maxLength": 3}, "string"),
        ({"minItems": 0, "maxItems": 0, "items": {"type": "string"}}, "array"),
    ],
)
def test_bounds_that_leave_a_value_are_no_problem(bounds: dict[str, Any], type_: str) -> None:
    assert schema_problems({"type": "object", "properties": {"a": {"type": type_, **bounds}}}) == []


def test_every_change_has_a_note_with_its_path() -> None:
    notes = dict(flatten(TOOLS["book_appointment"]).notes)

    assert notes["visit.dose"].startswith("May be text, or a number; shown as text")
    assert notes["contact.email"] == "May be null; shown as a field that may be left out."
    assert "visit" in notes
    assert "patient" not in notes


def test_a_variant_that_narrows_a_shared_field_does_not_narrow_it_for_the_others() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "anyOf": [
            {"properties": {"x": {"const": "a"}, "n": {"type": "integer"}}, "required": ["n"]},
            {"required": ["x"]},
        ],
    }

    assert fields(schema)["x"]["type"] == "string"
    assert "enum" not in fields(schema)["x"]


def test_a_field_that_nothing_fits_is_not_shown() -> None:
    never = {"allOf": [{"type": "string"}, {"type": "integer"}]}

    assert fields({"type": "object", "properties": {"x": never, "y": False, "z": {"type": "string"}}}) == {
        "z": {"type": "string"}
    }


def test_variants_told_apart_by_a_field_that_nothing_fits_do_no_harm() -> None:
    variants = [
        {"properties": {"kind": {"const": 5}, "n": {"type": "integer"}}, "required": ["kind"]},
        {"properties": {"kind": {"const": 6}}, "required": ["kind"]},
    ]
    schema = {"type": "object", "properties": {"kind": {"const": "b"}}, "anyOf": variants}

    assert parameters_problems(shown(schema)) == []


# --- Required, but described nowhere

ANY_VALUE = {
    "type": "string",
    "description": "Any value: text as it is; a list or an object as JSON text.",
}
UNDECLARED = "Required, but described nowhere; shown as a field for any value."


def test_a_required_field_that_is_described_nowhere_is_shown_as_any_value_with_a_note() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "zzz"]}

    assert fields(schema) == {"a": {"type": "string"}, "zzz": ANY_VALUE}
    assert shown(schema)["required"] == ["a", "zzz"]
    assert ("zzz", UNDECLARED) in flatten(schema).notes


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["zzz"]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["zzz"]}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["zzz"]}]},
        {"oneOf": [{"type": "object", "properties": {"a": {"const": n}}, "required": ["a", "zzz"]} for n in "bc"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["zzz"]}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "if": {"required": ["a"]}, "then": {"required": ["zzz"]}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "allOf": [{"if": {"required": ["a"]}, "then": {"required": ["zzz"]}}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["zzz"], "additionalProperties": False},
    ],
    ids=["alone", "allOf", "anyOf", "each variant", "dependent", "then", "then in allOf", "closed"],
)  # fmt: skip
def test_an_undeclared_field_is_shown_wherever_it_is_demanded_and_however_deep(
    schema: dict[str, Any],
) -> None:
    assert fields(schema)["zzz"] == ANY_VALUE
    assert field(schema)["properties"]["zzz"] == ANY_VALUE
    assert field({"type": "array", "items": schema})["items"]["properties"]["zzz"] == ANY_VALUE
    assert ("x[].zzz", UNDECLARED) in flatten(
        {"type": "object", "properties": {"x": {"type": "array", "items": schema}}}
    ).notes


def test_a_required_field_that_another_part_describes_stays_as_described() -> None:
    schema = {
        "type": "object",
        "allOf": [{"required": ["zzz"]}, {"properties": {"zzz": {"type": "integer"}}}],
    }

    assert fields(schema) == {"zzz": {"type": "integer"}}
    assert not [note for _, note in flatten(schema).notes if note == UNDECLARED]


def test_a_required_field_among_free_ones_is_what_the_free_ones_are() -> None:
    free = {"type": "object", "required": ["zzz"], "additionalProperties": {"type": "integer"}}
    by_name = {"type": "object", "required": ["x-n"], "patternProperties": {"^x-": {"type": "integer"}}}

    assert fields(free)["zzz"] == {"type": "integer"}
    assert fields(by_name)["x-n"] == {"type": "integer"}


def test_any_number_of_undeclared_fields_does_no_harm() -> None:
    schema = {"type": "object", "required": [f"f{n}" for n in range(5_000)]}

    assert len(json.dumps(shown(schema))) < 1_000


# --- Fields without "properties" around them


def test_fields_without_properties_around_them_are_taken_as_the_fields() -> None:
    schema = {"a": {"type": "string"}, "b": {"$ref": "#/a"}}

    assert fields(schema) == {"a": {"type": "string"}, "b": {"type": "string"}}
    assert dict(flatten(schema).notes)[""].startswith('"properties" is missing')
    assert schema_problems(schema) == []
    assert list(fields({"id": {"type": "string"}, "email": {"description": "Where to write."}})) == [
        "id",
        "email",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"a": {"type": "string"}, "b": 7},
        {"a": {"type": "string"}, "b": {}},
        {"a": "string"},
        {"title": {"type": "string"}, "a": {"type": "string"}},
        {"type": "object", "a": {"type": "string"}},
        {"required": ["a"], "a": {"type": "string"}},
    ],
    ids=str,
)
def test_fields_that_may_be_meant_but_stand_outside_properties_are_a_problem(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == ['its fields must stand in "properties": a stands outside.']


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/Args", "Args": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "own": {"type": "string"}},
        {"type": "object", "x-own": {"type": "string"}},
        {"type": "object", "strict": True},
        {"$schema": "x"},
    ],
    ids=str,
)
def test_what_else_stands_at_the_top_is_no_problem(schema: dict[str, Any]) -> None:
    assert schema_problems(schema) == []


# --- What the staff must be told of


def test_too_many_values_are_a_problem_that_says_what_becomes_of_them() -> None:
    schema = {"type": "object", "properties": {"sku": {"enum": [f"s{n}" for n in range(20_000)]}}}

    (problem,) = schema_problems(schema)

    assert problem == (
        "its parameters have more than 20,000 parts, 20,000 of them in one enum: the model would be asked for all "
        "arguments as one JSON text. Shorten them."
    )


def test_more_fields_than_a_model_can_be_shown_are_a_problem() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(5_000)}}

    (problem,) = schema_problems(schema)

    assert problem == (
        "its parameters have more fields than a model can be shown: it would be asked for all arguments as one JSON "
        "text. Shorten them."
    )


@pytest.mark.parametrize(
    "at",
    [
        {"items": {"$ref": "#/$defs/gone"}, "type": "array"},
        {"anyOf": [{"type": "string"}, {"$ref": "other.json"}]},
        {"additionalProperties": {"$ref": "#/$defs/gone"}, "type": "object"},
    ],
)
def test_a_reference_to_nothing_is_a_problem_wherever_it_stands(at: dict[str, Any]) -> None:
    (problem,) = schema_problems({"type": "object", "properties": {"a": at}})

    assert re.fullmatch(r"the \$ref of a\S* leads to nothing in the parameters\.", problem)


def test_one_of_something_is_told_in_the_singular() -> None:
    assert field({"type": "string", "minLength": 1})["description"] == "With at least 1 character."
    assert field({"type": "string", "minLength": 1, "maxLength": 1})["description"] == (
        "With exactly 1 character."
    )
    assert field({"type": "array", "items": {"type": "string"}, "maxItems": 1})["description"] == (
        "At most 1 entry."
    )
