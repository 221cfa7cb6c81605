"""What the lint finds, where, and what it leaves alone."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistants.linting.lint import LintFinding, LintSubject, LintTool, Severity, instruction_budget, lint
from assistants.linting.templates import spoken_seconds, subject_tokens

FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures" / "vapi"
BOOK = LintTool("book_appointment", "Books one visit once the caller has agreed to it.")
FIND = LintTool("find_slots", "Lists free slots. Call it before offering any time.")


def found(**fields: Any) -> list[tuple[str, int, str, Severity]]:
    """The findings on such a subject, without their words."""
    return [(one.text, one.line, one.code, one.severity) for one in lint(LintSubject(**fields))]


def only(**fields: Any) -> LintFinding:
    """The one finding on such a subject."""
    (one,) = lint(LintSubject(**fields))
    return one


# Tools


@pytest.mark.parametrize(
    ("sentence", "advice"),
    [
        ("Then call bookAppointment.", "Did you mean book_appointment?"),
        ("Use `book_appointments` to book.", "Did you mean book_appointment?"),
        ("Check with check_availability first.", "Tools of this assistant: find_slots, book_appointment."),
        ("Run the refund_order tool.", "Tools of this assistant: find_slots, book_appointment."),
        ("cancelVisit()", "Tools of this assistant: find_slots, book_appointment."),
    ],
)
def test_a_tool_that_does_not_exist_is_found_with_its_line(sentence: str, advice: str) -> None:
    one = only(instructions=f"# Rules\nBe brief.\n{sentence}", tools=(FIND, BOOK))

    assert (one.text, one.line, one.code, one.severity) == ("Prompt", 3, "unknown_tool", Severity.MUST)
    assert one.suggestion == advice
    assert one.excerpt == sentence


@pytest.mark.parametrize(
    "prompt",
    [
        "Find a slot with find_slots before you offer a time.",
        "Ask for the order_id and the first_name of the caller.",
        "The iPhone repair takes an hour; eBay orders are not ours. YouTube has videos.",
        "Call {{ get_name }} by name. See https://example.com/book_visit for booking_rules.",
        "Use the right tool. Use the booking tool for slots.",
        "Say the value of slot_id.",
        "When several slots are free, offer two.",
    ],
)
def test_names_that_are_no_missing_tools_are_left_alone(prompt: str) -> None:
    find = replace(FIND, parameters={"properties": {"slot_id": {"type": "string"}}})
    subject = LintSubject(instructions=prompt, tools=(find, BOOK), known_variables=frozenset({"get_name"}))

    assert [one for one in lint(subject) if one.code == "unknown_tool"] == []


def test_a_tool_described_in_words_must_be_one_of_the_tools() -> None:
    one = only(instructions="Use the calendar tool to look.", tools=(BOOK,))

    assert (one.code, one.severity) == ("unknown_tool", Severity.SHOULD)
    assert "“calendar”" in one.sentence


def test_a_tool_without_a_when_points_at_the_vague_line() -> None:
    reserve = LintTool("reserveTable", "Reserves a table.")

    one = only(instructions="You are kind.\nYou help with reservations and orders.", tools=(reserve,))

    assert (one.text, one.line, one.code) == ("Prompt", 2, "tool_without_rule")
    assert "reserveTable" in one.sentence
    assert "You help with reservations" in one.sentence


@pytest.mark.parametrize(
    ("prompt", "tool"),
    [
        ("Before you name a price, call get_price.", LintTool("get_price", "Reads a price.")),
        ("", LintTool("get_price", "Reads a price. Use it when the caller asks what something costs.")),
        ("Transfer emergencies to the nurse at once.", LintTool("transferCall", "", kind="transferCall")),
        (
            "Sobald der Gast zustimmt, rufe reserveTable auf.",
            LintTool("reserveTable", "Reserviert einen Tisch."),
        ),
    ],
)
def test_a_tool_with_a_when_is_left_alone(prompt: str, tool: LintTool) -> None:
    assert found(instructions=prompt, tools=(tool,), language="") == []


def test_a_list_of_names_is_no_rule() -> None:
    assert found(instructions="Tools: get_price", tools=(LintTool("get_price", "Reads a price."),)) == [
        ("Tool get_price", 1, "tool_without_rule", Severity.SHOULD)
    ]


def test_always_and_never_about_one_tool_contradict_each_other() -> None:
    prompt = "Always call find_slots.\nBe kind.\nNever call find_slots."

    one = only(instructions=prompt, tools=(FIND,))

    assert (one.line, one.code, one.severity) == (3, "conflicting_rules", Severity.MUST)
    assert "line 1" in one.sentence


def test_always_and_never_with_conditions_do_not() -> None:
    prompt = "Always call find_slots when a time is asked for.\nNever call find_slots after the booking."

    assert found(instructions=prompt, tools=(FIND,)) == []


def test_a_sentence_that_stands_twice_is_found() -> None:
    prompt = "Never give medical advice.\n\n- Never give medical advice!"

    assert found(instructions=prompt) == [("Prompt", 3, "repeated_rule", Severity.CONSIDER)]


def test_a_step_that_comes_again_in_a_script_is_no_repeated_rule() -> None:
    assert (
        found(instructions="1. Wait for the caller's answer.\n2. Be kind.\n3. Wait for the caller's answer.")
        == []
    )


def test_one_rule_finds_no_more_than_people_read() -> None:
    prompt = "\n".join(f"Call get_thing_{place}." for place in range(80))

    assert len(found(instructions=prompt)) == 50


def test_too_many_tools_two_of_one_name_and_long_or_missing_descriptions_are_found() -> None:
    many = tuple(LintTool(f"tool{place}", "Use it when asked.") for place in range(21))
    assert found(tools=many) == [("Prompt", 1, "many_tools", Severity.SHOULD)]
    assert ("Tool find_slots", 1, "same_name", Severity.MUST) in found(tools=(FIND, FIND))
    assert found(tools=(LintTool("a", "when " * 200),)) == [
        ("Tool a", 1, "long_description", Severity.SHOULD)
    ]
    assert found(tools=(LintTool("a", "when " * 199),)) == []
    assert ("Tool a", 1, "no_description", Severity.SHOULD) in found(tools=(LintTool("a"),))


# Templates and sizes


def test_faulty_templates_and_names_without_a_value_are_found_in_every_text() -> None:
    assert found(
        instructions="Hello\n{{ clinicName }} {{ customer.number }} {{ x | default: 'y' }}{% if z %}{% endif %}",
        first_message="{{ custmer.number }}",
        end_call_message="Bye {{ customer.name",
        voicemail_message="{{ customer.name }} {{ transcript }}",
        idle_messages=("ok", "{{ a | shout }}"),
        known_variables=frozenset({"a"}),
    ) == [
        ("Last message", 1, "template_error", Severity.MUST),
        ("Prompt", 2, "undefined_variable", Severity.SHOULD),
        ("First message", 1, "undefined_variable", Severity.SHOULD),
        ("Voicemail message", 1, "undefined_variable", Severity.SHOULD),
        ("Idle message 2", 1, "template_error", Severity.SHOULD),
        ("Voicemail message", 1, "undefined_variable", Severity.CONSIDER),
    ]


def test_a_name_that_a_tool_teaches_has_its_value_in_messages_of_tools_and_not_where_the_call_begins() -> (
    None
):
    taught = {"taught_variables": frozenset({"slot"})}

    assert found(tool_messages=(("Message of book", "{{ slot.day }}"),), **taught) == []
    assert found(instructions="{{ slot.day }}", **taught) == [
        ("Prompt", 1, "undefined_variable", Severity.CONSIDER)
    ]
    assert only(instructions="{{ slot }}", **taught).sentence.startswith("“slot” has its value once a tool")
    assert found(tool_messages=(("Message of book", "{{ nobody }}\n{{ oh no }}"), ("x", "{{ y }}"))) == [
        ("Message of book", 2, "template_error", Severity.MUST),
        ("x", 1, "undefined_variable", Severity.SHOULD),
    ]


def test_a_near_miss_of_a_variable_is_offered() -> None:
    assert only(first_message="{{ custmer.number }}").suggestion == "Did you mean customer.number?"


def test_a_prompt_beyond_the_window_must_be_shortened_and_a_long_one_should() -> None:
    words = "word " * 12_000  # 60,000 letters

    assert found(instructions=words) == [("Prompt", 1, "too_long", Severity.MUST)]
    assert found(instructions=words, budget_tokens=48_000) == [("Prompt", 1, "long_prompt", Severity.SHOULD)]
    assert found(instructions=words[:20_000]) == []


def test_tools_count_in_the_size_too() -> None:
    tools = (LintTool("a", "Use it when asked.", {"properties": {"x": {"description": "d" * 40_000}}}),)

    assert subject_tokens(LintSubject(tools=tools)) > 10_000
    assert found(tools=tools) == [("Prompt", 1, "long_prompt", Severity.SHOULD)]


def test_the_budget_is_the_models() -> None:
    assert instruction_budget("gpt-realtime-2.1-mini") > instruction_budget("gpt-realtime-1.5") == 16_384
    assert instruction_budget("gpt-realtime-2025-08-28") == 16_384


def test_a_first_message_above_twenty_seconds_is_too_long() -> None:
    assert found(first_message="word " * 51) == [("First message", 1, "long_first_message", Severity.SHOULD)]
    assert found(first_message="word " * 49) == []
    assert spoken_seconds("こんにちは。ご予約ですか") > 1.5


# Speech


@pytest.mark.parametrize(
    ("sentence", "code", "severity"),
    [
        ("Say <break time='1s'/> now.", "ssml", Severity.MUST),
        ("Begin with [laughs] please.", "audio_tag", Severity.SHOULD),
        ("Pronounce Nguyen as win.", "pronunciation", Severity.CONSIDER),
        ("Our code is A-C-M-E.", "pronunciation", Severity.CONSIDER),
        ("Our line is five five five, one two.", "pronunciation", Severity.CONSIDER),
        ("Write dashes - - - like so.", "pronunciation", Severity.CONSIDER),
        ('Use "..." for pauses.', "pronunciation", Severity.CONSIDER),
        ("Format your answer as JSON.", "text_only", Severity.SHOULD),
        ("Use bullet points for times.", "text_only", Severity.SHOULD),
        ("Ask them to click the link below.", "text_only", Severity.SHOULD),
        ("See the list above.", "text_only", Severity.SHOULD),
        ("Answer questions in the chat.", "text_only", Severity.SHOULD),
        ("Write short replies.", "text_only", Severity.SHOULD),
        ("Ask them to type in their number.", "text_only", Severity.SHOULD),
        ("Keep it under 300 characters.", "text_only", Severity.SHOULD),
        ("|---|---|", "markdown", Severity.CONSIDER),
        ("See [our page](https://x.example).", "markdown", Severity.CONSIDER),
        ("Important 🚨", "emoji", Severity.CONSIDER),
        ("Send them an email.", "impossible", Severity.SHOULD),
        ("Transfer angry callers to a manager.", "impossible", Severity.SHOULD),
        ("Hang up at the end.", "impossible", Severity.SHOULD),
        ("Show the caller the menu.", "impossible", Severity.SHOULD),
        ("Ask for the order number.", "numbers", Severity.CONSIDER),
        ("We open at 17:00.", "numbers", Severity.CONSIDER),
    ],
)
def test_what_a_voice_cannot_do_is_found_on_its_line(sentence: str, code: str, severity: Severity) -> None:
    one = only(instructions=f"Be brief.\r\n\r\n{sentence}\r\nBe kind.")

    assert (one.text, one.line, one.code, one.severity) == ("Prompt", 3, code, severity)
    assert one.sentence
    assert one.suggestion


@pytest.mark.parametrize(
    "prompt",
    [
        "# Role\n\n- **Be brief.**\n- One question at a time.\n\n## Style\n1. Short sentences.",
        "Never use bullet points or emojis. Do not answer in markdown.",
        "Ask what type of visit it is. Write nothing down that is private.",
        "<role>You are a host.</role>",
        "Say the order number digit by digit.",
        "Do not hang up on people. Never transfer callers to the doctor.",
        "If they ask... well, be patient.",
        "A follow-up check-in is free. State-of-the-art care.",
    ],
)
def test_good_prompts_are_left_alone(prompt: str) -> None:
    assert found(instructions=prompt) == []


def test_what_a_tool_can_do_is_not_impossible() -> None:
    tools = (
        LintTool("send_sms", "Sends a text message when the caller wants the details.", kind="sms"),
        LintTool("transferCall", "", kind="transferCall"),
        LintTool("endCall", "", kind="endCall"),
    )
    prompt = "Send them a text message when they ask. Transfer angry callers to a manager. Hang up after the goodbye."

    assert found(instructions=prompt, tools=tools) == []


def test_markdown_and_emoji_in_what_is_said_are_found() -> None:
    assert found(first_message="Hello!\n- **One**\n👋", end_call_message="Bye...") == [
        ("First message", 2, "markdown", Severity.SHOULD),
        ("First message", 2, "markdown", Severity.SHOULD),
        ("First message", 3, "emoji", Severity.SHOULD),
        ("Last message", 1, "pronunciation", Severity.CONSIDER),
    ]


# Languages


@pytest.mark.parametrize(
    ("prompt", "language", "code"),
    [
        ("Be kind.\nAlways answer in Spanish.", "en", "language_conflict"),
        ("Be kind.\nResponde siempre en español.", "en", "language_conflict"),
        ("Antworte auf Deutsch.\nSpeak only English.", "de", "two_languages"),
    ],
)
def test_languages_at_odds_are_found(prompt: str, language: str, code: str) -> None:
    one = only(instructions=prompt, language=language)

    assert (one.line, one.code, one.severity) == (2, code, Severity.MUST)


@pytest.mark.parametrize(
    "prompt",
    [
        "Always answer in English.",
        "If the caller prefers it, speak Spanish.",
        "Speak English unless the caller uses Spanish.",
        "You can speak English or Spanish.",
        "Never answer in Spanish.",
        "We sell Spanish wine and French cheese.",
    ],
)
def test_a_choice_of_languages_is_no_conflict(prompt: str) -> None:
    assert found(instructions=prompt) == []


def test_a_text_in_another_language_than_the_setting_is_found() -> None:
    german = "Guten Tag, hier ist die Praxis. Wie kann ich Ihnen helfen? Sie sprechen mit der KI."

    assert found(first_message=german) == [("First message", 1, "language_conflict", Severity.SHOULD)]
    assert found(first_message=german, language="de") == []


def test_an_english_prompt_for_german_callers_must_say_so_somewhere() -> None:
    prompt = (
        "You answer the phone for the bakery. Be kind with the callers and do not give out our prices, please. "
        * 2
    )
    prompt = prompt.strip().replace("please. You", "please.\nThen you")

    assert ("Prompt", 1, "language_unsaid", Severity.CONSIDER) in found(instructions=prompt, language="de")
    assert found(instructions=f"{prompt}\nSpeak German.", language="de") == found(
        instructions=prompt, language="en"
    )


# Whole assistants


def test_the_clinics_export_has_six_findings_and_each_is_right() -> None:
    exported = json.loads((FIXTURES / "assistant-clinic.json").read_text())
    stored = {tool["id"]: tool for tool in json.loads((FIXTURES / "tools.json").read_text())}
    listed = [*exported["model"]["tools"], *(stored[one] for one in exported["model"]["toolIds"])]

    subject = LintSubject(
        instructions=exported["model"]["messages"][0]["content"],
        first_message=exported["firstMessage"],
        end_call_message=exported["endCallMessage"],
        tools=tuple(_of_vapi(tool) for tool in listed),
    )

    assert [(one.text, one.line, one.code) for one in lint(subject)] == [
        ("Prompt", 2, "undefined_variable"),
        ("First message", 1, "undefined_variable"),
        ("Tool endCall", 1, "tool_without_rule"),
        ("Tool log_complaint", 1, "tool_without_rule"),
        ("Tool lookup_patient", 1, "tool_without_rule"),
        ("Tool search_policies", 1, "tool_without_rule"),
    ]


def _of_vapi(tool: dict[str, Any]) -> LintTool:
    function = tool.get("function", tool)
    return LintTool(function.get("name", tool["type"]), function.get("description", ""), kind=tool["type"])


PIECES = st.sampled_from(
    ["{{", "}}", "{% if a %}", "{% endif %}", "find_slots", "findSlot", "`x`", "call ", "never ", "Always ", "\n", "\r\n", "\u2028",
     "\x85", "\x0c", "Speak Spanish. ", "<break/>", "[laughs]", "...", " - - ", "|---|", "# ", "**b** ", "👋", "A-B-C", "17:00",
     "Use the x tool. ", "send an email ", "hang up ", "if ", "\u017fpanish", "speak \u017fpanish", "[a](b)", "\x00", "click here ", "."]
)  # fmt: skip
TEXT = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60)


@settings(max_examples=120, deadline=None)
@given(TEXT, TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=3), st.sampled_from(["en", "de", "", "xx"]))
def test_lint_never_raises_and_its_lines_are_in_its_texts(
    prompt: str, first: str, idle: str, tools: list[tuple[str, str]], language: str
) -> None:
    subject = LintSubject(
        instructions=prompt,
        first_message=first,
        idle_messages=(idle,),
        tools=(FIND, *(LintTool(name, description) for name, description in tools)),
        language=language,
    )
    lines = {label: text.count("\n") + 1 for label, text in subject.texts}

    for one in lint(subject):
        assert 1 <= one.line <= lines.get(one.text, 1)
        assert one.sentence.endswith((".", "?", "!", "”"))
        assert "\n" not in one.excerpt
        assert len(one.excerpt) <= 120


def test_a_long_text_is_looked_at_in_a_moment() -> None:
    text = "Always call find_slots - - before you ... offer five five five a time {{ x }}. " * 2000
    began = time.perf_counter()

    lint(LintSubject(instructions=text, tools=(FIND, BOOK)))

    assert time.perf_counter() - began < 60  # in proportion it is about one; squared it is minutes
