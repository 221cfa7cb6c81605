"""The doctor's page: empty, with a report, for those who may and those who may not; and the command."""

from copy import copy
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from calls.doctor import page, report
from calls.doctor.examining import Check
from calls.doctor.proof import PATH, proof_valid
from calls.doctor.report import Finding
from calls.management.commands import doctor
from calls.models import DoctorRun

URL = "/admin/calls/doctorrun/"


def user_with(*names: str) -> Client:
    """Somebody of the staff who may do so much."""
    user = User.objects.create_user("ops", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def make_run(*, hours_ago: float = 0, **line: Any) -> DoctorRun:
    whole = {
        "name": "database",
        "title": "Database",
        "verdict": "failed",
        "found": "It is away.",
        "what_to_do": "Look.",
    }
    return DoctorRun.objects.create(
        at=timezone.now() - timedelta(hours=hours_ago),
        healthy=False,
        lines=[whole | line],
        by_label="the beat",
    )


@pytest.mark.django_db
def test_an_empty_page_says_what_would_be_looked_at() -> None:
    html = user_with("view_doctorrun", "run_doctor").get(URL).content.decode()

    assert "The doctor has not looked yet." in html
    assert "Run now" in html


@pytest.mark.django_db
def test_the_newest_report_is_shown_worst_first_with_what_to_do() -> None:
    earlier = make_run(hours_ago=3)
    run = make_run(hours_ago=2)
    run.lines = [
        {"name": "a", "title": "All well", "verdict": "ok", "found": "Fine."},
        {
            "name": "b",
            "title": "<b>Bad</b>",
            "verdict": "failed",
            "found": "x" * 3000,
            "what_to_do": "Repair it.",
        },
        "nonsense",
    ]
    run.save()

    html = user_with("view_doctorrun").get(URL).content.decode()

    assert html.index("&lt;b&gt;Bad&lt;/b&gt;") < html.index("All well")
    assert "Repair it." in html
    assert "more than an hour ago" in html
    assert "Run again" not in html
    assert f"{URL}{earlier.pk}/change/" in html


@pytest.mark.django_db
def test_an_earlier_report_has_a_page_of_its_own() -> None:
    make_run()
    old = make_run(hours_ago=5, found="What was wrong then.")
    client = user_with("view_doctorrun")

    assert "What was wrong then." in client.get(f"{URL}{old.pk}/change/").content.decode()
    assert client.get(f"{URL}999999/change/").status_code == 302
    assert client.post(f"{URL}{old.pk}/change/").status_code == 403


@pytest.mark.django_db
def test_who_may_not_look_may_not_look_and_who_may_not_run_may_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "examination", lambda: pytest.fail("examined"))

    assert user_with().get(URL).status_code == 403
    User.objects.all().delete()
    assert user_with("view_doctorrun").post(URL).status_code == 403


@pytest.mark.django_db
def test_running_again_keeps_a_report_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("a", "A", lambda: report.failed("Away.", "Start it."))]
    monkeypatch.setattr("calls.doctor.services.CHECKS", checks)

    answer = user_with("view_doctorrun", "run_doctor").post(URL, follow=True)

    assert "1 of 1 checks failed." in answer.content.decode()
    run = DoctorRun.objects.get()
    assert (run.healthy, run.by_label) == (False, "ops")


# --- The webhook to ourselves ---------------------------------------------------------------------------------


def test_our_own_webhook_proves_itself_to_whoever_signed_it(settings: Settings) -> None:
    form = {"AccountSid": settings.TWILIO_ACCOUNT_SID, "nonce": "n" * 32}
    url = f"{settings.PUBLIC_ORIGIN}{PATH}"
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN).compute_signature(url, form)

    answer = Client().post(PATH, form, headers={"X-Twilio-Signature": signature})

    assert proof_valid(form["nonce"], answer.content.decode())
    assert not proof_valid("another", answer.content.decode())
    assert Client().post(PATH, form, headers={"X-Twilio-Signature": "forged"}).status_code == 403
    assert Client().get(PATH).status_code == 405


# --- The command ----------------------------------------------------------------------------------------------


def checks(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    found = tuple(
        Check(f"check{number}", f"Check {number}", partial(copy, one)) for number, one in enumerate(findings)
    )
    monkeypatch.setattr(doctor, "CHECKS", found)


@pytest.mark.django_db
def test_the_command_ends_well_with_warnings_and_badly_with_failures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks(monkeypatch, report.ok("Fine."), report.warning("Slow.", "Look."))
    call_command("doctor")
    out = capsys.readouterr().out
    assert "Nothing failed in 2 checks, 1 warning." in out
    assert "→ Look." in out

    checks(monkeypatch, report.ok("Fine."), report.failed("Away.", "Start it."))
    with pytest.raises(SystemExit) as ending:
        call_command("doctor", "--json")
    assert ending.value.code == 1
    told = orjson.loads(capsys.readouterr().out)
    assert (told["healthy"], told["kept"], told["checks"][1]["what_to_do"]) == (False, True, "Start it.")
    assert DoctorRun.objects.count() == 2


@pytest.mark.django_db
def test_one_check_alone_keeps_no_report_and_an_unknown_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks(monkeypatch, report.ok("Fine."), report.failed("Away.", "Start it."))

    call_command("doctor", "--only", "check0")
    assert not DoctorRun.objects.exists()
    with pytest.raises(CommandError, match="no check nonsense"):
        call_command("doctor", "--only", "nonsense")


def test_without_a_database_the_report_is_printed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    checks(monkeypatch, report.failed("The database cannot be reached.", "Look."))
    monkeypatch.setattr(doctor, "report_keep", away)

    with pytest.raises(SystemExit):
        call_command("doctor")

    assert "The database cannot be reached." in capsys.readouterr().out
