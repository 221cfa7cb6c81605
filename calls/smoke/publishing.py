"""The check of a draft before it is published: its scenarios and the newest real calls, played to it unpublished."""

from typing import Any, Final

from django.contrib.auth.models import User
from django.urls import reverse

from assistants.models import Assistant, AssistantVersion
from assistants.signals import PublishCheck as Said
from assistants.snapshots import Snapshot
from calls.models import DriftRules, PublishCheck, SmokeRun
from calls.smoke.planning import RunError, Wish, run_create, usual_line, usual_speed
from calls.smoke.runs import LIVE

OVERRIDE: Final = "calls.override_publishgate"
_TITLE: Final = "Check against scenarios"
# A run of a few calls can hardly pass; what it can show is that something differs.
_GOOD: Final = (SmokeRun.Outcome.PASS, SmokeRun.Outcome.INCONCLUSIVE)


def rules_of(assistant: Assistant) -> DriftRules:
    """The rules of an assistant, or those that hold where nobody has written any."""
    return DriftRules.objects.filter(assistant=assistant).first() or DriftRules(assistant=assistant)


def check_begin(*, assistant: Assistant, author: User) -> SmokeRun:
    """A run that plays every scenario once, and the newest real calls, to the draft as it is now. Raises RunError."""
    rules = rules_of(assistant)
    scenarios = list(assistant.scenarios.filter(enabled=True))
    if not scenarios and not rules.last_calls:
        raise RunError(
            "There is no scenario, and no real call is to be played again. Write a scenario first."
        )
    line = usual_line()
    return run_create(
        Wish(
            assistant=assistant,
            runs=max(1, len(scenarios)),
            draft=True,
            purpose=SmokeRun.Purpose.PUBLISHING,
            line=line,
            speed=usual_speed(line),
            last_calls=rules.last_calls,
            author=author,
        )
    )


def draft_check(*, assistant: Assistant, snapshot: Snapshot, **_: Any) -> Said | None:
    """What is known of this very draft, for the page that publishes it; None where nobody asked for a check."""
    rules = rules_of(assistant)
    run = newest_check(assistant, snapshot.fingerprint())
    if rules.publish_gate == DriftRules.Gate.OFF and run is None:
        if not assistant.scenarios.filter(enabled=True).exists():
            return None
        return Said(_TITLE, "This draft was not checked.", "info", action=_action(assistant))
    good, tone, text = _known(run)
    blocks = rules.publish_gate == DriftRules.Gate.BLOCK and not good
    links = (("Report", reverse("admin:calls_smokerun_change", args=[run.pk])),) if run else ()
    live = run is not None and run.status in LIVE
    return Said(
        _TITLE,
        text,
        "bad" if blocks else tone,
        blocks=blocks,
        override_permission=OVERRIDE,
        links=links,
        action=None if live else _action(assistant),
    )


def newest_check(assistant: Assistant, fingerprint: str) -> SmokeRun | None:
    """The newest run that tested exactly this, of either purpose."""
    runs = SmokeRun.objects.filter(assistant=assistant, fingerprint=fingerprint)
    return runs.defer("snapshot").order_by("-created_at").first()


def _known(run: SmokeRun | None) -> tuple[bool, str, str]:
    """Whether the draft may go, the colour of that, and why in words."""
    if run is None:
        return False, "warn", "This draft was not checked yet. Check it first: it takes some minutes."
    if run.status in LIVE:
        return False, "info", "This draft is being checked now. Wait for the report, then publish."
    if run.status != SmokeRun.Status.DONE:
        return False, "warn", f"The check of this draft was not brought to its end. {run.stopped_because}"
    drifted, compared = run.verdict.get("drifted", 0), run.verdict.get("compared", 0)
    beside = (
        " The model was a simulated one, so this says nothing about the prompt."
        if run.simulated_model
        else ""
    )
    if run.outcome in _GOOD:
        found = "none differs" if not drifted else f"{drifted} differ"
        return True, "good", f"Of {compared} calls that were compared, {found}.{beside}"
    return False, "warn", f"{run.verdict.get('sentence', 'The check failed.')}{beside}"


def _action(assistant: Assistant) -> tuple[str, str]:
    return "Check this draft", reverse("admin:calls_smokerun_check", args=[assistant.pk])


def check_keep(
    *, version: AssistantVersion, snapshot: Snapshot, author: User | None, override: str, **_: Any
) -> None:
    """Keep with a version what was known of it when it was published, and have its runs belong to it."""
    assistant = version.assistant
    fingerprint = snapshot.fingerprint()
    run = newest_check(assistant, fingerprint)
    rules = rules_of(assistant)
    untested = SmokeRun.objects.filter(assistant=assistant, fingerprint=fingerprint, assistant_version=None)
    untested.update(assistant_version=version)
    if run is None and rules.publish_gate == DriftRules.Gate.OFF:
        return
    PublishCheck.objects.create(
        version=version,
        run=run,
        gate=rules.publish_gate,
        outcome=run.outcome if run else "",
        sentence=_known(run)[2],
        overridden_by=author.get_username() if override and author else "",
        reason=override,
    )
