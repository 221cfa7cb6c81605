"""How calls end that never began: nobody answered, Twilio refused, or somebody called them off."""

from datetime import datetime
from typing import Final

from django.db import transaction

from calls.models import AHEAD, Call, CallProblem, Placing
from calls.services import CARRIER_COMPLETED, problem_write
from calls.warehouse.outbox import call_changed

CANCELED: Final = "manually-canceled"
BUSY: Final = "customer-busy"
NO_ANSWER: Final = "customer-did-not-answer"
FAILED: Final = "twilio-failed-to-connect-call"
MISDIALED: Final = "twilio-reported-customer-misdialed"
VOICEMAIL: Final = "voicemail"

# Twilio's last words on a call that nobody has talked in, in Vapi's.
OF_STATUS: Final = {
    "busy": BUSY,
    "no-answer": NO_ANSWER,
    "failed": FAILED,
    "canceled": CANCELED,
    "completed": CARRIER_COMPLETED,  # answered, and over before its stream came
}
# Twilio refuses the number that is called; the networks say the same by these answers of SIP.
_NO_SUCH_NUMBER: Final = frozenset({21211, 21214, 21217, 21201, 13223, 13224})
_NO_SUCH_SIP: Final = frozenset({"404", "410", "484", "604"})


def reason_of_error(code: int) -> str:
    """Why a call ends that Twilio refuses to place, in Vapi's words."""
    return MISDIALED if code in _NO_SUCH_NUMBER else FAILED


def reason_of_status(status: str, sip_code: str = "") -> str:
    """Why a call ended that never began, in Vapi's words."""
    if status == "failed" and sip_code in _NO_SUCH_SIP:
        return MISDIALED
    return OF_STATUS.get(status, FAILED)


def call_unplaced(
    call: Call, reason: str, why: str, *, at: datetime, code: str = "not_placed", ordered: bool = False
) -> bool:
    """Close a call that was not placed, and say why; whether it was still ahead.

    ``ordered``: Twilio was asked for it, so that it may ring all the same, and is hung up then.
    """
    with transaction.atomic():
        # In the order in which everybody holds the two rows.
        Placing.objects.select_for_update(of=("self",)).get(pk=call.pk)
        if not call_close(call, reason, at=at, among=AHEAD):
            return False
        state = Placing.State.PLACED if ordered else Placing.State.OVER
        Placing.objects.filter(pk=call.pk).update(state=state)
        problem_write(
            call_id=call.pk,
            key="placing",
            source=CallProblem.Source.TANDEM,
            code=code,
            message=why,
            benign=False,
            at=at,
        )
    return True


def call_close(call: Call, reason: str, *, at: datetime, among: tuple[Call.Status, ...]) -> bool:
    """Close a call in which nobody has talked yet; whether it was one of those."""
    with transaction.atomic():
        closed = Call.objects.filter(pk=call.pk, status__in=among, started_at__isnull=True).update(
            status=Call.Status.ENDED, ended_at=at, ended_reason=reason
        )
        if closed:
            call_changed(call.pk)
    return bool(closed)
