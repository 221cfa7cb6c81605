"""Tools that older assistants have without any tool being written down: hang up, press keys, forward the call."""

from collections.abc import Iterator
from typing import Any

from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.tool_fields import ToolBuild, implicit_translate
from assistants.vapi.tool_kinds import Kind
from assistants.vapi.tool_rules import IMPLICIT

_FLAGS = (("endCallFunctionEnabled", Kind.END_CALL), ("dialKeypadFunctionEnabled", Kind.DTMF))


def implicit_tools(ledger: Ledger, *, key: str, kinds: set[str]) -> Iterator[tuple[Path, ToolBuild]]:
    """The tools that settings of the assistant stand for, with where. ``kinds`` are those of its other tools."""
    for name, kind in _FLAGS:
        if not ledger.flag(name):
            continue
        if kind in kinds:
            reason = "The assistant has a tool that does this, besides this setting; that one is used."
            ledger.say((name,), Verdict.CONVERTED, reason, field="tools")
            continue
        tool = _tool(key, name, {name: True}, kind, {})
        ledger.say(
            (name,),
            Verdict.CONVERTED,
            "Became a tool with a report of its own.",
            field="tools",
            ours=tool.name,
        )
        yield (name,), tool
    yield from _forwarding(ledger, key)


def _forwarding(ledger: Ledger, key: str) -> Iterator[tuple[Path, ToolBuild]]:
    number = ledger.text("forwardingPhoneNumber")
    if number and number.strip():
        settings: dict[str, Any] = {"destinations": [{"type": "number", "number": number.strip()}]}
        path = ("forwardingPhoneNumber",)
        yield path, _tool(key, path[0], {path[0]: number}, Kind.TRANSFER, settings)
    places = [place for place in ledger.items("forwardingPhoneNumbers") if isinstance(place, dict)]
    if places:
        name = "forwardingPhoneNumbers"
        yield (name, 0), _tool(key, name, {name: places}, Kind.TRANSFER, {"destinations": places})


def _tool(key: str, name: str, raw: dict[str, Any], kind: Kind, settings: dict[str, Any]) -> ToolBuild:
    return implicit_translate(
        raw, key=f"{key}/{name}", kind=str(kind.value), settings=settings, rules=IMPLICIT
    )
