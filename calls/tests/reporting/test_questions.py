import re
from pathlib import Path

import pytest
from django.db import connection

from calls.reporting.odd_seeding import odd_calls_seed
from calls.reporting.questions import FOLDER, Question, dashboards
from calls.reporting.seeding import calls_seed

QUESTIONS = [question for board in dashboards() for question in board.questions]
FILE = """
key = "b"
name = "B"
about = "What it shows."
[[questions]]
key = "q"
name = "Q"
about = "What it tells."
display = "table"
at = [0, 0, 12, 4]
sql = "SELECT 1"
"""


def answer(question: Question) -> tuple[list[str], int]:
    with connection.cursor() as cursor:
        cursor.execute(question.sql)
        assert cursor.description is not None
        return [column.name for column in cursor.description], len(cursor.fetchall())


def test_all_dashboards_are_there() -> None:
    assert [board.name for board in dashboards()] == [
        "Calls today",
        "Quality",
        "Tools",
        "Vapi against us",
        "Drift and cutover",
        "Success",
    ]


@pytest.mark.django_db
def test_every_question_is_answered_on_an_empty_database() -> None:
    for question in QUESTIONS:
        answer(question)


@pytest.mark.django_db
def test_every_question_is_answered_on_many_and_odd_calls() -> None:
    calls_seed(300, turns=8, days=2)
    odd_calls_seed()

    empty = [question.key for question in QUESTIONS if not answer(question)[1]]

    assert empty == ["drift-rate"]  # there is no smoke test with a real model


@pytest.mark.django_db
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.key)
def test_a_chart_names_columns_that_its_answer_has(question: Question) -> None:
    columns, _ = answer(question)
    named = [*question.settings.get("graph.dimensions", []), *question.settings.get("graph.metrics", [])]

    assert set(named) <= set(columns)
    assert bool(named) == (question.display not in ("table", "scalar"))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.key)
def test_a_question_reads_views_of_a_limited_time_and_nothing_else(question: Question) -> None:
    assert set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+\.\w+|\w+)", question.sql)) <= {
        *re.findall(r"\breporting\.v_\w+", question.sql),
        "LATERAL",
        "answers",  # a question's own part
    }
    bounded = re.search(r"WHERE\s+(day|at|\w+_at) ?(>|=|>=) ?", question.sql)
    assert bounded or question.key == "cutover-events"
    assert "LIMIT" in question.sql or question.display != "table" or "GROUP BY 1" in question.sql
    assert not re.search(r"\{\{|\[\[|;|--", question.sql)  # Metabase reads these as its own


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('key = "q"', 'key = "b"', "used twice: b"),
        ("[0, 0, 12, 4]", "[0, 20, 12, 4]", "q stands outside"),
        ('"table"', '"pie"', "has the display pie"),
        ('about = "What it tells."\n', "", "about"),
        ('sql = "SELECT 1"', 'sql = "SELECT 1"\ncolour = "red"', "colour"),
        ("[[questions]]", "[[question]]", "questions"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, before: str, after: str, why: str) -> None:
    (tmp_path / "b.toml").write_text(FILE.replace(before, after, 1))

    with pytest.raises(ValueError, match=why):
        dashboards(tmp_path)


def test_questions_do_not_stand_on_each_other(tmp_path: Path) -> None:
    second = FILE.partition("[[questions]]")[2].replace('"q"', '"r"').replace("[0, 0,", "[3, 6,")
    (tmp_path / "b.toml").write_text(f"{FILE}[[questions]]{second}")

    with pytest.raises(ValueError, match="r stands on q"):
        dashboards(tmp_path)


def test_the_folder_holds_nothing_else() -> None:
    assert {path.suffix for path in FOLDER.iterdir()} == {".toml"}
