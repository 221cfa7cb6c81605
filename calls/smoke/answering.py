"""Answering the calls of smoke tests: with what the run has frozen, and with tools that are answered by the scenario."""

from django.db import transaction

from calls.models import SmokePair, SmokeRun
from calls.services import Answered, token_mint
from calls.smoke.legs import pair_call_create
from calls.smoke.markers import marker_read

Status = SmokePair.Status


def smoke_call_start(
    *, marker: str, call_sid: str, account_sid: str, did: str, caller: str
) -> Answered | None:
    """The call of a smoke test, begun; None where nobody is to answer it: no such placing, or it had its call already.

    A webhook that Twilio repeats gets the same call.
    """
    placing = marker_read(marker)
    if placing is None or not call_sid:
        return None
    with transaction.atomic():
        pair = (
            SmokePair.objects.select_for_update(of=("self",))
            .select_related("run", "call")
            .filter(pk=placing.pair_id, attempts=placing.attempt)
            .first()
        )
        if pair is None:
            return None
        if pair.call is not None:
            return Answered(pair.call, token_mint(pair.call)) if pair.call.call_sid == call_sid else None
        if pair.status != Status.PLACED or pair.run.status != SmokeRun.Status.RUNNING:
            return None
        call = pair_call_create(pair, call_sid=call_sid, account_sid=account_sid, did=did, caller=caller)
        return Answered(call, token_mint(call))
