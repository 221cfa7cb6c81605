"""New calls when the day's money is spent: what they hear instead of an assistant, where a limit says so."""

from dataclasses import dataclass

from django.utils import timezone

from calls.costs.limits import day_limit_spent
from calls.models import Call, SpendingLimit
from calls.selectors import phone_number_for_did

# Vapi's word for a call that it does not take because the credit is used up.
ENDED_REASON = "call.start.error-subscription-insufficient-credits"


@dataclass(frozen=True, slots=True)
class Spent:
    """No assistant answers: the caller hears the sentence, or is connected to another number first."""

    call: Call
    sentence: str
    language: str
    forward_to: str


def call_refuse_if_spent(*, call_sid: str, account_sid: str, did: str, caller: str) -> Spent | None:
    """What becomes of an inbound call for which there is no money left today, written down; None: it may be answered.

    The same call gets the same answer: one that was answered before is not refused now.
    """
    if not SpendingLimit.objects.exclude(when_day=SpendingLimit.WhenDay.WARN).exists():
        return None
    known = Call.objects.filter(call_sid=call_sid).select_related("assistant").first()
    if known is not None and known.ended_reason != ENDED_REASON:
        return None
    number = phone_number_for_did(did)
    assistant = number.answering if number is not None and number.enabled else None
    if assistant is None:
        return None  # where a server says who answers, calls.messages.asking looks at the limit; otherwise nobody does
    now = timezone.now()
    limit = day_limit_spent(assistant, now=now)
    if limit is None:
        return None
    forward_to = limit.forward_to if limit.when_day == SpendingLimit.WhenDay.FORWARD else ""
    what = (
        f"The caller was connected to {forward_to}."
        if forward_to
        else "The caller heard the sentence for that."
    )
    call, _ = Call.objects.get_or_create(
        call_sid=call_sid,
        defaults={
            "account_sid": account_sid,
            "did": did,
            "caller": caller,
            "phone_number": number,
            "assistant": assistant,
            "squad": number.squad if number is not None else None,
            "status": Call.Status.REFUSED,
            "refused_because": f"The ${limit.day_usd} that may be spent in a day are spent ({limit}). {what}",
            "ended_reason": ENDED_REASON,
            "ended_at": now,
        },
    )
    if call.ended_reason != ENDED_REASON:
        return None  # another webhook of the same call was quicker
    return Spent(call, limit.refusal_sentence, assistant.language, forward_to)
