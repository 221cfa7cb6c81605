"""Makers of test data about money."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from calls.models import Call, CallRequest, CallUsage, Placing, Price, SpendingLimit, VapiCall
from calls.tests.costs.test_usage import EXAMPLE
from calls.tests.factories import make_call

MODEL = "gpt-realtime-2.1"


def make_usage(call: Call, **fields: Any) -> CallUsage:
    """A saved report on a response, worth $0.0074848 by the list."""
    usual: dict[str, Any] = {
        "kind": "response",
        "session": "0",
        "item": f"resp_{uuid.uuid4().hex[:8]}",
        "model": MODEL,
        "status": "completed",
        "usage": EXAMPLE,
        "at": timezone.now(),
    }
    return CallUsage.objects.create(call=call, **{**usual, **fields})


def make_price(
    usd: str, *, since: datetime, item: str = MODEL, part: str = "audio_out", **fields: Any
) -> Price:
    """A saved price."""
    usual: dict[str, Any] = {"provider": "openai", "per": 1_000_000}
    return Price.objects.create(
        item=item, part=part, usd=Decimal(usd), valid_from=since, **{**usual, **fields}
    )


def make_limit(**fields: Any) -> SpendingLimit:
    """A saved limit of one cent a call."""
    usual: dict[str, Any] = {"call_usd": Decimal("0.01")}
    return SpendingLimit.objects.create(**{**usual, **fields})


def placed(call: Call, **fields: Any) -> Placing:
    """The saved placing of a call that Twilio has, or had."""
    usual: dict[str, Any] = {"state": "placed", "due_at": call.created_at, "give_up_at": call.created_at}
    request = CallRequest.objects.create(digest=uuid.uuid4().hex)
    return Placing.objects.create(call=call, request=request, **{**usual, **fields})


def make_vapi_call(cost: str | None, **fields: Any) -> Call:
    """A saved call that ran at Vapi."""
    breakdown = fields.pop("cost_breakdown", {})
    call = make_call(stack=Call.Stack.VAPI, call_sid="", **fields)
    VapiCall.objects.create(
        call=call,
        vapi_id=str(uuid.uuid4()),
        source="files",
        cost=Decimal(cost) if cost is not None else None,
        cost_breakdown=breakdown,
        imported_at=timezone.now(),
    )
    return call
