"""Whatever JSON an export holds, it is translated, and each leaf has one verdict."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.tests.vapi.cases import (
    CATALOGUE,
    SECRETIVE,
    all_drafts,
    assert_each_leaf_once,
    assert_our_models_take_it,
    drafts,
    export,
    fixture,
)
from assistants.vapi.translate import translate

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "system",
            "assistant",
            "function",
            "handoff",
            "{{x}}",
            "https://x.example",
            "a1",
            "a2",
            "a\x00\ud800",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["type", "name", "function", "server", "members", "[0]", "a.b", "model"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
WHOLE = {
    "assistants": [fixture("assistant-clinic.json"), fixture("assistant-restaurant.json"), SECRETIVE],
    "tools": fixture("tools.json"),
    "squads": [fixture("assistant-squad.json")],
    "numbers": [
        {
            "id": "n",
            "provider": "twilio",
            "number": "+13125550100",
            "assistantId": "x",
            "hooks": [{"on": "call.ringing", "do": []}],
        }
    ],
}


def containers(value: Any) -> list[Any]:
    """Everything in which something can be changed, but for the lists of objects themselves."""
    found = [value] if isinstance(value, dict | list) and value else []
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += containers(item)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, list[Any]]:
    """The fixtures, with parts replaced, taken out, doubled or moved."""
    whole = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(1, 4))):
        objects = [one for group in whole.values() for one in group]
        places = containers(draw(st.sampled_from(objects)))
        if not places:
            continue
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        match draw(st.sampled_from(["replace", "replace", "remove", "double", "move"])):
            case "replace":
                place[key] = draw(JSON)
            case "remove":
                del place[key]
            case "double" if isinstance(place, list):
                place.append(copy.deepcopy(place[key]))
            case "double":
                place[draw(st.text(max_size=5))] = copy.deepcopy(place[key])
            case _:
                other = draw(st.sampled_from(places))
                if isinstance(other, dict):
                    other[draw(st.sampled_from(["model", "tools", "server", "x"]))] = copy.deepcopy(
                        place[key]
                    )
    return whole


@settings(max_examples=30)
@given(mutated())
def test_whatever_an_export_holds_it_is_translated_and_each_leaf_has_one_verdict(
    whole: dict[str, list[Any]],
) -> None:
    found = translate(export(**whole), CATALOGUE, known_tools={}, known_assistants={})

    assert len(found.tools) >= 5
    for draft in all_drafts(found):
        assert_each_leaf_once(draft)
    assert_our_models_take_it(found)
    assert len({one.name for one in found.assistants}) == len(found.assistants)
    names = {one.key: one.name for one in found.tools}
    for one in found.assistants:
        offered = [names[key] for key in one.tools]
        assert len(offered) == len(set(offered))


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["model", "id", "hooks", "type", "members", "number"]),
        JSON,
        max_size=5,
    )
)
def test_any_object_is_translated_as_anything(raw: dict[str, Any]) -> None:
    found = drafts(assistants=[raw], tools=[raw], squads=[raw], numbers=[raw])

    for draft in all_drafts(found):
        assert_each_leaf_once(draft)
    assert_our_models_take_it(found)
