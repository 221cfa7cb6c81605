import pytest

from simulator import scenario
from simulator.dialogue import Dialogue, Stimulus
from simulator.scenario import ScenarioError


@pytest.mark.parametrize("name", scenario.names())
def test_every_story_can_be_played_and_says_what_it_is(name: str) -> None:
    story = scenario.load(name)

    assert story.about.endswith(".")
    assert story.caller
    assert story.assistant


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"colour": "red"}, "unknown Scenario keys"),
        ({"extends": "nothing"}, "there is no scenario 'nothing'"),
        ({"caller": [{"say": "a", "hang_up": True}]}, "either says, presses or hangs up"),
        ({"caller": [{"say": "a", "when": {"noon": 1}}]}, "unknown When keys"),
        ({"assistant": [{"call": {"arguments": {}}}]}, "Request needs"),
    ],
)
def test_malformed_stories_say_what_is_wrong(told: dict[str, object], complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        scenario.parse({"name": "x", **told})


def plan_of(
    *told: Stimulus, rules: list[dict[str, object]], instructions: str | None = None
) -> tuple[str, ...]:
    dialogue = Dialogue(scenario.parse({"name": "x", "assistant": rules}))
    plan = dialogue.plan(told, instructions=instructions, offered={"a"}, may_call=True, first=False)
    return (*plan.say, *(name for name, _ in plan.calls))


def test_templates_quote_the_tools_output() -> None:
    rules: list[dict[str, object]] = [{"tool": "a", "say": "It is {status}, on {day}."}]

    assert plan_of(Stimulus("tool", '{"status":"ready"}', tool="a"), rules=rules) == (
        "It is ready, on unknown.",
    )


def test_only_offered_tools_are_called() -> None:
    rules: list[dict[str, object]] = [{"caller": "hi", "call": [{"name": ["b", "a"]}, {"name": "c"}]}]

    assert plan_of(Stimulus("caller", "Hi!"), rules=rules) == ("a",)


def test_an_exact_sentence_is_said_exactly() -> None:
    text = "Say exactly this sentence and nothing else: Ready at 9:30, isn't it?"

    assert plan_of(Stimulus("caller", "Hi!"), rules=[], instructions=text) == ("Ready at 9:30, isn't it?",)


def test_an_unused_rule_comes_before_a_used_one() -> None:
    rules = [{"caller": "hi", "say": "One."}, {"caller": "hi", "say": "Two."}]
    dialogue = Dialogue(scenario.parse({"name": "x", "assistant": rules}))
    hi = [Stimulus("caller", "hi")]

    said = [
        dialogue.plan(hi, instructions=None, offered=(), may_call=True, first=False).say for _ in range(3)
    ]

    assert said == [("One.",), ("Two.",), ("One.",)]
