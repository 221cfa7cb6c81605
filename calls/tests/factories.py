"""Makers of test data: what a test does not name is filled in."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from calls.models import Call, CallProblem, CallTransfer, PhoneNumber


def make_phone_number(**fields: Any) -> PhoneNumber:
    """A saved number with no assistant."""
    defaults: dict[str, Any] = {"did": f"+1415555{PhoneNumber.objects.count():04}"}
    return PhoneNumber.objects.create(**{**defaults, **fields})


def make_call(**fields: Any) -> Call:
    """A saved call that ended well a minute ago."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "status": Call.Status.ENDED,
        "call_sid": f"CA{uuid.uuid4().hex}",
        "did": "+14155550100",
        "caller": "+13125550177",
        "started_at": now - timedelta(seconds=125),
        "ended_at": now,
        "ended_reason": "customer-ended-call",
        "first_sound_ms": 640,
    }
    return Call.objects.create(**{**defaults, **fields})


def make_refused_call(**fields: Any) -> Call:
    """A saved call that no assistant answered."""
    defaults: dict[str, Any] = {
        "status": Call.Status.REFUSED,
        "refused_because": "The number has no assistant. Choose one under Numbers.",
        "started_at": None,
        "first_sound_ms": None,
    }
    return make_call(**{**defaults, **fields})


def make_problem(*, call: Call | None = None, **fields: Any) -> CallProblem:
    """A saved problem of a call."""
    defaults: dict[str, Any] = {
        "key": uuid.uuid4().hex,
        "source": CallProblem.Source.OPENAI,
        "code": "response_failed",
        "message": "The model did not answer.",
        "at": timezone.now(),
    }
    return CallProblem.objects.create(call=call or make_call(), **{**defaults, **fields})


def make_transfer(*, call: Call | None = None, **fields: Any) -> CallTransfer:
    """A saved transfer that was asked for just now."""
    defaults: dict[str, Any] = {
        "tool_call_id": f"call_{uuid.uuid4().hex[:10]}",
        "address": "+13125550142",
        "caller_id": "+13125550177",
        "mode": "blind-transfer",
        "requested_at": timezone.now(),
    }
    return CallTransfer.objects.create(call=call or make_call(), **{**defaults, **fields})
