"""Whether a call may be listened to and controlled, by the settings of those assistants that it concerns."""

from collections.abc import Mapping
from typing import Any

from django.db.models import JSONField, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast

from calls.live.entering import allowed, wants_key
from calls.models import Call, CallMember, CallPart

_PLAN = "monitor_plan"


def with_control_plan(calls: QuerySet[Call]) -> QuerySet[Call]:
    """The calls with the plan of whoever took each over last, as ``control_plan``; None where nobody did."""
    newest = CallPart.objects.filter(call=OuterRef("pk"), n__gt=0).order_by("-n")
    plan = newest.annotate(plan=Cast(KeyTransform(_PLAN, "version__snapshot"), JSONField())).values("plan")
    return calls.annotate(control_plan=Subquery(plan[:1]))


def control_plan(call: Call) -> Mapping[str, Any]:
    """The plan of the assistant that has the call now, which comes from ``with_control_plan``."""
    handed_over: object = call.control_plan  # type: ignore[attr-defined]  # an annotation
    if handed_over is not None:
        return _plan(handed_over)
    return _plan(call.version.snapshot.get(_PLAN)) if call.version else {}


def listen_plan(call: Call) -> tuple[Mapping[str, Any], bool]:
    """What all assistants that may have the call let be listened to, and whether one of them is under the HIPAA switch.

    A listener stays when the call is handed over, so the strictest of them decides, as about recordings.
    """
    own = call.version.snapshot if call.version else {}
    others = CallMember.objects.filter(call=call, version__isnull=False)
    found = others.values_list("version__snapshot__monitor_plan", "version__snapshot__hipaa")
    every = [(_plan(own.get(_PLAN)), own.get("hipaa")), *((_plan(plan), hipaa) for plan, hipaa in found)]
    return (
        {
            "listenEnabled": all(allowed(plan, "listen") for plan, _ in every),
            "listenAuthenticationEnabled": any(wants_key(plan, "listen") for plan, _ in every),
        },
        any(hipaa is True for _, hipaa in every),
    )


def _plan(stored: object) -> Mapping[str, Any]:
    return stored if isinstance(stored, Mapping) else {}
