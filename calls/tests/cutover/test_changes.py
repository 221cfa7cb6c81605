"""What is written to a number, and how two configurations differ."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.cutover.changes import (
    VOICE_FIELDS,
    FieldChange,
    answered_by,
    differences,
    fields_to_send,
    is_ours,
    restoring_fields,
    voice_config,
    wanted_fields,
    why_not_restorable,
)

ORIGIN = "https://voice.example.com"
FILE = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "twilio" / "incoming-phone-numbers.json"
REAL = json.loads(FILE.read_text())["incoming_phone_numbers"]
OURS = wanted_fields(
    voice_url=f"{ORIGIN}/twilio/voice?back=1#rt=2500",
    status_url=f"{ORIGIN}/twilio/status",
    fallback_url="https://api.vapi.ai/twilio/inbound_call",
    fallback_method="POST",
)

urls = st.sampled_from(
    [None, "", "https://a.example.net/x", "https://A.example.net/x", "https://a.example.net/x#rc=1"]
)
sids = st.sampled_from([None, ""])
methods = st.sampled_from([None, "", "POST", "GET"])
configs = st.fixed_dictionaries(
    {},
    optional={
        "trunk_sid": sids | st.just("TK" + "1" * 32),
        "voice_application_sid": sids | st.just("AP" + "1" * 32),
        "voice_url": urls,
        "voice_method": methods,
        "voice_fallback_url": urls,
        "voice_fallback_method": methods,
        "status_callback": urls,
        "status_callback_method": methods,
        "sms_url": urls,
        "account_sid": st.just("AC" + "1" * 32),
    },
)


def applied(config: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """The configuration after a POST, as Twilio makes it: a trunk takes the application away, and the other way round."""
    after = {**config, **fields}
    if fields.get("trunk_sid"):
        after["voice_application_sid"] = None
    elif fields.get("voice_application_sid"):
        after["trunk_sid"] = None
    return after


def allowed(config: dict[str, Any]) -> bool:
    return not why_not_restorable(config)


@given(before=configs.filter(allowed), now=configs.filter(allowed))
def test_what_is_sent_restores_every_voice_field_and_names_no_other(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    fields = restoring_fields(before, now)

    assert voice_config(applied(now, fields)) == voice_config(before)
    assert set(fields) <= set(VOICE_FIELDS)
    assert all(isinstance(value, str) for value in fields.values())
    assert not (fields.get("trunk_sid") and "voice_application_sid" in fields)


@given(before=configs.filter(allowed))
def test_there_and_back_is_where_it_was(before: dict[str, Any]) -> None:
    there = applied(before, fields_to_send(OURS, before))

    assert not differences(OURS, there)
    assert voice_config(applied(there, restoring_fields(before, there))) == voice_config(before)


@given(one=configs, other=configs)
def test_nothing_is_sent_exactly_where_nothing_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert bool(fields_to_send(voice_config(one), other)) == bool(differences(voice_config(one), other))


@pytest.mark.parametrize("config", REAL, ids=lambda config: str(config["friendly_name"]))
def test_twilios_own_examples_go_there_and_back(config: dict[str, Any]) -> None:
    there = applied(config, fields_to_send(OURS, config))

    assert answered_by(there, origin=ORIGIN) == "tandem"
    assert {name: value for name, value in there.items() if name.startswith("sms_")} == {
        name: value for name, value in config.items() if name.startswith("sms_")
    }
    assert voice_config(applied(there, restoring_fields(config, there))) == voice_config(config)


def test_twilios_own_examples_say_who_answers() -> None:
    assert [answered_by(config, origin=ORIGIN) for config in REAL] == ["vapi", "trunk", "application"]


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ({"trunk_sid": ""}, {"trunk_sid": None}),
        ({"trunk_sid": ""}, {}),
        ({"voice_url": None}, {"voice_url": ""}),
        ({"voice_method": None}, {"voice_method": "POST"}),
        ({"voice_method": ""}, {}),
        ({}, {"voice_url": "https://a.example.net"}),
    ],
)
def test_what_twilio_means_alike_does_not_differ(wanted: dict[str, Any], actual: dict[str, Any]) -> None:
    assert not differences(wanted, actual)


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ("https://a.example.net/x", "https://A.example.net/x"),
        ("https://a.example.net/x", "https://a.example.net/x/"),
        ("https://a.example.net/x#rc=1", "https://a.example.net/x"),
        ("https://a.example.net/x", " https://a.example.net/x"),
        ("https://a.example.net/x", ""),
    ],
)
def test_everything_else_differs(wanted: str, actual: str) -> None:
    assert differences({"voice_url": wanted}, {"voice_url": actual}) == (
        FieldChange("voice_url", wanted, actual),
    )


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        (f"{ORIGIN}/twilio/voice", True),
        (f"{ORIGIN}:443/twilio/voice?back=1#rt=2500", True),
        ("HTTPS://Voice.Example.com/twilio/voice", True),
        (f"{ORIGIN}/twilio/voice/", False),
        ("http://voice.example.com/twilio/voice", False),
        ("https://voice.example.com.evil.net/twilio/voice", False),
        ("https://voice.example.com:8443/twilio/voice", False),
        ("https://[broken/twilio/voice", False),
        ("", False),
    ],
)
def test_our_own_address_is_told_from_others(url: str, *, ours: bool) -> None:
    assert is_ours(url, origin=ORIGIN) is ours


@pytest.mark.parametrize(
    ("config", "answers"),
    [
        ({}, "unknown"),
        ({"voice_url": ""}, "nobody"),
        ({"voice_url": "https://api.vapi.ai/twilio/inbound_call"}, "vapi"),
        ({"voice_url": "https://vapi.ai.evil.net/"}, "url"),
        ({"voice_url": "https://notvapi.ai/"}, "url"),
        ({"voice_url": "http://127.0.0.1:9009/vapi/x"}, "vapi"),
        ({"voice_url": f"{ORIGIN}/twilio/voice", "trunk_sid": "TK1"}, "trunk"),
        ({"voice_url": f"{ORIGIN}/twilio/voice", "voice_application_sid": "AP1"}, "application"),
        ({"trunk_sid": "TK1", "voice_application_sid": "AP1"}, "trunk"),
    ],
)
def test_a_stale_url_answers_nobody(config: dict[str, Any], answers: str) -> None:
    assert answered_by(config, origin=ORIGIN, vapi_origins=("http://127.0.0.1:9009/vapi",)) == answers
