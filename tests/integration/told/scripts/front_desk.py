"""A script as it was written for Vapi: from an assistant with tools to the record of a call. It knows nothing of Tandem.

Base URL and key come from the environment; what came of it is printed as JSON.
"""

import json
import os
import sys
import time

from vapi import Vapi

client = Vapi(token=os.environ["VAPI_KEY"], base_url=os.environ["VAPI_BASE_URL"])

tool = client.tools.create(
    request={
        "type": "function",
        "function": {
            "name": "get_repair_status",
            "description": "Look up a repair by its ticket number.",
            "parameters": {
                "type": "object",
                "properties": {"ticket": {"type": "string"}, "include_price": {"type": "boolean"}},
                "required": ["ticket"],
            },
        },
        "server": {"url": os.environ["TOOL_URL"]},
    }
)
assistant = client.assistants.create(
    name="Front desk",
    first_message="Hello?",
    model={
        "provider": "openai",
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You answer for Harbour Bikes. Be brief."}],
        "toolIds": [tool.id],
        "tools": [{"type": "endCall"}],
    },
)
listed = [one.id for one in client.assistants.list(limit=100)]
patched = client.assistants.update(assistant.id, first_message=os.environ["GREETING"])

call = client.calls.create(
    assistant_id=assistant.id,
    phone_number_id=os.environ["PHONE_NUMBER_ID"],
    customer={"number": os.environ["CUSTOMER"], "name": "Marta Ilves"},
)
placed = call.status
until = time.monotonic() + 120
# The words are written down a moment after the end.
while call.status != "ended" or not (call.artifact and call.artifact.transcript):
    if time.monotonic() > until:
        sys.exit(f"the call is still {call.status}")
    time.sleep(1)
    call = client.calls.get(call.id)

deleted = client.assistants.delete(assistant.id)
client.tools.delete(tool.id)
print(  # noqa: T201  # what the script is for
    json.dumps(
        {
            "assistant": assistant.id,
            "listed": assistant.id in listed,
            "patched": patched.first_message,
            "placed": placed,
            "call": call.id,
            "reason": call.ended_reason,
            "transcript": call.artifact.transcript,
            "roles": [one.role for one in call.artifact.messages],
            "deleted": deleted.id,
            "left": [one.id for one in client.assistants.list()],
        }
    )
)
