"""What a call costs: its use and its time on the line, priced by the list, written down so that nothing is overwritten."""

import uuid
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Greatest

from calls.costs.line_use import LineUse, line_lines
from calls.costs.pricing import PriceBook, Priced, PriceRow, Used, total, usage_lines
from calls.costs.usage import response_read, transcription_read
from calls.models import (
    LIVE,
    OVER,
    Call,
    CallCost,
    CallStripped,
    CallUsage,
    CarrierCall,
    CostLine,
    Placing,
    Price,
    Recording,
    SmokePair,
    SmokeRun,
)
from calls.models.counting import counts_on
from calls.selectors import came_since
from tools.models import Tool, ToolCall

OPENAI = Price.Provider.OPENAI
# Twilio's words for a leg that nobody was on.
_NOBODY = frozenset({"busy", "no-answer", "failed", "canceled"})


def price_book() -> PriceBook:
    """The whole price list."""
    return PriceBook(
        (
            (row.provider, row.item, row.part),
            PriceRow(row.pk, row.usd, row.per, row.valid_from, row.source),
        )
        for row in Price.objects.all()
    )


# --- Lines ----------------------------------------------------------------------------------------------------


def call_lines(call: Call, *, now: datetime, book: PriceBook | None = None) -> list[Priced]:
    """The lines of a call of ours as they are by now; of one that runs, what it has used so far."""
    book = book or price_book()
    used = [_used(row) for row in CallUsage.objects.filter(call=call).only("kind", "model", "usage")]
    moment = call_began_at(call)
    lines = usage_lines(used, book, moment, provider=OPENAI)
    if _is_on_the_line(call):
        lines += line_lines(_line_use(call, now), book, moment)
    return lines


def call_began_at(call: Call) -> datetime:
    """The moment that a call is priced by: at which it came in, or was answered that we placed."""
    if call.direction != Call.Direction.OUTBOUND:
        return call.created_at
    return _answered_at(call) or call.created_at


def _answered_at(call: Call) -> datetime | None:
    """When whoever we have called picked up, as far as anybody knows."""
    if call.started_at is not None:
        return call.started_at
    return Placing.objects.filter(pk=call.pk).values_list("answered_at", flat=True).first()


def _used(row: CallUsage) -> Used:
    usage = row.usage if isinstance(row.usage, dict) else {}
    read = transcription_read if row.kind == CallUsage.Kind.TRANSCRIPTION else response_read
    return Used(row.kind, row.model, read(usage))


def _is_on_the_line(call: Call) -> bool:
    """Whether Twilio knows of the call; a smoke test on our own line is nobody's telephone call."""
    if not call.smoke_test:
        return bool(call.call_sid)
    line = SmokePair.objects.filter(call=call).values_list("run__line", flat=True).first()
    return line not in (None, SmokeRun.Line.LOOPBACK, SmokeRun.Line.SIMULATOR)


def _line_use(call: Call, now: datetime) -> LineUse:
    over_at = call.ended_at or now
    inbound = call.direction == Call.Direction.INBOUND
    carrier = CarrierCall.objects.filter(call=call).first()
    transfers = _transfers(call)
    away_s = sum(seconds or 0 for _, seconds in transfers)
    known_s = carrier.duration_s if carrier is not None else None
    messages = ToolCall.objects.filter(
        call_id=call.pk, tool__kind=Tool.Kind.SMS, status=ToolCall.Status.ANSWERED
    ).count()
    return LineUse(
        inbound=inbound,
        ours=call.did,
        theirs=call.caller,
        seconds=_line_seconds(call, over_at) if known_s is None else known_s,
        stream_seconds=max(0, _seconds(call.started_at, over_at) - away_s) if call.started_at else None,
        transfers=tuple(transfers),
        recordings=_recordings(call),
        messages=(call.caller,) * messages,
        charged_usd=carrier.price_usd if carrier is not None else None,
        machine=_was_listened_to(call),
    )


def _transfers(call: Call) -> list[tuple[str, int | None]]:
    """Whom Twilio dialled, and for how many seconds it says that they talked; nobody is charged for whoever did not answer."""
    dialled = call.transfers.filter(dialled_at__isnull=False)
    goes_on = is_live(call)
    return [
        (address, 0 if seconds is None and (goes_on or status in _NOBODY) else seconds)
        for address, seconds, status in dialled.values_list("address", "duration_s", "dial_status")
    ]


def _was_listened_to(call: Call) -> bool:
    """Whether Twilio has listened for an answering machine: as soon as somebody answers."""
    placing = Placing.objects.filter(pk=call.pk).only("machine").first()
    return bool(placing and placing.machine.get("options")) and _answered_at(call) is not None


def _line_seconds(call: Call, over_at: datetime) -> int:
    """How long the line was up, as far as we know: a call that we have placed costs nothing while it rings."""
    if call.direction == Call.Direction.OUTBOUND:
        answered_at = _answered_at(call)
        return max(1, _seconds(answered_at, over_at)) if answered_at is not None else 0
    return _seconds(min(call.created_at, call.started_at or call.created_at), over_at)


def _recordings(call: Call) -> tuple[int, ...]:
    made = call.recordings.filter(source=Recording.Source.TWILIO, duration_ms__isnull=False)
    return tuple(-(-ms // 1000) for ms in made.values_list("duration_ms", flat=True) if ms is not None)


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, -int((begin - end).total_seconds() // 1))


# --- Written down ---------------------------------------------------------------------------------------------


def cost_day(call: Call) -> date:
    """The day that a call counts for, in UTC: as in all figures."""
    return counts_on(call)


def _row_held(call_id: uuid.UUID) -> tuple[CallCost, Call]:
    """The row of costs, held until the transaction ends, and the call as it is since nobody else holds that."""
    call = Call.objects.get(pk=call_id)
    CallCost.objects.get_or_create(
        call=call, defaults={"day": cost_day(call), "assistant_id": call.assistant_id}
    )
    row = CallCost.objects.select_for_update().get(call=call)
    call.refresh_from_db()
    return row, call


def cost_so_far(call: Call, *, now: datetime) -> Decimal:
    """What a call that runs has cost until now, kept for the sums of the day; of one that is over, what it cost."""
    with transaction.atomic():
        row, call = _row_held(call.pk)
        if not is_live(call):
            return row.total_usd
        lines = call_lines(call, now=now)
        row.total_usd, row.unpriced_n, row.day = total(lines), _unknown(lines), cost_day(call)
        row.save(update_fields=["total_usd", "unpriced_n", "day"])
    return row.total_usd


def call_reckon(*, call_id: uuid.UUID, now: datetime) -> bool:
    """Write the lines of a call of ours that is over; whether it is one.

    What has not changed stays as it was written. What has is written anew, and the line of before keeps its figures and
    says since when it is out of force. Of a call that was stripped nobody knows any more whom it went to: once priced, it
    stays as it is.
    """
    with transaction.atomic():
        if not Call.objects.filter(pk=call_id, stack=Call.Stack.DIRECT, status__in=OVER).exists():
            return False
        row, call = _row_held(call_id)
        if call.status not in OVER:
            return False
        if row.priced_at is not None and CallStripped.objects.filter(call_id=call_id).exists():
            return True
        lines = call_lines(call, now=now)
        _write(call, lines, now)
        row.total_usd, row.unpriced_n, row.priced_at = total(lines), _unknown(lines), now
        row.day = cost_day(call)
        row.save()
    return True


def _write(call: Call, lines: Iterable[Priced], now: datetime) -> None:
    written = {
        (one.provider, one.kind, one.item, one.part): one
        for one in CostLine.objects.filter(call=call, superseded_at__isnull=True)
    }
    new = []
    for line in lines:
        made = _row(call, line, now)
        old = written.get((made.provider, made.kind, made.item, made.part))
        if old is not None and _same(old, made):
            del written[old.provider, old.kind, old.item, old.part]
        else:
            new.append(made)
    # Another worker may have looked at its clock later than this one, and written before it.
    gone = CostLine.objects.filter(pk__in=[one.pk for one in written.values()])
    gone.update(superseded_at=Greatest(Value(now), F("written_at")))
    CostLine.objects.bulk_create(new)


def _row(call: Call, line: Priced, now: datetime) -> CostLine:
    return CostLine(
        call=call,
        provider=line.thing.provider,
        kind=line.thing.kind,
        item=line.thing.item,
        part=line.thing.part,
        quantity=line.quantity,
        price_id=line.price.id if line.price is not None else None,
        amount_usd=line.usd,
        note=line.note,
        written_at=now,
    )


def _same(one: CostLine, other: CostLine) -> bool:
    told = ("quantity", "price_id", "amount_usd", "note")
    return all(getattr(one, name) == getattr(other, name) for name in told)


def _unknown(lines: Iterable[Priced]) -> int:
    return sum(line.usd is None for line in lines)


def calls_to_reckon(*, since: datetime | None = None) -> QuerySet[Call]:
    """Calls of ours that are over and have no lines since, those that came in last first; of late, or of all times."""
    unwritten = Q(cost__isnull=True) | Q(cost__priced_at__isnull=True)
    # It went on in another stream, and ended again.
    stripped = CallStripped.objects.filter(call_id=OuterRef("pk"))
    unwritten |= Q(ended_at__gt=F("cost__priced_at")) & ~Q(Exists(stripped))
    over = Call.objects.filter(unwritten, stack=Call.Stack.DIRECT, status__in=OVER)
    over = over if since is None else over.filter(came_since(since))
    return over.order_by("-created_at")


def is_live(call: Call) -> bool:
    """Whether the call goes on."""
    return call.status in LIVE
