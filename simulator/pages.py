"""Twilio's paging of lists: PageSize, Page and PageToken; addresses relative."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from simulator.refusals import Refusal

JSON = dict[str, Any]

_MOST = 1000
_DEFAULT = 50


def page_of(items: Sequence[JSON], asked: dict[str, str], *, path: str, key: str) -> JSON:
    """One page of `items`. Raises Refusal as Twilio does: a page is asked for with its token only."""
    size = _number(asked, "PageSize", _DEFAULT)
    if not 1 <= size <= _MOST:
        raise Refusal(400, 20001, f"PageSize must be from 1 to {_MOST}")
    page = _number(asked, "Page", 0)
    start = _start(items, page, asked.get("PageToken", ""))
    shown = list(items[start : start + size])
    kept = {name: value for name, value in asked.items() if name not in {"PageSize", "Page", "PageToken"}}

    def uri(number: int, token: str = "") -> str:
        paging = {"PageSize": str(size), "Page": str(number)}
        return f"{path}?{urlencode({**kept, **paging, **({'PageToken': token} if token else {})})}"

    more = start + size < len(items)
    before = items[start - size - 1]["sid"] if start > size else ""
    return {
        "first_page_uri": uri(0),
        "end": max(start, start + len(shown) - 1),
        "next_page_uri": uri(page + 1, f"PA{shown[-1]['sid']}") if more else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": uri(page - 1, f"PA{before}" if before else "") if page else None,
        "start": start,
        "uri": uri(page, asked.get("PageToken", "")),
        key: shown,
    }


def _start(items: Sequence[JSON], page: int, token: str) -> int:
    if not page:
        return 0
    if not token:
        raise Refusal(400, 70002)
    sids = [item["sid"] for item in items]
    if token.removeprefix("PA") not in sids:
        raise Refusal(400, 20001, "PageToken is not valid")
    return sids.index(token.removeprefix("PA")) + 1


def _number(asked: dict[str, str], name: str, otherwise: int) -> int:
    text = asked.get(name, "")
    if not text:
        return otherwise
    if not text.isdecimal():
        raise Refusal(400, 20001, f"{name} is not a number")
    return int(text)
