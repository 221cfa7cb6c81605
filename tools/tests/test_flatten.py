"""Schemas that no model takes as they stand, made plain: unions, real tools, single keywords."""

import json
from typing import Any

import pytest

from tools.schemas import flatten, parameters_problems, schema_problems
from tools.tests.flattened import NULLABLE, TOOLS, UNIONS, field, fields, shown


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


@pytest.mark.parametrize(
    ("node", "type_"),
    [
        ({"anyOf": [{"const": 5}, {"type": "integer", "enum": [1, 2]}]}, "integer"),
        ({"anyOf": [{"const": 5}, {"type": "number", "enum": [1, 2.5]}]}, "number"),
        ({"type": "number", "enum": [1, 2.5], "allOf": [{"enum": [1, 3]}]}, "integer"),
    ],
)
def test_numbers_of_which_each_is_whole_are_whole_numbers(node: dict[str, Any], type_: str) -> None:
    once = shown({"type": "object", "properties": {"day": node}})

    assert once["properties"]["day"]["type"] == type_
    assert shown(once) == once


@pytest.mark.parametrize("null", [False, True])
def test_a_description_as_long_as_may_be_is_shown_whole_and_the_same_when_it_is_read_again(
    null: bool,
) -> None:
    ours = " Leave it out, or give null, when there is none." if null else ""
    for room in (1_000 - len(ours), 999 - len(ours)):
        written = "word " * 300
        author = written[: room - 1] + "y"
        node = {"type": ["string", "null"] if null else "string", "description": author}
        once = flatten({"type": "object", "properties": {"day": node}}).parameters
        told = once["properties"]["day"]["description"]

        assert told.endswith(ours)
        assert len(told) <= 1_000
        if not null:
            assert told == author
        assert flatten(once).parameters == once


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
