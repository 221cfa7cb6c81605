"""What Vapi wrote down of a call that a smoke test has placed there: brought by a recorder, or asked for by REST."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q, QuerySet

from assistants.vapi.client import VapiError, calls_page
from assistants.vapi.rest import VapiClient
from calls.history.reading import CallRecord, record_read
from calls.history.writing import calls_write
from calls.models import Call, SmokeLeg, SmokePair, VapiCall
from calls.smoke.lines import PlayError, StoppedError

# Vapi writes a call down some seconds after its end, and adds to it for a while.
WRITTEN_WITHIN_S: Final = 180.0
_SETTLES_S: Final = 6.0
_ASK_EVERY_S: Final = 5.0
_LOOK_EVERY_S: Final = 1.0
# Two clocks, and the time until an inbound call gets its row at Vapi.
_AROUND: Final = timedelta(seconds=60)


def vapi_call_await(leg: SmokeLeg, stop: threading.Event, *, within_s: float = WRITTEN_WITHIN_S) -> Call:
    """Vapi's record of the leg's call, among our rows. Raises PlayError, StoppedError."""
    until = time.monotonic() + within_s
    asks_at, refused = 0.0, ""
    while time.monotonic() < until:
        if (call := _newest(leg)) is not None:
            if settings.VAPI_API_KEY and not stop.wait(_SETTLES_S):
                _fetch(leg)  # what a first record had no room for yet
            # Nobody was on the line: it is in no figure of calls that customers have made.
            Call.objects.filter(pk=call.pk).update(smoke_test=True)
            call.refresh_from_db()
            return call
        if settings.VAPI_API_KEY and time.monotonic() >= asks_at:
            refused = _fetch(leg)
            asks_at = time.monotonic() + _ASK_EVERY_S
            continue
        if stop.wait(_LOOK_EVERY_S):
            raise StoppedError
    raise PlayError(
        refused
        or "Vapi's record of its call did not come. Set VAPI_API_KEY, or put a recorder in front of the assistant's server "
        "(see Recorders), and check that the number is answered by Vapi."
    )


def _newest(leg: SmokeLeg) -> Call | None:
    return vapi_calls_of(leg).order_by("-created_at").first()


def vapi_calls_of(leg: SmokeLeg) -> QuerySet[Call]:
    """The finished calls at Vapi that can be the leg's: by Vapi's id where that is known, else by numbers and time.

    A test number holds its line until the call at Vapi is over, so there is one such call at a time.
    """
    calls = Call.objects.filter(stack=Call.Stack.VAPI, status=Call.Status.ENDED, vapi_call__isnull=False)
    if leg.vapi_call_id:
        return calls.filter(vapi_call__vapi_id=leg.vapi_call_id)
    taken = SmokePair.objects.filter(reference__isnull=False, run=leg.pair.run_id).exclude(pk=leg.pair_id)
    return calls.filter(
        Q(did=leg.to_number) | Q(did=""),
        caller=leg.from_number,
        created_at__gte=(leg.answered_at or leg.placed_at) - _AROUND,
        created_at__lte=(leg.over_at or datetime.now(UTC)) + _AROUND,
    ).exclude(pk__in=taken.values("reference"))


def _fetch(leg: SmokeLeg) -> str:
    """Write what Vapi's REST has of the leg's call; why it could not be asked, empty where it was."""
    params: dict[str, str | int] = {"limit": 50, "createdAtGe": _iso(leg.placed_at - _AROUND)}
    if leg.vapi_call_id:
        params = {"limit": 1, "id": leg.vapi_call_id}
    try:
        with VapiClient(url=settings.VAPI_API_URL, key=settings.VAPI_API_KEY) as client:
            listed = calls_page(client, params, tell=lambda _: None)
    except VapiError as exc:
        return f"Vapi could not be asked for its record of the call: {exc}"
    records = [record for one in listed if (record := _record(one, leg)) is not None]
    if records:
        calls_write(records, source=VapiCall.Source.API)
    return ""


def _record(raw: Any, leg: SmokeLeg) -> CallRecord | None:
    """The record behind Vapi's answer if it can be the leg's call: nobody else's calls are brought here."""
    record = record_read(raw, where="GET /call")
    if not isinstance(record, CallRecord) or not record.finished:
        return None
    known = record.vapi_id == leg.vapi_call_id if leg.vapi_call_id else record.caller == leg.from_number
    return record if known else None


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
