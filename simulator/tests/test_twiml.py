import pytest

from simulator import twiml
from simulator.twiml import TwimlError

BASE = "https://voice.example.com/twilio/voice"


def parse(inner: str) -> list[twiml.Verb]:
    return twiml.parse(f"<Response>{inner}</Response>".encode(), content_type="text/xml", base_url=BASE)


def connect(stream: str = 'url="wss://voice.example.com/media/1"', inner: str = "", outer: str = "") -> str:
    return f"<Connect{outer}><Stream {stream}>{inner}</Stream></Connect>"


def test_a_bidirectional_stream() -> None:
    document = connect(
        'url="wss://voice.example.com/media/1" statusCallback="https://voice.example.com/s"',
        '<Parameter name="token" value="t"/>',
        ' action="/twilio/after"',
    )

    (verb,) = parse(document)

    assert verb == twiml.Connect(
        stream=twiml.Stream(
            url="wss://voice.example.com/media/1",
            status_callback="https://voice.example.com/s",
            parameters={"token": "t"},
        ),
        action="https://voice.example.com/twilio/after",
    )


def test_other_verbs() -> None:
    verbs = parse(
        "<Say>Sorry.</Say><Pause length='2'/><Play digits='1w2'/><Redirect>../x</Redirect>"
        "<Dial action='/d'><Number>+12025550111</Number></Dial><Reject reason='busy'/><Hangup/>"
    )

    assert verbs == [
        twiml.Say("Sorry."),
        twiml.Pause(2.0),
        twiml.Play(None, "1w2"),
        twiml.Redirect("https://voice.example.com/x"),
        twiml.Dial((twiml.Callee("+12025550111"),), "https://voice.example.com/d"),
        twiml.Reject("busy"),
        twiml.Hangup(),
    ]


REFUSED = {
    "ws off loopback": (connect('url="ws://voice.example.com/media"'), "31922"),
    "https": (connect('url="https://voice.example.com/media"'), "31922"),
    "blank in front": (connect('url=" wss://voice.example.com/media"'), "31922"),
    "query": (connect('url="wss://voice.example.com/media?token=1"'), "31923"),
    "bare question mark": (connect('url="wss://voice.example.com/media?"'), "31923"),
    "both tracks": (connect('url="wss://voice.example.com/m" track="both_tracks"'), "31941"),
    "relative status callback": (connect('url="wss://v.example.com/m" statusCallback="/s"'), "12200"),
    "unknown attribute": (connect('url="wss://v.example.com/m" colour="red"'), "12200"),
    "unknown verb": ("<Sing/>", "12200"),
    "stream outside connect": ('<Stream url="wss://v.example.com/m"/>', "12200"),
    "empty connect": ("<Connect/>", "12200"),
    "long parameter": (
        connect(inner=f'<Parameter name="token" value="{"x" * 495}"/>'),
        "12200",
    ),
    "malformed url": (connect('url="wss://[v/m"'), "31923"),
    "pause without number": ("<Pause length='long'/>", "12200"),
    "nobody to dial": ("<Dial/>", "13223"),
    "an empty number": ("<Dial><Number> </Number></Dial>", "13224"),
    "keys that no telephone has": ("<Dial><Number sendDigits='1,2'>+12025550111</Number></Dial>", "13225"),
    "no SIP address": ("<Dial><Sip>alice</Sip></Dial>", "13226"),
    "a SIP address with blanks": ("<Dial><Sip>sip:alice@example.com?x=a b</Sip></Dial>", "13226"),
    "a dial that never gives up": ("<Dial timeout='601'>+12025550111</Dial>", "13212"),
    "no flag": ("<Dial answerOnBridge='yes'>+12025550111</Dial>", "12200"),
    "nothing to say": ("<Say> </Say>", "13520"),
    "nothing to play": ("<Play/>", "13420"),
    "keys to play that no telephone has": ("<Play digits='1-2'/>", "13325"),
    "method": ("<Redirect method='PUT'>/x</Redirect>", "12200"),
    "broken": ("<Say>", "12100"),
}


@pytest.mark.parametrize(("inner", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(inner: str, code: str) -> None:
    with pytest.raises(TwimlError) as refused:
        parse(inner)

    assert refused.value.code == code


def test_ws_is_allowed_on_loopback() -> None:
    (verb,) = parse(connect('url="ws://127.0.0.1:8001/media/1"'))

    assert isinstance(verb, twiml.Connect)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"<Response/>", "application/json", "12300"),
        (b"<Response/>", "", "12300"),
        (b"\n<?xml version='1.0'?><Response/>", "text/xml", "12100"),
        (b"<html/>", "text/html", "12300"),
        (b"<html/>", "text/xml", "12100"),
        (b"<Response>" + b" " * 65536 + b"</Response>", "text/xml", "11750"),
    ],
)
def test_documents_that_are_none(body: bytes, content_type: str, code: str) -> None:
    with pytest.raises(TwimlError) as refused:
        twiml.parse(body, content_type=content_type, base_url=BASE)

    assert refused.value.code == code


def test_an_inline_document_is_short_and_absolute() -> None:
    with pytest.raises(TwimlError, match="15004"):
        twiml.parse_inline("<Response><Redirect>/x</Redirect></Response>")
    with pytest.raises(TwimlError, match="32018"):
        twiml.parse_inline(f"<Response><Say>{'x' * 4000}</Say></Response>")
    assert twiml.parse_inline("<Response/>") == []


def test_who_is_dialled_and_how() -> None:
    (verb,) = parse(
        "<Dial action='/d' timeout='20' callerId='+12025550100' answerOnBridge='true'>"
        "<Number url='/whisper' sendDigits='ww204'>+12025550111</Number><Sip>sip:desk@pbx.example?X-Site=north</Sip></Dial>"
    )

    assert verb == twiml.Dial(
        (
            twiml.Callee("+12025550111", url="https://voice.example.com/whisper", digits="ww204"),
            twiml.Callee("sip:desk@pbx.example?X-Site=north", sip=True),
        ),
        "https://voice.example.com/d",
        timeout_s=20,
        caller_id="+12025550100",
        answer_on_bridge=True,
    )


def test_a_whisper_sent_by_rest_needs_a_whole_address() -> None:
    with pytest.raises(TwimlError) as refused:
        twiml.parse_inline("<Response><Dial><Number url='/whisper'>+12025550111</Number></Dial></Response>")

    assert refused.value.code == "15004"
