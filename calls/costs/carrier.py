"""What Twilio says of a call: how long it was, at once, and what the line cost, some minutes later."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Q

from calls import clients
from calls.models import Call, CarrierCall

# Twilio fills the price in minutes after the end, and asking is a request for each call.
ASK_AFTER = timedelta(minutes=30)
ASK_FOR = timedelta(days=2)
ASK_AGAIN_AFTER = timedelta(hours=6)
MOST_ASKED = 100
ASK_FOR_S = 40.0
Asks = Callable[..., Decimal | None]


def carrier_call_note(*, call_sid: str, duration_s: int) -> uuid.UUID | None:
    """Keep how long a call of ours was by Twilio's count; its id, or None where it is not one."""
    call = Call.objects.filter(call_sid=call_sid, stack=Call.Stack.DIRECT).only("id").first()
    if call is None:
        return None
    CarrierCall.objects.update_or_create(call=call, defaults={"duration_s": duration_s})
    return call.pk


def carrier_prices_fetch(*, now: datetime, ask: Asks = clients.call_price) -> list[uuid.UUID]:
    """Ask Twilio for the prices of calls that are over for a while; the calls whose price is known now.

    Only where the settings want it. It stops where Twilio cannot be reached, or takes too long: the next run goes on.
    """
    if not settings.TWILIO_PRICES:
        return []
    unknown = Q(carrier__isnull=True) | Q(carrier__price_usd__isnull=True)
    unasked = (
        Q(carrier__isnull=True)
        | Q(carrier__asked_at__isnull=True)
        | Q(carrier__asked_at__lt=now - ASK_AGAIN_AFTER)
    )
    over = Call.objects.filter(
        unknown,
        unasked,
        stack=Call.Stack.DIRECT,
        status=Call.Status.ENDED,
        smoke_test=False,
        ended_at__lt=now - ASK_AFTER,
        ended_at__gte=now - ASK_FOR,
    ).exclude(call_sid="")
    found = []
    stop_at = time.monotonic() + ASK_FOR_S
    for call in over.only("id", "call_sid", "account_sid").order_by("ended_at")[:MOST_ASKED]:
        if time.monotonic() >= stop_at:
            break
        try:
            price = ask(call_sid=call.call_sid, account_sid=call.account_sid)
        except clients.TwilioRefusedError as exc:
            if exc.unsure:
                break
            price = None
        CarrierCall.objects.update_or_create(call=call, defaults={"price_usd": price, "asked_at": now})
        found += [call.pk] if price is not None else []
    return found
