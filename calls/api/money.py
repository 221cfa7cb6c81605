"""What a call cost, in the two forms that Vapi tells it: a list of costs, and their breakdown. US dollars."""

from collections.abc import Iterable
from typing import Any

from calls.api.messages import plain_number
from calls.api.records import AMOUNTS_PER_USD, AtVapi, Record, Used
from calls.models import Call

# A speech-to-speech model hears, thinks and speaks for one price: all of it stands where Vapi's model stands.
_PLACES = {
    "response": "llm",
    "summary": "llm",
    "transcription": "stt",
    "analysis": "analysis",
    "machine": "voicemailDetectionCost",
}
_CARRIER = "transport"
# Twilio listens itself, and has no model.
_MACHINES = {
    "type": "voicemail-detection",
    "provider": "twilio",
    "model": {},
    "promptTextTokens": 0,
    "promptAudioTokens": 0,
    "completionTextTokens": 0,
    "completionAudioTokens": 0,
}
_MILLION = 10**6
_PER_MILLIONTH = AMOUNTS_PER_USD // _MILLION
# What a model was used for, and Vapi's name for what is paid then.
_MODELS = (
    ("transcription", "transcriber"),
    ("response", "model"),
    ("summary", "model"),
    ("analysis", "analysis"),
)


def call_money(record: Record) -> dict[str, Any]:
    """`cost`, `costs` and `costBreakdown`. A running call, and one of which no price is known, costs 0 so far."""
    if record.call.stack == Call.Stack.VAPI:
        return _at_vapi(record.vapi)
    minutes = plain_number(round((record.call.duration_s or 0) / 60, 4))
    uses = _uses(record.used)
    sums = {"transport": 0, "stt": 0, "llm": 0, "tts": 0, "vapi": 0, "analysis": 0}
    if "machine" in uses:
        sums["voicemailDetectionCost"] = 0
    for one in record.used:
        sums[_PLACES.get(one.kind, _CARRIER)] += one.amount
    total = _dollars(sum(sums.values()))
    analysis = sums.pop("analysis")
    dollars = {name: _dollars(amount) for name, amount in sums.items()}
    costs: list[dict[str, Any]] = []
    if uses:
        costs.append(
            {"type": "transport", "provider": "twilio", "minutes": minutes, "cost": dollars["transport"]}
        )
    costs += [_model(named, one) for kind, named in _MODELS for one in uses.get(kind, ())]
    if "machine" in uses:
        costs.append({**_MACHINES, "cost": dollars["voicemailDetectionCost"]})
    # Customers' sheets add these up; there is no fee of a platform here.
    costs.append({"type": "vapi", "subType": "normal", "minutes": minutes, "cost": 0})
    answers = uses.get("response", ())
    cached = sum([use.cached for use in answers])
    return {
        "cost": total,
        "costs": costs,
        "costBreakdown": {
            **dollars,
            "analysisCostBreakdown": {"summary": 0, "structuredData": 0, "successEvaluation": 0}
            if not analysis
            else {"total": _dollars(analysis)},
            "total": total,
            "llmPromptTokens": sum([use.fresh for use in answers]) + cached,
            "llmCompletionTokens": sum([use.out for use in answers]),
            "llmCachedPromptTokens": cached,
            "ttsCharacters": 0,
        },
    }


def _at_vapi(vapi: AtVapi | None) -> dict[str, Any]:
    if vapi is None or vapi.cost is None:
        return {"cost": 0}
    return {
        "cost": plain_number(round(float(vapi.cost), 6)),
        "costs": vapi.costs,
        "costBreakdown": vapi.cost_breakdown,
    }


def _uses(used: Iterable[Used]) -> dict[str, list[Used]]:
    """What was used, by what for."""
    found: dict[str, list[Used]] = {}
    for one in used:
        found.setdefault(one.kind, []).append(one)
    return found


def _model(named: str, use: Used) -> dict[str, Any]:
    """What one model cost. The tokens from the cache stand among those that went in, too."""
    model = {"provider": "openai", "model": use.item}
    if named == "transcriber":
        return {"type": named, named: model, "cost": _dollars(use.amount)}
    return {
        "type": named,
        "model": model,
        **({"analysisType": "summary"} if named == "analysis" else {}),
        "promptTokens": use.fresh + use.cached,
        "completionTokens": use.out,
        "cachedPromptTokens": use.cached,
        "cost": _dollars(use.amount),
    }


def _dollars(amount: int) -> float:
    """To a millionth, half of one up: `round` of the quotient takes four times as long."""
    millionths = (amount + _PER_MILLIONTH // 2) // _PER_MILLIONTH
    return millionths / _MILLION if millionths % _MILLION else millionths // _MILLION
