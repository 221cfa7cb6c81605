"""The gates of a cutover: each passes for one reason and fails for others, and says what to do."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant, ImportFinding, Squad, SquadMember, VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from calls.cutover import gates
from calls.cutover.gates import Gate, gates_for
from calls.doctor.checks.reach import Probe
from calls.models import BudgetTrip, DoctorRun, PhoneNumber, TwilioAccount
from calls.smoke.selectors import LatestVerdict
from calls.tests.factories import make_phone_number
from tools.tests.factories import make_tool

NOW = timezone.now()
_paths = itertools.count()


@pytest.fixture(autouse=True)
def forget_probes() -> Iterator[None]:
    """No test webhook of another test counts."""
    gates._kept.clear()
    yield
    gates._kept.clear()


@pytest.fixture
def number(db: None) -> PhoneNumber:
    return make_phone_number(assistant=make_assistant(published=True))


def verdict(number: PhoneNumber, **fields: Any) -> LatestVerdict:
    assert number.assistant is not None
    assert number.assistant.live_version_id is not None
    return LatestVerdict(
        **{
            "run_id": number.pk,
            "outcome": "pass",
            "finished_at": NOW - timedelta(hours=2),
            "assistant_id": number.assistant.pk,
            "assistant_version_id": number.assistant.live_version_id,
            "rate": 0.0,
            "upper": 0.02,
            "compared": 200,
            "simulated": False,
            "sentence": "It drifts.",
            **fields,
        }
    )


def smoke(number: PhoneNumber, found: LatestVerdict | None, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setattr(gates, "verdict_latest", lambda **_: found)
    return gates.smoke_gate(number, now=NOW)


def test_a_fresh_verdict_on_the_live_version_passes(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smoke(number, verdict(number), monkeypatch).passed


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"outcome": "fail"}, "did not pass. It drifts."),
        ({"outcome": "inconclusive"}, "did not pass"),
        ({"outcome": "errored"}, "did not pass"),
        ({"finished_at": NOW - timedelta(days=8)}, "8 days old"),
        ({"assistant_version_id": -1}, "Another version"),
        ({"assistant_version_id": None}, "Another version"),
        ({"simulated": True}, "simulated model"),
    ],
)
def test_any_other_verdict_does_not(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], word: str
) -> None:
    gate = smoke(number, verdict(number, **fields), monkeypatch)

    assert not gate.passed
    assert word in gate.why
    assert "smoke_test" in gate.what_to_do


def test_no_smoke_test_and_no_assistant_are_told_apart(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smoke(number, None, monkeypatch).why == "No smoke test yet."
    number.assistant = None
    assert "No published assistant" in smoke(number, None, monkeypatch).why


# --- Import ---------------------------------------------------------------------------------------------------


def leave_open(**of: Any) -> ImportFinding:
    """A decision that an import left open."""
    kind = of.pop("kind", VapiObject.Kind.ASSISTANT)
    vapi_object = VapiObject.objects.create(
        kind=kind,
        key=of.pop("key", f"key-{next(_paths)}"),
        name="Front desk",
        raw={},
        last_import=VapiImport.objects.create(source="a test"),
        imported_at=NOW,
        **of,
    )
    return ImportFinding.objects.create(
        vapi_object=vapi_object,
        position=next(_paths),
        path="voice.voiceId",
        verdict=ImportFinding.Verdict.DECISION,
    )


def test_open_decisions_of_the_assistant_its_tools_and_its_number_stop_it(number: PhoneNumber) -> None:
    assert number.assistant is not None
    tool = make_tool()
    number.assistant.tools.add(tool)
    number.vapi_id = "pn-1"
    assert gates.import_gate(number, now=NOW).passed
    leave_open(assistant=make_assistant())

    assert gates.import_gate(number, now=NOW).passed
    leave_open(assistant=number.assistant)
    leave_open(tool=tool, kind=VapiObject.Kind.TOOL)
    leave_open(kind=VapiObject.Kind.PHONE_NUMBER, key="pn-1")
    leave_open(assistant=number.assistant)
    gate = gates.import_gate(number, now=NOW)

    assert not gate.passed
    assert gate.why.startswith("4 decisions of the import are open: Front desk: voice.voiceId")
    assert gate.why.endswith("and 1 more.")


def test_a_settled_decision_stops_nothing(number: PhoneNumber) -> None:
    finding = leave_open(assistant=number.assistant)
    assert "One decision of the import is open" in gates.import_gate(number, now=NOW).why

    finding.settled_at = NOW
    finding.save()

    assert gates.import_gate(number, now=NOW).passed


@pytest.mark.django_db
def test_every_member_of_a_squad_counts() -> None:
    squad = Squad.objects.create(name="Desk")
    members: list[Assistant] = [make_assistant(published=True), make_assistant(published=True)]
    for position, member in enumerate(members):
        SquadMember.objects.create(squad=squad, assistant=member, position=position)
    number = make_phone_number(squad=squad)

    assert gates.import_gate(number, now=NOW).passed
    leave_open(assistant=members[1])
    assert not gates.import_gate(number, now=NOW).passed


# --- Doctor ---------------------------------------------------------------------------------------------------


def examined(*, minutes_ago: int = 5, verdict: str = "ok") -> None:
    line = {"name": "database", "title": "Database", "verdict": verdict, "found": "x", "what_to_do": "Do it."}
    DoctorRun.objects.create(
        at=NOW - timedelta(minutes=minutes_ago), healthy=verdict != "failed", lines=[line]
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes_ago", "verdict", "word"),
    [
        (5, "ok", ""),
        (5, "warning", ""),
        (59, "ok", ""),
        (61, "ok", "61 minutes ago"),
        (5, "failed", "Database"),
    ],
)
def test_the_doctor_must_have_looked_lately_and_found_nothing_wrong(
    minutes_ago: int, verdict: str, word: str
) -> None:
    examined(minutes_ago=300, verdict="failed")
    examined(minutes_ago=minutes_ago, verdict=verdict)

    gate = gates.doctor_gate(now=NOW)

    assert gate.passed == (not word)
    assert word in gate.why
    assert gate.checked_at == NOW - timedelta(minutes=minutes_ago)


@pytest.mark.django_db
def test_without_an_examination_the_gate_says_how_to_have_one() -> None:
    gate = gates.doctor_gate(now=NOW)

    assert not gate.passed
    assert "manage.py doctor" in gate.what_to_do


# --- Webhook --------------------------------------------------------------------------------------------------


def test_one_test_webhook_does_for_all_numbers_of_an_account(number: PhoneNumber, settings: Settings) -> None:
    asked: list[tuple[str, str]] = []
    TwilioAccount.objects.create(sid="AC" + "9" * 32, auth_token="theirs")
    other = make_phone_number(account_sid="AC" + "9" * 32)

    def probe(*, account_sid: str, auth_token: str, timeout_s: float) -> Probe:
        asked.append((account_sid, auth_token))
        return Probe(took_s=0.02)

    gate, *_ = [gates.webhook_gate(one, now=NOW, probe=probe) for one in (number, number, other, other)]

    assert gate.passed
    assert gate.why == "Answered in 20 ms."
    assert asked == [(settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN), ("AC" + "9" * 32, "theirs")]


def test_a_webhook_that_was_not_answered_stops_it_and_is_soon_tried_again(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [100.0]
    monkeypatch.setattr("calls.cutover.gates.time.monotonic", lambda: moment[0])
    found = [Probe("The public origin answered 502.", "Look at the proxy."), Probe(took_s=0.1)]

    def probe(**_: Any) -> Probe:
        return found.pop(0)

    first = gates.webhook_gate(number, now=NOW, probe=probe)
    moment[0] += gates.FAILED_PROBE_LASTS_S + 1
    second = gates.webhook_gate(number, now=NOW, probe=probe)

    assert (first.passed, first.why, first.what_to_do) == (
        False, "The public origin answered 502.", "Look at the proxy.",
    )  # fmt: skip
    assert second.passed


# --- All ------------------------------------------------------------------------------------------------------


def test_a_burnt_budget_that_nobody_has_looked_at_stops_the_next_cutover(number: PhoneNumber) -> None:
    trip = BudgetTrip.objects.create(number=number, cut_over_at=NOW, at=NOW, words="5 of 5 calls failed.")
    assert "5 of 5 calls failed." in gates.budget_gate(number, now=NOW).why

    trip.seen_at = NOW
    trip.save()

    assert gates.budget_gate(number, now=NOW).passed


def test_every_gate_of_a_number_has_a_name_of_its_own(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "webhook_probe", lambda **_: Probe("No.", "Do."))

    found = gates_for(number)

    assert [gate.name for gate in found] == list(gates.TITLES)
    assert [gate.name for gate in found if gate.passed] == ["import_decisions", "budget"]
    assert all(gate.what_to_do for gate in found if not gate.passed)
