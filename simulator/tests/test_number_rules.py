"""Twilio's rules for numbers by themselves: whatever is asked, in whatever order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import overrides
from simulator.accounts import Account, Accounts
from simulator.number_rules import field_of
from simulator.numbers import Numbers
from simulator.overrides import OverrideError, Overrides
from simulator.refusals import Complaints, Refusal
from simulator.routing import NobodyError, route_of

URLS = st.sampled_from(["", "https://a.example.com/x", "https://a.example.com/x#rc=2", "nonsense"])
FORMS = st.dictionaries(
    st.sampled_from(["VoiceUrl", "VoiceFallbackUrl", "StatusCallback", "SmsUrl", "SmsFallbackUrl"]), URLS
).flatmap(
    lambda urls: st.fixed_dictionaries(
        {},
        optional={
            "TrunkSid": st.sampled_from(["", "TK" + "1" * 32, "TK" + "2" * 32]),
            "VoiceApplicationSid": st.sampled_from(["", "AP" + "1" * 32, "AP" + "2" * 32]),
            "VoiceMethod": st.sampled_from(["", "GET", "POST", "PUT"]),
        },
    ).map(lambda others: {**urls, **others})
)


def fresh() -> Numbers:
    return Numbers(Accounts(Account("AC" + "0" * 31 + "1", "token")), Complaints())


@given(st.lists(FORMS, max_size=6), st.sampled_from([f"PN{'0' * 31}{last}" for last in "123"]))
def test_no_order_of_updates_leaves_a_number_that_cannot_be(forms: list[dict[str, str]], sid: str) -> None:
    numbers = fresh()
    for form in forms:
        before: dict[str, Any] = dict(numbers.find(sid))
        try:
            after = numbers.update(numbers.find(sid), form.items())
        except Refusal:
            assert numbers.find(sid) == before
            continue
        assert not (after["trunk_sid"] and after["voice_application_sid"])
        assert after["voice_url"] or not after["voice_fallback_url"]
        untouched = set(after) - {field_of(name) for name in form} - {"date_updated"}
        assert {name for name in untouched if after[name] != before[name]} <= {
            "trunk_sid",
            "voice_application_sid",
        }
        try:
            route = route_of(after, numbers.applications)
        except NobodyError:
            assert not after["trunk_sid"]
        else:
            assert bool(route.trunk_sid) == bool(after["trunk_sid"])


def test_every_field_goes_back_to_what_it_was() -> None:
    """What a rollback relies on: null and "" are one thing to an update."""
    for sid in (f"PN{'0' * 31}{last}" for last in "123"):
        numbers = fresh()
        before = dict(numbers.find(sid))
        numbers.update(
            numbers.find(sid),
            {"VoiceUrl": "https://a.example.com/", "TrunkSid": "", "VoiceApplicationSid": ""}.items(),
        )
        back = {"VoiceUrl": before["voice_url"]}
        if before["trunk_sid"]:
            back["TrunkSid"] = before["trunk_sid"]
        elif before["voice_application_sid"]:
            back["VoiceApplicationSid"] = before["voice_application_sid"]
        after = numbers.update(numbers.find(sid), back.items())
        assert {**after, "date_updated": before["date_updated"]} == before


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("ct=100", Overrides(connect_ms=100)),
        ("rc=0&rp=all", Overrides(retries=0, retry_on=frozenset({"all"}))),
        (
            "rt=2000&tt=3000&rp=5xx,rt",
            Overrides(read_ms=2000, total_ms=3000, retry_on=frozenset({"5xx", "rt"})),
        ),
        ("e=dublin,ashburn", Overrides()),
    ],
)
def test_connection_overrides(fragment: str, expected: Overrides) -> None:
    assert overrides.parse(fragment) == expected


@pytest.mark.parametrize(
    ("fragment", "code"),
    [
        ("", 11240),
        ("ct=99", 11240),
        ("rt=15001", 11240),
        ("ct=1e3", 11240),
        ("ct=200&ct=300", 11240),
        ("rc=-1", 11241),
        ("rc=6", 11241),
        ("rp=", 11242),
        ("rp=ct,5XX", 11242),
        ("e=", 11243),
    ],
)
def test_bad_connection_overrides(fragment: str, code: int) -> None:
    with pytest.raises(OverrideError) as caught:
        overrides.parse(fragment)

    assert caught.value.code == code
