"""Which tools an assistant offers: stored ones by id, inline ones, old functions, and those that settings stand for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from assistants.vapi.assistant_fields import AssistantBuild, is_legacy_form
from assistants.vapi.defaults import SENT_MESSAGES
from assistants.vapi.drafts import Verdict
from assistants.vapi.legacy import implicit_tools
from assistants.vapi.paths import Path
from assistants.vapi.tool_destinations import Resolve
from assistants.vapi.tool_fields import ToolBuild, function_translate, tool_translate
from assistants.vapi.tool_kinds import Kind
from tools.kinds import why_not
from tools.schemas import legal_tool_name


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """A tool that an earlier import has made: what the model calls it, its kind, and where its webhooks go, if anywhere."""

    name: str
    kind: str = Kind.FUNCTION.value
    server_url: str = ""


@dataclass(slots=True)
class Toolbox:
    """All tools of an import, by key: those of this export, and those known from before. Vapi has lost the ``deleted`` ones."""

    known: Mapping[str, ToolInfo]
    deleted: frozenset[str] = frozenset()
    builds: dict[str, ToolBuild] = field(default_factory=dict)
    referenced: set[str] = field(default_factory=set)

    def name(self, key: str) -> str:
        """What the model calls the tool."""
        return self.builds[key].name if key in self.builds else self.known[key].name

    def kind(self, key: str) -> str:
        """The tool's kind."""
        return self.builds[key].kind if key in self.builds else self.known[key].kind

    def server_url(self, key: str) -> str:
        """Where the tool's own webhooks go; empty where the assistant decides."""
        return (
            str(self.builds[key].fields["server_url"]) if key in self.builds else self.known[key].server_url
        )

    def asks(self, key: str) -> bool:
        """Whether a server is asked while a call goes on, whose URL the tool or the assistant must have."""
        return self.builds[key].asks if key in self.builds else self.kind(key) == Kind.FUNCTION

    def add(self, build: ToolBuild) -> None:
        """Puts a tool in; a key that is taken keeps its tool."""
        self.builds.setdefault(build.key, build)


_TOOL_PLACES: Final[tuple[Path, ...]] = (
    ("model", "tools"), ("model", "functions"), ("serverMessages",), ("hooks",), ("forwardingPhoneNumber",),
    ("forwardingPhoneNumbers",), ("endCallFunctionEnabled",), ("dialKeypadFunctionEnabled",),
)  # fmt: skip
_GONE: Final = (
    "Vapi has no tool {id} any more: it was deleted there, and Vapi refuses calls of this assistant for it. Here the assistant "
    "does without it. Take it out of the prompt, or make a tool that does the same."
)
_UNRESOLVED: Final = (
    "There is no tool {id} in this export, and none was imported before. The assistant does without it, though its prompt may "
    "count on it. Export the tool as well and import again, or settle this if it was deleted."
)
_ELSEWHERE: Final = "It has a report of its own."


def tools_add(
    build: AssistantBuild,
    box: Toolbox,
    *,
    owner: str,
    resolve: Resolve,
    more: Mapping[Path, ToolBuild] | None = None,
) -> None:
    """Gives the assistant its tools, in the order in which the model reads them, and tells where one is missing.

    ``owner`` is the key that inline tools are kept under: a squad's copy shares the tools that it did not change.
    """
    events_say(build)
    made: list[tuple[Path, ToolBuild]] = [
        *_inline(build, ("model", "tools"), owner, resolve),
        *_inline(build, ("tools:append",), build.key, resolve),
        *_functions(build, owner),
    ]
    for path, tool in made:
        box.add(tool)
        build.tools.append((path, tool.key))
    build.tools += _stored(build, box)
    for path, tool in (more or {}).items():
        box.add(tool)
        build.tools.append((path, tool.key))
    kinds = {box.kind(key) for _, key in build.tools}
    for path, tool in implicit_tools(build.ledger, key=owner, kinds=kinds):
        box.add(tool)
        build.tools.append((path, tool.key))
    for tool in _of_hooks(build, owner, resolve):
        box.add(tool)
        box.referenced.add(tool.key)
    box.referenced |= {key for _, key in build.tools}


def tools_alike(build: AssistantBuild, base: AssistantBuild) -> bool:
    """Whether a copy has the tools of the assistant, so that it can share them and a secret is entered once."""
    return all(build.ledger.secret(*path) == base.ledger.secret(*path) for path in _TOOL_PLACES)


def _inline(
    build: AssistantBuild, base: Path, owner: str, resolve: Resolve
) -> Iterator[tuple[Path, ToolBuild]]:
    place = base[-1] if len(base) == 1 else "model.tools"
    taken: set[str] = set()
    for number, raw in enumerate(build.ledger.items(*base)):
        if not isinstance(raw, dict) or not raw:
            continue
        full = build.ledger.secret(*base, number)
        tool = tool_translate(full, key="", resolve=resolve)
        tool.key = _key(owner, str(place), tool.name, taken)
        _say_tool(build, (*base, number), tool)
        yield (*base, number), tool


def _functions(build: AssistantBuild, owner: str) -> Iterator[tuple[Path, ToolBuild]]:
    taken: set[str] = set()
    legacy = is_legacy_form(build.ledger)
    for number, raw in enumerate(build.ledger.items("model", "functions")):
        if not isinstance(raw, dict) or not raw:
            continue
        path = ("model", "functions", number)
        tool = function_translate(build.ledger.secret(*path), key="", legacy_form=legacy)
        tool.key = _key(owner, "model.functions", tool.name, taken)
        _say_tool(build, path, tool)
        yield path, tool
    if legacy and build.ledger.items("model", "functions"):
        for number, text in build.ledger.texts("serverMessages"):
            if text == "function-call":
                build.ledger.say(
                    ("serverMessages", number),
                    Verdict.CONVERTED,
                    "Your server knows Vapi's first form of webhooks. The assistant's functions are sent in that form.",
                    ours="old webhook form",
                )


def _of_hooks(build: AssistantBuild, owner: str, resolve: Resolve) -> Iterator[ToolBuild]:
    for number, hook in enumerate(build.ledger.items("hooks")):
        actions = hook.get("do") if isinstance(hook, dict) else None
        for at, action in enumerate(actions if isinstance(actions, list) else []):
            path: Path = ("hooks", number, "do", at, "tool")
            raw = build.ledger.secret(*path)
            if isinstance(action, dict) and isinstance(raw, dict) and raw:
                tool = tool_translate(raw, key=f"{owner}/hooks[{number}].do[{at}].tool", resolve=resolve)
                build.ledger.say(
                    path,
                    Verdict.DROPPED,
                    "Stored as a tool with a report of its own. The model is not offered it: the hook would use it.",
                    ours=tool.name,
                )
                yield tool


def _stored(build: AssistantBuild, box: Toolbox) -> list[tuple[Path, str]]:
    ledger = build.ledger
    asked: list[tuple[Path, str]] = [
        (("model", "toolIds", number), id_) for number, id_ in ledger.texts("model", "toolIds")
    ]
    for number, ref in enumerate(ledger.items("model", "toolRefs")):
        if isinstance(ref, dict) and isinstance(ref.get("toolId"), str):
            asked.append((("model", "toolRefs", number, "toolId"), ref["toolId"]))
    found: list[tuple[Path, str]] = []
    seen: set[str] = set()
    for path, id_ in asked:
        if id_ in seen:
            ledger.say(
                path,
                Verdict.CONVERTED,
                "The same tool stands here twice. The model is offered it once.",
                field="tools",
            )
        elif id_ in box.builds or id_ in box.known:
            seen.add(id_)
            found.append((path, id_))
            ledger.say(
                path, Verdict.KEPT, "Offers this tool to the model.", field="tools", ours=box.name(id_)
            )
        else:
            reason = _GONE if id_ in box.deleted else _UNRESOLVED
            ledger.say(
                path, Verdict.DECISION, reason.format(id=id_[:80]), field="tools", code="unresolved_tool"
            )
    return found


def _say_tool(build: AssistantBuild, path: Path, tool: ToolBuild) -> None:
    build.ledger.say(path, Verdict.KEPT, f"Imported as a tool. {_ELSEWHERE}", field="tools", ours=tool.name)


def _key(owner: str, place: str, name: str, taken: set[str]) -> str:
    free = name
    number = 1
    while free in taken:
        number += 1
        free = f"{name}#{number}"
    taken.add(free)
    return f"{owner}/{place}[{free}]"


# --- Names


def names_settle(build: AssistantBuild, box: Toolbox, *, stored: set[str]) -> None:
    """Makes the names of the assistant's tools differ: OpenAI refuses a session with two tools of one name.

    A stored tool keeps its name before an inline one, since other assistants may count on it. ``stored`` are their keys.
    """
    taken: dict[str, str] = {}
    lost: set[str] = set()
    order = sorted(build.tools, key=lambda pair: pair[1] not in stored)
    for path, key in order:
        name = box.name(key)
        if taken.get(name, key) == key:
            taken[name] = key
            continue
        if key not in box.builds:
            lost.add(key)
            reason = f"Two tools of this assistant are called {name}. The other one is offered to the model, and this one is not: give it a name of its own, and add it to the assistant."
        else:
            free = legal_tool_name(name, {box.name(other) for _, other in build.tools})
            reason = f"Two tools of this assistant are called {name}. The other one keeps the name; this one is now {free}. Check which of them the prompt means."
            box.builds[key].rename(free, reason)
            taken[free] = key
        build.ledger.say(
            path,
            Verdict.DECISION,
            reason,
            field="tools",
            ours=name if key in lost else box.name(key),
            code="duplicate_tool_name",
        )
    build.tools = [pair for pair in build.tools if pair[1] not in lost]


# --- What is offered


def offers_say(build: AssistantBuild, box: Toolbox) -> None:
    """Tells of the tools that the assistant has and the model is not offered, since Tandem does not carry them out."""
    for path, key in build.tools:
        reason = why_not(box.kind(key))
        place = path[:1] if path[0] == "forwardingPhoneNumbers" else path
        if reason:
            build.ledger.say(
                place,
                Verdict.DROPPED,
                f"The assistant has this tool, but the model is not offered it: {reason} The tool's own report asks what to "
                "do.",
                field="tools",
                ours=box.name(key),
            )


def events_say(build: AssistantBuild) -> None:
    """Tells of the events that are sent, and of the webhooks of tools among them: those are sent, listed or not."""
    for number, text in build.ledger.texts("serverMessages"):
        verdict, reason = Verdict.KEPT, "The event is sent to the server, here as at Vapi."
        if text in ("tool-calls", "function-call", "transfer-destination-request"):
            reason = "The webhooks of tools are sent, here as at Vapi."
        elif text not in SENT_MESSAGES:
            verdict = Verdict.DROPPED
            reason = "Tandem has no such event: there is nothing in a call here that it would tell of."
        build.ledger.say(("serverMessages", number), verdict, reason, field="server_messages")


# --- Where webhooks go


def servers_check(build: AssistantBuild, box: Toolbox) -> None:
    """Asks about webhooks of the assistant that would be sent nowhere."""
    if build.fields["server_url"]:
        return
    for path, key in build.tools:
        if box.asks(key) and not box.server_url(key):
            build.ledger.say(
                path,
                Verdict.DECISION,
                f"The tool {box.name(key)} has no server URL of its own, and this assistant has none. Vapi may have used one that is "
                "set for the number or for the whole account. Until one is entered here, there or on a number's page, every call of "
                "the tool fails.",
                field="server_url",
                ours=box.name(key),
                code="no_server_url",
            )


def server_say(tool: ToolBuild, *, referenced: bool) -> None:
    """Tells where the webhook of a tool without a URL of its own goes."""
    if not tool.asks or tool.fields["server_url"]:
        return
    if tool.kind == Kind.TRANSFER:
        if not referenced:
            reason = (
                "Where no destinations are named, your server is asked during the call, but the tool has no server URL of its own "
                "and no assistant of this export uses it. Name destinations, or enter a server URL."
            )
            tool.ledger.decide(("destinations",), reason, field="settings", code="no_destinations")
        return
    path = ("serverUrl",) if tool.name_path == ("name",) else ("server", "url")
    if tool.ledger.text(*path):
        return  # it stands there, and was spoken of
    if referenced:
        reason = "It has no URL of its own: its webhook goes to the server URL of the assistant that uses it."
        tool.ledger.missing(path, reason, field="server_url", ours="the assistant's")
    else:
        reason = "It has no URL of its own, and no assistant of this export uses it. An assistant that does must have one."
        tool.ledger.decide(path, reason, field="server_url", code="no_server_url")
