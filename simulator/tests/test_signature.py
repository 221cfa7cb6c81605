import json
from pathlib import Path
from typing import Any

import pytest

from simulator.signature import sign
from simulator.twilio_http import Origins, UnreachableError

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "fixtures" / "signature-cases.json").read_text()
)["cases"]
POSITIVE = [
    case
    for case in CASES
    if case["expected"] and case["validate_url"] == case["signed_url"] and not case.get("algorithm")
]


@pytest.mark.parametrize(
    "case", POSITIVE, ids=[f"{n}-{case['signed_url']}" for n, case in enumerate(POSITIVE)]
)
def test_signatures_are_twilios(case: dict[str, Any]) -> None:
    form = [(str(name), str(value)) for name, value in case["params"] or []]

    assert sign(case["signed_url"], form, auth_token=case["auth_token"]) == case["signature"]


def test_https_is_signed_without_port_and_http_with_it() -> None:
    def same(left: str, right: str) -> bool:
        return sign(left, auth_token="t") == sign(right, auth_token="t")

    assert same("https://voice.example.com:8443/x", "https://voice.example.com/x")
    assert not same("http://127.0.0.1:8000/x", "http://127.0.0.1/x")


def test_a_public_origin_stands_for_the_loopback_server() -> None:
    origins = Origins.of(
        "http://127.0.0.1:8000/twilio/voice",
        public_origin="https://voice.example.com",
        media_origin="ws://127.0.0.1:8001",
    )

    assert origins.public("http://127.0.0.1:8000/twilio/voice") == "https://voice.example.com/twilio/voice"
    assert (
        origins.local("https://voice.example.com/twilio/after?x=1")
        == "http://127.0.0.1:8000/twilio/after?x=1"
    )
    assert origins.local("wss://voice.example.com/media/1") == "ws://127.0.0.1:8001/media/1"
    assert origins.local("ws://127.0.0.1:8001/media/1") == "ws://127.0.0.1:8001/media/1"
    with pytest.raises(UnreachableError):
        origins.local("https://api.vapi.ai/twilio/inbound_call")
