"""Reading costs: of one call, with what Vapi would have charged for it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from calls.costs.pricing import Priced, PriceRow
from calls.costs.reckoning import call_began_at, call_lines, is_live, price_book
from calls.costs.vapi_charge import vapi_rate
from calls.models import Call, CostLine, Part, Price, VapiCall

KINDS = {
    "response": "Answers of the model",
    "transcription": "Transcription of the caller",
    "summary": "Summary for an operator",
    "analysis": "Analysis after the call",
    "line": "Telephone line",
    "stream": "Media stream",
    "machine": "Looking for answering machines",
    "transfer": "Transfer",
    "recording": "Recording",
    "message": "Text messages",
    "platform": "Vapi",
}
# The parts of Vapi's own breakdown, in words.
_AT_VAPI = {
    "transport": "Telephone line",
    "stt": "Transcription",
    "llm": "Model",
    "tts": "Voice",
    "vapi": "Vapi's fee",
    "chat": "Chat",
    "voicemailDetectionCost": "Voicemail detection",
    "knowledgeBaseCost": "Knowledge base",
}


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of a call's costs. ``usd`` is None where it is not known, and ``note`` says why."""

    provider: str
    what: str
    item: str
    part: str
    quantity: Decimal | None
    unit_usd: Decimal | None
    per: int
    price_from: datetime | None
    price_source: str
    usd: Decimal | None
    note: str

    @property
    def price_text(self) -> str:
        """The price as the list has it: $0.40 per 1,000,000."""
        if self.unit_usd is None:
            return ""
        return (
            f"${self.unit_usd.normalize():f} per {self.per:,}"
            if self.per > 1
            else f"${self.unit_usd.normalize():f}"
        )


@dataclass(frozen=True, slots=True)
class CostSheet:
    """What a call costs. ``total_usd`` is the sum of its lines; ``unknown_n`` of them have no amount, so it is more then.

    ``final``: the call is over and its lines are written; until then they are what it has used so far. ``vapi_usd`` is what
    Vapi would have charged, or did where it ran there, and ``vapi_how`` how that was found.
    """

    call_id: uuid.UUID
    lines: tuple[SheetLine, ...]
    total_usd: Decimal
    unknown_n: int
    final: bool
    vapi_usd: Decimal | None
    vapi_how: str
    superseded_n: int = 0

    @property
    def complete(self) -> bool:
        """Whether every line has an amount."""
        return self.unknown_n == 0

    @property
    def saved_usd(self) -> Decimal | None:
        """How much less it is than at Vapi; below nothing where it is more. None where one of the two is not known."""
        if self.vapi_usd is None or not self.complete:
            return None
        return self.vapi_usd - self.total_usd


def call_costs(call_id: uuid.UUID, *, now: datetime | None = None) -> CostSheet:
    """The costs of a call, of either stack; an empty sheet for an unknown one."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        return CostSheet(call_id, (), Decimal(0), 0, final=False, vapi_usd=None, vapi_how="")
    if call.stack == Call.Stack.VAPI:
        return _vapi_sheet(call)
    rows = list(CostLine.objects.filter(call=call).select_related("price"))
    current = [row for row in rows if row.superseded_at is None]
    now = now or timezone.now()
    book = price_book()
    if current:
        lines = [_written(row) for row in current]
    else:
        lines = [_reckoned(one) for one in call_lines(call, now=now, book=book)]
    rate = vapi_rate(call.assistant_id, book=book, moment=call_began_at(call))
    seconds = _seconds(call, now)
    return CostSheet(
        call_id=call.pk,
        lines=tuple(lines),
        total_usd=sum((one.usd for one in lines if one.usd is not None), Decimal(0)),
        unknown_n=sum(one.usd is None for one in lines),
        final=bool(current) and not is_live(call),
        vapi_usd=rate.charge(seconds) if rate is not None and seconds is not None else None,
        vapi_how=rate.how if rate is not None else "",
        superseded_n=len(rows) - len(current),
    )


def _seconds(call: Call, now: datetime) -> int | None:
    if call.started_at is None:
        return None
    return max(0, round(((call.ended_at or now) - call.started_at).total_seconds()))


def _written(row: CostLine) -> SheetLine:
    return _line(row, row.price, quantity=row.quantity, usd=row.amount_usd, note=row.note)


def _reckoned(one: Priced) -> SheetLine:
    row = CostLine(provider=one.thing.provider, kind=one.thing.kind, item=one.thing.item, part=one.thing.part)
    return _line(row, one.price, quantity=one.quantity, usd=one.usd, note=one.note)


def _line(
    row: CostLine, price: Price | PriceRow | None, *, quantity: Decimal | None, usd: Decimal | None, note: str
) -> SheetLine:
    return SheetLine(
        provider=row.get_provider_display(),
        what=KINDS.get(row.kind, row.kind),
        item=row.item,
        part=row.get_part_display(),
        quantity=quantity,
        unit_usd=price.usd if price is not None else None,
        per=price.per if price is not None else 1,
        price_from=price.valid_from if price is not None else None,
        price_source=price.source if price is not None else "",
        usd=usd,
        note=note,
    )


def _vapi_sheet(call: Call) -> CostSheet:
    row = VapiCall.objects.filter(call=call).only("cost", "cost_breakdown").first()
    cost = row.cost if row is not None else None
    breakdown = row.cost_breakdown if row is not None and isinstance(row.cost_breakdown, dict) else {}
    parts = {name: usd for name in _AT_VAPI if (usd := _dollars(breakdown.get(name)))}
    lines = [_at_vapi(_AT_VAPI[name], usd) for name, usd in parts.items()]
    if cost is None:
        lines = [_at_vapi("Not told", None, note="Vapi did not tell what this call cost.")]
    elif rest := cost - sum(parts.values(), Decimal(0)):
        # Analysis and what has no part of its own, so that the sum is what was charged.
        lines.append(_at_vapi("Everything else", rest))
    return CostSheet(
        call_id=call.pk,
        lines=tuple(lines),
        total_usd=cost or Decimal(0),
        unknown_n=int(cost is None),
        final=not is_live(call),
        vapi_usd=cost,
        vapi_how="As Vapi charged it." if cost is not None else "",
    )


def _dollars(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = Decimal(str(value))
    return found if found.is_finite() else None


def _at_vapi(item: str, usd: Decimal | None, *, note: str = "") -> SheetLine:
    return SheetLine(
        provider="Vapi",
        what="At Vapi",
        item=item,
        part=Part.TIMES.label if usd is None else "",
        quantity=None,
        unit_usd=None,
        per=1,
        price_from=None,
        price_source="",
        usd=usd,
        note=note,
    )
