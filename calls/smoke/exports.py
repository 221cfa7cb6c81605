"""A report to take away: JSON, one HTML file that needs nothing else, and one line a conversation as benchmarks write it."""

from collections.abc import Iterable
from typing import Any, Final

import orjson
from django.template.loader import render_to_string

from calls.models import SmokeRun
from calls.smoke.causes import Kind
from calls.smoke.report import PairView, Report, report
from transcripts.models import Transcript, Utterance

_ROLES: Final = {Utterance.Speaker.CALLER: "user", Utterance.Speaker.ASSISTANT: "assistant"}


def report_json(run: SmokeRun) -> str:
    """The whole report as JSON."""
    return orjson.dumps(report(run).to_json(), option=orjson.OPT_INDENT_2, default=str).decode()


def report_html(run: SmokeRun) -> str:
    """The whole report as one HTML file, with the words of both calls of every pair that is not the same."""
    read = report(run)
    talks = {
        pair.row.pk: (_talk(pair.row.reference_id), _talk(pair.row.call_id))
        for pair in read.pairs
        if pair.row.outcome != "same"
    }
    pairs = [(pair, *talks.get(pair.row.pk, ([], []))) for pair in read.pairs]
    return render_to_string("admin/smoke/export.html", {"report": read, "run": run, "pairs": pairs})


def results_jsonl(run: SmokeRun) -> str:
    """One JSON object a pair, in the form in which voice-agent benchmarks write a conversation.

    ``task_id``, ``trial``, ``reward`` (1 or 0, null for what broke), ``termination_reason``, ``messages`` in OpenAI's
    chat form with the tool calls in their places, and the expected actions beside what differs.
    """
    read = report(run)
    lines = [orjson.dumps(one, default=str).decode() for one in _results(read)]
    return "".join(f"{line}\n" for line in lines)


def _results(read: Report) -> Iterable[dict[str, Any]]:
    trials: dict[str, int] = {}
    for pair in sorted(read.pairs, key=lambda one: one.row.position):
        row = pair.row
        trials[row.title] = trials.get(row.title, -1) + 1
        yield {
            "task_id": row.title,
            "trial": trials[row.title],
            "id": str(row.pk),
            "reward": None if row.outcome in ("errored", "") else float(row.outcome != "drifted"),
            "reward_info": {
                "outcome": row.outcome,
                "strictly_same": row.strictly_same,
                "arguments_same": all(cause.kind is not Kind.ARGUMENTS for cause in pair.causes),
                "expected_actions": [
                    {"name": step.name, "arguments": dict(step.arguments)} for step in pair.theirs
                ],
                "differences": pair.sentences,
            },
            "termination_reason": row.call.ended_reason if row.call else row.why,
            "duration": row.seconds,
            "messages": _messages(pair),
        }


def _messages(pair: PairView) -> list[dict[str, Any]]:
    """What was said and called in our call, in order."""
    said: list[tuple[int, dict[str, Any]]] = [
        (at, {"role": role, "content": text}) for at, role, text in _spoken(pair.row.call_id)
    ]
    called: list[tuple[int, dict[str, Any]]] = [
        (
            step.at_ms or 0,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "type": "function",
                        "function": {
                            "name": step.name,
                            "arguments": orjson.dumps(dict(step.arguments)).decode(),
                        },
                    }
                ],
            },
        )
        for step in pair.ours
    ]
    return [message for _, message in sorted([*said, *called], key=lambda one: one[0])]


def _talk(call_id: Any) -> list[tuple[str, str]]:
    return [(role, text) for _, role, text in _spoken(call_id)]


def _spoken(call_id: Any) -> list[tuple[int, str, str]]:
    transcript = (
        Transcript.objects.prefetch_related("utterances").filter(call_id=call_id).first() if call_id else None
    )
    if transcript is None:
        return []
    return [
        (one.began_ms, _ROLES[Utterance.Speaker(one.speaker)], one.heard_text or one.text)
        for one in transcript.utterances.all()
    ]
