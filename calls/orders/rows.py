"""The rows of orders: written by whoever knows more, read by the session that goes on with a call."""

import json
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from calls.models import LIVE, Call, CallPart, CallTransfer, LiveOrder
from calls.orders.book import mute_message
from calls.orders.by import By
from tools.encryption import SecretUnreadableError, decrypt
from tools.jsontext import text_clean
from tools.models import ApiKey

logger = logging.getLogger(__name__)

Kind = LiveOrder.Kind
Result = LiveOrder.Result
ENDED_FIRST: Final = "The call ended before it was done."
_OPEN: Final = Q(done_at=None, failed_at=None)
COMES_BACK_WITHIN: Final = timedelta(minutes=15)
_LONGEST_CALL: Final = timedelta(days=3)
_MUTES: Final = (
    (Kind.MUTE_ASSISTANT, Kind.UNMUTE_ASSISTANT),
    (Kind.MUTE_CUSTOMER, Kind.UNMUTE_CUSTOMER),
)


def orders_write(call_id: uuid.UUID, orders: Sequence[Mapping[str, Any]]) -> bool:
    """Write what is known of these orders of a call, however often and in whatever order; whether the call is known."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None:
        return False
    # Of a call that is over nobody does anything any more; nor does anybody say so again.
    live = call.status in LIVE or call.may_come_back
    with transaction.atomic():
        for order in orders:
            _write(call_id, order, live=live)
    return True


def _write(call_id: uuid.UUID, order: Mapping[str, Any], *, live: bool) -> None:
    taken, done = order["result"] == Result.TAKEN, _moment(order.get("done_at"))
    failed, why = _moment(order.get("failed_at")), text_clean(str(order.get("why") or ""))
    is_open = taken and done is None and failed is None
    if is_open and not live:
        failed, why = timezone.now(), ENDED_FIRST
    sealed = str(order.get("order") or "") if is_open and live else ""
    by = By.from_json(order.get("by"))
    row, is_new = LiveOrder.objects.get_or_create(
        order_id=order["order_id"],
        defaults={
            "call_id": call_id,
            "kind": order["kind"],
            "words": text_clean(order["words"]),
            "role": order["role"],
            "destination": text_clean(order["destination"]),
            "at_once": order["at_once"],
            "ends_call": order["ends_call"],
            "by": by.kind,
            "by_label": text_clean(by.label),
            "actor_id": _known(get_user_model(), by.user_id),
            "key_id": _known(ApiKey, by.key_id),
            "asked_at": datetime.fromisoformat(order["asked_at"]),
            "result": order["result"],
            "why": why,
            "taken_at": _moment(order.get("taken_at")),
            "done_at": done,
            "failed_at": failed,
            "order": sealed,
        },
    )
    if is_new or row.call_id != call_id:
        return
    same, words = LiveOrder.objects.filter(pk=row.pk), text_clean(order["words"])
    # Whoever was quicker had perhaps forgotten them by then.
    for name, text in (("words", words), ("destination", text_clean(order["destination"]))):
        if text and not getattr(row, name):
            same.update(**{name: text})
    # The call's own word is the last one: it may come after somebody had given up waiting for it.
    if order["result"] == Result.REFUSED:
        unanswered = same.filter(result__in=(Result.NOBODY, Result.UNKNOWN))
        unanswered.update(result=Result.REFUSED, why=why, words=words)
    if not taken:
        return
    news = {"words": words, "taken_at": _moment(order.get("taken_at")), "order": sealed}
    same.exclude(result=Result.TAKEN).update(result=Result.TAKEN, why="", **news)
    if done is not None or failed is not None:
        # What the call knows of it outdoes that it was given up with the call.
        open_ones = same.filter(_OPEN | Q(why=ENDED_FIRST))
        open_ones.update(done_at=done, failed_at=failed, why=why, order="")


def _moment(stored: object) -> datetime | None:
    return datetime.fromisoformat(stored) if isinstance(stored, str) and stored else None


def _known(model: Any, pk: Any) -> Any:
    """The id, if there is still such a row."""
    return pk if pk and model._base_manager.filter(pk=pk).exists() else None


def orders_forget(call: Call) -> None:
    """The call is over: nothing of what was not done is done any more. What rows say was done is, whoever died before they said so."""
    taken, now = call.orders.filter(_OPEN, result=Result.TAKEN), timezone.now()
    open_ones = list(taken.values_list("order_id", flat=True))
    if not open_ones:
        return
    dialled = call.transfers.filter(tool_call_id__in=open_ones, dialled_at__isnull=False)
    parts = CallPart.objects.filter(call=call, tool_call_id__in=open_ones)
    done = [one for rows in (dialled, parts) for one in rows.values_list("tool_call_id", flat=True)]
    taken.filter(order_id__in=done).update(done_at=now, order="")
    taken.update(failed_at=now, why=ENDED_FIRST, order="")


def orders_forget_left(*, now: datetime) -> int:
    """How many orders were still kept for a stream that never came, of calls of whose end nobody has told us; they are forgotten now."""
    over = Q(call__status=Call.Status.ENDED, call__ended_at__lt=now - COMES_BACK_WITHIN)
    left = LiveOrder.objects.filter(_OPEN, over, result=Result.TAKEN, asked_at__gt=now - _LONGEST_CALL)
    return left.update(failed_at=now, why=ENDED_FIRST, order="")


# Read -----------------------------------------------------------------------------------------------------------


def orders_open(call: Call) -> list[dict[str, Any]]:
    """What the next session of a call is ordered again, as it travels: who is muted, and what was taken and not done."""
    rows = list(call.orders.filter(result=Result.TAKEN).order_by("taken_at", "id"))
    undone = [row for row in rows if row.order and row.done_at is None and row.failed_at is None]
    begun = _begun(call, {row.order_id for row in undone})
    found = (_opened(row) for row in undone if row.order_id not in begun)
    return [*_muted(rows), *(one for one in found if one)]


def _muted(rows: Sequence[LiveOrder]) -> list[dict[str, Any]]:
    """The last word on each side, where that is that it is muted."""
    last = [[row for row in rows if row.kind in kinds and row.done_at is not None][-1:] for kinds in _MUTES]
    return [
        {**mute_message(Kind(row.kind)), "order_id": row.order_id, "asked_at": row.asked_at.isoformat()}
        for (row,) in (found for found in last if found)
        if row.kind in (Kind.MUTE_ASSISTANT, Kind.MUTE_CUSTOMER)
    ]


def _begun(call: Call, order_ids: Collection[str]) -> set[str]:
    """Those of which rows say that they were carried out, though the process died that was to say so."""
    transfers = CallTransfer.objects.filter(call=call, tool_call_id__in=order_ids)
    parts = CallPart.objects.filter(call=call, tool_call_id__in=order_ids)
    return {one for rows in (transfers, parts) for one in rows.values_list("tool_call_id", flat=True)}


def _opened(row: LiveOrder) -> dict[str, Any]:
    try:
        opened = json.loads(decrypt(row.order))
    except (SecretUnreadableError, ValueError):
        logger.exception(
            "an order could not be given to the next session", extra={"call_id": str(row.call_id)}
        )
        return {}
    return opened if isinstance(opened, dict) else {}


def messages_added(call_ids: Collection[uuid.UUID]) -> list[LiveOrder]:
    """The messages that were put into these calls, oldest first."""
    added = LiveOrder.objects.filter(call__in=call_ids, kind=Kind.ADD_MESSAGE, done_at__isnull=False)
    return list(added.only("call_id", "role", "words", "done_at").order_by("done_at", "id"))
