"""Answering the calls of smoke tests: with what the run has frozen, and with tools that are answered by the scenario."""

from django.db import transaction
from django.utils import timezone

from calls.models import Call, SmokePair, SmokeRun
from calls.services import Answered, token_mint
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
        call = Call.objects.create(
            smoke_test=True,
            call_sid=call_sid,
            account_sid=account_sid,
            did=did,
            caller=caller,
            phone_number_id=pair.run.number_id,
            assistant_id=pair.run.assistant_id,
            version_id=pair.run.assistant_version_id,
        )
        SmokePair.objects.filter(pk=pair.pk).update(call=call, status=Status.CONNECTED)
        SmokeRun.objects.filter(pk=pair.run_id).update(moved_at=timezone.now())
        return Answered(call, token_mint(call))
