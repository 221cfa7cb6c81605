"""A caller's number in whatever form somebody gives it, and in those in which it is stored. Pure."""

import re
from dataclasses import dataclass
from typing import Final

import phonenumbers

_DIGITS_LEAST: Final = 5
# With fewer digits it would be found in everything.
_NEEDLE_LEAST: Final = 7
_SIP: Final = re.compile(r"sips?:([^@;?]+)(@[^;?]*)?", re.IGNORECASE)


class NotANumberError(ValueError):
    """What was given is no number that anybody could call from. The text is for people."""


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """One caller. ``stored`` are the texts that their calls may have as their caller; ``needles`` find the number in others."""

    canonical: str
    stored: tuple[str, ...]
    needles: tuple[str, ...]


def number_read(text: str, *, region: str = "") -> CallerNumber:
    """The caller behind a number, with a country code or (``region``: two letters, as US) without, or a SIP address.

    Raises NotANumberError.
    """
    plain = text.strip()
    sip = _SIP.fullmatch(plain)
    if sip is not None and not _digits(sip[1]):
        return CallerNumber(plain.lower(), (plain, plain.lower()), (plain,))
    try:
        parsed = phonenumbers.parse(sip[1] if sip else plain, region.upper() or None)
    except phonenumbers.NumberParseException as exc:
        why = (
            "Write it with its country code, as +1 415 555 0132, or say which country it is from."
            if exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
            else "Write it with digits, as +1 415 555 0132."
        )
        raise NotANumberError(f"This is not a telephone number. {why}") from None
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    digits, national = e164[1:], str(parsed.national_number)
    if len(digits) < _DIGITS_LEAST:
        raise NotANumberError("This number is too short to be a caller's. Write it with its country code.")
    forms = [
        e164,
        digits,
        f"00{digits}",
        *(
            phonenumbers.format_number(parsed, one)
            for one in (
                phonenumbers.PhoneNumberFormat.INTERNATIONAL,
                phonenumbers.PhoneNumberFormat.NATIONAL,
                phonenumbers.PhoneNumberFormat.RFC3966,
            )
        ),
    ]
    if sip:
        forms.append(plain)
    if len(national) >= _NEEDLE_LEAST:
        forms.append(national)
    needles = [one for one in (e164, digits, *forms[3:5], national) if len(_digits(one)) >= _NEEDLE_LEAST]
    return CallerNumber(e164, tuple(dict.fromkeys(forms)), tuple(dict.fromkeys(needles)))


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())
