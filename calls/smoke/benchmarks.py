"""The conversations of a run in the shapes of two public benchmarks: EVA's audit logs, and the simulations of tau2-bench.

Whoever has scripts for either can use them on our calls. Both shapes are written down in `docs/benchmarks.md`.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from calls.models import SmokeRun
from calls.smoke.causes import Kind
from calls.smoke.report import PairView, report
from calls.smoke.sequences import Op
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

_ROLES: Final = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "assistant"}
_FOUND: Final = (Op.SAME, Op.MOVED, Op.SWAPPED)


@dataclass(frozen=True, slots=True)
class _Said:
    """Words of one side."""

    at: datetime
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class _Called:
    """A tool call, with what the model was told."""

    at: datetime
    key: str
    name: str
    arguments: dict[str, Any]
    answer: str
    failed: bool
    answered_at: datetime


def tau2_lines(run: SmokeRun) -> str:
    """One JSON object a line for every pair: a ``SimulationRun`` of tau2-bench, what is ours under ``info``."""
    lines = [orjson.dumps(_simulation(pair, trial)).decode() for pair, trial in _trials(run)]
    return "".join(f"{line}\n" for line in lines)


def eva_archive(run: SmokeRun) -> bytes:
    """A ZIP with a folder for every conversation, named as EVA names them, with EVA's audit log and transcript in each."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for pair, trial in _trials(run):
            folder = f"{_slug(pair)}/trial_{trial}"
            log = _audit_log(pair)
            archive.writestr(f"{folder}/audit_log.json", json.dumps(log, indent=2, ensure_ascii=False))
            told = [
                {"timestamp": one["timestamp"], "type": one["message_type"], "content": one["value"]}
                for one in log["transcript"]
                if one["message_type"] in ("user", "assistant")
            ]
            lines = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in told)
            archive.writestr(f"{folder}/transcript.jsonl", lines)
    return content.getvalue()


def _trials(run: SmokeRun) -> Iterator[tuple[PairView, int]]:
    """Every pair, with how often its scenario was played before it."""
    seen: dict[str, int] = {}
    for pair in sorted(report(run).pairs, key=lambda one: one.row.position):
        trial = seen.get(_slug(pair), 0)
        seen[_slug(pair)] = trial + 1
        yield pair, trial


def _slug(pair: PairView) -> str:
    """The scenario's name, fit for a folder."""
    words = re.sub(r"[^\w-]+", "_", pair.row.title).strip("_.")[:80]
    return words or "scenario"


def _events(pair: PairView) -> list[_Said | _Called]:
    """What was said and called in our call, in order."""
    call = pair.row.call
    if call is None:
        return []
    transcript = Transcript.objects.prefetch_related("utterances").filter(call_id=call.pk).first()
    events: list[_Said | _Called] = []
    if transcript is not None:
        events += [
            _Said(
                transcript.started_at + timedelta(milliseconds=one.began_ms),
                _ROLES[Utterance.Speaker(one.speaker)],
                one.heard_text or one.text,
            )
            for one in transcript.utterances.all()
        ]
    rows = ToolCall.objects.filter(call_id=call.pk).exclude(name="").order_by("requested_at", "id")
    events += [_called(row) for row in rows]
    return sorted(events, key=lambda one: one.at)


def _called(row: ToolCall) -> _Called:
    arguments = row.arguments if isinstance(row.arguments, dict) else {}
    answered_at = row.requested_at + timedelta(milliseconds=row.duration_ms or 0)
    failed = row.status != ToolCall.Status.ANSWERED
    return _Called(
        row.requested_at, row.item_id, row.name, arguments, row.outcome or row.error, failed, answered_at
    )


# tau2-bench --------------------------------------------------------------------------------------------------


def _simulation(pair: PairView, trial: int) -> dict[str, Any]:
    row = pair.row
    began = (row.call.started_at if row.call else None) or row.placed_at or row.run.created_at
    ended = (row.call.ended_at if row.call else None) or row.judged_at or began
    return {
        "id": str(row.pk),
        "task_id": row.title,
        "timestamp": began.isoformat(),
        "start_time": began.isoformat(),
        "end_time": ended.isoformat(),
        "duration": float(row.seconds or 0.0),
        "termination_reason": _termination(pair),
        "reward_info": _reward_info(pair),
        "messages": _messages(pair),
        "trial": trial,
        "mode": "full_duplex",
        "info": {
            "outcome": row.outcome or row.status,
            "why": row.why,
            "strictly_same": row.strictly_same,
            "arguments_same": all(cause.kind is not Kind.ARGUMENTS for cause in pair.causes),
            "differences": pair.sentences,
            "ended_reason": row.call.ended_reason if row.call else "",
            "caller": row.caller_note,
        },
    }


def _termination(pair: PairView) -> str:
    """tau2's word for the end. What broke is told apart from what differs."""
    reason = pair.row.call.ended_reason if pair.row.call else ""
    if pair.row.outcome in ("errored", "") or "fault" in reason:
        return "infrastructure_error"
    if reason == "customer-ended-call":
        return "user_stop"
    if reason.startswith("assistant-"):
        return "agent_stop"
    if reason in ("exceeded-max-duration", "silence-timed-out"):
        return "timeout"
    return "user_stop" if reason.startswith("call.in-progress.twilio") else "unexpected_error"


def _reward_info(pair: PairView) -> dict[str, Any] | None:
    """1 for a call that does not drift, 0 for one that does; none for what broke, and so proves nothing."""
    if pair.row.outcome in ("errored", ""):
        return None
    reward = float(pair.row.outcome != "drifted")
    found = {place for edit in pair.edits if edit.op in _FOUND for place in edit.theirs}
    return {
        "reward": reward,
        "reward_basis": ["ACTION"],
        "reward_breakdown": {"ACTION": reward},
        "action_checks": [
            {
                # No argument is compared: other arguments are told beside the rate.
                "action": {
                    "action_id": f"{n}",
                    "requestor": "assistant",
                    "name": step.name,
                    "arguments": dict(step.arguments),
                    "compare_args": [],
                },
                "action_match": n in found,
                "action_reward": float(n in found),
            }
            for n, step in enumerate(pair.theirs)
        ],
    }


def _messages(pair: PairView) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for event in _events(pair):
        at = event.at.isoformat()
        match event:
            case _Said(role=role, text=text):
                messages.append({"role": role, "content": text, "timestamp": at})
            case _Called(key=key, name=name, arguments=arguments):
                call = {"id": key, "name": name, "arguments": arguments, "requestor": "assistant"}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call], "timestamp": at})
                messages.append(
                    {
                        "role": "tool",
                        "id": key,
                        "content": event.answer,
                        "requestor": "assistant",
                        "error": event.failed,
                        "timestamp": event.answered_at.isoformat(),
                    }
                )
    return [{**message, "turn_idx": n} for n, message in enumerate(messages)]


# EVA ---------------------------------------------------------------------------------------------------------


def _audit_log(pair: PairView) -> dict[str, Any]:
    transcript: list[dict[str, Any]] = []
    spoken: list[dict[str, Any]] = []
    for event in _events(pair):
        match event:
            case _Said(role=role, text=text):
                name = "User" if role == "user" else "Bot"
                transcript.append(_entry(text, name, role, event.at, kind="text", is_bot=role != "user"))
                spoken.append({"role": role, "content": text})
            case _Called(name=name, arguments=arguments):
                asked = {"tool": name, "parameters": arguments}
                transcript.append(_entry(asked, "Tool", "tool_call", event.at))
                told = {"tool": name, "response": _answer(event)}
                transcript.append(_entry(told, "Tool Response", "tool_response", event.answered_at))
                spoken += _in_chat_form(event)
    transcript.sort(key=lambda one: int(one["timestamp"]))
    return {"transcript": transcript, "llm_prompts": [], "conversation_messages": spoken}


def _entry(
    value: Any, name: str, message_type: str, at: datetime, *, kind: str = "", is_bot: bool = True
) -> dict[str, Any]:
    return {
        "value": value,
        "displayName": name,
        "type": kind or message_type,
        "isBotMessage": is_bot,
        "timestamp": str(round(at.timestamp() * 1000)),
        "message_type": message_type,
    }


def _in_chat_form(called: _Called) -> list[dict[str, Any]]:
    function = {"name": called.name, "arguments": orjson.dumps(called.arguments).decode()}
    return [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": called.key, "type": "function", "function": function}],
        },
        {"role": "tool", "content": called.answer, "tool_call_id": called.key, "name": called.name},
    ]


def _answer(called: _Called) -> dict[str, Any]:
    """The tool's answer as an object, which EVA's tools always give."""
    try:
        value = json.loads(called.answer)
    except ValueError:
        value = called.answer
    return value if isinstance(value, dict) else {"result": value}
