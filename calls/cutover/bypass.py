"""Vapi's provider bypass: a call is created at Vapi, and its document comes back to be given to Twilio by us."""

from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson
import requests
from django.conf import settings

from assistants.models import VapiObject

_LONGEST_DOCUMENT: Final = 64 * 1024  # Twilio takes no longer one
_CONNECT_WITHIN_S: Final = 1.0


class BypassError(Exception):
    """Vapi gave no document. The text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Order:
    """A call for which a document is wanted."""

    did: str
    caller: str
    phone_number_id: str
    within_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """Vapi's document, and its own id of the call."""

    document: str
    call_id: str


def ask(order: Order) -> Reply:
    """Vapi's document for a call that rings here. Blocks no longer than the order says. Raises BypassError."""
    try:
        answer = requests.post(
            f"{settings.VAPI_API_URL}/call",
            json=_body(order),
            headers={"Authorization": f"Bearer {settings.VAPI_API_KEY}"},
            timeout=(min(_CONNECT_WITHIN_S, order.within_s), order.within_s),
            allow_redirects=False,
        )
    except requests.Timeout as exc:
        raise BypassError(f"Vapi gave no document within {order.within_s:.1f} s.") from exc
    except requests.RequestException as exc:
        raise BypassError(f"Vapi could not be reached ({type(exc).__name__}).") from exc
    if answer.status_code not in (200, 201):
        raise BypassError(f"Vapi answered {answer.status_code} when it was asked for a document.")
    return reply_read(answer.content)


def reply_read(body: bytes) -> Reply:
    """The document in Vapi's answer. Raises BypassError where there is none that Twilio would take."""
    try:
        call: Any = orjson.loads(body)
        document = call["phoneCallProviderDetails"]["twiml"]
        call_id = str(call.get("id") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BypassError("Vapi's answer holds no document.") from exc
    if not isinstance(document, str) or not is_document(document):
        raise BypassError("What Vapi gave is no document that Twilio would take.")
    return Reply(document, call_id)


def is_document(text: str) -> bool:
    """Whether Twilio could read this."""
    if len(text.encode(errors="surrogatepass")) > _LONGEST_DOCUMENT or "<!DOCTYPE" in text.upper():
        return False
    try:
        return ET.fromstring(text).tag == "Response"  # noqa: S314  # no doctype, so no entities
    except (ET.ParseError, UnicodeError):
        return False


def _body(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {
        "phoneNumberId": order.phone_number_id,
        "customer": {"number": order.caller},
        "phoneCallProviderBypassEnabled": True,
    }
    # Who answers is said with every call: the number's own choice counts for calls that Vapi takes by itself.
    imported = VapiObject.objects.filter(
        kind=VapiObject.Kind.PHONE_NUMBER, key=order.phone_number_id
    ).values_list("raw", flat=True)
    raw = imported.first() or {}
    for name in ("assistantId", "squadId", "workflowId"):
        if isinstance(raw, dict) and raw.get(name):
            body[name] = raw[name]
            break
    return body
