"""What a model is told of a call, in Vapi's words: transcript, messages, prompt, the reason of its end."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from assistants.analysis_plan import Part
from calls.analysis.answers import RUBRIC_TEXTS
from calls.models import Call
from tools.liquid import render
from tools.liquid.bag import moment_variables
from tools.models import ToolCall
from transcripts.selectors import transcript_of_call

# What came last says how the call went; nobody pays for more than an hour of talk.
LONGEST: Final = 60_000
_LABELS: Final = {"assistant": "AI", "caller": "User"}


@dataclass(frozen=True, slots=True)
class Material:
    """A finished call as a model is told of it. ``messages_n`` counts what either side said."""

    messages_n: int
    variables: Mapping[str, Any] = field(repr=False)
    now: datetime


def material_of(call: Call, snapshot: Mapping[str, Any]) -> Material:
    """All that a plan's messages may ask for. What was redacted when it was written stays so."""
    transcript = transcript_of_call(call.pk)
    said = [
        (one.speaker, (one.heard_text if one.speaker == "assistant" else one.text).strip(), one.began_ms)
        for one in (transcript.utterances.all() if transcript else ())
    ]
    said = [one for one in said if one[1]]
    now = call.started_at or call.created_at
    variables = _known(call, snapshot, now)
    prompt = render(str(snapshot.get("instructions") or ""), variables, now=now).text
    text = "".join(f"{_LABELS[speaker]}: {words}\n" for speaker, words, _ in said)[-LONGEST:]
    variables |= {
        "transcript": text,
        "systemPrompt": prompt[:LONGEST],
        "prompt": prompt[:LONGEST],
        "messages": json.dumps(_messages(call.pk, prompt, said), ensure_ascii=False)[-LONGEST:],
        "endedReason": call.ended_reason,
    }
    return Material(len(said), variables, now)


def messages_for(part: Part, material: Material) -> list[dict[str, str]]:
    """The messages of one part, filled in. Where they do not ask for the transcript, it comes after them."""
    variables = {
        **material.variables,
        "schema": json.dumps(part.schema, ensure_ascii=False) if part.schema is not None else "{}",
        "rubric": RUBRIC_TEXTS.get(part.rubric, ""),
    }
    found = [
        {
            "role": one["role"] if one["role"] in ("system", "user", "assistant", "developer") else "user",
            "content": render(one["content"], variables, now=material.now).text,
        }
        for one in part.messages
    ]
    transcript = str(material.variables["transcript"])
    if not any(transcript in one["content"] for one in found) and not any(
        "messages" in one["content"] and "{{" in one["content"] for one in part.messages
    ):
        found.append({"role": "user", "content": f"Here is the transcript:\n\n{transcript}"})
    if part.schema is not None and not any("json" in one["content"].lower() for one in found):
        # OpenAI refuses to answer in JSON where no message says that word.
        found.append({"role": "user", "content": f"Answer in JSON by this schema:\n{variables['schema']}"})
    return found


def _known(call: Call, snapshot: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    own = snapshot.get("variables")
    return {
        **moment_variables(now),
        "customer": {"number": call.caller},
        "phoneNumber": {"number": call.did},
        "call": {"id": str(call.pk), "type": "inboundPhoneCall", "assistantId": str(call.assistant_id)},
        "assistant": {"id": str(call.assistant_id), "name": str(snapshot.get("name") or "")},
        "transport": {"provider": "twilio", "callSid": call.call_sid, "conversationType": "voice"},
        **(own if isinstance(own, dict) else {}),
    }


def _messages(call_id: uuid.UUID, prompt: str, said: Sequence[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """As `messagesOpenAIFormatted` has them; tool calls after what was said."""
    found: list[dict[str, Any]] = [{"role": "system", "content": prompt}]
    found += [
        {"role": "assistant" if speaker == "assistant" else "user", "content": words}
        for speaker, words, _ in said
    ]
    for one in ToolCall.objects.filter(call_id=call_id).order_by("requested_at", "id"):
        function = {"name": one.name, "arguments": json.dumps(one.arguments, ensure_ascii=False)}
        asked = {"id": one.item_id, "type": "function", "function": function}
        found.append({"role": "assistant", "content": "", "tool_calls": [asked]})
        found.append({"role": "tool", "tool_call_id": one.item_id, "content": one.outcome})
    return found
