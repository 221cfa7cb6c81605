"""What an assistant is told and says: prompt, earlier messages, first and last words."""

import re
from typing import Any, Final

from assistants.models import Assistant
from assistants.vapi.drafts import Verdict
from assistants.vapi.ledger import Ledger

FirstMessageMode = Assistant.FirstMessageMode

_ROLES: Final = {"system": "system", "user": "user", "assistant": "assistant", "bot": "assistant"}
_AUDIO: Final = re.compile(r"\s*https?://\S+\s*")
# The forms of our pages take no more.
SAID_MAX: Final = 1000


def prompt_fields(ledger: Ledger, *, more: list[str]) -> dict[str, Any]:
    """The prompt and the messages that the model finds before the call. ``more`` are paragraphs to add to the prompt."""
    prompt: list[str] = []
    history: list[dict[str, str]] = []
    for number, message in enumerate(ledger.items("model", "messages")):
        content = _content(message)
        if content is not None:
            _message(ledger, number, {**message, "content": content}, prompt, history)
    legacy = ledger.text("model", "systemPrompt")
    if legacy and prompt:
        ledger.say(
            ("model", "systemPrompt"),
            Verdict.DROPPED,
            "There is a newer setting, the system message among the messages, and that one counts.",
        )
    elif legacy:
        prompt = [legacy]
    if not prompt and not _has_workflow(ledger):
        ledger.decide(
            ("model", "systemPrompt") if ledger.items("model", "messages") else ("model", "messages"),
            "This assistant has no prompt. Callers would talk to OpenAI's model as it is, which knows nothing of your business. "
            "Write a prompt before you publish it.",
            code="no_prompt",
            field="instructions",
        )
    return {"instructions": "\n\n".join([*prompt, *more]), "history": history}


def _content(message: Any) -> str | None:
    """What the message says; its parts, as OpenAI writes them, are paragraphs."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return content if isinstance(content, str) else None
    parts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n\n".join(parts) if parts else None


def _message(
    ledger: Ledger, number: int, message: dict[str, Any], prompt: list[str], history: list[dict[str, str]]
) -> None:
    path = ("model", "messages", number)
    role = message.get("role")
    ours = _ROLES.get(role) if isinstance(role, str) else None
    if ours is None:
        told = (
            "has no speaker" if role is None else "is of a speaker that a conversation here cannot begin with"
        )
        reason = f"This message {told}. It was left out: put what matters of it into the prompt."
        ledger.say((*path, "content"), Verdict.DECISION, reason, code="unknown_role")
        ledger.say((*path, "role"), Verdict.DROPPED, "The message beside it was left out.")
    elif ours == "system" and not history:
        prompt.append(message["content"])
    else:
        history.append({"role": ours, "content": message["content"]})
        reason = "The model finds this message in the conversation before the call begins."
        ledger.say((*path, "content"), Verdict.KEPT, reason, field="history")
        ledger.say(
            (*path, "role"),
            Verdict.KEPT if ours == role else Verdict.CONVERTED,
            reason,
            field="history",
            ours=ours,
        )


def _has_workflow(ledger: Ledger) -> bool:
    return ledger.has("model", "workflowId") or ledger.has("model", "workflow") or ledger.has("workflowId")


def spoken_fields(ledger: Ledger) -> dict[str, Any]:
    """First message, last message, phrases that end the call, and the message for answering machines."""
    _say_too_long(ledger, "firstMessage", "first_message")
    _say_too_long(ledger, "endCallMessage", "end_call_message")
    interruptible = ledger.flag("firstMessageInterruptionsEnabled")
    if interruptible is None:
        ledger.missing(
            ("firstMessageInterruptionsEnabled",),
            "At Vapi the caller cannot cut the first message short unless that is allowed.",
            field="first_message_interruptible",
            ours=False,
        )
    farewell = ledger.text("endCallMessage") or ""
    if not farewell.strip():
        ledger.missing(
            ("endCallMessage",),
            "Vapi hangs up without a word. Tandem lets the assistant say goodbye in its own words first.",
            field="end_call_message",
            ours="a goodbye in its own words",
        )
        if ledger.text("endCallMessage") is not None:
            ledger.say(
                ("endCallMessage",),
                Verdict.CONVERTED,
                "Vapi hangs up without a word. Tandem lets the assistant say goodbye in its own words first.",
                field="end_call_message",
                ours="a goodbye in its own words",
            )
    return {
        **_first_message(ledger),
        "first_message_interruptible": bool(interruptible),
        "end_call_message": farewell.strip(),
        "end_call_phrases": lines([text for _, text in ledger.texts("endCallPhrases")]),
        "voicemail_message": ledger.text("voicemailMessage") or "",
    }


def _first_message(ledger: Ledger) -> dict[str, str]:
    message = ledger.text("firstMessage") or ""
    mode = _mode(ledger)
    if _AUDIO.fullmatch(message):
        mode = FirstMessageMode.SPEAKS_FIRST_GENERATED if mode == FirstMessageMode.SPEAKS_FIRST else mode
        ledger.say(
            ("firstMessage",),
            Verdict.DECISION,
            "Vapi plays this recording to the caller. Tandem does not play files: until you write down what it says, the "
            "assistant greets in its own words.",
            field="first_message",
            code="audio_first_message",
        )
        message = ""
    elif mode == FirstMessageMode.SPEAKS_FIRST and not message.strip():
        mode = FirstMessageMode.WAITS
        reason = "There is nothing to say first, so the assistant waits until the caller speaks, as at Vapi."
        ledger.missing(("firstMessage",), reason, field="first_message_mode", ours=mode.label)
        for path in (("firstMessage",), ("firstMessageMode",)):
            if ledger.text(*path) is not None:
                ledger.say(path, Verdict.CONVERTED, reason, field="first_message_mode", ours=mode.label)
    elif message and mode != FirstMessageMode.SPEAKS_FIRST:
        ledger.say(
            ("firstMessage",),
            Verdict.KEPT,
            f"Kept, but not said in this mode: {mode.label.lower()}.",
            field="first_message",
        )
    return {"first_message": message, "first_message_mode": str(mode.value)}


def _mode(ledger: Ledger) -> FirstMessageMode:
    given = ledger.text("firstMessageMode")
    if given in FirstMessageMode.values:
        mode = FirstMessageMode(given)
        ledger.say(
            ("firstMessageMode",),
            Verdict.KEPT,
            "How the call begins.",
            field="first_message_mode",
            ours=mode.label,
        )
        return mode
    if given is not None:
        ledger.say(
            ("firstMessageMode",),
            Verdict.DECISION,
            "Vapi has no such way to begin a call. Here the assistant speaks first: choose another if that is wrong.",
            field="first_message_mode",
            ours=FirstMessageMode.SPEAKS_FIRST.label,
            code="unknown_value",
        )
    ledger.missing(
        ("firstMessageMode",),
        "At Vapi the assistant speaks first unless told otherwise.",
        field="first_message_mode",
        ours=FirstMessageMode.SPEAKS_FIRST.label,
    )
    return FirstMessageMode.SPEAKS_FIRST


def _say_too_long(ledger: Ledger, name: str, field: str) -> None:
    text = ledger.text(name) or ""
    if len(text) > SAID_MAX:
        ledger.say(
            (name,),
            Verdict.DECISION,
            f"This has {len(text)} characters. It is said as it is, but the page takes {SAID_MAX} at most: shorten it when you edit "
            "the assistant. Few callers listen that long.",
            field=field,
            code="too_long",
        )


def lines(texts: list[str]) -> str:
    """The texts one a line, as our columns of several texts are written; a text of several lines becomes one."""
    flat = (" ".join(text.split()) for text in texts)
    return "\n".join(text for text in flat if text)
