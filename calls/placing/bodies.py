"""What a program asks for that has calls placed, in Vapi's words. Pure; who is to speak is read by calls.choosing."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from calls.choosing.services import FIELDS as CHOOSING_FIELDS
from calls.models import E164_PATTERN
from tools.access.errors import ApiError

Body = Mapping[str, Any]

NAME_MAX: Final = 40
NUMBER_MIN, NUMBER_MAX = 3, 40
EXTENSION_MAX: Final = 10
MOST_CUSTOMERS: Final = 500
METADATA_MAX_BYTES: Final = 16_384
SCHEDULED_AHEAD: Final = timedelta(days=366)

# Vapi gives these back with a call, so a body that was read may be sent again.
_READ_ONLY: Final = frozenset({"id", "orgId", "createdAt", "updatedAt", "type", "status"})
_OWN: Final = frozenset(
    {
        "name",
        "metadata",
        "customer",
        "customers",
        "customerId",
        "phoneNumberId",
        "phoneNumber",
        "schedulePlan",
        "transport",
        "phoneCallProviderBypassEnabled",
    }
)
FIELDS: Final = _OWN | CHOOSING_FIELDS
CUSTOMER_FIELDS: Final = frozenset(
    {
        "number",
        "sipUri",
        "name",
        "email",
        "externalId",
        "extension",
        "numberE164CheckEnabled",
        "assistantOverrides",
        "squadOverrides",
    }
)
_SCHEDULE: Final = frozenset({"earliestAt", "latestAt"})
_EXTENSION: Final = re.compile(r"[0-9*#wW]*")
# What is typed by people: signs that no exchange dials are taken out where the check for E.164 is off.
_DECORATION: Final = re.compile(r"[\s().\-/]")


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom to call. ``given`` is the object as it came, ``problems`` why they cannot be called."""

    number: str = field(repr=False)
    extension: str
    given: dict[str, Any] = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """The customer as programs and templates are told of them."""
        rest = {name: self.given[name] for name in _TOLD if self.given.get(name) is not None}
        return {"number": self.number, **rest}


_TOLD: Final = ("name", "email", "externalId", "extension", "numberE164CheckEnabled")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks for besides who speaks."""

    customers: tuple[Customer, ...]
    batch: bool
    phone_number_id: str
    phone_number: Mapping[str, Any] | None = field(repr=False)
    name: str
    metadata: Any = field(repr=False)
    earliest_at: datetime | None
    latest_at: datetime | None
    pinned: bool  # to a version of the assistant


def transport_of(body: Body) -> str:
    """By what the call is to be carried: Vapi's name of it, "bypass" for a call that somebody else dials, or "telephone".

    Raises ApiError for what is served by nobody here.
    """
    transport = body.get("transport")
    provider = transport.get("provider") if isinstance(transport, Mapping) else None
    if provider == "vapi.websocket":
        return "vapi.websocket"
    if body.get("phoneCallProviderBypassEnabled") is True:
        return "bypass"
    if transport is not None and not isinstance(transport, Mapping):
        raise ApiError(HTTPStatus.BAD_REQUEST, ["transport must be an object"])
    if transport and provider != "twilio":
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            ["transport.provider must be one of the following values: twilio, vapi.websocket"],
        )
    return "telephone"


def body_asked(body: Body, *, now: datetime) -> Asked:
    """What the body asks for. Raises ApiError 400 with a sentence for everything that is wrong with it.

    What is wrong with one customer of a batch is said of that customer alone.
    """
    problems = [f"property {name} should not exist" for name in body if name not in FIELDS | _READ_ONLY]
    problems += _texts(body, {"name": NAME_MAX, "phoneNumberId": None, "customerId": None})
    if body.get("customerId"):
        problems.append("customerId names a customer that is stored at Vapi; send `customer` instead")
    bypass = body.get("phoneCallProviderBypassEnabled")
    if bypass is not None and not isinstance(bypass, bool):
        problems.append("phoneCallProviderBypassEnabled must be a boolean value")
    if len(json.dumps(body.get("metadata"), default=str)) > METADATA_MAX_BYTES:
        problems.append(f"metadata must not be larger than {METADATA_MAX_BYTES} bytes")
    number = body.get("phoneNumber")
    if number is not None and not isinstance(number, Mapping):
        problems.append("phoneNumber must be an object")
    if not body.get("phoneNumberId") and not number:
        problems.append("Couldn't Get Phone Number. Need Either `phoneNumberId` Or `phoneNumber`.")
    earliest_at, latest_at = _schedule(body.get("schedulePlan"), now, problems)
    customers, batch = _customers(body, problems)
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    return Asked(
        customers=customers,
        batch=batch,
        phone_number_id=body.get("phoneNumberId") or "",
        phone_number=number,
        name=body.get("name") or "",
        metadata=body.get("metadata"),
        earliest_at=earliest_at,
        latest_at=latest_at,
        pinned=body.get("assistantVersion") is not None,
    )


def _customers(body: Body, problems: list[str]) -> tuple[tuple[Customer, ...], bool]:
    one, many = body.get("customer"), body.get("customers")
    if many is None:
        if one is None:
            problems.append("Couldn't Get Customer. Need Either `customer` Or `customers`.")
            return (), False
        customer = customer_read(one, "customer")
        problems += customer.problems
        return (customer,), False
    if one is not None:
        problems.append("Need Only One Of `customer`, `customers`.")
    if not isinstance(many, list) or not many:
        problems.append("customers must be an array of at least one customer")
        return (), True
    if len(many) > MOST_CUSTOMERS:
        problems.append(f"customers must contain no more than {MOST_CUSTOMERS} elements")
        return (), True
    return tuple(customer_read(each, "customer") for each in many), True


def customer_read(given: Any, where: str) -> Customer:
    """A customer, with all that is wrong with them."""
    if not isinstance(given, Mapping):
        return Customer("", "", {}, (f"{where} must be an object",))
    problems = tuple(_customer_problems(given, where))
    number = given.get("number")
    number = number if isinstance(number, str) else ""
    extension = given.get("extension")
    return Customer(
        _DECORATION.sub("", number),
        extension if isinstance(extension, str) else "",
        dict(given),
        problems,
    )


def _customer_problems(given: Body, where: str) -> Iterator[str]:
    for name in given:
        if name not in CUSTOMER_FIELDS:
            yield f"{where}.property {name} should not exist"
    if given.get("sipUri"):
        yield f"{where}.sipUri cannot be called: calls are placed to telephone numbers only"
    yield from _texts(given, dict.fromkeys(("name", "email", "externalId"), NAME_MAX), f"{where}.")
    yield from _texts(given, {"extension": EXTENSION_MAX}, f"{where}.")
    extension = given.get("extension")
    if isinstance(extension, str) and not _EXTENSION.fullmatch(extension):
        yield f"{where}.extension must hold digits, *, # and w (half a second of waiting) only"
    check = given.get("numberE164CheckEnabled")
    if check is not None and not isinstance(check, bool):
        yield f"{where}.numberE164CheckEnabled must be a boolean value"
    for name in ("assistantOverrides", "squadOverrides"):
        if given.get(name) is not None and not isinstance(given[name], Mapping):
            yield f"{where}.{name} must be an object"
    if not given.get("sipUri"):
        yield from _number_problems(given.get("number"), check is not False, where)


def _number_problems(number: Any, checked: bool, where: str) -> Iterator[str]:  # noqa: FBT001  # of one caller
    if not isinstance(number, str) or not number:
        yield f"{where}.number must be a string"
    elif not NUMBER_MIN <= len(number) <= NUMBER_MAX:
        yield f"{where}.number must be from {NUMBER_MIN} to {NUMBER_MAX} characters long"
    elif not re.fullmatch(E164_PATTERN, number if checked else _DECORATION.sub("", number)):
        # Vapi's words. Without the check, spaces and brackets are taken out; a number without a country nobody can dial.
        yield (
            f"{where}.number must be a valid phone number in the E.164 format. "
            "Hot tip, you may be missing the country code (Eg. US: +1)."
        )


def _schedule(plan: Any, now: datetime, problems: list[str]) -> tuple[datetime | None, datetime | None]:
    if plan is None:
        return None, None
    if not isinstance(plan, Mapping):
        problems.append("schedulePlan must be an object")
        return None, None
    problems += [f"schedulePlan.property {name} should not exist" for name in plan if name not in _SCHEDULE]
    moments = {name: _moment(plan.get(name)) for name in _SCHEDULE}
    problems += [
        f"schedulePlan.{name} must be a valid ISO 8601 date string"
        for name in sorted(_SCHEDULE)
        if moments[name] is None and (name == "earliestAt" or plan.get(name) is not None)
    ]
    earliest_at, latest_at = moments["earliestAt"], moments["latestAt"]
    if earliest_at is not None and earliest_at > now + SCHEDULED_AHEAD:
        problems.append(f"schedulePlan.earliestAt must be within {SCHEDULED_AHEAD.days} days")
    if latest_at is not None and latest_at <= now:
        problems.append("schedulePlan.latestAt must be in the future")
    if earliest_at is not None and latest_at is not None and latest_at < earliest_at:
        problems.append("schedulePlan.latestAt must not be before schedulePlan.earliestAt")
    return earliest_at, latest_at


def _moment(given: Any) -> datetime | None:
    """A moment with its zone, in UTC; one without is nobody's."""
    if not isinstance(given, str):
        return None
    try:
        at = parse_datetime(given)
        # Of a moment that is in no year of ours in UTC, the database would give back nothing.
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _texts(given: Body, longest: Mapping[str, int | None], where: str = "") -> Iterator[str]:
    for name, most in longest.items():
        value = given.get(name)
        if value is not None and not isinstance(value, str):
            yield f"{where}{name} must be a string"
        elif most is not None and value is not None and len(value) > most:
            yield f"{where}{name} must be shorter than or equal to {most} characters"
