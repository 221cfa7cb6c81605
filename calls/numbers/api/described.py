"""What `/phone-number` takes and answers."""

from dataclasses import replace
from typing import Final

from assistants.api.described import part_of
from calls.numbers.api.pages import ORDERS, SEARCH_MAX, SORTED_BY
from tools.access.described import (
    Operation,
    Parameter,
    Part,
    array,
    flag,
    integer,
    list_parameters,
    number,
    one_of,
    record,
    ref,
    text,
)

_PAGED: Final = Operation(
    "GET", "/v2/phone-number", "phone_number_page", "List phone numbers page by page", "phone-number:read",
    record({"results": array(ref("PhoneNumber")), "metadata": ref("Pages")}, required="results metadata"),
    query=list_parameters(
        Parameter("search", text(maxLength=SEARCH_MAX), "What the number or its name holds."),
        Parameter("page", number(minimum=1, default=1)),
        Parameter("sortOrder", one_of(ORDERS), "By when they were made; the newest first, if nothing is said."),
        Parameter("sortBy", one_of(SORTED_BY)),
    ),
)  # fmt: skip
_PAGES: Final = record(
    {
        "itemsPerPage": integer(),
        "totalItems": integer(),
        "currentPage": integer(),
        "totalPages": integer(),
        "hasNextPage": flag(),
        "sortOrder": one_of(ORDERS),
    },
    required="itemsPerPage totalItems currentPage totalPages hasNextPage sortOrder",
)
_NUMBERS: Final[Part] = part_of(
    "phone-number",
    "Phone numbers",
    "Numbers at Twilio, and who answers them. Which provider gets a number's calls is changed by a cutover alone, which people "
    "order in the admin.",
    example={
        "provider": "twilio",
        "number": "+13125550177",
        "twilioAccountSid": "AC" + "a1" * 16,
        "twilioAuthToken": "5f" * 16,
        "name": "Front desk",
    },
    change={"name": "Workshop"},
)
PHONE_NUMBERS: Final = replace(
    _NUMBERS, operations=(*_NUMBERS.operations, _PAGED), schemas={**_NUMBERS.schemas, "Pages": _PAGES}
)
