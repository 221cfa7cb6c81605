"""`GET /v2/phone-number`: pages of the numbers, and what is said of all of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from assistants.models import VapiImport, VapiObject
from calls.models import NumberServer, PhoneNumber
from calls.tests.factories import make_phone_number
from calls.tests.numbers.api.test_numbers import program
from tools.tests.access.program import Program
from tools.tests.vapi_schema import complaints

__all__ = ["program"]
pytestmark = pytest.mark.django_db

PATH = "/v2/phone-number"


@pytest.fixture
def numbers() -> list[PhoneNumber]:
    """Five numbers, the oldest first, one of them an address of SIP that became no number here."""
    made = [make_phone_number(did=f"+1312555010{n}", label=f"Line {n}") for n in range(4)]
    for n, one in enumerate(made):  # lists tell, and sort by, milliseconds
        PhoneNumber.objects.filter(pk=one.pk).update(created_at=timezone.now() - timedelta(minutes=4 - n))
    long_ago = "2020-01-01T00:00:00.000Z"
    sip = {"id": "sip-1", "provider": "vapi", "sipUri": "sip:desk@sip.vapi.ai", "createdAt": long_ago}
    run = VapiImport.objects.create(source="x", status=VapiImport.Status.DONE)
    VapiObject.objects.create(
        kind="phone-number",
        key="sip-1",
        name="Desk",
        raw=sip,
        base={},
        last_import=run,
        imported_at=timezone.now(),
    )
    return made


def ids(page: dict[str, Any]) -> list[str]:
    return [one["id"] for one in page["results"]]


def test_pages_follow_each_other_without_a_gap(program: Program, numbers: list[PhoneNumber]) -> None:
    pages = [program.ask("GET", f"{PATH}?limit=2&page={n}") for n in (1, 2, 3, 4)]

    assert [one for page in pages for one in ids(page)] == [
        *(str(one.pk) for one in reversed(numbers)),
        "sip-1",
    ]
    assert [page["metadata"]["hasNextPage"] for page in pages] == [True, True, False, False]
    assert pages[0]["metadata"] == {
        "itemsPerPage": 2,
        "totalItems": 5,
        "currentPage": 1,
        "totalPages": 3,
        "hasNextPage": True,
        "sortOrder": "DESC",
    }
    assert complaints("PaginationMeta", pages[0]["metadata"]) == []
    assert pages[0]["results"] == program.ask("GET", "/phone-number?limit=2")


def test_a_page_is_searched_and_sorted(program: Program, numbers: list[PhoneNumber]) -> None:
    assert ids(program.ask("GET", f"{PATH}?sortOrder=ASC&limit=2&sortBy=createdAt")) == [
        "sip-1",
        str(numbers[0].pk),
    ]
    assert ids(program.ask("GET", f"{PATH}?search=line%202")) == [str(numbers[2].pk)]
    assert ids(program.ask("GET", f"{PATH}?search=%2B13125550101")) == [str(numbers[1].pk)]
    assert ids(program.ask("GET", f"{PATH}?search=sip.vapi")) == ["sip-1"]
    assert program.ask("GET", f"{PATH}?createdAtLt=2021-01-01")["metadata"]["totalItems"] == 1
    nothing = program.ask("GET", f"{PATH}?limit=0")
    assert (nothing["results"], nothing["metadata"]["totalPages"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("page=0", "page must not be less than 1"),
        ("page=1.5", "page must be a number conforming to the specified constraints"),
        ("page=nan", "page must be a number conforming to the specified constraints"),
        ("page=1e400", "page must be a number conforming to the specified constraints"),
        ("limit=1001", "limit must not be greater than 1000"),
        ("sortOrder=up", "sortOrder must be one of the following values: ASC, DESC"),
        ("sortBy=cost", "sortBy must be one of the following values: createdAt"),
        ("search=" + "x" * 101, "search must be shorter than or equal to 100 characters"),
        ("search=%00", "search must not hold a null character"),
        ("createdAtGt=soon", "createdAtGt must be a valid ISO 8601 date string"),
        ("foo=1", "property foo should not exist"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(program: Program, query: str, told: str) -> None:
    assert program.ask("GET", f"{PATH}?{query}", status=400)["message"] == [told]


def test_a_page_far_behind_the_last_is_empty(program: Program, numbers: list[PhoneNumber]) -> None:
    assert program.ask("GET", f"{PATH}?page=1e30")["results"] == []


def test_a_numbers_server_on_another_host_gets_no_secret_of_the_former(program: Program) -> None:
    number = make_phone_number(did="+13125550101")
    server = {"url": "https://desk.example.com/a", "secret": "s3cret", "headers": {"X-Api-Key": "k3y"}}
    program.ask("PATCH", f"/phone-number/{number.pk}", {"server": server})
    program.ask("PATCH", f"/phone-number/{number.pk}", {"server": {"url": "https://desk.example.com/b"}})
    assert NumberServer.objects.get().server_secret == "s3cret"

    program.ask("PATCH", f"/phone-number/{number.pk}", {"server": {"url": "https://evil.example.org"}})

    row = NumberServer.objects.get()
    assert (row.server_url, row.server_secret, row.server_headers) == ("https://evil.example.org", "", "")
