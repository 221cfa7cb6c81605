"""Vapi's provider bypass: what is asked, and that only a document which Twilio takes is passed on."""

import json
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from assistants.models import VapiImport, VapiObject
from calls.cutover.bypass import BypassError, Order, ask, is_document, reply_read
from tools.tests.servers import answering, serve, silent

TWIML = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="wss://x/y"/></Connect></Response>'
)
ORDER = Order(did="+14155550123", caller="+13125550177", phone_number_id="pn-1", within_s=60)


def body(document: Any) -> bytes:
    return json.dumps({"id": "call-1", "phoneCallProviderDetails": {"twiml": document}}).encode()


def test_the_document_and_vapis_id_are_read() -> None:
    reply = reply_read(body(TWIML))

    assert (reply.document, reply.call_id) == (TWIML, "call-1")


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"nonsense", b"[]", b"null", b"{}", b'{"phoneCallProviderDetails": null}',
        body(None), body(7), body(""), body("<Response>"), body("<html/>"), body("hello"),
        body("<!DOCTYPE Response [<!ENTITY a 'b'>]><Response/>"), body("<Response>" + "x" * 65_536 + "</Response>"),
    ],
    ids=range(14),
)  # fmt: skip
def test_anything_else_is_no_document(answer: bytes) -> None:
    with pytest.raises(BypassError):
        reply_read(answer)


def test_a_surrogate_is_no_reason_to_break() -> None:
    assert not is_document("\ud800")


@pytest.mark.django_db
def test_vapi_is_asked_as_its_own_documentation_says(settings: Settings) -> None:
    settings.VAPI_API_KEY = "vapi-key"
    VapiObject.objects.create(
        kind=VapiObject.Kind.PHONE_NUMBER,
        key="pn-1",
        raw={"id": "pn-1", "assistantId": "as-1", "squadId": None},
        last_import=VapiImport.objects.create(source="a test"),
        imported_at=timezone.now(),
    )
    with serve(answering(body(TWIML), status=201)) as server:
        settings.VAPI_API_URL = server.url
        reply = ask(ORDER)

    assert reply.document == TWIML
    assert server.paths == ["/vapi/call"]
    assert server.requests[0][0]["Authorization"] == "Bearer vapi-key"
    assert server.bodies == [
        {
            "phoneNumberId": "pn-1",
            "assistantId": "as-1",
            "customer": {"number": "+13125550177"},
            "phoneCallProviderBypassEnabled": True,
        }
    ]


@pytest.mark.django_db
def test_a_silent_vapi_is_waited_for_no_longer_than_the_order_says(settings: Settings) -> None:
    with serve(silent) as server:
        settings.VAPI_API_URL = server.url
        with pytest.raises(BypassError, match=r"within 0\.3 s"):
            ask(Order("+1", "+2", "pn-1", within_s=0.3))
        assert not server.stopping.is_set()  # until then it is silent


@pytest.mark.django_db
@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_refusal_of_vapis_is_told_by_its_number(settings: Settings, status: int) -> None:
    with serve(answering("{}", status=status)) as server:
        settings.VAPI_API_URL = server.url
        with pytest.raises(BypassError, match=str(status)):
            ask(ORDER)
