"""A number that two providers share, and Twilio's webhooks of it."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.models import NumberSnapshot, PhoneNumber
from calls.tests.factories import make_phone_number

DID = "+14155550123"
SID = "CA" + "7" * 32
CALLER = "+13125550177"
OLD_URL = "https://api.vapi.ai/twilio/inbound_call?org=a&line=b#rt=9000"
CONFIG = {
    "voice_url": OLD_URL,
    "voice_method": "POST",
    "status_callback": "https://api.vapi.ai/twilio/status",
    "status_callback_method": "POST",
    "trunk_sid": None,
    "voice_application_sid": "",
}
TWIML = '<?xml version="1.0"?><Response><Connect><Stream url="wss://api.vapi.ai/1/transport"/></Connect></Response>'
Post = Callable[..., Any]


def make_shared(*, percent: int = 0, config: dict[str, Any] | None = None, **fields: Any) -> PhoneNumber:
    """A number of which our assistant takes so many percent."""
    number = make_phone_number(
        did=DID,
        assistant=make_assistant(published=True),
        canary_percent=percent,
        state=PhoneNumber.State.CANARY,
        **fields,
    )
    number.snapshot = NumberSnapshot.objects.create(
        number=number,
        taken_at=timezone.now(),
        config=CONFIG if config is None else config,
        origin="https://x",
    )
    number.save(update_fields=["snapshot"])
    return number


def redirect_of(answer: Any) -> tuple[str, str]:
    """Where a document redirects to, and how; two empty texts when it is another one."""
    assert answer.status_code == 200
    verbs = list(ET.fromstring(answer.content))
    if [verb.tag for verb in verbs] != ["Redirect"]:
        return "", ""
    return verbs[0].text or "", verbs[0].attrib["method"]
