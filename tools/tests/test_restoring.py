import json
from typing import Any

import pytest

from tools.schemas import ArgumentsError, arguments_restore
from tools.tests.flattened import HOSTILE, TOOLS, UNIONS

PATIENT = {"fullName": "Anna Q. Zzyzx", "dateOfBirth": "1990-02-03"}
SLOT = {"slotId": "n-0611"}
CHECKUP = {"kind": "checkup", "reason": "cough"}


def refused(given: dict[str, Any], schema: dict[str, Any]) -> str:
    with pytest.raises(ArgumentsError) as raised:
        arguments_restore(given, schema)
    return str(raised.value)


def book(**fields: Any) -> dict[str, Any]:
    return {"patient": PATIENT, "visit": CHECKUP, "when": SLOT, **fields}


def one(schema: Any, *, required: bool = True) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, "required": ["x"] if required else []}


# --- Back in shape


def test_what_fits_comes_back_as_it_is() -> None:
    assert arguments_restore(book(notes=None), TOOLS["book_appointment"]) == book(notes=None)


@pytest.mark.parametrize(
    "given",
    [
        {"patient.fullName": "Anna Q. Zzyzx", "patient.dateOfBirth": "1990-02-03", "visit": CHECKUP, "when": SLOT},
        {"patient": {"fullName": "Anna Q. Zzyzx"}, "patient.dateOfBirth": "1990-02-03", "visit": CHECKUP, "when": SLOT},
        {"patient": PATIENT, "kind": "checkup", "reason": "cough", "slotId": "n-0611"},
        {"patient": json.dumps(PATIENT), "visit": json.dumps(CHECKUP), "when": SLOT},
        {"dateOfBirth": "1990-02-03", "patient": {"fullName": "Anna Q. Zzyzx"}, "visit": CHECKUP, "slotId": "n-0611"},
    ],
    ids=["dotted", "half dotted", "lifted", "as JSON text", "half lifted"],
)  # fmt: skip
def test_objects_that_the_model_took_apart_are_put_together(given: dict[str, Any]) -> None:
    assert arguments_restore(given, TOOLS["book_appointment"]) == book()


def test_a_lifted_field_that_could_belong_to_two_objects_is_not_placed_by_guess() -> None:
    given = {
        "fullName": "Anna Q. Zzyzx",
        "patient": {"dateOfBirth": "1990-02-03"},
        "visit": CHECKUP,
        "when": SLOT,
    }

    assert refused(given, TOOLS["book_appointment"]) == "patient.fullName is missing."


def test_a_field_given_in_two_places_with_two_values_is_refused() -> None:
    given = {**book(), "patient.fullName": "Somebody Else"}

    assert refused(given, TOOLS["book_appointment"]) == "patient.fullName is given twice, with two values."


def test_renamed_fields_get_their_names_back() -> None:
    schema = {"type": "object", "properties": {"größe": {"type": "integer"}, "a.b": {"type": "string"}}}

    assert arguments_restore({"grosse": 3, "a_b": "x"}, schema) == {"größe": 3, "a.b": "x"}
    assert arguments_restore({"größe": 3, "a.b": "x"}, schema) == {"größe": 3, "a.b": "x"}


@pytest.mark.parametrize(
    ("schema", "given", "restored"),
    [
        ({"type": "integer"}, "4", 4),
        ({"type": "integer"}, "4.0", 4),
        ({"type": "number"}, " 2.5 ", 2.5),
        ({"type": "string"}, 13125550142, "13125550142"),
        ({"type": "boolean"}, "true", True),
        ({"type": "string", "enum": ["1", "2"]}, 2, "2"),
        ({"type": "integer", "enum": ["1", "2", "3"]}, "2", 2),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            '{"a": "1"}',
            {"a": 1},
        ),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"oneOf": [{"type": "integer", "maximum": 4}, {"enum": ["booster"]}]}, "3", 3),
        ({"oneOf": [{"type": "integer", "maximum": 4}, {"enum": ["booster"]}]}, "booster", "booster"),
        ({"oneOf": [{"type": "integer", "minimum": 10}, {"enum": ["5"]}]}, "5", "5"),
        ({"type": ["string", "number"]}, '"12"', "12"),
        ({"type": ["string", "number"]}, "12", "12"),
        ({"type": ["string", "number"]}, "=12", 12),
        ({"type": ["string", "number"]}, "= -2.5", -2.5),
        ({"type": ["string", "number"]}, "=about 12", "=about 12"),
        ({"type": ["string", "number"]}, '"=12"', "=12"),
        ({"type": ["string", "number"]}, 12, 12),
        ({"type": ["string", "number"]}, "1e5", "1e5"),
        ({"type": ["string", "integer"]}, "15551234567", "15551234567"),
        ({"anyOf": [{"type": "string", "pattern": "^[0-9]{5}$"}, {"type": "integer"}]}, "02139", "02139"),
        ({"anyOf": [{"type": "string", "pattern": "^[0-9]{5}$"}, {"type": "integer"}]}, "90210", "90210"),
        ({"anyOf": [{"type": "string", "pattern": "^[0-9]{5}$"}, {"type": "integer"}]}, "902", 902),
        ({"anyOf": [{"type": "string", "minLength": 5}, {"type": "integer"}]}, "902", 902),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "integer"}]}, "902", 902),
        ({"enum": [1, "1", 2]}, "1", "1"),
        ({"enum": [1, "1", 2]}, "=1", 1),
        ({"enum": [1, "1", 2]}, "2", 2),
        ({"type": ["string", "integer"], "not": {"type": "string"}}, "12", 12),
        ({}, "12", "12"),
        ({"description": "A phone number."}, "13125550142", "13125550142"),
        ({}, '{"a": 1}', {"a": 1}),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object"}, {"a": 1}, {"a": 1}),
        ({"type": ["string", "null"]}, None, None),
    ],
)
def test_another_spelling_of_the_same_value_is_read(
    schema: dict[str, Any], given: Any, restored: Any
) -> None:
    found = arguments_restore({"x": given}, one(schema))["x"]

    assert (found, type(found)) == (restored, type(restored))


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "integer"}, "four"),
        ({"type": "integer"}, "007"),
        ({"type": "integer"}, "4.5"),
        ({"type": "boolean"}, "yes"),
        ({"type": "boolean"}, 1),
        ({"type": "array", "items": {"type": "string"}}, "a, b"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "a"),
        ({"type": "string", "enum": ["lab"]}, "Laboratory"),
        ({"type": "string"}, None),
    ],
)
def test_nothing_is_repaired_by_guessing(schema: dict[str, Any], given: Any) -> None:
    assert refused({"x": given}, one(schema)).startswith("x must be")


def test_null_is_left_out_or_filled_in_where_only_that_is_lawful() -> None:
    optional = {
        "type": "object",
        "properties": {"x": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["n"],
    }

    assert arguments_restore({"x": None, "n": 1}, optional) == {"n": 1}
    assert arguments_restore({}, one({"type": "string", "nullable": True})) == {"x": None}
    assert arguments_restore({}, one({"type": "string", "nullable": True}, required=False)) == {}


def test_null_is_filled_in_where_the_chosen_variant_demands_it() -> None:
    schema = one(
        {
            "oneOf": [
                {"type": "object", "properties": {"k": {"const": "a"}, "n": {"type": ["integer", "null"]}}, "required": ["k", "n"]},
                {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
            ]
        }
    )  # fmt: skip

    assert arguments_restore({"x": {"k": "a"}}, schema) == {"x": {"k": "a", "n": None}}
    assert arguments_restore({"x": {"k": "b"}}, schema) == {"x": {"k": "b"}}


PERSON_OR_COMPANY = {
    "oneOf": [
        {"type": "object", "properties": {"kind": {"const": "p"}, "name": {"type": "string"}}, "required": ["kind", "name"]},
        {"type": "object", "properties": {"kind": {"const": "c"}, "name": {"type": "integer"}}, "required": ["kind", "name"]},
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "restored"),
    [
        ({"kind": "p", "name": "12"}, {"kind": "p", "name": "12"}),
        ({"kind": "p", "name": '"12"'}, {"kind": "p", "name": "12"}),
        ({"kind": "p", "name": "=12"}, {"kind": "p", "name": "=12"}),
        ({"kind": "p", "name": 12}, {"kind": "p", "name": "12"}),
        ({"kind": "c", "name": "12"}, {"kind": "c", "name": 12}),
        ({"kind": "c", "name": "=12"}, {"kind": "c", "name": 12}),
        ({"kind": "c", "name": 12}, {"kind": "c", "name": 12}),
    ],
)
def test_the_field_that_tells_variants_apart_decides_how_the_others_are_read(
    given: dict[str, Any], restored: dict[str, Any]
) -> None:
    for schema, wrap in ((PERSON_OR_COMPANY, False), (one(PERSON_OR_COMPANY), True)):
        found = arguments_restore({"x": given} if wrap else given, schema)

        assert found == ({"x": restored} if wrap else restored)


def test_the_deciding_field_reaches_into_the_objects_and_lists_beside_it() -> None:
    def variant(kind: str, type_: str) -> dict[str, Any]:
        inner = {"type": "object", "properties": {"id": {"type": type_}}, "required": ["id"]}
        lists = {"type": "array", "items": inner}
        return {"type": "object", "properties": {"kind": {"const": kind}, "one": inner, "all": lists}, "required": ["kind"]}  # fmt: skip

    schema = {"oneOf": [variant("p", "string"), variant("c", "integer")]}
    said = {"one": {"id": "12"}, "all": [{"id": "13"}]}

    assert arguments_restore({"kind": "p", **said}, schema) == {"kind": "p", **said}
    assert arguments_restore({"kind": "c", **said}, schema) == {
        "kind": "c",
        "one": {"id": 12},
        "all": [{"id": 13}],
    }


def test_a_field_that_needs_repair_does_not_make_a_number_of_a_phone_number_beside_it() -> None:
    schema = {
        "type": "object",
        "properties": {"phone": {"type": ["string", "integer"]}, "n": {"type": "integer"}},
    }

    assert arguments_restore({"phone": "15551234567", "n": "4"}, schema) == {"phone": "15551234567", "n": 4}


def test_what_is_required_but_described_nowhere_can_be_given() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "zzz"]}
    closed = {**schema, "additionalProperties": False}

    assert refused({"a": "x"}, schema) == "zzz is missing."
    assert arguments_restore({"a": "x", "zzz": "15551234567"}, schema) == {"a": "x", "zzz": "15551234567"}
    assert arguments_restore({"a": "x", "zzz": "y"}, closed) == {"a": "x", "zzz": "y"}


def test_fields_without_properties_around_them_are_checked_like_others() -> None:
    assert arguments_restore({"a": "4"}, {"a": {"type": "integer"}}) == {"a": 4}
    assert refused({"a": "four"}, {"a": {"type": "integer"}}) == "a must be a whole number."


def test_a_root_that_is_no_object_is_unwrapped() -> None:
    assert arguments_restore({"value": [1, 2]}, {"type": "array", "items": {"type": "integer"}}) == [1, 2]
    assert arguments_restore({"value": '{"a": "b"}'}, {"additionalProperties": {"type": "string"}}) == {
        "a": "b"
    }
    assert arguments_restore({"a": "b"}, {"additionalProperties": {"type": "string"}}) == {"a": "b"}
    assert refused({}, {"type": "array", "items": {"type": "integer"}}) == "value is missing."


def test_a_tree_deeper_than_the_model_is_shown_comes_through_as_json_text() -> None:
    leaf = json.dumps({"label": "d", "children": [{"label": "e"}]})
    given = {
        "tree": {"label": "a", "children": [{"label": "b", "children": [{"label": "c", "children": [leaf]}]}]}
    }

    restored = arguments_restore(given, UNIONS["recursive_ref"])

    assert restored["tree"]["children"][0]["children"][0]["children"][0]["children"] == [{"label": "e"}]


# --- Told what to correct


@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        ("book_appointment", book(visit={"kind": "vaccination"}), 'visit.vaccine is missing (goes with kind "vaccination").'),
        ("book_appointment", book(visit={"reason": "x"}), 'visit.kind is missing; it must be one of "checkup", "vaccination", "lab".'),
        ("book_appointment", book(visit={"kind": "surgery"}), 'visit.kind must be one of "checkup", "vaccination", "lab".'),
        ("book_appointment", book(when={}), "when: give one of these: slotId; or from."),
        ("book_appointment", book(patient={**PATIENT, "dateOfBirth": "tomorrow"}), "patient.dateOfBirth must be a date as YYYY-MM-DD."),
        ("book_appointment", book(patient="Anna"), "patient must be an object."),
        (
            "book_appointment",
            book(visit={"kind": "lab", "panels": ['{"code": "oops"}']}),
            'visit.panels[0].code must be text matching ^L[0-9]{3}$ (goes with kind "lab").',
        ),
        (
            "find_slots",
            {"service": "lab", "day": "next week"},
            (
                "day: give a date as YYYY-MM-DD; or one of 'monday', 'tuesday', 'wednesday', 'thursday', 'friday'; or an "
                'object as JSON text such as {"from": "2026-06-11", "to": "2026-06-11"}.'
            ),
        ),
        ("log_complaint", {"text": "x", "severity": 9}, "severity must be one of 1, 2, 3."),
        ("log_complaint", {"text": "x", "about": {"topic": "staff"}}, "about: give one of these: staffName; or role."),
    ],
)  # fmt: skip
def test_a_violation_says_precisely_what_to_correct(tool: str, given: dict[str, Any], told: str) -> None:
    assert refused(given, TOOLS[tool]) == told


def test_both_of_two_that_exclude_each_other_are_refused() -> None:
    given = {"topic": "x", "email": "a@b.c", "phone": "1"}

    told = refused(given, UNIONS["root_one_of_beside_properties"])

    assert told == "The arguments: give exactly one of these: email; or phone, not several of them."


def test_at_most_three_violations_are_told_and_no_value_is_quoted() -> None:
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in "abcde"}}

    told = refused(dict.fromkeys("abcde", "secret words"), schema)

    assert told.count("must be a whole number") == 3
    assert told.endswith("And 2 more.")
    assert "secret" not in told


def test_paths_are_told_by_the_names_that_the_model_sees() -> None:
    schema = one({"type": "object", "properties": {"größe": {"type": "integer"}}, "required": ["größe"]})

    assert refused({"x": {}}, schema) == "x.grosse is missing."
    assert refused({"x": {"grosse": "big"}}, schema) == "x.grosse must be a whole number."


@pytest.mark.parametrize("blank", ["", " ", "null", "NULL"])
@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "integer"}, "x must be a whole number, or leave it out."),
        ({"type": "string", "format": "date"}, "x must be a date as YYYY-MM-DD, or leave it out."),
        ({"enum": ["a", "b"]}, 'x must be one of "a", "b", or leave it out.'),
        (
            {"anyOf": [{"type": "string", "format": "date"}, {"type": "integer"}]},
            "x must be a date as YYYY-MM-DD, or leave it out.",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            "x must be an object, or leave it out.",
        ),
    ],
)
def test_a_blank_in_a_field_that_may_be_left_out_is_told_to_be_left_out(
    schema: dict[str, Any], blank: str, told: str
) -> None:
    assert refused({"x": blank}, one(schema, required=False)) == told
    assert refused({"x": blank}, one(schema)) == told.replace(", or leave it out", "")
    assert refused({"y": {"x": blank}}, {"properties": {"y": one(schema, required=False)}}) == f"y.{told}"


def test_only_a_blank_is_told_to_be_left_out_and_only_where_no_variant_demands_it() -> None:
    variants = [
        {"properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind", "n"]},
        {"properties": {"kind": {"const": "b"}}, "required": ["kind"]},
    ]

    assert refused({"x": "four"}, one({"type": "integer"}, required=False)) == "x must be a whole number."
    told = refused({"kind": "a", "n": ""}, {"type": "object", "oneOf": variants})
    assert told == 'n must be a whole number (goes with kind "a").'


def test_the_arguments_are_spoken_of_in_the_plural_and_one_thing_in_the_singular() -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}

    assert refused({"b": 1}, closed) == "The arguments take only these fields: a."
    assert refused({"x": {"b": 1}}, one(closed)) == "x takes only these fields: a."
    assert refused({"b": 1}, {"type": "object", "properties": {}, "additionalProperties": False}) == (
        "The arguments take no fields."
    )
    assert refused({}, {"type": "object", "minProperties": 1, "properties": {"a": {}}}) == (
        "The arguments must have at least 1 field."
    )
    assert refused({"x": []}, one({"type": "array", "minItems": 1, "items": {}})) == (
        "x must have at least 1 entry."
    )
    assert refused({"x": ""}, one({"type": "string", "minLength": 1})) == (
        "x must be text with at least 1 character."
    )


# --- The customer's own mistakes


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (TOOLS["find_slots"], {"service": "lab", "day": "monday"}),
        (one({"type": "string", "oneOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "string"}]}), {"x": {"a": "b"}}),
        (one({"oneOf": [{"type": "number"}, {"type": "integer"}]}), {"x": 5}),
        (one({"allOf": [{"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"type": "object", "properties": {"b": {}}, "additionalProperties": False}]}), {"x": {"a": 1, "b": 2}}),
        (one({"oneOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}]}), {"x": {"a": 1, "b": 2}}),
        (one({"type": "string", "pattern": "(a+)+$"}), {"x": "a" * 60 + "!"}),
        (one({"type": "string", "pattern": "(?<year>\\d{4})"}), {"x": "2026"}),
        (one({"$ref": "#/$defs/gone"}), {"x": 5}),
    ],
    ids=["type beside branches", "object branch", "overlap", "closed allOf", "subsumed", "endless pattern", "foreign pattern", "lost $ref"],
)  # fmt: skip
def test_lawful_arguments_are_not_refused_for_the_authors_mistake(
    schema: dict[str, Any], given: dict[str, Any]
) -> None:
    assert arguments_restore(given, schema) == given


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "given",
    [{}, {"x": 1}, {"x": "[" * 5_000}, {"x": {"a": [{}]}}],
    ids=["none", "one", "deep text", "object"],
)
def test_a_hostile_schema_ends_in_arguments_or_a_refusal(
    schema: dict[str, Any], given: dict[str, Any]
) -> None:
    try:
        assert isinstance(arguments_restore(given, schema), dict)
    except ArgumentsError:
        pass


def test_arguments_nested_without_end_are_refused() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {"label": "a", "children": [deep]}

    assert "nested too deeply" in refused({"tree": deep}, UNIONS["recursive_ref"])
