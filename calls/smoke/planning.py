"""A smoke test planned: what is tested, frozen, and a pair for every comparison that is to be made."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from assistants.models import Assistant, AssistantVersion
from assistants.realtime import is_simulated
from assistants.services import publish_problems
from assistants.snapshots import Snapshot, snapshot_read, snapshot_take
from calls.models import (
    E164_PATTERN,
    Call,
    DriftRules,
    PhoneNumber,
    Scenario,
    ScenarioVersion,
    SmokePair,
    SmokeRun,
)
from calls.smoke.drafting import DraftError, script_draft
from calls.smoke.naming import naming
from calls.smoke.orders import OrdersError, orders_read
from calls.smoke.reading import CallFacts, call_facts
from calls.smoke.scripts import Script, ScriptError, script_read
from calls.smoke.sequences import ToolStep

MOST_RUNS: Final = 2000
SIMULATOR_SPEED: Final = 4.0
_E164: Final = re.compile(E164_PATTERN)


SQUAD: Final = (
    "A squad answers this number. A smoke test freezes one assistant and answers its tools; the other members would run as they "
    "are published at that moment, with drafts and declared orders of their own, and Vapi's record does not say to which of "
    "them a tool call belongs. Give each member a number of its own, write scenarios for it, and have the handing over "
    "itself expected as the tool call that it is (for example handoff_to_billing)."
)


class RunError(ValueError):
    """A smoke test that cannot be made. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be tested, and how."""

    assistant: Assistant
    runs: int
    number: PhoneNumber | None = None
    draft: bool = False
    purpose: SmokeRun.Purpose = SmokeRun.Purpose.SMOKE_TEST
    line: SmokeRun.Line = SmokeRun.Line.SIMULATOR
    side_by_side: int = 4
    speed: float = 1.0
    budget_minutes: int | None = None
    budget_usd: Decimal | None = None
    usd_per_minute: Decimal = Decimal(0)
    last_calls: int = 0
    caller: SmokeRun.Caller = SmokeRun.Caller.SCRIPT
    vapi_number: str = ""
    vapi_tools_are_real: bool = False  # somebody knows that, and wants it
    scenarios: Sequence[Scenario] | None = None
    author: User | None = None
    author_label: str = ""


@dataclass(frozen=True, slots=True)
class _Planned:
    """One pair to be."""

    title: str
    script: dict[str, Any]
    expected: tuple[ToolStep, ...]
    version: ScenarioVersion | None = None
    reference: Call | None = None
    facts: CallFacts | None = None


def usual_line() -> SmokeRun.Line:
    """The line that fits this installation: the simulator where it plays the model too, else our own, where speech is speech."""
    return SmokeRun.Line.SIMULATOR if is_simulated() else SmokeRun.Line.LOOPBACK


def usual_speed(line: SmokeRun.Line) -> float:
    """How many times faster than life a line may be: only the simulator has a clock of its own."""
    return SIMULATOR_SPEED if line == SmokeRun.Line.SIMULATOR else 1.0


def run_create(wish: Wish) -> SmokeRun:
    """The run, planned with all its pairs. Raises RunError."""
    if wish.number is not None and wish.number.squad_id is not None:
        raise RunError(SQUAD)
    line_check(wish)
    version, snapshot = _subject(wish)
    if not 1 <= wish.runs <= MOST_RUNS:
        raise RunError(f"The number of runs must be 1 to {MOST_RUNS:,}.")
    name_of = naming(snapshot.tools)
    orders = _orders_text(wish.assistant)
    try:
        orders_read(orders)
    except OrdersError as exc:
        raise RunError(f"The declared orders cannot be read. {exc}") from exc
    planned = [*_from_scenarios(wish, name_of), *_from_recent_calls(wish, name_of)]
    if not planned:
        raise RunError(
            f"{wish.assistant.name} has no scenario that is switched on. Write one under Scenarios, or draft one from a "
            "real call on that call's page."
        )
    numbers = _test_numbers(wish)
    with transaction.atomic():
        run = SmokeRun.objects.create(
            purpose=wish.purpose,
            number=wish.number,
            did=wish.number.did if wish.number else "",
            assistant=wish.assistant,
            assistant_version=version,
            snapshot=snapshot.to_json(),
            fingerprint=snapshot.fingerprint(),
            line=wish.line,
            caller=wish.caller,
            test_numbers=numbers,
            vapi_number=wish.vapi_number,
            simulated_model=is_simulated(),
            orders=orders,
            # Of two calls from one number to another that ring at once nobody could tell which is whose.
            side_by_side=max(1, min(wish.side_by_side, len(numbers) or wish.side_by_side)),
            speed=wish.speed,
            budget_minutes=wish.budget_minutes,
            budget_usd=wish.budget_usd,
            usd_per_minute=wish.usd_per_minute,
            started_by=wish.author,
            started_by_label=wish.author_label or (wish.author.get_username() if wish.author else ""),
        )
        SmokePair.objects.bulk_create(
            [_pair(run, position, one) for position, one in enumerate(planned, start=1)]
        )
    return run


def line_check(wish: Wish) -> None:
    """Nothing for a wish whose line can carry it. Raises RunError."""
    if wish.caller == SmokeRun.Caller.MODEL and wish.line == SmokeRun.Line.SIMULATOR:
        raise RunError(
            "The simulator understands only the lines of a script, so it cannot meet a caller who is played by a model. Choose "
            "another line."
        )
    if wish.line != SmokeRun.Line.TELEPHONE:
        if wish.vapi_number:
            raise RunError("Vapi is reached by telephone only: choose the line “Real telephone lines”.")
        return
    if wish.number is None:
        raise RunError("A smoke test over the telephone needs the number that is called.")
    if wish.draft:
        raise RunError("Callers by telephone reach what is published. Test the draft on another line.")
    if not wish.budget_minutes and not wish.budget_usd:
        raise RunError("Calls over the telephone cost money: give a budget in minutes or in dollars.")
    if wish.budget_usd and not wish.usd_per_minute:
        raise RunError("A budget in dollars needs an estimate of what a minute costs.")
    _check_vapi(wish, wish.number)


def _check_vapi(wish: Wish, number: PhoneNumber) -> None:
    if not wish.vapi_number:
        return
    if not _E164.fullmatch(wish.vapi_number):
        raise RunError(f"The number at Vapi must be written like +14155550100, not {wish.vapi_number[:40]}.")
    if not wish.vapi_tools_are_real:
        raise RunError(
            "At Vapi nobody stands between the assistant and your servers: its tools are really called, once in every pair. Say "
            "that you know that, and use scenarios whose bookings and messages may really happen."
        )
    if wish.vapi_number == number.did and not (settings.VAPI_API_KEY and number.vapi_id):
        raise RunError(
            "To play both stacks by the same number Vapi is asked for each call: set VAPI_API_KEY, and import Vapi's phone "
            "numbers. Or give another number that Vapi still answers."
        )


def _test_numbers(wish: Wish) -> list[str]:
    """The numbers from which a run over the telephone dials. Raises RunError."""
    if wish.line != SmokeRun.Line.TELEPHONE:
        return []
    called = {wish.number.did if wish.number else "", wish.vapi_number}
    numbers = [one for one in dict.fromkeys(settings.SMOKE_TEST_NUMBERS) if one not in called]
    wrong = [one for one in numbers if not _E164.fullmatch(one)]
    if wrong:
        raise RunError(f"SMOKE_TEST_NUMBERS holds “{wrong[0]}”, which is not written like +14155550100.")
    if not numbers:
        raise RunError(
            "There is no number to call from. Set SMOKE_TEST_NUMBERS to numbers of the Twilio account that nobody else uses; "
            "as many calls go side by side as there are."
        )
    return numbers


def _subject(wish: Wish) -> tuple[AssistantVersion | None, Snapshot]:
    """What is tested: the live version, or the draft as it is now. Raises RunError."""
    assistant = wish.assistant
    if not wish.draft:
        if assistant.live_version is None:
            raise RunError(f"{assistant.name} was never published. Publish it, or check its draft.")
        try:
            return assistant.live_version, snapshot_read(assistant.live_version.snapshot)
        except TypeError as exc:
            raise RunError("The live version cannot be read. Publish the assistant again.") from exc
    snapshot = snapshot_take(assistant)
    problems = publish_problems(snapshot)
    if problems:
        raise RunError(f"The draft cannot be run yet: {problems[0]}")
    live = assistant.live_version
    same = live is not None and _fingerprint(live) == snapshot.fingerprint()
    return (live if same else None), snapshot


def _fingerprint(version: AssistantVersion) -> str:
    try:
        return snapshot_read(version.snapshot).fingerprint()
    except TypeError:
        return ""


def _orders_text(assistant: Assistant) -> str:
    return DriftRules.objects.filter(assistant=assistant).values_list("orders", flat=True).first() or ""


def _from_scenarios(wish: Wish, name_of: Callable[[str], str]) -> Iterable[_Planned]:
    """So many pairs as are wished for, the scenarios in turn, and of each its calls at Vapi in turn."""
    chosen = wish.scenarios if wish.scenarios is not None else list(_scenarios(wish.assistant))
    readied = [one for scenario in chosen if (one := list(_of_scenario(wish, scenario, name_of)))]
    if not readied:
        return
    turns = [itertools.cycle(one) for one in readied]
    for turn in itertools.islice(itertools.cycle(turns), wish.runs):
        yield next(turn)


def _scenarios(assistant: Assistant) -> QuerySet[Scenario]:
    return Scenario.objects.filter(assistant=assistant, enabled=True).prefetch_related("references")


def _of_scenario(wish: Wish, scenario: Scenario, name_of: Callable[[str], str]) -> Iterable[_Planned]:
    """The scenario with each of its calls at Vapi; without any, with what is written in it. Raises RunError.

    Where it is played to Vapi too, what Vapi does then takes the place of that.
    """
    version = scenario.versions.first()
    if version is None:
        return
    script = _script(version.script, f"The scenario “{scenario.name}”")
    if wish.caller == SmokeRun.Caller.MODEL and not script.goal.strip():
        raise RunError(
            f"The scenario “{scenario.name}” has no “goal”, so a model cannot play its caller. Write down what the caller wants."
        )
    written = [replace(step, name=name_of(step.name)) for step in script.expected()]
    references = [] if wish.vapi_number else list(scenario.references.order_by("created_at"))
    if not references:
        yield _Planned(scenario.name, version.script, tuple(written), version)
    for reference in references:
        facts = call_facts(reference, name_of=name_of)
        expected = tuple(_with_written_arguments(facts.steps, written))
        yield _Planned(scenario.name, version.script, expected, version, reference, facts)


def _with_written_arguments(steps: Sequence[ToolStep], written: Sequence[ToolStep]) -> Iterable[ToolStep]:
    """The steps of a call with the arguments that the scenario's caller leads to: theirs were another caller's."""
    left: dict[str, list[ToolStep]] = {}
    for one in written:
        left.setdefault(one.name, []).append(one)
    for step in steps:
        alike = left.get(step.name)
        yield replace(step, arguments=alike.pop(0).arguments) if alike else step


def _script(stored: object, what: str) -> Script:
    try:
        return script_read(stored)
    except ScriptError as exc:
        raise RunError(f"{what} cannot be played. {exc}") from exc


def _from_recent_calls(wish: Wish, name_of: Callable[[str], str]) -> Iterable[_Planned]:
    """The assistant's newest real calls, played again; those of which no scenario can be made are left out."""
    if not wish.last_calls:
        return
    calls = Call.objects.filter(
        assistant=wish.assistant, stack=Call.Stack.DIRECT, status=Call.Status.ENDED, smoke_test=False
    ).order_by("-created_at")
    found = 0
    for call in calls[: wish.last_calls * 3]:
        try:
            script = script_draft(call, replaced=False)
            script_read(script)
        except (DraftError, ScriptError):
            continue
        facts = call_facts(call, name_of=name_of)
        yield _Planned(f"Call of {call.created_at:%d %b %H:%M}", script, facts.steps, None, call, facts)
        found += 1
        if found == wish.last_calls:
            return


def _pair(run: SmokeRun, position: int, planned: _Planned) -> SmokePair:
    facts = planned.facts
    return SmokePair(
        run=run,
        position=position,
        scenario_version=planned.version,
        title=planned.title[:200],
        script=planned.script,
        expected=[step.to_json() for step in planned.expected],
        reference=planned.reference,
        reference_latency_ms=facts.latency_ms if facts else None,
        reference_usd=facts.usd if facts else None,
    )
