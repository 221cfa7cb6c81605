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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

from assistants.api.checking import part_problems
from assistants.models import Assistant, AssistantVersion, Squad
from assistants.selectors import version_named
from assistants.transient.making import UnfitError
from assistants.transient.selectors import assistant_named, squad_members, squad_named
from assistants.transient.services import assistants_made, versions_overridden
from assistants.transient.squads import squad_made
from assistants.vapi.hiding import cleaned, hidden
from assistants.vapi.overrides import merged
from calls.choosing.keeping import transients_hold
from calls.models import Call, CallVariables
from calls.squads import Sharing, members_freeze
from tools.access.errors import ApiError

Body = Mapping[str, Any]
Made = TypeVar("Made")

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

    def shared(self, call: Call) -> Sharing:
        """Who may share a call that runs on it."""
        return Sharing(call, self.assistant, self.squad, self.versions)

    def transients(self) -> set[uuid.UUID]:
        """The documents that came with the call, or with an earlier one like it."""
        over = {self.assistant.pk: self.version, **self.versions}
        sent = {version.assistant_id for pk, version in over.items() if version.assistant_id != pk}
        whole = {self.assistant.transient_id, self.squad.transient_id if self.squad is not None else None}
        return sent | {pk for pk in whole if pk is not None}


def choose(body: Body, *, actor: str = "", customer: Body | None = None) -> Choice:
    """What the call runs on that this body asks for. Call it outside of a transaction. Raises RefusedError."""
    found = choose_each(body, [customer or {}], actor=actor)[0]
    if isinstance(found, RefusedError):
        raise found
    return found


def choose_each(body: Body, customers: Sequence[Body], *, actor: str = "") -> list[Choice | RefusedError]:
    """The same for each of many customers, in no more queries than for one; or why there is no call to one of them."""
    given = {name: body[name] for name in FIELDS if body.get(name) is not None}
    problems = list(_problems(given))
    nothing = not given.keys() & {*_WHO, *_WORKFLOWS}
    asked: list[_Over | RefusedError] = []
    for customer in customers:
        wrong = [*problems, *_override_problems(customer, "customer.")]
        asked.append(RefusedError(wrong, nothing=nothing) if wrong else _over(given, customer))
    over = [one for one in asked if isinstance(one, _Over)]
    chosen = iter(_chosen(given, [one.settings for one in over], actor) if over else [])
    return [one if isinstance(one, RefusedError) else _with(next(chosen), one.values) for one in asked]


def _chosen(given: Body, overrides: Sequence[Body], actor: str) -> Sequence[Choice | RefusedError]:
    """What a call with each of these overrides runs on."""
    try:
        if "assistantId" in given:
            return _assistant(given["assistantId"], given.get("assistantVersion"), overrides, actor)
        if "assistant" in given:
            return _inline(given["assistant"], overrides, actor)
        if "squadId" in given:
            return _squad(given["squadId"], overrides, actor)
        return [_inline_squad(given["squad"], one, actor) for one in overrides]
    except RefusedError as exc:
        return [exc] * len(overrides)


def _with(found: Choice | RefusedError, values: Mapping[str, Any]) -> Choice | RefusedError:
    return found if isinstance(found, RefusedError) else replace(found, variables=values)


def choice_pin(call: Call, choice: Choice) -> None:
    """Write down with the call who may share it, and the values that it was given; in the transaction that made it.

    Raises ApiError 409 where what it is to run on was deleted meanwhile, with the calls before it.
    """
    _hold([choice])
    members_freeze([choice.shared(call)])
    if choice.variables:
        CallVariables.objects.update_or_create(call=call, defaults=_kept(choice.variables))


def choices_pin(made: Collection[tuple[Call, Choice]]) -> None:
    """The same of many calls that this transaction has made."""
    _hold([choice for _, choice in made])
    members_freeze(choice.shared(call) for call, choice in made)
    given = [(call, choice.variables) for call, choice in made if choice.variables]
    CallVariables.objects.bulk_create(CallVariables(call=call, **_kept(values)) for call, values in given)


def _hold(choices: Collection[Choice]) -> None:
    if not transients_hold({pk for one in choices for pk in one.transients()}):
        raise ApiError(
            HTTPStatus.CONFLICT,
            "What this call was to run on was deleted in this very moment, with the calls before it. Send it again.",
        )


# --- What was asked for


def _problems(given: Body) -> Iterator[str]:
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
    if "assistantVersion" in given and "assistantId" not in given:
        yield "assistantVersion needs assistantId"


def _override_problems(holder: Body, prefix: str) -> Iterator[str]:
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


def _settings(over: Body) -> dict[str, Any]:
    return {name: value for name, value in over.items() if name != "variableValues" and value is not None}


@dataclass(frozen=True, slots=True)
class _Over:
    """The settings that are laid over what is named, and the values of the call."""

    settings: dict[str, Any]
    values: dict[str, Any]


def _over(given: Body, customer: Body) -> _Over:
    """What a body and one customer of it say; of what both say, the customer's wins."""
    settings: dict[str, Any] = {}
    values: dict[str, Any] = {}
    whole = "squad" in given or "squadId" in given
    for holder in (given, customer):
        for name in _OVERRIDES:
            over = holder.get(name) or {}
            values = merged(values, over.get("variableValues") or {})
            if whole or name == "assistantOverrides":
                settings = merged(settings, _settings(over))
    return _Over(settings, cleaned(values))


# --- What it is


def _assistant(
    given: str, version: Any, overrides: Sequence[Body], actor: str
) -> list[Choice | RefusedError]:
    assistant = assistant_named(given)
    if assistant is None:
        raise RefusedError([f"Couldn't Get Assistant. `assistantId` {given[:60]} Does Not Exist."])
    live = _live(assistant, given) if version is None else _version(assistant, given, version)
    made = versions_overridden(assistant, overrides, actor=actor, version=live)
    return [
        _fit(over, lambda found: Choice(assistant, found, versions={assistant.pk: found})) for over in made
    ]


def _fit(made: Made | UnfitError, chosen: Callable[[Made], Choice]) -> Choice | RefusedError:
    """The choice of what was made, or why nothing was."""
    if isinstance(made, UnfitError):
        return RefusedError(made.reasons)
    try:
        return chosen(made)
    except RefusedError as exc:
        return exc


def _version(assistant: Assistant, given: str, version: Any) -> AssistantVersion:
    found = version_named(assistant, version)
    if found is None:
        raise RefusedError(
            [f"Couldn't Get Assistant. `assistantVersion` {str(version)[:20]} Does Not Exist."]
        )
    _on_require(assistant, given)
    return found


def _inline(document: Body, overrides: Sequence[Body], actor: str) -> list[Choice | RefusedError]:
    made = assistants_made([merged(dict(document), dict(one)) for one in overrides], actor=actor)
    return [_fit(one, lambda found: Choice(found, _live(found, str(found.pk)))) for one in made]


def _squad(given: str, overrides: Sequence[Body], actor: str) -> list[Choice | RefusedError]:
    squad = squad_named(given)
    if squad is None:
        raise RefusedError([f"Couldn't Get Squad. `squadId` {given[:60]} Does Not Exist."])
    choice = _of_squad(squad, given)
    if not any(overrides):
        return [choice] * len(overrides)
    made = {
        one.pk: versions_overridden(
            one, overrides, version=one.live_version, actor=actor, at="squadOverrides"
        )
        for one in squad_members(squad)
        if one.live_version is not None
    }
    return [
        _of_members(choice, {pk: versions[n] for pk, versions in made.items()}) if over else choice
        for n, over in enumerate(overrides)
    ]


def _of_members(
    choice: Choice, made: Mapping[uuid.UUID, AssistantVersion | UnfitError]
) -> Choice | RefusedError:
    """The squad with these versions of its members; or why the first of them is none."""
    versions = {}
    for pk, found in made.items():
        if isinstance(found, UnfitError):
            return RefusedError(found.reasons)
        versions[pk] = found
    return replace(choice, version=versions[choice.assistant.pk], versions=versions)


def _inline_squad(document: Body, overrides: Body, actor: str) -> Choice | RefusedError:
    over = document.get("membersOverrides")
    if overrides:
        document = {
            **document,
            "membersOverrides": merged(over if isinstance(over, dict) else {}, dict(overrides)),
        }
    try:
        squad = squad_made(document, actor=actor)
    except UnfitError as exc:
        return RefusedError(exc.reasons)
    return _of_squad(squad, str(squad.pk))


def _of_squad(squad: Squad, given: str) -> Choice:
    members = squad_members(squad)
    if not members:
        raise RefusedError([f"Couldn't Start Call. Squad {given[:60]} Has No Members."])
    return Choice(members[0], _live(members[0], str(members[0].pk)), squad)


def _live(assistant: Assistant, given: str) -> AssistantVersion:
    _on_require(assistant, given)
    if assistant.live_version is None:
        raise RefusedError([f"Couldn't Start Call. Assistant {given[:60]} Was Never Published."])
    return assistant.live_version


def _on_require(assistant: Assistant, given: str) -> None:
    if not assistant.enabled:
        raise RefusedError([f"Couldn't Start Call. Assistant {given[:60]} Is Switched Off."])


def _kept(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that hold the values: what a name says is secret is stored encrypted."""
    plain = {name: value for name, value in variables.items() if hidden({name: value}) == {name: value}}
    secret = {name: value for name, value in variables.items() if name not in plain}
    return {"values": plain, "secret_values": json.dumps(secret) if secret else ""}
