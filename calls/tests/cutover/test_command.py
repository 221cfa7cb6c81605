"""`manage.py cutover`, for people and for scripts."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from calls.cutover.gates import Gate
from calls.models import CutoverEvent, CutoverSchedule, PhoneNumber
from calls.tests.cutover.conftest import MakeNumber
from calls.tests.cutover.test_operations import OLD, kinds, move
from calls.tests.cutover.twilio import ACCOUNT, FakeTwilio

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch, twilio: FakeTwilio, settings: Settings) -> None:
    """Twilio for everybody who would ask it."""
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    for module in ("services", "selectors", "syncing", "watch"):
        monkeypatch.setattr(f"calls.cutover.{module}.TwilioRest", lambda: twilio)


@pytest.fixture(autouse=True)
def gates(monkeypatch: pytest.MonkeyPatch) -> list[Gate]:
    """The gates of every number: one, and it is open."""
    found = [Gate("smoke_test", "Smoke test", True, "Passed.", "", timezone.now())]
    monkeypatch.setattr("calls.cutover.services.gates_for", lambda _: found)
    monkeypatch.setattr("calls.management.commands.cutover.gates_for", lambda _: found)
    return found


def run(*arguments: str) -> tuple[int, str]:
    """The exit status, and what was printed."""
    out = io.StringIO()
    try:
        call_command("cutover", *arguments, stdout=out)
    except SystemExit as exc:
        return int(exc.code or 0), out.getvalue()
    return 0, out.getvalue()


def told(*arguments: str) -> tuple[int, Any]:
    code, text = run(*arguments, "--json")
    return code, json.loads(text)


def test_the_way_of_a_number_from_the_first_look_to_the_way_back(
    twilio: FakeTwilio, make_number: MakeNumber
) -> None:
    number = make_number()
    assert run("sync") == (0, "From TWILIO_ACCOUNT_SID: 1 numbers\n")
    assert f"{number.did}" in run("list", "--state", "on_vapi")[1]

    code, text = run("plan", number.did)
    assert code == 0
    assert f"{number.did}: “On Vapi” → “Ours”" in text
    assert f"  voice_fallback_url: (empty) → {OLD}" in text
    assert "Gate smoke_test: passed." in text
    assert not twilio.written

    assert run("apply", number.did, "--canary", "10", "--reason", "a tenth")[0] == 0
    assert told("list")[1]["numbers"][0]["canary_percent"] == 10
    assert run("apply", number.did, "--reason", "went well")[0] == 0
    assert run("verify")[1].endswith("Every number is as it should be.\n")
    code, text = run("rollback", "--all", "--reason", "enough")
    assert (code, text) == (0, f"{number.did}: done. The number is “Rolled back” now.\n")
    assert run("rollback", "--all", "--reason", "enough") == (0, "No number is with us.\n")

    code, history = told("history", number.did)
    assert [event["kind"] for event in history["events"]] == ["rollback", "cutover", "canary"]
    assert history["events"][0]["who"].startswith("command line")
    assert history["events"][2]["why"] == "a tenth"
    assert "rollback" in run("history", number.did)[1]


def test_a_gate_that_does_not_pass_is_three_and_can_be_overridden(
    make_number: MakeNumber, gates: list[Gate], twilio: FakeTwilio
) -> None:
    number = make_number()
    gates[:] = [Gate("smoke_test", "Smoke test", False, "No smoke test yet.", "Run one.", timezone.now())]

    assert run("plan", number.did)[0] == 3
    code, outcome = told("apply", number.did, "--reason", "now")
    assert (code, outcome["outcomes"][0]["gates"]) == (3, ["smoke_test"])
    assert not twilio.written
    assert kinds(number) == ["refused"]

    code, outcome = told("apply", number.did, "--reason", "now", "--override", "smoke_test=done by hand")
    assert (code, outcome["outcomes"][0]["result"]) == (0, "done")
    event = CutoverEvent.objects.get(number=number, kind="cutover")
    assert event.overrides == [{"gate": "smoke_test", "reason": "done by hand"}]

    assert run("apply", number.did, "--reason", "now", "--override", "nonsense=x")[0] == 1


@pytest.mark.parametrize(
    ("trouble", "code", "result"),
    [({1: "refused"}, 1, "failed"), (dict.fromkeys(range(2, 9), "lost"), 4, "pending")],
)
def test_what_does_not_go_well_is_one_and_what_is_not_over_is_four(
    make_number: MakeNumber, twilio: FakeTwilio, trouble: Any, code: int, result: str
) -> None:
    number = make_number()
    twilio.trouble = trouble

    found, outcome = told("apply", number.did, "--reason", "now")

    assert (found, outcome["outcomes"][0]["result"]) == (code, result)


def test_what_was_changed_behind_our_back_is_one_until_it_is_accepted(
    make_number: MakeNumber, twilio: FakeTwilio
) -> None:
    number = make_number()
    move(number, twilio)
    twilio.numbers.change(number.did, voice_url=OLD)

    assert told("verify")[0] == 1
    code, text = run("verify")
    assert (code, text.splitlines()[-1]) == (1, f"Not as we wrote them: {number.did}")
    assert run("accept", number.did, "--reason", "meant so") == (0, f"{number.did}: accepted.\n")
    assert run("accept", number.did, "--reason", "meant so")[0] == 1
    assert run("verify")[0] == 0


def test_an_old_snapshot_can_be_restored(make_number: MakeNumber, twilio: FakeTwilio) -> None:
    number = make_number()
    move(number, twilio)
    snapshot = number.snapshots.get()
    twilio.numbers.change(number.did, voice_url="https://elsewhere.example.net/")
    run("verify")

    assert f"→ {OLD}" in run("plan", number.did, "--restore", str(snapshot.pk))[1]
    assert run("apply", number.did, "--restore", str(snapshot.pk), "--reason", "as it was")[0] == 0
    assert twilio.numbers.held[number.twilio_sid]["voice_url"] == OLD
    with pytest.raises(CommandError, match="has no snapshot"):
        run("plan", number.did, "--restore", "nonsense")


def test_a_week_is_scheduled(make_number: MakeNumber) -> None:
    numbers = [make_number() for _ in range(3)]
    dids = [number.did for number in numbers]

    code, schedule = told(
        "schedule", "create", *dids, "--reason", "one a day", "--timezone", "Europe/Berlin",
        "--from", "09:30", "--until", "15:00", "--days", "mon-wed,fri", "--name", "Week 1", "--starts-on", "2030-01-01",
    )  # fmt: skip

    assert code == 0
    assert [item["did"] for item in schedule["numbers"]] == dids
    row = CutoverSchedule.objects.get()
    assert (row.weekdays, f"{row.from_time:%H:%M}", row.timezone) == ([0, 1, 2, 4], "09:30", "Europe/Berlin")
    assert "2030-01-01 08:30 UTC" in run("schedule", "list")[1]
    assert run("schedule", "pause", str(row.pk))[0] == 0
    assert run("schedule", "pause", str(row.pk))[0] == 1
    assert run("schedule", "resume", str(row.pk))[0] == 0
    assert run("schedule", "cancel", str(row.pk))[0] == 0
    with pytest.raises(CommandError, match="no time zone"):
        run("schedule", "create", *dids, "--reason", "x", "--timezone", "Nowhere")


def test_a_table_is_tried_and_then_assigned(make_number: MakeNumber, tmp_path: Path) -> None:
    number = make_number()
    PhoneNumber.objects.update(assistant=None)
    assistant = "Front desk"
    table = tmp_path / "numbers.csv"
    table.write_text(f"{number.did};{assistant}\n")

    assert run("assign", str(table), "--dry-run")[0] == 1  # nobody of that name
    Assistant.objects.update(name=assistant)
    code, text = run("assign", str(table), "--dry-run")
    assert (code, text.splitlines()[-1]) == (0, "1 to assign, 0 wrong, 1 in all. Nothing was assigned.")
    assert not CutoverEvent.objects.exists()
    assert run("assign", str(table), "--reason", "new desk")[1].endswith("1 in all. Assigned.\n")
    with pytest.raises(CommandError, match="Say why"):
        run("assign", str(table))
    with pytest.raises(CommandError, match="cannot be read"):
        run("assign", str(tmp_path / "missing.csv"), "--dry-run")


def test_a_user_may_be_named_and_must_exist(make_number: MakeNumber) -> None:
    number = make_number()
    User.objects.create(username="alice")

    assert run("apply", number.did, "--reason", "x", "--as", "alice")[0] == 0
    assert CutoverEvent.objects.get().actor_label == "alice"
    with pytest.raises(CommandError, match="no user bob"):
        run("apply", number.did, "--reason", "x", "--as", "bob")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "+19995550100"], "Not in Tandem"),
        (["rollback", "--reason", "x"], "either numbers or --all"),
        (["rollback", "+19995550100", "--all", "--reason", "x"], "either numbers or --all"),
        (["apply", "+19995550100", "--reason", "x", "--override", "smoke_test"], "GATE=REASON"),
        (["schedule", "pause"], "id of one schedule"),
        (["schedule", "pause", "nonsense"], "no schedule nonsense"),
        (["schedule", "create", "+19995550100"], "needs --reason and --timezone"),
    ],
)
def test_wrong_usage_is_two(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        run(*arguments)
    assert refused.value.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apply", "+19995550100", "--reason", "x", "--canary", "200"], "no share"),
        (["schedule", "create", "--from", "25:00"], "no time of day"),
        (["schedule", "create", "--starts-on", "tomorrow"], "no date"),
    ],
)
def test_what_cannot_be_read_is_said(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run(*arguments)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("cutover", "--help")

    text = capsys.readouterr().out
    assert "manage.py cutover rollback --all" in text
    assert "exit status: 0 done" in text


def test_an_empty_list_says_what_to_do() -> None:
    assert run("list") == (0, "No number. Run: manage.py cutover sync\n")
