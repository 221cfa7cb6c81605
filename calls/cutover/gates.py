"""What must be so before callers are moved. A gate that does not pass can be overridden, by name and with a reason."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from assistants.models import ImportFinding, VapiObject
from assistants.realtime import is_simulated
from assistants.selectors import OPEN
from calls.cutover.budget import trips_open
from calls.doctor.checks.reach import Probe, webhook_probe
from calls.doctor.services import report_latest
from calls.models import PhoneNumber
from calls.smoke.selectors import verdict_latest
from calls.twilio.accounts import auth_tokens_for

VERDICT_LASTS: Final = timedelta(days=7)
DOCTOR_LASTS: Final = timedelta(hours=1)
PROBE_WITHIN_S: Final = 4.0
# One test webhook does for all the numbers of an account that are looked at in one go.
PROBE_LASTS_S: Final = 60.0
FAILED_PROBE_LASTS_S: Final = 5.0
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of a cutover: whether it holds, why, and what to do where it does not."""

    name: str
    title: str
    passed: bool
    why: str
    what_to_do: str
    checked_at: datetime


TITLES: Final = {
    "smoke_test": "Smoke test",
    "import_decisions": "Import decided",
    "doctor": "Doctor",
    "webhook": "Test webhook",
    "budget": "Error budget",
}


def _passes(name: str, why: str, at: datetime) -> Gate:
    return Gate(name, TITLES[name], passed=True, why=why, what_to_do="", checked_at=at)


def _stops(name: str, why: str, what_to_do: str, at: datetime) -> Gate:
    return Gate(name, TITLES[name], passed=False, why=why, what_to_do=what_to_do, checked_at=at)


def gates_for(number: PhoneNumber, *, now: datetime | None = None) -> list[Gate]:
    """The gates of a number, in the order in which they are worth reading."""
    now = now or timezone.now()
    return [
        smoke_gate(number, now=now),
        import_gate(number, now=now),
        doctor_gate(now=now),
        webhook_gate(number, now=now),
        budget_gate(number, now=now),
    ]


# --- Smoke test -----------------------------------------------------------------------------------------------


def smoke_gate(number: PhoneNumber, *, now: datetime) -> Gate:
    """Whether the newest smoke test is fresh, passed, and was about the version that callers would meet."""
    why, what = _smoke_trouble(number, now)
    if why:
        return _stops("smoke_test", why, what, now)
    return _passes("smoke_test", "Passed, and about the live version.", now)


def _smoke_trouble(number: PhoneNumber, now: datetime) -> tuple[str, str]:
    again = f"Run manage.py smoke_test {number.did}, or begin it under Smoke tests."
    assistant = number.answering
    if assistant is None or assistant.live_version_id is None:
        return "No published assistant answers this number.", "Choose one, and publish it."
    verdict = verdict_latest(number=number)
    if verdict is None:
        return "No smoke test yet.", again
    if verdict.outcome != "pass":
        return f"The last smoke test did not pass. {verdict.sentence}".strip(), again
    if verdict.assistant_version_id != assistant.live_version_id:
        return "Another version has been published since the last smoke test.", again
    if verdict.simulated and not is_simulated():
        return (
            "The last smoke test was held with a simulated model, which proves nothing about the real one.",
            again,
        )
    age = now - verdict.finished_at
    if age > VERDICT_LASTS:
        return f"The last smoke test is {age.days} days old.", again
    return "", ""


# --- Import ---------------------------------------------------------------------------------------------------


def import_gate(number: PhoneNumber, *, now: datetime) -> Gate:
    """Whether everything that the import of the number's assistant left open was decided."""
    answering = number.answering
    if answering is None:
        return _stops("import_decisions", "No assistant answers this number.", "Choose one.", now)
    assistants = [answering]
    if number.squad is not None:
        assistants = list(number.squad.members.all())
    of_assistant = Q(assistant__in=assistants) | Q(tool__assistants__in=assistants)
    if number.squad is not None:
        of_assistant |= Q(squad=number.squad)
    if number.vapi_id:
        of_assistant |= Q(kind=VapiObject.Kind.PHONE_NUMBER, key=number.vapi_id)
    objects = VapiObject.objects.filter(of_assistant).values("pk")
    found = list(
        ImportFinding.objects.filter(OPEN, vapi_object__in=objects).values_list("vapi_object__name", "path")
    )
    if not found:
        return _passes("import_decisions", "No decision is open.", now)
    places = ", ".join(f"{name or 'unnamed'}: {path}" for name, path in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    count = (
        "One decision of the import is" if len(found) == 1 else f"{len(found)} decisions of the import are"
    )
    return _stops(
        "import_decisions",
        f"{count} open: {places}{more}.",
        "Settle them under Imported objects.",
        now,
    )


# --- Doctor ---------------------------------------------------------------------------------------------------


def doctor_gate(*, now: datetime) -> Gate:
    """Whether the doctor found nothing wrong, not long ago."""
    latest = report_latest()
    run_it = "Run manage.py doctor, or press “Run again” on its page."
    if latest is None:
        return _stops("doctor", "The doctor has not looked yet.", run_it, now)
    report, run = latest
    if now - run.at > DOCTOR_LASTS:
        return _stops("doctor", f"The doctor last looked {_ago(now - run.at)} ago.", run_it, run.at)
    if report.failed:
        titles = ", ".join(line.title for line in report.failed)
        return _stops("doctor", f"The doctor found trouble: {titles}.", report.failed[0].what_to_do, run.at)
    return _passes("doctor", report.summary(), run.at)


def _ago(age: timedelta) -> str:
    minutes = round(age.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


# --- Webhook --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Kept:
    probe: Probe
    at: datetime
    until: float


_kept: dict[tuple[str, str], _Kept] = {}
_keeping = threading.Lock()


def webhook_gate(number: PhoneNumber, *, now: datetime, probe: Callable[..., Probe] | None = None) -> Gate:
    """Whether a webhook that is signed as this number's account signs is answered at the public origin, just now."""
    account_sid = number.account_sid or settings.TWILIO_ACCOUNT_SID
    kept = _probed(account_sid, now, probe or webhook_probe)
    found = kept.probe
    if not found.answered:
        return _stops("webhook", found.why, found.what_to_do, kept.at)
    return _passes("webhook", f"Answered in {found.took_s * 1000:.0f} ms.", kept.at)


def _probed(account_sid: str, now: datetime, probe: Callable[..., Probe]) -> _Kept:
    place = (settings.PUBLIC_ORIGIN, account_sid)
    with _keeping:
        kept = _kept.get(place)
        if kept is not None and kept.until > time.monotonic():
            return kept
    tokens = auth_tokens_for(account_sid)
    found = (
        probe(account_sid=account_sid, auth_token=tokens[0], timeout_s=PROBE_WITHIN_S)
        if tokens
        else Probe("There is no auth token for this number's account.", "Enter it under Twilio accounts.")
    )
    lasts_s = PROBE_LASTS_S if found.answered else FAILED_PROBE_LASTS_S
    fresh = _Kept(found, now, time.monotonic() + lasts_s)
    with _keeping:
        _kept[place] = fresh
    return fresh


# --- Budget ---------------------------------------------------------------------------------------------------


def budget_gate(number: PhoneNumber, *, now: datetime) -> Gate:
    """Whether no burnt budget of an earlier cutover waits for somebody to look at it."""
    trips = trips_open(number=number)
    if not trips:
        return _passes("budget", "Nothing burnt that nobody has looked at.", now)
    return _stops(
        "budget",
        f"This number was rolled back by itself: {trips[0].words}",
        "Find out why, then note on the number's page that you have seen it.",
        trips[0].at,
    )
