"""Two names of one tool: what Vapi's record calls it, and what our model does. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from tools.models import Tool
from tools.snapshots import ToolSnapshot

# What Vapi's records have called the tools that it brings itself, without what is no letter.
_BUILT_IN: Final[dict[str, frozenset[str]]] = {
    Tool.Kind.END_CALL: frozenset({"endcall", "endcalltool", "hangup"}),
    Tool.Kind.TRANSFER: frozenset({"transfercall", "transfercalltool", "forwardcall", "transfer"}),
    Tool.Kind.DTMF: frozenset({"dtmf", "presskeys", "dtmftool"}),
    Tool.Kind.VOICEMAIL: frozenset({"voicemail", "leavevoicemail"}),
    Tool.Kind.SMS: frozenset({"sms", "sendsms", "sendtextmessage", "smstool"}),
}


def naming(tools: Iterable[ToolSnapshot]) -> Callable[[str], str]:
    """What turns any of a tool's names into the one by which the customer knows it; an unknown name stays as it is."""
    listed = list(tools)
    known = {tool.name: tool.name_on_the_wire for tool in listed}
    known |= {tool.name_on_the_wire: tool.name_on_the_wire for tool in listed}
    for kind, names in _BUILT_IN.items():
        alike = [tool for tool in listed if tool.kind == kind]
        if len(alike) == 1:  # with two of a kind Vapi's name could mean either
            known |= {name: alike[0].name_on_the_wire for name in names if name not in known}

    def name_of(given: str) -> str:
        found = known.get(given) or known.get(re.sub(r"[^a-z]", "", given.lower()))
        return found or given

    return name_of
