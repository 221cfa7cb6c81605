import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.schemas import legal_tool_name
from tools.schemas.names import is_legal_name, property_names


@pytest.mark.parametrize(
    ("name", "taken", "legal"),
    [
        ("find_slots", [], "find_slots"),
        ("find_slots", ["find_slots"], "find_slots_2"),
        ("find_slots", ["find_slots", "find_slots_2"], "find_slots_3"),
        ("Find slots!", [], "Find_slots"),
        ("Größe & Café", [], "Grosse_Cafe"),
        ("性别", [], "tool"),
        ("", ["tool"], "tool_2"),
        ("n" * 400, [], "n" * 64),
        ("n" * 400, ["n" * 64], "n" * 62 + "_2"),
    ],
)
def test_a_tool_name_becomes_legal_free_and_readable(name: str, taken: list[str], legal: str) -> None:
    assert legal_tool_name(name, taken) == legal


@given(st.text(), st.lists(st.sampled_from(["tool", "tool_2", "a", "a_2"])))
def test_any_text_becomes_a_name_that_is_free(name: str, taken: list[str]) -> None:
    legal = legal_tool_name(name, taken)

    assert is_legal_name(legal)
    assert legal not in taken
    assert legal_tool_name(name, taken) == legal


@given(st.lists(st.text(alphabet="a._ é", max_size=4), unique=True))
def test_properties_get_different_names_and_keep_legal_ones(names: list[str]) -> None:
    shown = property_names(names)

    assert len(set(shown.values())) == len(names)
    assert all(is_legal_name(name) for name in shown.values())
    assert all(shown[name] == name for name in names if is_legal_name(name))
