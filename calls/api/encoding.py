"""A page of calls as JSON text. What was said is most of it and stands in a call twice: it is written once."""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from calls.api.documents import Talk, call_document
from calls.api.records import AMOUNTS_PER_USD, Record
from calls.api.written import written_of
from tools.jsontext import MAX_DEPTH, json_text

# Stands where a part is put in that is written already. Nobody can know it, so it stands nowhere else.
_GAP: Final = orjson.dumps(secrets.token_hex(8))
_HOLES: Final = Talk(*[orjson.Fragment(_GAP)] * 3)
# Numbers that orjson may spell otherwise than `json_text`: 4.0, tiny ones, and with an exponent. In a text they do no harm.
_DOUBTFUL: Final = (re.compile(rb"\.0[,\]}]"), re.compile(rb"e[+-]?\d+[,\]}]"))
# Looked for as they are: an expression of both takes five times as long.
_DOUBTFUL_WORDS: Final = (b"0.0000", b"\\u0000")
# An amount that may be told with an exponent.
_TINY: Final = AMOUNTS_PER_USD // 10_000


def calls_json(records: Iterable[Record], *, org_id: str, public_origin: str) -> bytes:
    """The documents of the calls as a JSON array, as `json_text` would spell them."""
    pieces: list[bytes] = []
    for one in records:
        pieces.append(b"," if pieces else b"[")
        pieces += _call_json(one, org_id, public_origin)
    return b"".join([*pieces, b"]"]) if pieces else b"[]"


def _call_json(record: Record, org_id: str, public_origin: str) -> list[bytes]:
    """The pieces of a document's text."""
    document = call_document(record, org_id=org_id, public_origin=public_origin, talk=_HOLES)
    begin, between, after, outside, last, end = _frame_text(document, plain=_is_plain(record)).split(_GAP)
    told = written_of(record)
    return [
        begin, told.messages, between, told.formatted, after, told.transcript, outside, told.messages, last, told.transcript, end,
    ]  # fmt: skip


def _is_plain(record: Record) -> bool:
    """Whether only numbers of ours stand in the document, none of them tiny, and no JSON that others have written."""
    return not (
        record.vapi or record.analysis or record.ordered or record.socket or record.values or record.transfers
        or any(one.variables for one in record.tool_calls)
        or any(one.amount and one.amount < _TINY for one in record.used)
        or any(one is not None and one.document for one in (record.ran_on, record.assistant, record.squad))
    )  # fmt: skip


def _frame_text(frame: Mapping[str, Any], *, plain: bool) -> bytes:
    """What is left of a document, as `json_text` has it, which takes five times as long."""
    try:
        text = orjson.dumps(frame)
    except TypeError:
        return json_text(frame).encode()
    # Looking for them takes as long as writing it.
    return text if plain or not _is_doubtful(text) else json_text(frame).encode()


def _is_doubtful(text: bytes) -> bool:
    deep = text.count(b"[") + text.count(b"{") > MAX_DEPTH
    return deep or any(word in text for word in _DOUBTFUL_WORDS) or any(one.search(text) for one in _DOUBTFUL)
