"""The pages: each opened, empty, full and with broken data, and what can be done on them by whom."""

import io
import json
import zipfile
from typing import Any

import pytest
from celery.exceptions import OperationalError as BrokerError
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from assistants.snapshots import snapshot_take
from calls.models import DriftRules, Scenario, SmokePair, SmokeRun
from calls.smoke.judging import pair_judge
from calls.smoke.runs import pair_take, run_begin, run_cancel, run_finish
from calls.smoke.tasks import smoke_run_play
from calls.tests.smoke.factories import (
    CALLED,
    SCRIPT,
    make_desk,
    make_run,
    make_scenario,
    make_spoken_call,
    make_vapi_call,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that a worker was asked to play; no worker is there."""
    asked: list[str] = []
    monkeypatch.setattr(smoke_run_play, "delay", lambda *, run_id: asked.append(run_id))
    return asked


def done_run(*, called: list[Any] | None = None, runs: int = 1) -> SmokeRun:
    number, assistant = make_desk()
    make_scenario(assistant, references=[make_vapi_call(assistant)])
    run = make_run(number, runs=runs)
    run_begin(run.pk)
    while (pair := pair_take(run.pk)) is not None:
        said = [("caller", "Is it ready?"), ("assistant", "I checked, it is ready.")]
        call = make_spoken_call(called=called if called is not None else [], said=said, smoke_test=True)
        SmokePair.objects.filter(pk=pair.pk).update(call=call)
        pair_judge(pair, call)
    finished = run_finish(run.pk)
    assert finished is not None
    return finished


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:calls_smokerun_{name}", args=args)


def test_the_lists_are_shown_empty_and_full(admin_client: Client) -> None:
    for name in ("smokerun", "scenario", "driftrules", "publishcheck"):
        assert admin_client.get(reverse(f"admin:calls_{name}_changelist")).status_code == 200
    done_run()

    page = admin_client.get(url("changelist"))
    assert b"Begin a smoke test" in page.content
    assert b"Failed" in page.content


def test_a_report_says_in_one_sentence_what_to_fix(admin_client: Client) -> None:
    run = done_run(called=CALLED[1:])

    page = admin_client.get(url("change", run.pk)).content.decode()

    assert "Failed: 1 of 1 calls differ from Vapi (100.0 %); mostly said instead of called" in page
    assert "get_repair_status was not called; the assistant only said “I checked, it is ready.”" in page
    assert "Take them into the draft" in page


def test_a_run_that_is_live_shows_how_far_it_is_and_can_be_cancelled(
    admin_client: Client, played: list[str]
) -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    run = make_run(number, runs=3)
    run_begin(run.pk)

    assert b'id="smoke-progress"' in admin_client.get(url("change", run.pk)).content
    assert json.loads(admin_client.get(url("state", run.pk)).content)["total"] == 3
    admin_client.post(url("cancel", run.pk))
    run.refresh_from_db()
    assert (run.status, run.stopped_because) == ("cancelled", "Cancelled by admin.")
    assert b"Go on" in admin_client.get(url("change", run.pk)).content
    admin_client.post(url("resume", run.pk))
    run.refresh_from_db()
    assert (run.status, played) == ("running", [str(run.pk)])


def test_a_smoke_test_is_begun_on_its_page(admin_client: Client, played: list[str]) -> None:
    number, assistant = make_desk()
    make_scenario(assistant)
    wanted = {"number": str(number.pk), "runs": "4", "line": "simulator", "usd_per_minute": "0"}

    answer = admin_client.post(url("start"), wanted)

    run = SmokeRun.objects.get()
    assert answer["Location"] == url("change", run.pk)
    assert (played, run.pairs.count(), run.started_by_label) == ([str(run.pk)], 4, "admin")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"runs": "0"}, "greater than or equal to 1"),
        ({"budget_usd": "5"}, "needs an estimate of what a minute costs"),
        ({}, "has no scenario that is switched on"),
    ],
)
def test_what_cannot_be_begun_says_why(
    admin_client: Client, played: list[str], change: dict[str, str], words: str
) -> None:
    number, _ = make_desk()
    wanted = {"number": str(number.pk), "runs": "4", "line": "simulator", "usd_per_minute": "0", **change}

    page = admin_client.post(url("start"), wanted)

    assert words in page.content.decode()
    assert not SmokeRun.objects.exists()


def test_a_pair_shows_both_sequences_and_both_calls(admin_client: Client) -> None:
    pair = done_run(called=CALLED[1:]).pairs.get()

    page = admin_client.get(url("pair", pair.pk)).content.decode()

    for words in ("missing", "On Tuesday.", "I checked, it is ready.", "Call at Vapi", "Our call"):
        assert words in page


def test_pages_stand_broken_and_hostile_data(admin_client: Client) -> None:
    run = done_run(called=CALLED[1:])
    pair = run.pairs.get()
    SmokePair.objects.filter(pk=pair.pk).update(
        causes=[{"nonsense": 1}], title="<script>alert(1)</script>" + "x" * 150, call=None, reference=None
    )
    SmokeRun.objects.filter(pk=run.pk).update(verdict={"outcome": "weird"}, snapshot={"x": 1})

    for page in (url("change", run.pk), url("pair", pair.pk), url("export", run.pk, "html")):
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        assert b"<script>alert(1)" not in answer.content
    assert b"cannot be read by this release" in admin_client.get(url("pair", pair.pk)).content


@pytest.mark.parametrize("form", ["json", "html", "jsonl", "zip"])
def test_a_report_is_taken_away_in_four_forms(admin_client: Client, form: str) -> None:
    run = done_run(called=CALLED[1:])

    answer = admin_client.get(url("export", run.pk, form))

    assert answer["Content-Disposition"].endswith(f'.{form}"')
    if form == "zip":
        names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
        assert [name.rpartition("/")[2] for name in names] == ["audit_log.json", "transcript.jsonl"]
        return
    text = answer.content.decode()
    assert "get_repair_status" in text
    match form:
        case "json":
            assert json.loads(text)["verdict"]["outcome"] == "fail"
        case "jsonl":
            (line,) = [json.loads(one) for one in text.splitlines()]
            assert line["reward_info"]["reward"] == 0.0
            assert [one["role"] for one in line["messages"]] == ["user", "assistant", "assistant", "tool"]
        case _:
            assert "http" not in text.replace("http-equiv", "")  # it needs nothing else


def test_an_export_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(url("export", done_run().pk, "pdf")).status_code == 404


def test_the_rules_are_taken_into_the_draft_once(admin_client: Client) -> None:
    run = done_run(called=CALLED[1:])
    reviewed = snapshot_take(run.assistant).fingerprint()

    admin_client.post(url("rules", run.pk), {"reviewed": reviewed})

    run.assistant.refresh_from_db()
    assert (
        "Never say that something is done unless get_repair_status has answered" in run.assistant.instructions
    )
    assert "The draft has these rules already." in admin_client.get(url("change", run.pk)).content.decode()


def test_rules_for_a_draft_that_was_changed_meanwhile_are_not_taken(admin_client: Client) -> None:
    run = done_run(called=CALLED[1:])

    answer = admin_client.post(url("rules", run.pk), {"reviewed": "another"}, follow=True)

    assert b"The draft was changed while you looked at it" in answer.content


def test_who_may_only_look_can_do_nothing(client: Client, played: list[str]) -> None:
    run = done_run(called=CALLED[1:])
    run_cancel(run.pk, why="x")
    user = User.objects.create_user("carol", password="secret-of-carol", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_smokerun"))
    client.force_login(user)

    page = client.get(url("change", run.pk)).content.decode()
    assert "Take them into the draft" not in page
    assert client.get(url("pair", run.pairs.get().pk)).status_code == 200
    assert "On Tuesday." not in client.get(url("pair", run.pairs.get().pk)).content.decode()
    assert client.get(url("start")).status_code == 403
    for name in ("cancel", "resume", "rules"):
        assert client.post(url(name, run.pk)).status_code == 403
    assert client.post(url("check", run.assistant_id)).status_code == 403
    assert client.get(url("cancel", run.pk)).status_code == 405
    assert played == []


def test_who_may_not_look_sees_nothing(client: Client) -> None:
    run = done_run()
    client.force_login(User.objects.create_user("dave", password="secret-of-dave", is_staff=True))

    for page in (url("change", run.pk), url("state", run.pk), url("export", run.pk, "json")):
        assert client.get(page).status_code in (302, 403)


def test_a_scenario_is_written_and_another_script_is_another_version(admin_client: Client) -> None:
    _, assistant = make_desk()
    add = reverse("admin:calls_scenario_add")
    form = {"assistant": str(assistant.pk), "name": "Asks", "enabled": "on", "script": json.dumps(SCRIPT)}

    assert admin_client.get(add).status_code == 200
    admin_client.post(add, form)
    scenario = Scenario.objects.get()
    change = reverse("admin:calls_scenario_change", args=[scenario.pk])
    admin_client.post(change, form)
    admin_client.post(change, {**form, "script": json.dumps({**SCRIPT, "goal": "Another."})})

    assert [version.number for version in scenario.versions.all()] == [2, 1]
    assert admin_client.get(change).status_code == 200


def test_a_script_that_cannot_be_played_is_not_saved(admin_client: Client) -> None:
    _, assistant = make_desk()
    form = {"assistant": str(assistant.pk), "name": "Asks", "script": '{"turns": [{"press": "x"}]}'}

    page = admin_client.post(reverse("admin:calls_scenario_add"), form)

    assert "“press” must be keys" in page.content.decode()
    assert not Scenario.objects.exists()


def test_a_scenario_is_drafted_from_a_call(admin_client: Client) -> None:
    _, assistant = make_desk()
    call = make_vapi_call(assistant, said=[("caller", "It is ticket 481."), ("assistant", "Yes.")])

    page = admin_client.get(f"{reverse('admin:calls_scenario_add')}?call={call.pk}").content.decode()

    assert "Drafted from the call" in page
    assert "It is ticket " in page
    assert "ticket 481" not in page


@pytest.mark.parametrize("given", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_call_that_is_none_gives_an_example(admin_client: Client, given: str) -> None:
    assert admin_client.get(f"{reverse('admin:calls_scenario_add')}?call={given}").status_code == 200


def test_declared_orders_are_checked_against_the_assistants_tools(admin_client: Client) -> None:
    _, assistant = make_desk()
    add = reverse("admin:calls_driftrules_add")
    form = {"assistant": str(assistant.pk), "publish_gate": "off", "last_calls": "5"}

    wrong = admin_client.post(add, {**form, "orders": "get_repair before end_call"})
    assert "has no tool “get_repair”" in wrong.content.decode()
    admin_client.post(add, {**form, "orders": "get_repair_status before end_call"})

    assert DriftRules.objects.get().orders == "get_repair_status before end_call"


def test_nobody_plays_it_when_the_queue_is_away(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise BrokerError

    monkeypatch.setattr(smoke_run_play, "delay", away)
    number, assistant = make_desk()
    make_scenario(assistant)
    wanted = {"number": str(number.pk), "runs": "1", "line": "simulator", "usd_per_minute": "0"}

    page = admin_client.post(url("start"), wanted, follow=True)

    assert "queue of jobs could not be reached" in page.content.decode()
