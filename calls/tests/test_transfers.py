"""Where a call may go, read from Vapi's words, and the documents that bring it there."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from calls.transfers import (
    STOCK_WHISPER,
    Destination,
    caller_id_shown,
    destination_read,
    destination_stored,
    destinations_read,
)
from calls.twilio import twiml
from tools.destinations import BLIND

NURSE = {
    "type": "number",
    "number": "+13125550142",
    "extension": "204",
    "callerId": "+13125550100",
    "message": "I'll connect you with our nurse.",
    "description": "Urgent symptoms.",
    "transferPlan": {
        "mode": "warm-transfer-say-summary",
        "dialTimeout": 25,
        "summaryPlan": {
            "enabled": True,
            "timeoutSeconds": 6,
            "messages": [{"role": "system", "content": "Write two sentences for the nurse."}],
        },
        "fallbackPlan": {"message": "The nurse is not picking up.", "endCallEnabled": False},
    },
}
BILLING = {"type": "number", "number": "+1 (312) 555-0188", "message": ""}
AFTER_HOURS = {
    "type": "sip",
    "sipUri": "sip:afterhours@pbx.riverbend.example",
    "sipHeaders": {"X-Site": "north & 1"},
}
TOOL = {"destinations": [NURSE, BILLING, AFTER_HOURS]}


def read(stored: object) -> Destination:
    destination = destination_read(stored, language="en")
    assert destination is not None
    return destination


def planned(**plan: Any) -> Destination:
    return read({**BILLING, "transferPlan": plan})


def test_a_number_with_all_that_vapi_knows_of_it() -> None:
    nurse = read(NURSE)

    assert (nurse.name, nurse.address, nurse.sip) == ("+13125550142", "+13125550142", False)
    assert (nurse.extension, nurse.caller_id, nurse.rings_s) == ("204", "+13125550100", 25)
    assert nurse.message == "I'll connect you with our nurse."
    assert nurse.says == STOCK_WHISPER
    assert nurse.summary is not None
    assert nurse.summary.within_s == 6
    assert nurse.summary.messages == ({"role": "system", "content": "Write two sentences for the nurse."},)
    assert nurse.fallback is not None
    assert not nurse.fallback.ends_call
    assert nurse.faults == ()


def test_spaces_and_brackets_in_a_number_are_no_fault_and_its_name_stays_as_the_model_knows_it() -> None:
    billing = read(BILLING)

    assert (billing.name, billing.address) == ("+1 (312) 555-0188", "+13125550188")


def test_no_message_is_a_stock_one_and_an_empty_one_is_silence() -> None:
    assert read({"type": "number", "number": "+13125550188"}).message is None
    assert read(BILLING).message == ""
    assert (
        read({**BILLING, "message": {"type": "request-start", "content": "Hold on."}}).message == "Hold on."
    )


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "+13125550142",
        {},
        {"type": "number"},
        {"type": "number", "number": "204"},
        {"type": "number", "number": "+1312555014<"},
        {"type": "number", "number": 13125550142},
        {"type": "sip", "sipUri": "pbx.example"},
        {"type": "sip", "sipUri": "sip:a b@pbx.example"},
        {"type": "sip", "sipUri": "sip:a@pbx.example?X-Evil=1"},
        {"type": "assistant", "assistantName": "Billing"},
    ],
)
def test_what_cannot_be_dialled_is_no_destination(stored: object) -> None:
    assert destination_read(stored, language="en") is None
    assert destinations_read({"destinations": [stored]}, language="en") == ()


def test_a_short_number_counts_where_its_check_is_off() -> None:
    assert read({"type": "number", "number": "204", "numberE164CheckEnabled": False}).address == "204"


def test_sip_headers_become_part_of_the_address() -> None:
    desk = read({**AFTER_HOURS, "sipHeaders": {"X-Site": "north & 1", "Via": "evil", "X-B": 7}})

    assert desk.address == "sip:afterhours@pbx.riverbend.example?X-Site=north%20%26%201&X-B=7"
    assert desk.name == "sip:afterhours@pbx.riverbend.example"
    assert desk.faults == ("Twilio passes on no SIP header named Via.",)


def test_sip_headers_that_are_too_long_are_left_out() -> None:
    desk = read({**AFTER_HOURS, "sipHeaders": {"X-Long": "x" * 1200}})

    assert desk.address == "sip:afterhours@pbx.riverbend.example"
    assert len(desk.faults) == 1


@pytest.mark.parametrize(
    ("mode", "says", "summary", "waits", "faults"),
    [
        (BLIND, "", False, False, 0),
        ("warm-transfer-say-message", "A caller.", False, False, 0),
        ("warm-transfer-with-message", "A caller.", False, False, 0),
        ("warm-transfer-say-summary", "A caller.", True, False, 0),
        ("warm-transfer-with-summary", "A caller.", True, False, 0),
        ("warm-transfer-wait-for-operator-to-speak-first-and-then-say-message", "A caller.", False, True, 0),
        ("warm-transfer-wait-for-operator-to-speak-first-and-then-say-summary", "A caller.", True, True, 0),
        ("warm-transfer-experimental", "", False, False, 1),
        ("warm-transfer-twiml", "", False, False, 1),
        ("blind-transfer-add-summary-to-sip-header", "", False, False, 1),
    ],
)
def test_modes(mode: str, says: str, *, summary: bool, waits: bool, faults: int) -> None:
    destination = planned(mode=mode, message="A caller.")

    assert destination.says == says
    assert (destination.summary is not None) == summary
    assert destination.waits == waits
    assert len(destination.faults) == faults


def test_a_summary_that_is_switched_off_leaves_the_message() -> None:
    destination = planned(
        mode="warm-transfer-say-summary", message="A caller.", summaryPlan={"enabled": False}
    )

    assert (destination.says, destination.summary) == ("A caller.", None)


@pytest.mark.parametrize(
    ("given", "rings_s"), [(25, 25), (0, 1), (9999, 600), ("20", 60), (True, 60), (None, 60)]
)
def test_how_long_it_rings(given: object, rings_s: int) -> None:
    assert planned(dialTimeout=given).rings_s == rings_s


def test_a_fallback_ends_the_call_unless_it_says_otherwise() -> None:
    assert planned().fallback is None
    ends = planned(fallbackPlan={"message": "Sorry."}).fallback
    assert ends is not None
    assert (ends.message, ends.ends_call) == ("Sorry.", True)


def test_the_destinations_of_a_tool_by_name() -> None:
    three = destinations_read(TOOL, language="en")

    assert [one.name for one in three] == [
        "+13125550142",
        "+1 (312) 555-0188",
        "sip:afterhours@pbx.riverbend.example",
    ]
    assert destination_stored(TOOL, "+13125550142") == NURSE
    assert destination_stored(TOOL, "sip:afterhours@pbx.riverbend.example") == AFTER_HOURS
    assert destination_stored(TOOL, "+19995550000") == {}
    assert (
        destination_stored({"destinations": [NURSE, {**NURSE, "extension": "7"}]}, "+13125550142")[
            "extension"
        ]
        == "7"
    )


@pytest.mark.parametrize(
    ("wanted", "caller", "sip", "shown"),
    [
        ("", "+12025550147", False, "+12025550147"),
        ("", "anonymous", False, "+14155550100"),
        ("+13125550100", "+12025550147", False, "+13125550100"),
        ("Front desk", "+12025550147", False, "+12025550147"),
        ("front-desk", "+12025550147", True, "front-desk"),
        ("", "+12025550147", True, "+12025550147"),
    ],
)
def test_whose_number_the_operator_sees(wanted: str, caller: str, *, sip: bool, shown: str) -> None:
    destination = Destination("x", "x", sip=sip, caller_id=wanted)

    assert caller_id_shown(destination, caller=caller, did="+14155550100") == shown


def document(destination: Destination, **options: Any) -> ET.Element:
    text = twiml.dial_document(
        destination,
        public_origin="https://voice.example.com",
        transfer_id="t-1",
        caller_id="+12025550147",
        **options,
    )
    assert len(text) <= 4000
    return ET.fromstring(text)


def test_the_document_dials_and_always_asks_what_follows() -> None:
    root = document(read(NURSE))

    (dial,) = root
    assert dial.attrib == {
        "action": "https://voice.example.com/twilio/transfer/t-1/ended",
        "method": "POST",
        "timeout": "25",
        "callerId": "+12025550147",
        "answerOnBridge": "true",
    }
    (number,) = dial
    assert (number.tag, number.text) == ("Number", "+13125550142")
    assert number.attrib == {
        "url": "https://voice.example.com/twilio/transfer/t-1/whisper",
        "method": "POST",
        "sendDigits": "ww204",
    }


def test_a_blind_transfer_whispers_nothing_and_a_sip_address_keeps_its_headers() -> None:
    (dial,) = document(read(AFTER_HOURS))

    (sip,) = dial
    assert (sip.tag, sip.attrib) == ("Sip", {})
    assert sip.text == "sip:afterhours@pbx.riverbend.example?X-Site=north%20%26%201"


def test_the_document_that_repeats_an_order_gives_it_time_to_overtake() -> None:
    pause, dial = document(read(BILLING), pause_s=2)

    assert (pause.tag, pause.attrib["length"], dial.tag) == ("Pause", "2", "Dial")


def test_the_longest_destination_fits_what_twilio_takes_by_rest() -> None:
    headers = {f"X-{n}": "&" * 50 for n in range(6)}

    document(read({**AFTER_HOURS, "sipHeaders": headers, "transferPlan": NURSE["transferPlan"]}))


def test_the_operator_s_document_waits_where_they_speak_first() -> None:
    waits = ET.fromstring(twiml.whisper_document("A < caller", "de", waits=True))

    assert [verb.tag for verb in waits] == ["Pause", "Say"]
    assert (waits[1].text, waits[1].attrib) == ("A < caller", {"language": "de-DE"})
