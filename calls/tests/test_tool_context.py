"""What goes with a tool call: the call, and who takes part in it, as servers that were written for Vapi read it."""

from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from assistants.models import VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.models import CallVariables
from calls.selectors import StreamCall, call_for_stream
from calls.tests.factories import make_call, make_phone_number
from calls.tests.stage import CALL
from calls.tool_context import tool_context
from tools.jsontext import json_text


def context(call: StreamCall) -> dict[str, Any]:
    return tool_context(call, public_origin="https://voice.example", org_id="o-1", messages=[], learnt={})


@pytest.mark.django_db
def test_what_was_imported_is_told_by_the_ids_that_it_had_at_vapi() -> None:
    assistant, number = make_assistant(published=True), make_phone_number(vapi_id="vapi-number")
    run, call_at = VapiImport.objects.create(), timezone.now()
    for key in ("b2d7a6d4#inline", "vapi-assistant", "vapi-copy"):
        VapiObject.objects.create(
            kind="assistant", key=key, assistant=assistant, last_import=run, raw={}, imported_at=call_at
        )
    call = make_call(
        status="ringing", assistant=assistant, version=assistant.live_version, phone_number=number
    )

    loaded = call_for_stream(call.pk)

    assert loaded is not None
    told = context(loaded)
    assert (told["call"]["assistantId"], told["assistant"]["id"]) == ("vapi-assistant", "vapi-assistant")
    assert (told["call"]["phoneNumberId"], told["phoneNumber"]["id"]) == ("vapi-number", "vapi-number")


@pytest.mark.django_db
def test_what_was_made_here_is_told_by_our_ids() -> None:
    assistant = make_assistant(published=True)
    call = make_call(
        status="ringing",
        assistant=assistant,
        version=assistant.live_version,
        phone_number=make_phone_number(),
    )

    loaded = call_for_stream(call.pk)

    assert loaded is not None
    assert context(loaded)["call"]["assistantId"] == str(assistant.pk)
    assert context(loaded)["call"]["phoneNumberId"] == str(call.phone_number_id)


@pytest.mark.django_db
def test_values_that_came_with_the_call_stand_where_servers_look_for_them_without_secret_ones() -> None:
    assistant = make_assistant(published=True)
    call = make_call(status="ringing", assistant=assistant, version=assistant.live_version)
    CallVariables.objects.create(
        call=call, values={"clinic": "Riverbend"}, secret_values=json_text({"pin": "4711"})
    )

    loaded = call_for_stream(call.pk)

    assert loaded is not None
    assert loaded.given == {"clinic": "Riverbend", "pin": "4711"}
    assert context(loaded)["call"]["assistantOverrides"] == {"variableValues": {"clinic": "Riverbend"}}
    in_squad = context(replace(loaded, squad_id="s-1"))["call"]
    assert in_squad["squadOverrides"] == {"variableValues": {"clinic": "Riverbend"}}
    assert "assistantOverrides" not in in_squad


def test_a_call_on_a_programs_socket_has_no_number_and_no_carrier() -> None:
    told = context(replace(CALL, did="", caller="", call_sid="", account_sid=""))

    assert told["call"]["type"] == "vapi.websocketCall"
    assert not told["call"].keys() & {"phoneCallProvider", "phoneCallProviderId", "phoneCallTransport"}
    assert "phoneNumber" not in told
    assert told["customer"] == {}


def test_a_telephone_call_has_its_number_and_its_carrier() -> None:
    told = context(CALL)

    assert (told["call"]["type"], told["call"]["phoneCallProvider"]) == ("inboundPhoneCall", "twilio")
    assert told["customer"] == told["call"]["customer"] == {"number": CALL.caller}
    assert context(replace(CALL, outbound=True))["call"]["type"] == "outboundPhoneCall"
