"""What a call runs on, read from what a program asks for in Vapi's words, and written down with the call.

    choice = choose(body, actor="API key tandem_ab12…")     # raises RefusedError: 400, one sentence for each thing that is wrong
    with transaction.atomic():
        call = Call.objects.create(**choice.columns(), …)
        choice_pin(call, choice)

``choose`` reads FIELDS of the body and nothing else: whoever calls it looks at the rest, and refuses what it does not know.
``customer`` is one customer of a batch, whose ``assistantOverrides`` and ``squadOverrides`` are laid over the body's.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from assistants.api.checking import part_problems
from assistants.models import Assistant, AssistantVersion, Squad
from assistants.transient.making import UnfitError
from assistants.transient.selectors import assistant_named, squad_members, squad_named
from assistants.transient.services import assistant_made, squad_made, version_overridden
from assistants.vapi.hiding import cleaned, hidden
from assistants.vapi.overrides import merged
from calls.models import Call, CallVariables
from calls.squads import members_freeze
from tools.access.errors import ApiError

# Everything of a body that ``choose`` reads.
FIELDS: Final = frozenset(
    {
        "assistantId",
        "assistant",
        "assistantOverrides",
        "assistantVersion",
        "squadId",
        "squad",
        "squadOverrides",
        "workflowId",
        "workflow",
        "workflowOverrides",
    }
)

# Of these, a body names one.
_WHO: Final = ("assistantId", "assistant", "squadId", "squad")
_WORKFLOWS: Final = ("workflowId", "workflow", "workflowOverrides")
# In the order in which they are laid over each other.
_OVERRIDES: Final = ("squadOverrides", "assistantOverrides")
_DIGITS: Final = 9


class RefusedError(ApiError):
    """Nothing that a call could run on. ``nothing``: the body named nobody at all."""

    def __init__(self, messages: list[str], *, nothing: bool = False) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, messages)
        self.messages = messages
        self.nothing = nothing


@dataclass(frozen=True, slots=True)
class Choice:
    """What a call runs on. ``assistant`` takes the call, on ``version``; of a squad it is the first member.

    ``variables`` are the values given with the call; add to them with ``dataclasses.replace`` before the call is pinned, say
    ``{"customer": {…}}``. ``versions``: what assistants run on in this call instead of their live versions.
    """

    assistant: Assistant
    version: AssistantVersion
    squad: Squad | None = None
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    versions: Mapping[uuid.UUID, AssistantVersion] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """The columns of ``Call`` that say what it runs on."""
        return {"assistant": self.assistant, "version": self.version, "squad": self.squad}


def choose(body: Mapping[str, Any], *, actor: str = "", customer: Mapping[str, Any] | None = None) -> Choice:
    """What the call runs on that this body asks for. Call it outside of a transaction. Raises RefusedError."""
    given = {name: body[name] for name in FIELDS if body.get(name) is not None}
    problems = list(_problems(given, customer or {}))
    if problems:
        raise RefusedError(problems, nothing=not given.keys() & {*_WHO, *_WORKFLOWS})
    overrides, variables = _overrides(given, customer or {})
    try:
        if "assistantId" in given:
            choice = _assistant(given["assistantId"], given.get("assistantVersion"), overrides, actor)
        elif "assistant" in given:
            choice = _inline(given["assistant"], overrides, actor)
        elif "squadId" in given:
            choice = _squad(given["squadId"], overrides, actor)
        else:
            choice = _inline_squad(given["squad"], overrides, actor)
    except UnfitError as exc:
        raise RefusedError(exc.reasons) from exc
    return replace(choice, variables=variables)


def choice_pin(call: Call, choice: Choice) -> None:
    """Write down with the call who may share it, and the values that it was given; in the transaction that made it."""
    members_freeze(call=call, first=choice.assistant, squad=choice.squad, versions=choice.versions)
    if choice.variables:
        CallVariables.objects.update_or_create(call=call, defaults=_kept(choice.variables))


# --- What was asked for


def _problems(given: Mapping[str, Any], customer: Mapping[str, Any]) -> Iterator[str]:
    for name in _WORKFLOWS:
        if name in given:
            yield f"{name} is not served: Tandem runs assistants and squads, no workflows"
    named = [name for name in _WHO if name in given]
    if not named and not any(name in given for name in _WORKFLOWS):
        yield "Couldn't Get Assistant. Need Either `assistantId`, `assistant`, `squadId` Or `squad`."
    elif len(named) > 1:
        yield f"Couldn't Get Assistant. Need Only One Of {', '.join(f'`{name}`' for name in named)}."
    for name in ("assistantId", "squadId"):
        if name in given and (not isinstance(given[name], str) or "\x00" in given[name]):
            yield f"{name} must be a string"
    for name in ("assistant", "squad"):
        if name in given and not isinstance(given[name], dict):
            yield f"{name} must be an object"
    yield from _override_problems(given, "")
    yield from _override_problems(customer, "customer.")
    if "assistantVersion" in given and "assistantId" not in given:
        yield "assistantVersion needs assistantId"


def _override_problems(holder: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in _OVERRIDES:
        over = holder.get(name)
        if over is None:
            continue
        if not isinstance(over, dict):
            yield f"{prefix}{name} must be an object"
            continue
        values = over.get("variableValues")
        if values is not None and not isinstance(values, dict):
            yield f"{prefix}{name}.variableValues must be an object"
        yield from part_problems("assistant", _settings(over), f"{prefix}{name}")


def _settings(over: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in over.items() if name != "variableValues" and value is not None}


def _overrides(
    given: Mapping[str, Any], customer: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that are laid over what is named, and the values of the call; of a customer's own, each wins."""
    settings: dict[str, Any] = {}
    values: dict[str, Any] = {}
    whole = "squad" in given or "squadId" in given
    for holder in (given, customer):
        for name in _OVERRIDES:
            over = holder.get(name) or {}
            values = merged(values, over.get("variableValues") or {})
            if whole or name == "assistantOverrides":
                settings = merged(settings, _settings(over))
    return settings, cleaned(values)


# --- What it is


def _assistant(given: str, version: Any, overrides: Mapping[str, Any], actor: str) -> Choice:
    assistant = assistant_named(given)
    if assistant is None:
        raise RefusedError([f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist."])
    live = _live(assistant, given) if version is None else _version(assistant, version)
    if not overrides:
        return Choice(assistant, live, versions={assistant.pk: live})
    over = version_overridden(assistant, overrides, actor=actor, version=live)
    return Choice(assistant, over, versions={assistant.pk: over})


def _version(assistant: Assistant, given: Any) -> AssistantVersion:
    number = str(given).strip().removeprefix("v")
    found = assistant.versions.filter(number=int(number)).first() if _is_number(number) else None
    if found is None:
        raise RefusedError([f"Couldn't Get Assistant. `assistantVersion` {str(given)[:20]} Does Not Exist."])
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _DIGITS


def _inline(document: Mapping[str, Any], overrides: Mapping[str, Any], actor: str) -> Choice:
    made = assistant_made(merged(dict(document), dict(overrides)), actor=actor)
    return Choice(made, _live(made, str(made.pk)))


def _squad(given: str, overrides: Mapping[str, Any], actor: str) -> Choice:
    squad = squad_named(given)
    if squad is None:
        raise RefusedError([f"Couldn't Get Squad. `squadId` {given[:60]} Does Not Exist."])
    choice = _of_squad(squad, given)
    if not overrides:
        return choice
    members = squad_members(squad)
    versions = {
        one.pk: version_overridden(one, overrides, version=one.live_version, actor=actor, at="squadOverrides")
        for one in members
        if one.live_version is not None
    }
    return replace(choice, version=versions[choice.assistant.pk], versions=versions)


def _inline_squad(document: Mapping[str, Any], overrides: Mapping[str, Any], actor: str) -> Choice:
    over = document.get("membersOverrides")
    if overrides:
        document = {
            **document,
            "membersOverrides": merged(over if isinstance(over, dict) else {}, dict(overrides)),
        }
    squad = squad_made(document, actor=actor)
    return _of_squad(squad, str(squad.pk))


def _of_squad(squad: Squad, given: str) -> Choice:
    members = squad_members(squad)
    if not members:
        raise RefusedError([f"Couldn't Start Call. Squad {given[:60]} Has No Members."])
    return Choice(members[0], _live(members[0], str(members[0].pk)), squad)


def _live(assistant: Assistant, given: str) -> AssistantVersion:
    if not assistant.enabled:
        raise RefusedError([f"Couldn't Start Call. Assistant {given[:60]} Is Switched Off."])
    if assistant.live_version is None:
        raise RefusedError([f"Couldn't Start Call. Assistant {given[:60]} Was Never Published."])
    return assistant.live_version


def _kept(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that hold the values: what a name says is secret is stored encrypted."""
    plain = {name: value for name, value in variables.items() if hidden({name: value}) == {name: value}}
    secret = {name: value for name, value in variables.items() if name not in plain}
    return {"values": plain, "secret_values": json.dumps(secret) if secret else ""}
