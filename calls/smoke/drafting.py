"""A scenario drafted from a real call: who said what, which tools were called, and what they answered.

Names and numbers are replaced by others. It is a draft: a person reads it before it is used.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from calls.models import Call
from calls.smoke.anonymising import Anonymiser
from calls.smoke.personas import facts_of, goal_of, never_of
from calls.smoke.scripts import MOST_TURNS
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

_MOST_WORDS: Final = 1500
_LEAST_INTERRUPTION_MS: Final = 200
_CALLER_LEFT: Final = "customer-ended-call"


class DraftError(ValueError):
    """A call of which no scenario can be made. The text says why."""


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happened in a call."""

    at_ms: int
    spoken: Utterance | None = None
    tool: ToolCall | None = None


def script_draft(call: Call, *, replaced: bool = True) -> dict[str, Any]:
    """The script of a call, with names and numbers ``replaced``. Raises DraftError for a call in which nobody said a word."""
    events = list(_events(call))
    if not any(one.spoken and one.spoken.speaker == Utterance.Speaker.CALLER for one in events):
        raise DraftError(
            "The caller said nothing in this call that was written down, so there is nothing to play."
        )
    heard = [
        one.spoken.text for one in events if one.spoken and one.spoken.speaker == Utterance.Speaker.CALLER
    ]
    draft = {
        "goal": goal_of(call, heard),
        "facts": facts_of([one.tool.arguments for one in events if one.tool is not None], heard),
        "never": never_of(heard),
        "turns": list(_turns(events, call)),
        "mocks": list(_mocks([one.tool for one in events if one.tool is not None])),
    }
    if not replaced:
        return draft
    anonymiser = Anonymiser(str(call.pk))
    for one in events:
        if one.spoken is not None:
            anonymiser.learn(one.spoken.text)
        if one.tool is not None:
            anonymiser.learn_arguments(one.tool.arguments)
            anonymiser.learn_arguments(_result(one.tool))
    return _replaced(draft, anonymiser)


def _replaced(draft: dict[str, Any], anonymiser: Anonymiser) -> dict[str, Any]:
    """The draft with everything replaced that somebody said or a tool was told; names of tools and times stay."""
    turns = [
        {
            **turn,
            **({"caller": anonymiser.text(turn["caller"])} if "caller" in turn else {}),
            **(
                {"assistant": [_deed(one, anonymiser) for one in turn["assistant"]]}
                if "assistant" in turn
                else {}
            ),
        }
        for turn in draft["turns"]
    ]
    said = ("result", "error")
    mocks = [
        {key: anonymiser.value(value) if key in said else value for key, value in mock.items()}
        for mock in draft["mocks"]
    ]
    return {
        **draft,
        "goal": anonymiser.text(draft["goal"]),
        "facts": anonymiser.value(draft["facts"]),
        "turns": turns,
        "mocks": mocks,
    }


def _deed(deed: dict[str, Any], anonymiser: Anonymiser) -> dict[str, Any]:
    if "say" in deed:
        return {"say": anonymiser.text(deed["say"])}
    return {**deed, "arguments": anonymiser.value(deed["arguments"])}


def _events(call: Call) -> Iterable[_Event]:
    transcript = Transcript.objects.prefetch_related("utterances").filter(call_id=call.pk).first()
    began = transcript.started_at if transcript else call.started_at or call.created_at
    found = [_Event(one.began_ms, spoken=one) for one in transcript.utterances.all()] if transcript else []
    rows = ToolCall.objects.filter(call_id=call.pk).exclude(name="").order_by("requested_at", "id")
    found += [
        _Event(max(0, round((row.requested_at - began).total_seconds() * 1000)), tool=row) for row in rows
    ]
    return sorted(found, key=lambda one: one.at_ms)


def _turns(events: Iterable[_Event], call: Call) -> Iterable[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    last: Utterance | None = None  # what the assistant said last
    for event in events:
        if event.tool is not None:
            if turns:
                turns[-1]["assistant"].append(
                    {"call": event.tool.name, "arguments": event.tool.arguments or {}}
                )
            continue
        assert event.spoken is not None
        words = event.spoken.text.strip()[:_MOST_WORDS]
        if not words:
            continue
        if event.spoken.speaker == Utterance.Speaker.ASSISTANT:
            last = event.spoken
            if turns:  # the greeting is the assistant's own
                turns[-1]["assistant"].append({"say": words})
        elif turns and not turns[-1]["assistant"]:
            turns[-1]["caller"] = f"{turns[-1]['caller']} {words}"  # two breaths of one turn
        else:
            turns.append({"caller": words, **_interruption(last, event.spoken), "assistant": []})
    turns = turns[:MOST_TURNS]
    yield from turns
    if call.ended_reason == _CALLER_LEFT and len(turns) < MOST_TURNS:
        yield {"hang_up": True}


def _interruption(last: Utterance | None, spoken: Utterance) -> dict[str, int]:
    if last is None or not last.interrupted or spoken.began_ms <= last.began_ms:
        return {}
    return {"interrupts_after_ms": min(60_000, max(_LEAST_INTERRUPTION_MS, spoken.began_ms - last.began_ms))}


def _mocks(rows: list[ToolCall]) -> Iterable[dict[str, Any]]:
    """What each tool answered: the one answer fits any arguments, of several each fits one call in turn."""
    seen: dict[str, int] = {}
    total = {row.name: sum(other.name == row.name for other in rows) for row in rows}
    for row in rows:
        seen[row.name] = seen.get(row.name, 0) + 1
        turn = {"nth": seen[row.name]} if total[row.name] > 1 else {}
        yield {"tool": row.name, **turn, **_told(row)}


def _told(row: ToolCall) -> dict[str, Any]:
    match row.status:
        case ToolCall.Status.TIMED_OUT:
            return {"times_out": True}
        case ToolCall.Status.FAILED | ToolCall.Status.REFUSED:
            return {"error": row.error[:500] or "It failed."}
        case _:
            return {"result": _result(row)}


def _result(row: ToolCall) -> Any:
    try:
        return json.loads(row.outcome)
    except ValueError:
        return row.outcome or "Done."
