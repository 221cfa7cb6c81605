"""Who may be called, from which of our numbers, and how often: what keeps a stolen key from costing a fortune."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import phonenumbers
from django.conf import settings
from django.db.models import Q

from calls.models import PhoneNumber, Placing, TwilioAccount
from tools.access.errors import ApiError
from tools.models import ApiKey

EVERYWHERE: Final = "*"
# Countries that share their prices with a neighbour.
_NEIGHBOURS: Final = {"US": ("CA",), "CA": ("US",)}
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(hours=24)
_HALF_A_DAY: Final = timedelta(hours=12)
# Personal numbers are dear wherever there are any, and a favourite of those who earn by being called.
_DEAR: Final = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
    }
)


def why_not_called(number: str, *, caller: str) -> str:
    """Why nobody calls this number from here, as a sentence; empty where it may be called."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return "customer.number is no number of any country."
    if not phonenumbers.is_possible_number(parsed):
        return "customer.number is too short or too long for a number of its country."
    if phonenumbers.number_type(parsed) in _DEAR:
        return "customer.number is a premium-rate, shared-cost or personal number. Such numbers are never called."
    if number == caller:
        return "customer.number is the number that the call would come from."
    prefixes = settings.OUTBOUND_PREFIXES
    if EVERYWHERE in prefixes or any(number.startswith(prefix) for prefix in prefixes):
        return ""
    if not prefixes and _region(number) in (_region(caller), *_NEIGHBOURS.get(_region(caller), ())):
        return ""
    where = ", ".join(sorted(prefixes)) or "the country of the number that calls"
    return (
        f"customer.number is outside of what may be called from here ({where}). "
        "Whoever runs this installation widens that with OUTBOUND_PREFIXES."
    )


def _region(number: str) -> str:
    """The country of a number, in two letters. Of those with +1 there are many, some of them dear."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    return str(found or phonenumbers.region_code_for_country_code(parsed.country_code or 0))


def number_named(phone_number_id: str, inline: Mapping[str, Any] | None) -> PhoneNumber:
    """The number of ours that calls are placed from, by its id, or Vapi's, or as it stands in the body. Raises ApiError 400."""
    found = _by_id(phone_number_id) if phone_number_id else _by_did(inline or {})
    if found is None:
        named = f"`phoneNumberId` {phone_number_id[:60]}" if phone_number_id else "`phoneNumber`"
        hint = "" if phone_number_id else " Numbers are registered once; credentials in a call are not used."
        raise ApiError(HTTPStatus.BAD_REQUEST, [f"Couldn't Get Phone Number. {named} Does Not Exist.{hint}"])
    if why := why_not_from(found):
        raise ApiError(HTTPStatus.BAD_REQUEST, [f"Couldn't Start Call. {why}"])
    return found


def _by_id(given: str) -> PhoneNumber | None:
    if "\x00" in given:
        return None
    wanted = Q(vapi_id=given)
    try:
        wanted |= Q(pk=uuid.UUID(given))
    except ValueError:
        pass  # an id of Vapi's alone, or none at all
    return PhoneNumber.objects.filter(wanted).first()


def _by_did(inline: Mapping[str, Any]) -> PhoneNumber | None:
    """The registered number that an inline one names, in the account that it names."""
    did = inline.get("twilioPhoneNumber") or inline.get("number")
    account_sid = inline.get("twilioAccountSid")
    if not isinstance(did, str) or "\x00" in did:
        return None
    found = PhoneNumber.objects.filter(did=did).first()
    if found is None or (account_sid and account_sid != (found.account_sid or settings.TWILIO_ACCOUNT_SID)):
        return None
    return found


def why_not_from(number: PhoneNumber) -> str:
    """Why no call is placed from a number of ours, as a sentence; empty where it may be.

    Where its inbound calls go does not matter: a number that Vapi still answers may call out from here. One that was
    rolled back is left to its old provider until it is cut over again.
    """
    if not number.enabled:
        return "The number is switched off."
    if number.provider != PhoneNumber.Provider.TWILIO:
        return "The number belongs to another carrier or was bought at Vapi, so Twilio cannot call from it."
    if number.did in settings.SMOKE_TEST_NUMBERS:
        return "The number is one of the smoke tests' (SMOKE_TEST_NUMBERS), which nobody else calls from."
    if number.missing_at is not None:
        return "The number's Twilio account does not have it any more."
    if number.state == PhoneNumber.State.ROLLED_BACK:
        return "The number was rolled back to its old provider. Cut it over again, or call from another."
    if _is_switched_off(number.account_sid):
        return "The number's Twilio account is switched off here. Switch it on under Twilio accounts."
    return ""


def _is_switched_off(account_sid: str) -> bool:
    """Whether webhooks of this account are refused, so that whoever answers would hear nothing but an error."""
    if account_sid in ("", settings.TWILIO_ACCOUNT_SID):
        return False
    return TwilioAccount.objects.filter(pk=account_sid, enabled=False).exists()


def calls_allowed(key: ApiKey | None, wanted: int, *, now: datetime, due_at: datetime) -> None:
    """Raises ApiError where so many more calls are too many: 429 in this minute for the key, 400 in a day for everybody.

    Calls count on the day of their order, and those that wait for a later day on that, too: or a key could have them all
    dialled on one.
    """
    ours = Placing.objects.all()
    most = settings.OUTBOUND_CALLS_PER_DAY
    ordered = ours.filter(call__created_at__gt=now - _DAY)
    due = ours.filter(
        state=Placing.State.WAITING, due_at__gt=due_at - _HALF_A_DAY, due_at__lt=due_at + _HALF_A_DAY
    )
    if most and (ordered.count() + wanted > most or (due_at > now and due.count() + wanted > most)):
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            [
                f"Couldn't Start Call. No more than {most} calls are placed in 24 hours (OUTBOUND_CALLS_PER_DAY)."
            ],
        )
    most = settings.OUTBOUND_CALLS_PER_MINUTE
    if key is None or not most:
        return
    recent = ours.filter(request__key=key, call__created_at__gt=now - _MINUTE)
    if wanted > most or recent.count() + wanted > most:
        raise ApiError(
            HTTPStatus.BAD_REQUEST if wanted > most else HTTPStatus.TOO_MANY_REQUESTS,
            f"Too many calls: this key may have {most} placed in a minute (OUTBOUND_CALLS_PER_MINUTE).",
            retry_after_s=0 if wanted > most else int(_MINUTE.total_seconds()),
        )
