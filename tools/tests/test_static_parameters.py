from tools.static_parameters import arguments_complete
from tools.tests.factories import MOMENT

VARIABLES = {"customer": {"number": "+13125550177"}, "slots": [{"label": "nine"}]}


def complete(arguments: dict[str, object], static: list[object]) -> dict[str, object]:
    return arguments_complete(arguments, static, variables=VARIABLES, now=MOMENT)


def test_a_static_value_wins_over_the_models_and_the_rest_stays() -> None:
    static: list[object] = [{"key": "site", "value": "north"}]

    assert complete({"site": "south", "slot": "a"}, static) == {"site": "north", "slot": "a"}


def test_every_type_of_value_keeps_its_type() -> None:
    values = {"a": 1, "b": 1.5, "c": True, "d": None, "e": [1, "x"], "f": {"g": [False]}, "h": ""}

    assert complete({}, [{"key": key, "value": value} for key, value in values.items()]) == values


def test_texts_are_templates_however_deep_they_stand() -> None:
    static: list[object] = [
        {"key": "caller", "value": "{{customer.number}}"},
        {"key": "deep", "value": {"list": ["{{ slots[0].label }}", 1], "missing": "<{{ nothing }}>"}},
    ]

    assert complete({}, static) == {
        "caller": "+13125550177",
        "deep": {"list": ["nine", 1], "missing": "<>"},
    }


def test_what_the_model_says_is_never_a_template() -> None:
    said = "{{ customer.number }}"

    assert complete({"note": said}, [{"key": "site", "value": "x"}]) == {"note": said, "site": "x"}


def test_entries_without_a_key_are_left_out() -> None:
    assert complete({"a": 1}, ["x", {}, {"key": "", "value": 1}, {"key": 3, "value": 1}, None]) == {"a": 1}
