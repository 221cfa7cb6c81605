"""Templates as LiquidJS renders them. Expected texts were compared with LiquidJS itself."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.liquid import (
    LONGEST_TEXT,
    Rendered,
    Use,
    render,
    template_problems,
    template_variables,
    variable_uses,
)

NOW = datetime(2026, 11, 22, 10, 59, 21, 193000, tzinfo=UTC)


def text(template: str, **variables: Any) -> str:
    """The rendered text, which must have no error."""
    rendered = render(template, variables, now=NOW)
    assert rendered.error == ""
    return rendered.text


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{{"now" | date: "%A, %B %d, %Y, %I:%M %p", "America/Los_Angeles"}}', "Sunday, November 22, 2026, 02:59 AM"),
        ("{{'now' | date: '%H:%M', 'Europe/London'}}", "10:59"),
        ('{{ "today" | date: "%e|%l|%P|%-d|%_m|%^a|%j|%05d|%b %-d" }}', "22|10|am|22|11|SUN|326|00022|Nov 22"),
        ('{{"now" | date: "%c|%x|%X|%q|%s|%3N|%U|%W|%u|%w|%C|%h|%y", "America/Chicago"}}',
         "11/22/2026, 4:59:21 AM|11/22/2026|4:59:21 AM|nd|1795345161|193|47|46|7|0|20|Nov|26"),
        ('{{"now" | date: "%z %:z %Z %%", "America/Chicago"}}', "-0600 -06:00 America/Chicago %"),
        ('{{"now" | date: "%F %D %R %G" }}', "%F %D %R %G"),
        ('{{ "now" | date }}', "Sunday, November 22, 2026 at 10:59 am +0000"),
        ('{{ "2026-06-11T14:30:00Z" | date: "%I:%M %p %z", "America/Chicago" }}', "09:30 AM -0500"),
        ('{{ "2026-06-11" | date: "%a %-d %b" }}', "Thu 11 Jun"),
        ('{{ "June 11, 2026" | date: "%d" }}{{ "tomorrow" | date: "%d" }}', "11tomorrow"),
        ('{{ 1700000000 | date: "%Y", 360 }} {{ "1700000000" | date: "%H %z", 360 }}', "2023 16 -0600"),
    ],
)  # fmt: skip
def test_dates_are_written_as_liquidjs_writes_them(template: str, expected: str) -> None:
    assert text(template) == expected


def test_the_zone_moves_the_quoted_word_now_but_not_the_variable() -> None:
    template = '{{ "now" | date: "%H:%M", "Asia/Tokyo" }} {{ now | date: "%H:%M", "Asia/Tokyo" }} {{ now }}'

    assert text(template, now="Nov 22, 2026, 10:59 AM UTC") == "19:59 10:59 Nov 22, 2026, 10:59 AM UTC"


def test_an_unknown_time_zone_is_utc_and_noted() -> None:
    rendered = render('a\n{{ "now" | date: "%H", "Mars/Base" }}', {}, now=NOW)

    assert rendered == Rendered("a\n10", (), "Line 2: this date's time zone does not exist; UTC was used.")


@pytest.mark.parametrize(
    ("template", "variables", "expected"),
    [
        ("{{ customer.number }}{{ customer['number'] }}", {"customer": {"number": "+1"}}, "+1+1"),
        ("{{ $.slots[0].label }}", {"$": {"slots": [{"label": "Thu 9:30"}]}}, "Thu 9:30"),
        ("{% if $.patientId %}yes{% else %}no{% endif %}", {"$": {"patientId": "p-1"}}, "yes"),
        ("{% if $.patientId %}yes{% else %}no{% endif %}", {"$": {}}, "no"),
        ("{{ '$5' }} {{ $name }}", {"$name": "N"}, "$5 N"),
        ("{{ x }} {{ x[0] }} {{ x.last }} {{ x.size }} {{ x.0 }}", {"x": [1, None, "a", True]}, "1atrue 1 true 4 1"),
        ("{{ x | join: ', ' }}", {"x": [1, None, "a", [2, 3]]}, "1, , a, 23"),
        ("{{ a }}|{{ b }}|{{ c }}|{{ d }}", {"a": 3.0, "b": 1.5, "c": None, "d": False}, "3|1.5||false"),
        ("{{ f | append: '!' }}{{ 5 | divided_by: 2 }} {{ 4 | divided_by: 2 }} {{ 2.5 | round }}", {"f": 2.0}, "2!2.5 2 3"),
        ("{{ t | append: '!' }} {{ n | append: f }} {{ (1..3) | upcase }} {{ t | truncate: 3, '' }}", {"t": True, "n": None, "f": 1.5}, "true! 1.5 123 tru"),
        ("{{ x | json }}", {"x": {"a": 1, "b": [1, "ü"]}}, '{"a":1,"b":[1,"ü"]}'),
        ("{{ x | default: 'd' }}{{ y | default: 'd' }}{{ z | default: 'd' }}", {"x": "", "z": 0}, "dd0"),
        ("{{ 'héllo' | capitalize }} {{ ünï }} 日本", {"ünï": "ß"}, "Héllo ß 日本"),
        ("{{ '}}' }}", {}, "}}"),
        ("{%- assign a = 1 -%} {{- a -}} {% comment %}{{ x {% endcomment %}{% raw %}{{ x }}{% endraw %}{% # hm %}", {}, "1{{ x }}"),
        ("{% if a == 1 %}  {% endif %}|", {"a": 1}, "  |"),
        ("{% if '10' > 9 %}a{% endif %}{% if n <= '3' %}b{% endif %}{% if x > 1 %}c{% endif %}", {"n": 3}, "ab"),
        ("{% if x == blank %}a{% endif %}{% if y == empty %}b{% endif %}{% if x == empty %}c{% endif %}", {"y": []}, "ab"),
        ("{% if true == 1 %}a{% endif %}{% if x == nil %}b{% endif %}{% if not x %}c{% endif %}", {}, "bc"),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}{{ a | nofilter }}", {"a": "x"}, "123x"),
        ("no markup } { {x}", {}, "no markup } { {x}"),
    ],
)  # fmt: skip
def test_a_template_renders_as_in_liquidjs(template: str, variables: dict[str, Any], expected: str) -> None:
    assert text(template, **variables) == expected


def test_what_a_variable_holds_is_never_a_template() -> None:
    assert (
        text("Hello {{ name }}", name="{{ secret }}{% if x %}", secret="s") == "Hello {{ secret }}{% if x %}"
    )


def test_an_undefined_name_is_left_empty_and_listed_once() -> None:
    rendered = render("{{ a.b }}{{ a.b | upcase }}{{ c }}{{ d | date: '%Y' }}!", {"a": {}}, now=NOW)

    assert rendered == Rendered("!", ("a.b", "c", "d"))


def test_a_missing_name_is_given_as_written_never_with_a_value_in_it() -> None:
    template = "{{ prices[customer.number] }}{{ a['b'].c }}{{ [x] }}{{ $.d }}"
    variables = {"prices": {}, "customer": {"number": "+13125550177"}, "a": {}, "x": "+13125550177"}

    rendered = render(template, variables, now=NOW)

    assert rendered.undefined == ("prices[customer.number]", "a.b.c", "a computed name", "$.d")


def test_a_name_with_a_default_or_only_asked_about_is_not_missed() -> None:
    template = "{{ a | default: 'x' }}{% if b %}y{% endif %}{% for c in d %}{{ c }}{% endfor %}"

    assert render(template, {}, now=NOW) == Rendered("x")


@pytest.mark.parametrize(
    ("template", "line", "sentence"),
    [
        ("one\n{{ a", 2, "“{{” is never closed by “}}”."),
        ("{% if a %}\nx", 1, "“{% endif %}” is missing."),
        ("\n\n{{ first name }}", 3, "“name” does not belong here."),
        ("\n{{ a | }}\n\n", 2, "Something is missing between these brackets."),
        ("{% include 'x' %}", 1, "“{% include %}” is not known here."),
        ("{{ }}", 1, "Nothing between “{{” and “}}”."),
        ("{{ $a $b }}", 1, "“$b” does not belong here."),
        ("{% if a %}" * 40 + "{% endif %}" * 40, 1, "This is nested too deep."),
        ("{{ a }}" * 5001, 1, "More than 5,000 outputs and tags."),
        ("x" * 200_001 + "{{ a }}", 1, "A template may have 200,000 characters, this one has 200,008."),
    ],
)  # fmt: skip
def test_a_faulty_template_stays_as_it_stands_and_says_where(template: str, line: int, sentence: str) -> None:
    rendered = render(template, {"a": 1}, now=NOW)

    assert (rendered.text, rendered.undefined) == (template, ())
    assert rendered.error.lower() == f"line {line}: {sentence}".lower()
    assert template_problems(template) == [(line, sentence)]


def test_what_fails_with_these_values_is_left_out_and_the_rest_is_rendered() -> None:
    rendered = render("a\n{{ x | divided_by: 0 }}b", {"x": "four"}, now=NOW)

    assert rendered == Rendered("a\nb", (), "Line 2: this could not be worked out and was left empty.")


def test_filters_and_zones_that_do_not_exist_are_problems() -> None:
    template = "{{ a | upcase }}\n{{ a | shout }}{{ 'now' | date: '%H', 'Mars/Base' }}"

    assert template_problems(template) == [
        (2, "There is no filter “shout”; it is passed over."),
        (2, "“Mars/Base” is not a time zone; UTC is used."),
    ]


def test_the_variables_of_a_template_are_those_it_does_not_assign_itself() -> None:
    template = (
        "{% assign a = b.c %}{{ a }}{{ $.d }}{% for e in f %}{{ e }}{{ forloop.index }}{% endfor %}{{ b }}"
    )

    assert template_variables(template) == ("b", "$", "f")
    assert template_variables("{{ broken") == ()


def test_a_use_says_its_line_and_whether_it_can_do_without() -> None:
    template = "{{ a.b }}\n{{ c | default: 'x' }}{% if d %}{{ d }}{% endif %}"

    assert variable_uses(template) == (
        Use("a.b", 1, guarded=False),
        Use("c", 2, guarded=True),
        Use("d", 2, guarded=True),
        Use("d", 2, guarded=False),
    )


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in (1..999999999) %}x{% endfor %}",
        "{% for i in (1..9999) %}{% for j in (1..9999) %}{{ i }}{% endfor %}{% endfor %}",
        "{% for i in (1..200) %}{% endfor %}" * 2000,
        "{{ (1..999999999) | join: 'x' }}",
        "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..9000) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
        "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..9) %}{% assign s = s | replace: 'a', s %}{% endfor %}{{ s }}",
        "{% assign x = 3 %}{% for i in (1..900) %}{% assign x = x | times: x %}{% endfor %}{{ x }}",
        "{{ 'now' | date: '%999999999d' }}",
        "{{" + " " * 50_000 + "}}",
        "{{ '" * 40_000,
        "{% comment it's %}{% endcomment %}" * 4000,
        "{% tablerow i in (1..99999999) %}a{% endtablerow %}",
    ],
)
def test_no_template_runs_away(template: str) -> None:
    began = time.perf_counter()

    rendered = render(template, {}, now=NOW)

    assert time.perf_counter() - began < 30  # unbounded it is minutes, or for ever
    assert len(rendered.text.encode()) <= max(LONGEST_TEXT, len(template))


PIECES = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{%-", "-}}", " ", "\n", "a", "a.b", "$", "[0]", "'", '"', "|", ":", ",", "1", "date", "default",
     "if", "endif", "for", "in", "endfor", "else", "assign", "=", "==", ">", "blank", "raw", "endraw", "comment", "endcomment",
     "(1..3)", "(1..99999)", "times", "split", "join", "slice", "truncate", "now", "case", "when", "endcase", "liquid", "cycle",
     "sort", "map", "sum", "where", "first", "ü", "\x00", "break", "capture x", "endcapture", "tablerow i in a", "endtablerow",
     "{{ a | ", "{% if a ", "increment", "limit:", "reversed", "contains", "and", "not", "-1", "1e9", "%Y"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=80), VALUES)
def test_render_never_raises_and_is_bounded_whatever_the_template(template: str, value: Any) -> None:
    rendered = render(template, {"a": value, "$": value}, now=NOW)

    assert len(rendered.text.encode("utf-8", "surrogatepass")) <= LONGEST_TEXT + 4 * len(template)
    lines = template.count("\n") + 1
    assert all(1 <= line <= lines for line, _ in template_problems(template))
    assert all(1 <= use.line <= lines for use in variable_uses(template))


FILTERS = st.sampled_from(
    ["append", "at_least", "base64_decode", "ceil", "compact", "concat", "date", "default", "divided_by", "escape", "first",
     "floor", "has", "join", "json", "last", "map", "minus", "modulo", "plus", "reject", "replace", "reverse", "round", "size",
     "slice", "sort", "split", "squish", "strip_html", "sum", "times", "to_integer", "truncate", "truncatewords", "uniq",
     "upcase", "url_decode", "where", "array_to_sentence_string", "find", "sort_natural", "remove_last", "base64_encode"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(FILTERS, VALUES, st.lists(VALUES, max_size=3))
def test_no_filter_raises_whatever_it_is_given(name: str, value: Any, arguments: list[Any]) -> None:
    given_names = [f"x{place}" for place in range(len(arguments))]
    template = f"{{{{ v | {name}{': ' if given_names else ''}{', '.join(given_names)} }}}}"

    assert (
        render(template, {"v": value, **dict(zip(given_names, arguments, strict=True))}, now=NOW).text
        is not None
    )
