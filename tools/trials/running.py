"""Test requests: a tool asked from the admin, by the way a call asks it, in a call that is plainly a sample.

No row of the ledger is written and the breaker hears nothing, so that no count of failures moves.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from tools import outcomes
from tools.access.organisation import organisation_id
from tools.auth.credentials import ServerAuth
from tools.clients import HttpAnswer, HttpRequest, http_send
from tools.encryption import encrypt
from tools.models import Tool
from tools.orders import ServerFrom, ToolOrder
from tools.rejection import request_rejected
from tools.selectors import auth_columns, server_auth, tool_auths
from tools.sending import Sent, order_send
from tools.sms import recipient_chosen
from tools.snapshots import ToolSnapshot, is_unlisted, tool_snapshot_take, tool_snapshots_take

# A person waits for the page, and so does one of the web process's threads. All attempts together.
TRIAL_MAX_S = 25
_KINDS = frozenset({Tool.Kind.FUNCTION, Tool.Kind.API_REQUEST, Tool.Kind.MCP, Tool.Kind.SMS})

SAMPLE_CALLER = "+12025550142"
SAMPLE_LINE = "+12025550100"
_SAMPLE_CALL_SID = "CA" + "0" * 32
_SAYS_SO = "This is a test request from the admin, not a call."


@dataclass(frozen=True, slots=True)
class Server:
    """Who is asked, for whose sake, and what convinces them. ``assistant`` is what the webhook says of it."""

    tool: ToolSnapshot
    server_from: ServerFrom
    auth: ServerAuth
    assistant: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the request goes, a template for some tools; empty where there is no server."""
        if self.tool.kind == Tool.Kind.SMS:
            return (
                settings.TWILIO_API_URL if settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN else ""
            )
        own = self.tool.settings.get("url") if self.tool.kind == Tool.Kind.API_REQUEST else ""
        return str(own or self.tool.server_url)


@dataclass(slots=True)
class Exchange:
    """One request as it went out with all its headers, and its whole answer, if one came."""

    request: HttpRequest
    answer: HttpAnswer | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test request ended, and what went to and fro. An attempt that failed before its request has no exchange."""

    order: ToolOrder
    sent: Sent
    exchanges: tuple[Exchange, ...] = ()


def testable(tool: Tool) -> bool:
    """Whether a call sends a request for this tool: then so can a person."""
    if tool.kind == Tool.Kind.TRANSFER:
        return not (isinstance(tool.settings, dict) and tool.settings.get("destinations"))
    return tool.kind in _KINDS


def has_own_server(tool: Tool) -> bool:
    """Whether it is settled whom to ask, without any assistant."""
    return bool(tool.server_url) or tool.kind in (Tool.Kind.API_REQUEST, Tool.Kind.MCP, Tool.Kind.SMS)


def mcp_offered(tool: Tool) -> tuple[ToolSnapshot, ...]:
    """The tools of an MCP server that assistants offer, as far as it has told of them; none for other tools."""
    if tool.kind != Tool.Kind.MCP or not isinstance(tool.settings, dict):
        return ()
    taken = tool_snapshots_take([tool], server_url="", backoff_plan={})
    return tuple(one for one in taken if not is_unlisted(one))


def trial_server(tool: Any, *, assistant_id: str = "", of: str = "") -> Server:
    """The server that a call would ask: the tool's own, else that of the assistant, else the organisation's.

    ``of`` names the tool of an MCP server. A call may ask the server of its number, too, but a test has no number.
    """
    if tool.kind == Tool.Kind.SMS:
        snapshot = tool_snapshot_take(tool, server_url="", backoff_plan={})
        return Server(snapshot, "", ServerAuth())
    for one in mcp_offered(tool):
        if one.name == of:
            return Server(one, "tool", tool_auths(tool_ids=[one.id]).get(one.id, ServerAuth()))
    assistant: dict[str, Any] = {}
    auth = ServerAuth()
    if assistant_id:
        names = ("pk", "name", "server_url", "server_backoff_plan", "server_encrypted_paths", "variables")
        row = tool.assistants.filter(pk=assistant_id).values_list(*names, *auth_columns()).get()
        assistant = dict(zip(names, row, strict=False))
        auth = server_auth(*row[len(names) :])
    snapshot = tool_snapshot_take(
        tool,
        server_url=assistant.get("server_url", ""),
        backoff_plan=assistant.get("server_backoff_plan") or {},
        encrypted_paths=assistant.get("server_encrypted_paths") or [],
    )
    said = {"id": str(assistant["pk"]), "name": assistant["name"]} if assistant else {}
    variables = assistant.get("variables") or {}
    own = tool_auths(tool_ids=[snapshot.id]).get(snapshot.id)
    if own is not None:
        return Server(snapshot, "tool", own, said, variables)
    if snapshot.server_url:
        return Server(snapshot, "assistant", auth, said, variables)
    url, secret = settings.ORGANISATION_SERVER_URL, settings.ORGANISATION_SERVER_SECRET
    if not url:
        return Server(snapshot, "", ServerAuth(), said, variables)
    auth = ServerAuth(secret_token=encrypt(secret) if secret else "")
    return Server(replace(snapshot, server_url=url), "organisation", auth, said, variables)


def trial_order(
    server: Server,
    *,
    arguments: dict[str, Any],
    mark: str,
    now: datetime,
    caller: str = SAMPLE_CALLER,
    line: str = SAMPLE_LINE,
) -> ToolOrder:
    """The order of a test request. ``mark`` makes its id, the same for the same press of the button.

    ``caller`` and ``line`` are the two numbers of the call: for a text message somebody has to type real ones.
    """
    if server.tool.kind == Tool.Kind.SMS and recipient_chosen(server.tool):
        arguments = {**arguments, "to": caller}  # whom the person chose, and nobody else
    call_id = uuid.uuid4()
    return ToolOrder(
        call_id=call_id,
        call_sid=_SAMPLE_CALL_SID,
        tool_call_id=f"call_test_{mark}",
        tool=replace(server.tool, timeout_s=min(server.tool.timeout_s, TRIAL_MAX_S)),
        arguments=arguments,
        requested_at=now,
        expires_at=now + timedelta(seconds=TRIAL_MAX_S),
        context=_context(server, call_id=str(call_id), now=now, caller=caller, line=line),
        server_from=server.server_from,
        auth=server.auth,
    )


def trial_run(order: ToolOrder) -> Trial:
    """The end of the test request, after at most TRIAL_MAX_S seconds and a little."""
    exchanges: list[Exchange] = []

    def send(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        exchange = Exchange(request)
        exchanges.append(exchange)
        exchange.answer = http_send(request, timeout_s=timeout_s, send_within_s=send_within_s)
        return exchange.answer

    if request_rejected(order.tool.rejection_plan, order.context, now=order.requested_at).refused:
        return Trial(order, Sent(outcomes.rejected()))
    sent = order_send(order, now=order.requested_at, go_on=lambda _: True, send=send)
    return Trial(order, sent, tuple(exchanges))


def _context(server: Server, *, call_id: str, now: datetime, caller: str, line: str) -> dict[str, Any]:
    """A call in the shape of a real one, which says in several places that it is none."""
    org_id = organisation_id()
    created = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    customer = {"number": caller, "name": "Test request"}
    time_ms = round(now.timestamp() * 1000)
    return {
        "call": {
            "id": call_id,
            "orgId": org_id,
            "type": "inboundPhoneCall",
            "status": "ringing",
            "createdAt": created,
            "updatedAt": created,
            **({"assistantId": server.assistant["id"]} if server.assistant else {}),
            "phoneCallProvider": "twilio",
            "phoneCallProviderId": _SAMPLE_CALL_SID,
            "phoneCallTransport": "pstn",
            "customer": customer,
            "metadata": {"testRequest": True},
        },
        "assistant": {"orgId": org_id, **server.assistant},
        "phoneNumber": {"orgId": org_id, "provider": "twilio", "number": line},
        "customer": customer,
        "messages": [{"role": "user", "message": _SAYS_SO, "time": time_ms, "secondsFromStart": 0.0}],
        "variableValues": dict(server.variables),
        "assistantVersion": None,
    }
