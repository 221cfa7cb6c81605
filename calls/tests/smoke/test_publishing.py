"""The check of a draft before it is published: shown, warning or blocking, overruled by name and reason."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from assistants.models import Assistant
from assistants.services import assistant_publish
from assistants.signals import publish_checks
from assistants.snapshots import snapshot_take
from calls.models import DriftRules, PublishCheck, SmokeRun
from calls.smoke.judging import pair_judge
from calls.smoke.planning import RunError
from calls.smoke.publishing import check_begin
from calls.smoke.runs import pair_take, run_begin, run_finish
from calls.tests.smoke.factories import CALLED, make_desk, make_scenario, make_spoken_call

pytestmark = pytest.mark.django_db
Gate = DriftRules.Gate


@pytest.fixture
def assistant() -> Assistant:
    """An assistant with a scenario, whose draft differs from what is live."""
    _, made = make_desk()
    make_scenario(made)
    made.instructions = "Now you are even briefer."
    made.save()
    return made


def checked(assistant: Assistant, *, clean: bool) -> SmokeRun:
    """A check of the draft as it is now, played to its end."""
    run = check_begin(assistant=assistant, author=User.objects.get_or_create(username="alice")[0])
    run_begin(run.pk)
    pair = pair_take(run.pk)
    assert pair is not None
    pair_judge(pair, make_spoken_call(called=CALLED if clean else [], smoke_test=True))
    done = run_finish(run.pk)
    assert done is not None
    return done


def gate(assistant: Assistant, choice: Gate) -> None:
    DriftRules.objects.create(assistant=assistant, publish_gate=choice, last_calls=0)


def said_of(assistant: Assistant) -> Any:
    (check,) = publish_checks(assistant, snapshot_take(assistant))
    return check


def may_override() -> User:
    user = User.objects.create(username="bob", first_name="Bob")
    user.user_permissions.add(Permission.objects.get(codename="override_publishgate"))
    return User.objects.get(pk=user.pk)


def test_without_a_gate_an_unchecked_draft_is_published_and_nothing_is_kept(assistant: Assistant) -> None:
    assert not said_of(assistant).blocks

    assistant_publish(assistant=assistant)

    assert not PublishCheck.objects.exists()


def test_an_assistant_without_scenarios_is_not_bothered() -> None:
    _, assistant = make_desk()

    assert publish_checks(assistant, snapshot_take(assistant)) == []


def test_a_gate_that_warns_lets_through_and_keeps_what_was_known(assistant: Assistant) -> None:
    gate(assistant, Gate.WARN)
    assert (said_of(assistant).blocks, said_of(assistant).tone) == (False, "warn")

    version = assistant_publish(assistant=assistant)

    kept = PublishCheck.objects.get()
    assert (kept.version, kept.gate, kept.run, kept.overridden_by) == (version, "warn", None, "")
    assert "was not checked yet" in kept.sentence


def test_a_gate_that_blocks_lets_no_unchecked_draft_through(assistant: Assistant) -> None:
    gate(assistant, Gate.BLOCK)

    with pytest.raises(ValidationError, match="was not checked yet"):
        assistant_publish(assistant=assistant, author=User.objects.create(username="eve"), override="Hurry!")
    assert assistant.versions.count() == 1


def test_a_checked_draft_goes_through_and_the_run_belongs_to_its_version(assistant: Assistant) -> None:
    gate(assistant, Gate.BLOCK)
    run = checked(assistant, clean=True)
    assert (run.assistant_version, said_of(assistant).blocks, said_of(assistant).tone) == (
        None,
        False,
        "good",
    )

    version = assistant_publish(assistant=assistant)

    run.refresh_from_db()
    kept = PublishCheck.objects.get()
    assert run.assistant_version == version
    assert (kept.run, kept.outcome, kept.overridden_by) == (run, "inconclusive", "")


def test_a_draft_that_breaks_a_sequence_goes_through_only_by_name_and_reason(assistant: Assistant) -> None:
    gate(assistant, Gate.BLOCK)
    checked(assistant, clean=False)
    bob = may_override()

    for author, reason in ((None, "x"), (bob, ""), (User.objects.create(username="eve"), "x")):
        with pytest.raises(ValidationError, match="calls differ from what was called before"):
            assistant_publish(assistant=assistant, author=author, override=reason)
    version = assistant_publish(assistant=assistant, author=bob, override="The tool is retired.")

    kept = PublishCheck.objects.get()
    assert (kept.version, kept.outcome) == (version, "fail")
    assert (kept.overridden_by, kept.reason) == ("bob", "The tool is retired.")


def test_a_check_of_another_draft_is_none_of_this_one(assistant: Assistant) -> None:
    gate(assistant, Gate.BLOCK)
    checked(assistant, clean=True)
    assistant.instructions = "Changed once more."
    assistant.save()

    assert said_of(assistant).blocks


def test_a_draft_that_is_being_checked_waits(assistant: Assistant) -> None:
    gate(assistant, Gate.BLOCK)
    run_begin(check_begin(assistant=assistant, author=User.objects.create(username="alice")).pk)

    assert (said_of(assistant).blocks, said_of(assistant).action) == (True, None)


def test_a_check_with_nothing_to_play_is_refused() -> None:
    _, assistant = make_desk()
    gate(assistant, Gate.BLOCK)

    with pytest.raises(RunError, match="no scenario"):
        check_begin(assistant=assistant, author=User.objects.create(username="alice"))


def test_the_page_shows_the_check_and_takes_a_reason(assistant: Assistant, admin_client: Client) -> None:
    gate(assistant, Gate.BLOCK)
    checked(assistant, clean=False)
    url = reverse("admin:assistants_assistant_publish", args=[assistant.pk])

    page = admin_client.get(url)
    assert b"Publish all the same, because" in page.content
    assert b"Check this draft" in page.content
    reviewed = snapshot_take(assistant).fingerprint()
    refused = admin_client.post(url, {"note": "x", "reviewed": reviewed})
    assert refused.status_code == 200
    assert assistant.versions.count() == 1
    done = admin_client.post(url, {"note": "x", "reviewed": reviewed, "override": "Known and accepted."})

    assert done.status_code == 302
    assert PublishCheck.objects.get().overridden_by == "admin"
