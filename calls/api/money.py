"""What a call cost, in the two forms that Vapi tells it: a list of costs, and their breakdown. US dollars."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from calls.api.rows import Priced
from calls.models import Call, VapiCall

# A speech-to-speech model hears, thinks and speaks for one price: all of it stands where Vapi's model stands.
_PLACES = {"response": "llm", "summary": "llm", "transcription": "stt", "analysis": "analysis"}
_CARRIER = "transport"


def call_money(call: Call, vapi: VapiCall | None, lines: Sequence[Priced]) -> dict[str, Any]:
    """`cost`, `costs` and `costBreakdown`. A running call, and one of which no price is known, costs 0 so far."""
    if call.stack == Call.Stack.VAPI:
        return _at_vapi(vapi)
    minutes = (call.duration_s or 0) / 60
    sums = dict.fromkeys(("transport", "stt", "llm", "tts", "vapi", "analysis"), Decimal(0))
    by_kind: dict[str, list[Priced]] = {}
    for line in lines:
        by_kind.setdefault(line.kind, []).append(line)
        if line.amount_usd:
            sums[_PLACES.get(line.kind, _CARRIER)] += line.amount_usd
    counts = _counts(by_kind.get("response", ()))
    total = sum(sums.values(), Decimal(0))
    analysis = sums.pop("analysis")
    costs = [
        *([{"type": "transport", "provider": "twilio", "minutes": round(minutes, 4)}] if lines else []),
        *_models(by_kind.get("transcription", ()), "transcriber"),
        *_models(by_kind.get("response", ()), "model"),
        *_models(by_kind.get("summary", ()), "model"),
        *_models(by_kind.get("analysis", ()), "analysis"),
        # Customers' sheets add these up; there is no fee of a platform here.
        {"type": "vapi", "subType": "normal", "minutes": round(minutes, 4), "cost": 0},
    ]
    if lines:
        costs[0]["cost"] = _dollars(sums["transport"])
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
            "llmPromptTokens": counts["promptTokens"],
            "llmCompletionTokens": counts["completionTokens"],
            "llmCachedPromptTokens": counts["cachedPromptTokens"],
            "ttsCharacters": 0,
        },
    }


def _at_vapi(vapi: VapiCall | None) -> dict[str, Any]:
    if vapi is None or vapi.cost is None:
        return {"cost": 0}
    return {"cost": _dollars(vapi.cost), "costs": vapi.costs, "costBreakdown": vapi.cost_breakdown}


def _models(lines: Iterable[Priced], named: str) -> list[dict[str, Any]]:
    """One cost for each model that was used for this."""
    found: dict[str, list[Priced]] = {}
    for line in lines:
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


def _counts(lines: Iterable[Priced]) -> dict[str, int]:
    """Tokens in, out, and in from the cache; those stand in the first, too."""
    sides = {"in": 0, "cached": 0, "out": 0}
    for line in lines:
        side = line.part.rpartition("_")[2]
        if side in sides and line.quantity:
            sides[side] += int(line.quantity)
    return {
        "promptTokens": sides["in"] + sides["cached"],
        "completionTokens": sides["out"],
        "cachedPromptTokens": sides["cached"],
    }


def _dollars(usd: Decimal) -> float:
    dollars = round(float(usd), 6)
    return int(dollars) if dollars.is_integer() else dollars
