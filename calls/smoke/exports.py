"""A report to take away: JSON, and one HTML file that needs nothing else."""

from typing import Any, Final

import orjson
from django.template.loader import render_to_string

from calls.models import SmokeRun
from calls.smoke.report import report
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
