"""What a program asks for that brings its own line: a socket, or a call in its own Twilio flow. Pure.

Who is to speak is read by calls.choosing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from calls.choosing.services import FIELDS as CHOOSING_FIELDS
from calls.websocket_calls.formats import ClientFormat, format_read
from tools.access.errors import ApiError

Body = Mapping[str, Any]

NAME_MAX: Final = 40
NUMBER_MAX: Final = 40
METADATA_MAX_BYTES: Final = 16_384
# Vapi gives these back with a call, so a body that was read may be sent again.
_READ_ONLY: Final = frozenset({"id", "orgId", "createdAt", "updatedAt", "type", "status"})
_BOTH: Final = CHOOSING_FIELDS | {"name", "metadata", "customer", "phoneCallProviderBypassEnabled"}
_SOCKET: Final = _BOTH | {"transport"}
_BYPASS: Final = _BOTH | {"phoneNumberId", "transport"}
_CUSTOMER: Final = frozenset(
    {"number", "sipUri", "name", "email", "externalId", "extension", "numberE164CheckEnabled"}
    | {"assistantOverrides", "squadOverrides"}
)
_TRANSPORT: Final = frozenset({"provider", "conversationType", "audioFormat", "websocketCallUrl"})
_PHONE: Final = frozenset({"phoneNumber", "phoneNumberId", "customers", "schedulePlan", "customerId"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that is not ours to dial. ``customer`` is as it was given, but for overrides."""

    name: str = ""
    metadata: Any = None
    customer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the customer's
    form: ClientFormat = field(default_factory=ClientFormat)
    phone_number_id: str = ""


def socket_asked(body: Body) -> Asked:
    """What a body with transport `vapi.websocket` asks for. Raises ApiError 400, with a sentence for all that is wrong."""
    problems = [
        f"property {name} is not permitted with transport vapi.websocket"
        for name in body
        if name in _PHONE and body[name] is not None
    ]
    problems += _unknown(body, _SOCKET | _PHONE)
    if body.get("phoneCallProviderBypassEnabled") is True:
        problems.append("phoneCallProviderBypassEnabled is not permitted with transport vapi.websocket")
    transport = body["transport"]
    problems += [
        f"transport.property {name} should not exist" for name in transport if name not in _TRANSPORT
    ]
    if transport.get("conversationType", "voice") != "voice":
        problems.append("transport.conversationType must be one of the following values: voice")
    form = format_read(transport.get("audioFormat"))
    if isinstance(form, list):
        problems += form
        form = ClientFormat()
    return _asked(body, problems, form=form)


def bypass_asked(body: Body) -> Asked:
    """What a body with `phoneCallProviderBypassEnabled` asks for. Raises ApiError 400, as above."""
    problems = [
        f"property {name} is not permitted with phoneCallProviderBypassEnabled"
        for name in ("customers", "schedulePlan", "phoneNumber", "customerId")
        if body.get(name) is not None
    ]
    problems += _unknown(body, _BYPASS | _PHONE)
    given = body.get("phoneNumberId") or ""
    if not isinstance(given, str):
        problems.append("phoneNumberId must be a string")
        given = ""
    return _asked(body, problems, phone_number_id=given)


def _unknown(body: Body, known: frozenset[str]) -> list[str]:
    return [f"property {name} should not exist" for name in body if name not in known | _READ_ONLY]


def _asked(body: Body, problems: list[str], **more: Any) -> Asked:
    name, customer = body.get("name") or "", body.get("customer") or {}
    problems += _name_problems(name)
    if isinstance(customer, Mapping):
        problems += _customer_problems(customer)
    else:
        problems.append("customer must be an object")
    if len(orjson.dumps(body.get("metadata"))) > METADATA_MAX_BYTES:
        problems.append(f"metadata must be smaller than {METADATA_MAX_BYTES} bytes")
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)
    return Asked(
        name=name,
        metadata=body.get("metadata"),
        customer={key: value for key, value in customer.items() if not key.endswith("Overrides")},
        overrides={key: value for key, value in customer.items() if key.endswith("Overrides")},
        **more,
    )


def _name_problems(name: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield "name must be a string"
    elif len(name) > NAME_MAX:
        yield f"name must be shorter than or equal to {NAME_MAX} characters"


def _customer_problems(customer: Body) -> Iterator[str]:
    yield from (f"customer.property {name} should not exist" for name in customer if name not in _CUSTOMER)
    for name in ("number", "name", "sipUri", "email", "externalId"):
        value = customer.get(name)
        if value is not None and not isinstance(value, str):
            yield f"customer.{name} must be a string"
        elif value is not None and name == "number" and len(value) > NUMBER_MAX:
            yield f"customer.number must be shorter than or equal to {NUMBER_MAX} characters"
