"""What Twilio is told is a document that it can read, whatever the texts are that programs and servers have written."""

from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest

from calls.transfers import Destination, destination_read
from calls.twilio import twiml

ODD = "Hold\x00 \x01on\x0b, \x1b[31m\ufffe\uffff\ud800please\x85 <Dial>&amp;]]>\U0001f600"
SAID = "Hold   on ,  [31m   please\x85 <Dial>&amp;]]>\U0001f600"


def dial(words: str) -> str:
    desk = Destination(name="+13125550142", address="+13125550142")
    place = "https://tandem.example.com"
    return twiml.dial_document(desk, public_origin=place, transfer_id="t", caller_id="", words=words)


@pytest.mark.parametrize(
    "document",
    [
        twiml.apology_document(ODD, "en"),
        twiml.apology_document(ODD, "xx"),
        twiml.forward_document("+13125550142", otherwise=ODD, language="en"),
        twiml.whisper_document(ODD, "en", waits=True),
        dial(ODD),
    ],
    ids=["apology", "of no language", "forward", "whisper", "dial"],
)
def test_what_no_document_may_hold_is_said_as_a_pause(document: str) -> None:
    read = ElementTree.fromstring(document.encode())
    assert [one.text for one in read.iter("Say")] == [SAID]
    assert {one.tag for one in read} <= {"Say", "Dial", "Hangup", "Pause"}


def test_a_sip_header_stays_one_line_whatever_stands_in_it() -> None:
    headers = {"X-Said": "north\r\nVia: evil\x00\u2028", "X-Half": "a\ud800b", "X-N": 7}
    desk = destination_read(
        {"type": "sip", "sipUri": "sip:desk@pbx.example.com", "sipHeaders": headers}, language="en"
    )

    assert desk is not None
    sent = parse_qs(desk.address.partition("?")[2])
    assert sent == {"X-Said": ["north  Via: evil  "], "X-Half": ["a b"], "X-N": ["7"]}
