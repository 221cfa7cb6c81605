"""A table of numbers and assistants."""

import uuid

import pytest

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.cutover.assignments import TableError, assignments_apply, assignments_try
from calls.models import CutoverEvent, PhoneNumber
from calls.tests.factories import make_phone_number

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> Assistant:
    return make_assistant(name="Front desk", published=True)


@pytest.fixture
def numbers() -> list[PhoneNumber]:
    return [make_phone_number(did=f"+1202555010{digit}") for digit in range(3)]


def fates(content: str | bytes) -> list[tuple[int, str, str]]:
    found = assignments_try(content if isinstance(content, bytes) else content.encode())
    return [(line.line, line.fate, line.message) for line in found.lines]


@pytest.mark.parametrize(
    "content",
    [
        b"number,assistant\n+12025550100,Front desk\n",
        b"\xef\xbb\xbfDID;Assistant\r\n+12025550100;front  DESK\r\n",
        b"assistant\tlabel\tphone number\nFront desk\tx\t+1 (202) 555-0100\n",
        b"+12025550100,Front desk",
        b"12025550100;Front desk;whatever\n",
        b'"+12025550100","Front desk"\n\n,\n',
        b"0012025550100,Front desk\n",
        "number,assistant\n+12025550100,Front desk\n".encode("utf-16"),
        "'+12025550100,Front\u00a0desk\n".encode("cp1252"),
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(
    content: bytes, desk: Assistant, numbers: list[PhoneNumber]
) -> None:
    found = assignments_try(content)

    assert [(line.fate, line.did, line.assistant) for line in found.lines] == [
        ("assign", "+12025550100", "Front desk")
    ]
    assert PhoneNumber.objects.filter(assistant__isnull=False).count() == 0


def test_every_line_has_its_fate(desk: Assistant, numbers: list[PhoneNumber]) -> None:
    make_assistant(name="Twin")
    make_assistant(name="twin")
    PhoneNumber.objects.filter(pk=numbers[1].pk).update(assistant=desk)
    table = "\n".join(
        [
            "number,assistant",
            f"+12025550100,{desk.pk}",
            "+12025550101,Front desk",
            "+12025550102,Nobody of that name",
            f"+12025550199,{desk.pk}",
            "hello,Front desk",
            "+12025550102,Twin",
            "1.20256E+10,Front desk",
            ",Front desk",
            "+12025550102,",
            "+12025550100,Front desk",
            f"+12025550102,{uuid.uuid4()}",
        ]
    )

    told = fates(table)

    assert [(line, fate) for line, fate, _ in told] == [
        (2, "assign"), (3, "same"), (4, "error"), (5, "error"), (6, "error"), (7, "error"),
        (8, "error"), (9, "error"), (10, "error"), (11, "same"), (12, "error"),
    ]  # fmt: skip
    texts = [message for _, _, message in told]
    assert texts[0] == "From nobody to Front desk."
    assert "no assistant “Nobody of that name”" in texts[2]
    assert "not in Tandem" in texts[3]
    assert "no telephone number" in texts[4]
    assert "2 assistants are named “Twin”" in texts[5]
    assert "rounded it" in texts[6]
    assert texts[9] == "Says the same as line 2."


def test_a_number_given_to_two_assistants_is_an_error(desk: Assistant, numbers: list[PhoneNumber]) -> None:
    make_assistant(name="Sales")

    told = fates("+12025550100,Front desk\n+12025550100,Sales\n")

    assert told[1] == (2, "error", "Line 1 gives this number to another assistant.")


def test_an_assistant_that_cannot_answer_is_said(numbers: list[PhoneNumber]) -> None:
    make_assistant(name="Draft")

    assert "never published" in fates("+12025550100,Draft\n")[0][2]


def test_with_one_error_nothing_is_assigned(desk: Assistant, numbers: list[PhoneNumber]) -> None:
    found = assignments_apply(
        b"+12025550100,Front desk\n+12025550101,Nobody\n", reason="new desk", actor_label="test"
    )

    assert not found.applied
    assert len(found.errors) == 1
    assert PhoneNumber.objects.filter(assistant__isnull=False).count() == 0
    assert not CutoverEvent.objects.exists()


def test_a_good_table_is_assigned_and_told(desk: Assistant, numbers: list[PhoneNumber]) -> None:
    found = assignments_apply(
        b"+12025550100,Front desk\n+12025550101,Front desk\n", reason="new desk", actor_label="test"
    )

    assert found.applied
    assert list(PhoneNumber.objects.order_by("did").values_list("assistant__name", flat=True)) == [
        "Front desk",
        "Front desk",
        None,
    ]
    event = CutoverEvent.objects.get(number=numbers[1])
    assert (event.kind, event.actor_label, event.reason) == (
        "assigned",
        "test",
        "new desk (line 2 of a table)",
    )
    assert (event.before, event.after) == ({"assistant": ""}, {"assistant": "Front desk"})
    again = assignments_apply(b"+12025550100,Front desk\n", reason="again", actor_label="test")
    assert [line.fate for line in again.lines] == ["same"]
    assert CutoverEvent.objects.count() == 2


def test_two_thousand_lines_are_assigned(desk: Assistant) -> None:
    PhoneNumber.objects.bulk_create(PhoneNumber(did=f"+1202{5550000 + serial}") for serial in range(2000))
    table = "".join(f"+1202{5550000 + serial};Front desk\n" for serial in range(2000))

    found = assignments_apply(table.encode(), reason="all of them", actor_label="test")

    assert len(found.changes) == 2000
    assert PhoneNumber.objects.filter(assistant=desk).count() == CutoverEvent.objects.count() == 2000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"number\n+12025550100\n", "names one column"),
        (b"\x89PNG\0\0\0\0", "no text"),
        (b"a" * (4 * 1024 * 1024 + 1), "larger than"),
        (b"+1,x\n" * 20_001, "more than 20000 lines"),
        (b'+12025550100,"' + b"x" * 200_000, "Line 1 cannot be read"),
    ],
)
def test_what_is_no_table_is_said(content: bytes, said: str) -> None:
    with pytest.raises(TableError, match=said):
        assignments_try(content)
