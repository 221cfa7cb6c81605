"""What a call ran on, for the call's page: what was named, and what a program sent along."""

import json
from collections.abc import Sequence
from typing import Final

from assistants.models import Assistant
from assistants.vapi.hiding import hidden
from calls.models import Call
from calls.selectors import variables_given
from tools.adminkit import clipped, object_link

_ALONG: Final = "Sent along with the call by a program"
_SHOWN: Final = 200


def chosen_facts(call: Call) -> Sequence[tuple[str, object]]:
    """The assistant and the version of a call, and the values that it was given."""
    version = call.version
    return [
        ("Assistant", _assistant(call.assistant)),
        ("Ran on", object_link("assistants_assistantversion", version.pk, _ran_on(call)) if version else "-"),
        *_values(call),
    ]


def squad_fact(call: Call) -> Sequence[tuple[str, object]]:
    """The squad of a call, where it had one."""
    squad = call.squad
    if squad is None:
        return []
    shown = object_link("assistants_squad", squad.pk, squad.name) if squad.transient_id is None else _ALONG
    return [("Squad", shown)]


def _assistant(assistant: Assistant | None) -> object:
    if assistant is None:
        return "-"
    if assistant.transient_id is not None:
        return _ALONG
    return object_link("assistants_assistant", assistant.pk, assistant)


def _ran_on(call: Call) -> str:
    version, assistant = call.version, call.assistant
    assert version is not None
    if assistant is not None and assistant.transient_id is not None:
        return "What was sent along"
    return (
        f"Version {version.number}"
        if version.assistant_id == call.assistant_id
        else "With the overrides of this call"
    )


def _values(call: Call) -> Sequence[tuple[str, object]]:
    """The values that the call was given, without those that are secret."""
    given = hidden(variables_given(call.pk))
    told = [
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in given.items()
    ]
    return [("Values given", clipped("; ".join(told), _SHOWN))] if told else []
