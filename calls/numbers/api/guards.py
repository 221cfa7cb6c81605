"""What a program may not do to a number, because callers would notice, or people could not take it back."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings

from assistants.models import Assistant, Squad
from assistants.vapi.ledger import Ledger
from assistants.vapi.servers import server_read
from assistants.vapi.squad_rules import NUMBER
from calls.cutover.looking import is_with_us
from calls.models import OPEN, CutoverOperation, CutoverScheduleItem, PhoneNumber
from tools.access.errors import ApiError

_APOLOGY: Final = (
    "Couldn't Update Phone Number. Its calls come to Tandem, and callers would hear an apology: "
)


def comes_here(number: PhoneNumber) -> bool:
    """Whether callers of this number reach Tandem."""
    return is_with_us(number) or number.answered_by == PhoneNumber.AnsweredBy.TANDEM


def free_require(number: PhoneNumber) -> None:
    """Raises ApiError 409 where the number's calls come here, or somebody is about to move it."""
    if comes_here(number):
        raise ApiError(
            HTTPStatus.CONFLICT,
            "Couldn't Delete Phone Number. Its calls come to Tandem, and callers would hear an apology: roll it back first, "
            "in the admin under Numbers.",
        )
    moves = CutoverOperation.objects.filter(number=number, status__in=OPEN).exists()
    waits = CutoverScheduleItem.objects.filter(number=number, status__in=("waiting", "running")).exists()
    if moves or waits:
        raise ApiError(
            HTTPStatus.CONFLICT,
            "Couldn't Delete Phone Number. It is being moved, or stands in a schedule: see it under Numbers in the admin.",
        )


def answer_require(
    number: PhoneNumber, document: Mapping[str, Any], *, assistant: Assistant | None, squad: Squad | None
) -> None:
    """Raises ApiError 409 where the number's calls come here and nobody could take them, with this document.

    No cutover lets callers come to such a number, and no program is to bring it about afterwards.
    """
    if not comes_here(number):
        return
    taker = squad.first_assistant if squad is not None else assistant
    if taker is None and squad is None:
        if settings.ORGANISATION_SERVER_URL or server_read(Ledger(document, NUMBER)).url:
            return  # it is asked who takes a call
        why = "name an assistant or a squad, or a server that is asked for one"
    elif taker is None:
        why = "the squad has no members"
    elif not taker.enabled:
        why = "the assistant is switched off"
    elif taker.live_version_id is None:
        why = "the assistant was never published"
    else:
        return
    raise ApiError(HTTPStatus.CONFLICT, f"{_APOLOGY}{why}.")


def account_require(number: PhoneNumber, account_sid: str) -> None:
    """Raises ApiError 400 where Twilio has the number in another account: with this one, nobody could roll it back."""
    has = number.account_sid or settings.TWILIO_ACCOUNT_SID
    if number.twilio_sid and account_sid != has:
        why = f"Twilio has the number in the account {has}. Once it was moved there, Tandem follows"
        raise ApiError(HTTPStatus.BAD_REQUEST, [f"twilioAccountSid cannot be changed: {why}"])
