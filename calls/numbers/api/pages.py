"""Numbers page by page, as `GET /v2/phone-number` gives them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.db.models import Q, QuerySet

from calls.numbers.api.selectors import Line, lines_by_pk, numbers_known, sources_alone
from tools.access.errors import ApiError
from tools.access.lists import list_query, moment_text

PARAMETERS: Final = ("search", "page", "sortOrder", "sortBy")
ORDERS: Final = ("ASC", "DESC")
SORTED_BY: Final = ("createdAt",)
SEARCH_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the numbers that were asked for, and what is to be said of all of them, in Vapi's words."""

    lines: list[Line]
    metadata: dict[str, Any]


def numbers_page(query: Mapping[str, str]) -> Page:
    """The page that a program asks for. Raises ApiError 400 with everything that is wrong."""
    problems = list(_problems(query))
    asked = _asked(query, problems)
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    number = int(float(query.get("page", 1)))
    order = query.get("sortOrder", "DESC")
    bounds = {f"api_{one.of}__{one.lookup}": moment_text(one.at) for one in asked.bounds}
    words = query.get("search", "").strip()
    numbers: QuerySet[Any] = numbers_known().filter(_found(words, "did", "label"), **bounds)
    alone: QuerySet[Any] = sources_alone().filter(
        _found(words, "name", "raw__number", "raw__sipUri"), **bounds
    )
    # Of all of them the moments and ids alone; there are thousands of numbers at the most.
    every = [
        (row.api_created, str(row.pk), is_alone)
        for rows, is_alone in ((numbers, False), (alone, True))
        for row in rows.select_related(None).prefetch_related(None).only("pk")
    ]
    every.sort(reverse=order == "DESC")
    here = every[(number - 1) * asked.limit : number * asked.limit]
    return Page(
        lines=lines_by_pk([(pk, is_alone) for _, pk, is_alone in here]),
        metadata={
            "itemsPerPage": asked.limit,
            "totalItems": len(every),
            "currentPage": number,
            "totalPages": math.ceil(len(every) / asked.limit) if asked.limit else 0,
            "hasNextPage": asked.limit > 0 and number * asked.limit < len(every),
            "sortOrder": order,
        },
    )


def _asked(query: Mapping[str, str], problems: list[str]) -> Any:
    try:
        return list_query(query, names=PARAMETERS)
    except ApiError as exc:
        problems += [exc.message] if isinstance(exc.message, str) else exc.message
        return None


def _problems(query: Mapping[str, str]) -> Any:
    try:
        page = float(query.get("page", 1))
    except ValueError:
        page = math.nan
    if not math.isfinite(page) or page != int(page):
        yield "page must be a number conforming to the specified constraints"
    elif page < 1:
        yield "page must not be less than 1"
    for name, values in (("sortOrder", ORDERS), ("sortBy", SORTED_BY)):
        if name in query and query[name] not in values:
            yield f"{name} must be one of the following values: {', '.join(values)}"
    if len(query.get("search", "")) > SEARCH_MAX:
        yield f"search must be shorter than or equal to {SEARCH_MAX} characters"


def _found(words: str, *columns: str) -> Q:
    found = Q()
    for column in columns if words else ():
        found |= Q(**{f"{column}__icontains": words})
    return found
