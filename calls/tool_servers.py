"""Which server a tool call goes to, and what goes with it: the tool's, the assistant's, the number's, the organisation's.

The first of them that there is, as at Vapi. Where none is, nothing is sent.
"""

from dataclasses import dataclass, replace

from calls.selectors import StreamCall
from tools.auth.credentials import ServerAuth
from tools.orders import ServerFrom
from tools.snapshots import ToolSnapshot


@dataclass(frozen=True, slots=True)
class ServerInForce:
    """The tool with the server that it has in this call, whose server that is, and what convinces it."""

    tool: ToolSnapshot
    server_from: ServerFrom
    auth: ServerAuth


def server_in_force(
    tool: ToolSnapshot, call: StreamCall, *, organisation_url: str, organisation_auth: ServerAuth
) -> ServerInForce:
    """The server of a tool in a call. What was frozen with an assistant's server is in the tool already."""
    own = call.tool_auths.get(tool.id)
    if own is not None:
        return ServerInForce(tool, "tool", own)
    if tool.server_url:
        return ServerInForce(tool, "assistant", call.assistant_auth)
    number = call.number_server
    if number is not None:
        with_server = replace(
            tool,
            server_url=number.url,
            backoff_plan=tool.backoff_plan or number.backoff_plan,
            encrypted_paths=list(dict.fromkeys([*tool.encrypted_paths, *number.encrypted_paths])),
        )
        return ServerInForce(with_server, "number", number.auth)
    if organisation_url:
        return ServerInForce(replace(tool, server_url=organisation_url), "organisation", organisation_auth)
    return ServerInForce(tool, "", ServerAuth())
