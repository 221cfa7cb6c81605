"""Where tools of Vapi's lead: which of the assistants, and what is to be said of those that lead to none."""

from collections.abc import Callable
from typing import Any

from assistants.vapi.drafts import Verdict
from assistants.vapi.inline import inline_name
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path

# The key of the assistant that a destination of Vapi's means; None where there is none.
Resolve = Callable[[dict[str, Any]], str | None]


def leads_to(destination: dict[str, Any], resolve: Resolve) -> str | None:
    """The key of the assistant that a destination names; None for one that it holds, and where there is none."""
    return None if inline_name(destination) else resolve(destination)


def destinations_read(ledger: Ledger, resolve: Resolve, *, told_elsewhere: bool) -> list[dict[str, Any]]:
    """The destinations of a tool, each that names an assistant with the key of that."""
    found = []
    for number, destination in enumerate(ledger.items("destinations")):
        if not isinstance(destination, dict):
            continue
        key = leads_to(destination, resolve)
        found.append({**destination, "assistantKey": key} if key else destination)
        if not key and not told_elsewhere:
            say_destination(ledger, ("destinations", number), destination)
    return found


def say_destination(ledger: Ledger, path: Path, destination: dict[str, Any]) -> None:
    """Asks about a destination that leads to no assistant; says nothing of numbers and SIP addresses."""
    kind = destination.get("type")
    if inline_name(destination):
        return  # what it holds is made of it
    if kind == "dynamic":
        ledger.say(
            (*path, "type"),
            Verdict.DECISION,
            "At Vapi your server decides during the call who takes it over. Tandem does not ask it, and does not offer this "
            "destination to the model: name the assistants here.",
            code="dynamic_destination",
        )
    elif kind == "squad":
        named = ledger.text(*path, "squadId")
        if named:
            ledger.say(
                (*path, "type"),
                Verdict.CONVERTED,
                "The call goes to the member of that squad that is named here, else to its first one, if the squad was imported: "
                "the page of this squad, or of a call, shows where it leads.",
                field="settings",
            )
    elif kind == "assistant":
        for name in ("assistantId", "assistantName"):
            value = ledger.text(*path, name)
            if value:
                ledger.say(
                    (*path, name),
                    Verdict.DECISION,
                    f"No assistant of this {'id' if name == 'assistantId' else 'name'} is in this export or was imported before: "
                    f"{value[:80]}. Import it as well, or take the destination out.",
                    code="unresolved_assistant",
                )
                return
