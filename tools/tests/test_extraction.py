from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tools.extraction import VALUES_MAX_CHARS, answer_value, variables_extract
from tools.tests.factories import MOMENT

ANSWER = {"patientId": "p-1", "slots": [{"label": "nine"}], "nested": {"deep": 1}, "other": "x"}


def extract(plan: Any, answer: Any = ANSWER, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    return variables_extract(plan, answer, variables=variables or {}, now=MOMENT)


def test_each_property_of_the_schema_becomes_a_variable() -> None:
    schema = {
        "type": "object",
        "properties": {"patientId": {"type": "string"}, "nested": {"type": "object"}, "missing": {}},
    }

    assert extract({"schema": schema}) == {"patientId": "p-1", "nested": {"deep": 1}}


def test_an_array_goes_by_its_title() -> None:
    assert extract({"schema": {"type": "array", "title": "slots"}}, [1, 2]) == {"slots": [1, 2]}
    assert extract({"schema": {"type": "array"}}, [1, 2]) == {}


def test_aliases_see_the_whole_answer_the_new_values_and_the_calls_variables() -> None:
    plan = {
        "schema": {"type": "object", "properties": {"patientId": {}}},
        "aliases": [
            {"key": "offeredSlot", "value": "{{ $.slots[0].label }}"},
            {"key": "isKnown", "value": "{% if $.patientId %}yes{% else %}no{% endif %}"},
            {"key": "both", "value": "{{ patientId }}/{{ site }}/{{ offeredSlot }}"},
        ],
    }

    assert extract(plan, variables={"site": "north"}) == {
        "patientId": "p-1",
        "offeredSlot": "nine",
        "isKnown": "yes",
        "both": "p-1/north/nine",
    }


def test_an_alias_with_an_illegal_name_sets_nothing() -> None:
    names = ["1st", "a b", "a" * 41, "", None, "$"]

    assert extract({"aliases": [{"key": name, "value": "x"} for name in names]}) == {}


def test_an_answer_without_end_sets_nothing() -> None:
    plan: dict[str, Any] = {"schema": {"properties": {"patientId": {}}}}

    assert extract(plan, {"patientId": "x" * VALUES_MAX_CHARS}) == {}


def test_a_result_is_read_as_json_where_it_is_some() -> None:
    assert answer_value('{"a":1}') == {"a": 1}
    assert answer_value("Booked.") == "Booked."
    assert answer_value("[" * 5000) == "[" * 5000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(plan=st.dictionaries(st.sampled_from(["schema", "aliases"]), json_values), answer=json_values)
def test_no_plan_and_no_answer_raise(plan: dict[str, Any], answer: Any) -> None:
    assert isinstance(extract(plan, answer), dict)
