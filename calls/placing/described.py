"""What is sent to have calls placed, and what is answered."""

from typing import Final

from calls.api.described import CALL_FIELDS
from calls.placing.bodies import (
    CUSTOMER_FIELDS,
    EXTENSION_MAX,
    FIELDS,
    METADATA_MAX_BYTES,
    MOST_CUSTOMERS,
    NAME_MAX,
    NUMBER_MAX,
    NUMBER_MIN,
)
from tools.access.described import (
    Operation,
    Parameter,
    Part,
    Schema,
    anything,
    array,
    flag,
    integer,
    mapping,
    moment,
    nullable,
    one_of,
    record,
    ref,
    text,
)

_OVERRIDES: Final = mapping(
    description="Settings of the assistant for this call alone; `variableValues` among them."
)
_SQUAD_OVERRIDES: Final = mapping(description="Settings for every member of the squad, for this call alone.")
_WORKFLOW: Final = anything("Refused: Tandem runs no workflows.")
_CUSTOMER: Final[dict[str, Schema]] = {
    "number": text("In E.164 form.", minLength=NUMBER_MIN, maxLength=NUMBER_MAX),
    "sipUri": anything("Refused: calls are placed to telephone numbers only."),
    "name": text(maxLength=NAME_MAX),
    "email": text(maxLength=NAME_MAX),
    "externalId": text(maxLength=NAME_MAX),
    "extension": text("Keys that are pressed after the answer.", maxLength=EXTENSION_MAX),
    "numberE164CheckEnabled": flag("Off: spaces and brackets are taken out of the number first."),
    "assistantOverrides": _OVERRIDES,
    "squadOverrides": _SQUAD_OVERRIDES,
}
_BODY: Final[dict[str, Schema]] = {
    "assistantId": text("The assistant that speaks, by its id or Vapi's."),
    "assistant": ref("CreateAssistant"),
    "assistantOverrides": _OVERRIDES,
    "assistantVersion": {
        "type": ["string", "number"],
        "description": "The published version to run on; only with `assistantId`.",
    },
    "squadId": text("The squad that speaks."),
    "squad": ref("CreateSquad"),
    "squadOverrides": _SQUAD_OVERRIDES,
    "workflowId": _WORKFLOW,
    "workflow": _WORKFLOW,
    "workflowOverrides": _WORKFLOW,
    "phoneNumberId": text("The number that calls, by its id or Vapi's."),
    "phoneNumber": mapping(description="A number at Twilio that is known here: `twilioPhoneNumber`."),
    "customer": ref("Customer"),
    "customers": array(ref("Customer"), "Whom to call, all alike.", minItems=1, maxItems=MOST_CUSTOMERS),
    "customerId": anything("Refused: customers are stored at Vapi alone."),
    "schedulePlan": record(
        {"earliestAt": moment("Not before."), "latestAt": nullable(moment("Not after."))},
        "When.",
        required="earliestAt",
    ),
    "name": text(maxLength=NAME_MAX),
    "metadata": anything(f"Given back with the call; {METADATA_MAX_BYTES} bytes at most."),
    "transport": {
        "type": "object",
        "properties": {
            "provider": one_of(
                ("twilio", "vapi.websocket"), "`vapi.websocket`: a WebSocket instead of a telephone."
            ),
            "audioFormat": mapping(),
        },
        "description": "How the sound is carried. By telephone, where it is missing.",
    },
    "phoneCallProviderBypassEnabled": flag("The program brings the call itself, by TwiML that is answered."),
}
_LIMITS: Final = record(
    {"concurrencyBlocked": flag(), "concurrencyLimit": integer(), "remainingConcurrentCalls": integer()},
    "How many calls may be placed at a time.",
    required="concurrencyBlocked concurrencyLimit remainingConcurrentCalls",
)
_DETAILS: Final = record(
    {"twiml": text("To be put into a Twilio flow.")}, "With `phoneCallProviderBypassEnabled`."
)
_SAME: Final = (
    "Calls are dialled by a worker. The same body of the same key within seconds, or while its calls go on, is the same "
    "request: nothing is dialled twice."
)


def _operation(path: str, name: str, summary: str, more: str) -> Operation:
    return Operation(
        "POST", path, name, summary, "call:write",
        {"anyOf": [ref("PlacedCall"), ref("CallBatch")]}, 201,
        description=f"{more} {_SAME}".strip(),
        headers=(Parameter("Idempotency-Key", text(maxLength=255), "Makes that hold for good, and for calls over a WebSocket or in a flow of your own."),),
        body=ref("CreateCall"),
        example={
            "assistantId": "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11",
            "phoneNumberId": "de51c7f8-91a4-4c3f-a6d0-3f2b7c8e5a55",
            "customer": {"number": "+13125550177", "name": "Marta Ilves"},
            "assistantOverrides": {"variableValues": {"bike": "the blue one"}},
        },
        errors=(410, 422),
    )  # fmt: skip


PLACING: Final = Part(
    "Placing calls",
    "An assistant or a squad, stored or sent along, calls a number, or a list of numbers.",
    (
        _operation("/call", "call_create", "Have a call placed", "With `customers`, the answer is a batch."),
        _operation(
            "/call/phone", "call_phone", "Have a call placed (Vapi's older path)", "The same as `POST /call`."
        ),
        _operation(
            "/assistant/start", "assistant_start", "Start a call (our own path)", "The same as `POST /call`."
        ),
    ),
    {
        "CreateCall": record({name: nullable(_BODY[name]) for name in sorted(FIELDS)}),
        "Customer": record({name: nullable(_CUSTOMER[name]) for name in sorted(CUSTOMER_FIELDS)}),
        "PlacedCall": record(
            {**CALL_FIELDS, "subscriptionLimits": _LIMITS, "phoneCallProviderDetails": _DETAILS},
            required="id orgId createdAt type status",
        ),
        "CallBatch": record(
            {
                "subscriptionLimits": _LIMITS,
                "results": array(ref("Call")),
                "errors": array(record({"customer": anything(), "error": text()}, required="customer error")),
            },
            required="subscriptionLimits results errors",
        ),
    },
)
