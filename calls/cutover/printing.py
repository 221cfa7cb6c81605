"""Cutover in words for a terminal, and as plain values for a script."""

from collections.abc import Iterable
from typing import Any

from calls.cutover.assignments import Assignments, Line
from calls.cutover.changes import FieldChange
from calls.cutover.gates import Gate
from calls.cutover.selectors import Plan, obstacle
from calls.cutover.services import Outcome
from calls.cutover.syncing import Round
from calls.models import CutoverEvent, CutoverSchedule, PhoneNumber


def number_json(number: PhoneNumber) -> dict[str, Any]:
    """A number as the list shows it."""
    answering = number.answering
    return {
        "did": number.did,
        "label": number.label,
        "state": number.state,
        "answered_by": number.answered_by,
        "canary_percent": number.canary_percent,
        "assistant": answering.name if answering else None,
        "provider": number.provider,
        "account_sid": number.account_sid,
        "movable": number.movable,
        "not_movable_because": obstacle(number),
        "seen_at": number.config_seen_at.isoformat() if number.config_seen_at else None,
        "cut_over_at": number.cut_over_at.isoformat() if number.cut_over_at else None,
    }


def plan_json(plan: Plan, gates: Iterable[Gate]) -> dict[str, Any]:
    """A plan with its gates."""
    return {
        "did": plan.number.did,
        "kind": plan.kind,
        "percent": plan.percent,
        "from_state": plan.number.state,
        "to_state": plan.to_state,
        "possible": plan.possible,
        "changes": [change.as_json() for change in plan.changes],
        "obstacles": list(plan.obstacles),
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
        "gates": [gate_json(gate) for gate in gates],
    }


def gate_json(gate: Gate) -> dict[str, Any]:
    """A gate."""
    return {
        "name": gate.name,
        "title": gate.title,
        "passed": gate.passed,
        "why": gate.why,
        "what_to_do": gate.what_to_do,
        "checked_at": gate.checked_at.isoformat(),
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """What became of one number."""
    return {
        "did": outcome.number.did,
        "result": outcome.result,
        "message": outcome.message,
        "state": outcome.number.state,
        "operation": str(outcome.operation.pk) if outcome.operation else None,
        "differences": [change.as_json() for change in outcome.differences],
        "gates": [gate.name for gate in outcome.gates],
    }


def round_json(found: Round) -> dict[str, Any]:
    """What a look at all accounts found."""
    return {
        "numbers": found.numbers,
        "complete": found.complete,
        "accounts": [
            {"sid": one.sid, "label": one.label, "numbers": one.numbers, "error": one.error}
            for one in found.accounts
        ],
        **{
            name: getattr(found, name)
            for name in ("found", "gone", "returned", "seen", "changed", "changed_back", "skipped", "trouble")
        },
    }


def schedule_json(schedule: CutoverSchedule) -> dict[str, Any]:
    """A schedule with its numbers."""
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "status": schedule.status,
        "stopped_because": schedule.stopped_because,
        "kind": schedule.kind,
        "percent": schedule.percent,
        "timezone": schedule.timezone,
        "numbers": [
            {"did": item.number.did, "status": item.status, "message": item.message}
            for item in schedule.items.select_related("number")
        ],
    }


def assignments_json(found: Assignments) -> dict[str, Any]:
    """What becomes of every line of a table."""
    return {
        "applied": found.applied,
        "lines": [
            {
                "line": line.line,
                "did": line.did,
                "assistant": line.assistant,
                "fate": line.fate,
                "message": line.message,
            }
            for line in found.lines
        ],
    }


def event_json(event: CutoverEvent) -> dict[str, Any]:
    """An event of a number's history."""
    return {
        "at": event.at.isoformat(),
        "kind": event.kind,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "who": event.actor_label,
        "why": event.reason,
        "differences": event.differences,
        "overrides": event.overrides,
    }


# --- In words -------------------------------------------------------------------------------------------------


def plan_lines(plan: Plan, gates: Iterable[Gate]) -> list[str]:
    """A plan for people: what would change, what is in the way, what to know."""
    state = PhoneNumber.State(plan.to_state).label if plan.to_state else ""
    lines = [f"{plan.number.did}: “{plan.number.get_state_display()}” → “{state}”"]
    lines += [change_line(change) for change in plan.changes] or ["  Nothing would be changed at Twilio."]
    lines += [f"  Not possible: {text}" for text in plan.obstacles]
    lines += [f"  Mind: {text}" for text in plan.warnings]
    lines += [f"  Note: {text}" for text in plan.notes]
    lines += [
        f"  Gate {gate.name}: {'passed' if gate.passed else 'FAILED'}. {gate.why} {gate.what_to_do}".rstrip()
        for gate in gates
    ]
    return lines


def change_line(change: FieldChange) -> str:
    """One field, from what to what."""
    return f"  {change.field}: {change.before or '(empty)'} → {change.after or '(empty)'}"


def outcome_lines(outcome: Outcome) -> list[str]:
    """What became of one number, for people."""
    return [
        f"{outcome.number.did}: {outcome.result}. {outcome.message}",
        *(change_line(change) for change in outcome.differences),
    ]


def round_lines(found: Round) -> list[str]:
    """What a look at all accounts found, for people."""
    lines = [
        f"{one.label}: {f'could not be read. {one.error}' if one.error else f'{one.numbers} numbers'}"
        for one in found.accounts
    ] or ["No Twilio account is known. Set TWILIO_ACCOUNT_SID, or enter one under Twilio accounts."]
    if found.trouble:
        lines.append(found.trouble)
    told = (
        ("New", found.found),
        ("Gone from their account", found.gone),
        ("Back", found.returned),
        ("Answered by somebody else now", found.seen),
        ("CHANGED BEHIND OUR BACK", found.changed),
        ("As we wrote them again", found.changed_back),
        ("Left out", found.skipped),
    )
    return lines + [f"{title}: {', '.join(dids)}" for title, dids in told if dids]


def assignment_line(line: Line) -> str:
    """What becomes of one line of a table."""
    return f"line {line.line}: {line.did or '?'} → {line.assistant or '?'}: {line.fate}. {line.message}"
