"""Where messages about a call go: the server of its assistant, of its number, of the organisation, whichever comes first."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings

from assistants.models import Assistant
from calls.models import Call, CallPart, NumberServer, ServerMessage
from tools.auth.credentials import ServerAuth
from tools.encryption import encrypt
from tools.selectors import auth_columns, server_auth

From = ServerMessage.ServerFrom
TIMEOUT_S: Final = 20.0  # Vapi's
LONGEST_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server, whose it is, what convinces it, and what is to be done when it fails."""

    url: str = field(repr=False)
    whose: str
    auth: ServerAuth
    backoff_plan: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class PartSeen:
    """What the version says on which an assistant had the call. ``listed`` is its list of messages, None without one."""

    assistant_id: uuid.UUID | None
    server_url: str
    listed: object


def parts_of(call: Call) -> list[PartSeen]:
    """The assistants of a call in the order in which they had it; one without anything where no assistant answered."""
    return parts_of_each([call])[call.pk]


def parts_of_each(calls: Collection[Call]) -> dict[uuid.UUID, list[PartSeen]]:
    """The same of many calls, by their ids."""
    # Of a call with overrides, the secrets are with what its version was made of.
    columns = (
        "version__assistant_id",
        "version__snapshot__server_url",
        "version__snapshot__server_messages",
    )
    found: dict[uuid.UUID, list[PartSeen]] = {call.pk: [] for call in calls}
    parts = CallPart.objects.filter(call__in=list(found)).order_by("n").values_list("call_id", *columns)
    for call_id, pk, url, listed in parts:
        found[call_id].append(PartSeen(pk, str(url or ""), listed))
    alone = [call.pk for call in calls if not found[call.pk] and call.version_id is not None]
    rows = Call.objects.filter(pk__in=alone).values_list("pk", *columns) if alone else ()
    for call_id, pk, url, listed in rows:
        found[call_id].append(PartSeen(pk, str(url or ""), listed))
    return {call_id: parts or [PartSeen(None, "", None)] for call_id, parts in found.items()}


def server_of(call: Call, part: PartSeen, *, now_live: bool = False) -> Server | None:
    """The server that messages go to while this assistant has the call; None: there is none.

    Its secrets are those of now. ``now_live``: so is its address, for what people have sent again.
    """
    return (
        _of_assistant(part, now_live=now_live) or number_server(call.phone_number_id) or organisation_server()
    )


def server_kinds(call: Call, parts: list[PartSeen]) -> str:
    """Whose server the messages of a call go to at the least; empty: there is none, so there are no messages."""
    if any(part.server_url for part in parts):
        return str(From.ASSISTANT)
    if call.phone_number_id and NumberServer.objects.filter(pk=call.phone_number_id).exists():
        return str(From.NUMBER)
    return str(From.ORGANISATION) if settings.ORGANISATION_SERVER_URL else ""


def _of_assistant(part: PartSeen, *, now_live: bool) -> Server | None:
    if part.assistant_id is None:
        return None
    columns = ("live_version__snapshot__server_url", "server_backoff_plan", "plans")
    row = Assistant.every.filter(pk=part.assistant_id).values_list(*columns, *auth_columns()).first()
    if row is None:
        return None
    live_url, plan, plans = row[: len(columns)]
    url = str(live_url or part.server_url) if now_live else part.server_url
    if not url:
        return None
    return Server(
        url,
        From.ASSISTANT,
        server_auth(*row[len(columns) :]),
        plan if isinstance(plan, dict) else {},
        _timeout_s(plans),
    )


def number_server(number_id: uuid.UUID | None) -> Server | None:
    """The server of a number, or None."""
    if number_id is None:
        return None
    columns = ("server_url", "server_backoff_plan", "timeout_s")
    row = NumberServer.objects.filter(pk=number_id).values_list(*columns, *auth_columns()).first()
    if row is None:
        return None
    url, plan, timeout_s = row[: len(columns)]
    return Server(
        url,
        From.NUMBER,
        server_auth(*row[len(columns) :]),
        plan if isinstance(plan, dict) else {},
        _within(timeout_s),
    )


def organisation_server() -> Server | None:
    """The server of everything that has none, or None."""
    if not settings.ORGANISATION_SERVER_URL:
        return None
    secret = settings.ORGANISATION_SERVER_SECRET
    return Server(
        settings.ORGANISATION_SERVER_URL,
        From.ORGANISATION,
        ServerAuth(secret_token=encrypt(secret) if secret else ""),
    )


def _timeout_s(plans: object) -> float:
    server = plans.get("server") if isinstance(plans, Mapping) else None
    return _within(server.get("timeoutSeconds") if isinstance(server, Mapping) else None)


def _within(given: object) -> float:
    """How long an answer is waited for, of what somebody wrote: within Vapi's bounds, and Vapi's own where that is nothing."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        return TIMEOUT_S
    return min(max(float(given), 1.0), LONGEST_TIMEOUT_S)
