"""What a call cost, in the two forms that Vapi tells it: a list of costs, and their breakdown. US dollars."""

from decimal import Decimal
from typing import Any

from calls.models import Call, CostLine, VapiCall

# A speech-to-speech model hears, thinks and speaks for one price: all of it stands where Vapi's model stands.
_PLACES = {"response": "llm", "summary": "llm", "transcription": "stt", "analysis": "analysis"}
_CARRIER = "transport"


def call_money(call: Call, vapi: VapiCall | None) -> dict[str, Any]:
    """`cost`, `costs` and `costBreakdown`. A running call, and one of which no price is known, costs 0 so far."""
    if call.stack == Call.Stack.VAPI:
        return _at_vapi(vapi)
    lines = list(call.cost_lines.all())
    minutes = (call.duration_s or 0) / 60
    sums = dict.fromkeys(("transport", "stt", "llm", "tts", "vapi", "analysis"), Decimal(0))
    for line in lines:
        sums[_PLACES.get(line.kind, _CARRIER)] += line.amount_usd or 0
    total = sum(sums.values(), Decimal(0))
    analysis = sums.pop("analysis")
    costs = [
        *([{"type": "transport", "provider": "twilio", "minutes": round(minutes, 4)}] if lines else []),
        *_models(lines, "transcription", "transcriber"),
        *_models(lines, "response", "model"),
        *_models(lines, "summary", "model"),
        *_models(lines, "analysis", "analysis"),
        # Customers' sheets add these up; there is no fee of a platform here.
        {"type": "vapi", "subType": "normal", "minutes": round(minutes, 4), "cost": 0},
    ]
    for one in costs:
        if one["type"] == "transport":
            one["cost"] = _dollars(sums["transport"])
    breakdown = {name: _dollars(usd) for name, usd in sums.items()}
    return {
        "cost": _dollars(total),
        "costs": costs,
        "costBreakdown": {
            **breakdown,
            "analysisCostBreakdown": {"summary": 0, "structuredData": 0, "successEvaluation": 0}
            if not analysis
            else {"total": _dollars(analysis)},
            "total": _dollars(total),
            "llmPromptTokens": _tokens(lines, "in", "cached"),
            "llmCompletionTokens": _tokens(lines, "out"),
            "llmCachedPromptTokens": _tokens(lines, "cached"),
            "ttsCharacters": 0,
        },
    }


def _at_vapi(vapi: VapiCall | None) -> dict[str, Any]:
    if vapi is None or vapi.cost is None:
        return {"cost": 0}
    return {"cost": _dollars(vapi.cost), "costs": vapi.costs, "costBreakdown": vapi.cost_breakdown}


def _models(lines: list[CostLine], kind: str, named: str) -> list[dict[str, Any]]:
    """One cost for each model that was used for this."""
    found: dict[str, list[CostLine]] = {}
    for line in lines:
        if line.kind == kind:
            found.setdefault(line.item, []).append(line)
    return [
        {
            "type": named,
            ("transcriber" if named == "transcriber" else "model"): {"provider": "openai", "model": item},
            **({"analysisType": "summary"} if named == "analysis" else {}),
            **({} if named == "transcriber" else _counts(some)),
            "cost": _dollars(sum((one.amount_usd or Decimal(0) for one in some), Decimal(0))),
        }
        for item, some in found.items()
    ]


def _counts(lines: list[CostLine]) -> dict[str, int]:
    kinds = {line.kind for line in lines}
    return {
        "promptTokens": _tokens(lines, "in", "cached", kinds=kinds),
        "completionTokens": _tokens(lines, "out", kinds=kinds),
        "cachedPromptTokens": _tokens(lines, "cached", kinds=kinds),
    }


def _tokens(lines: list[CostLine], *sides: str, kinds: set[str] | None = None) -> int:
    of = kinds or {"response"}
    return int(
        sum(line.quantity or 0 for line in lines if line.kind in of and line.part.rpartition("_")[2] in sides)
    )


def _dollars(usd: Decimal) -> float:
    return float(round(usd, 6))
