"""The report of an import in words that need no knowledge of Vapi's JSON: places, verdicts, tables to take away."""

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Final

from assistants.imports.columns import label
from assistants.imports.summary import Written
from assistants.models import ImportFinding, VapiObject
from assistants.vapi.drafts import Verdict

# What each verdict means, and what to do about it.
MEANING: Final[dict[str, str]] = {
    Verdict.DECISION: "Somebody must look: the reason says what to do. Until then Tandem does what it says there.",
    Verdict.DROPPED: "It has no effect in Tandem. The reason says why, and whether callers would notice.",
    Verdict.CONVERTED: "It works here in another form than at Vapi. The reason says how.",
    Verdict.DEFAULT: "Nothing was set at Vapi, so Vapi's own default was taken over.",
    Verdict.KEPT: "It was taken over as it is.",
}
TITLES: Final[dict[str, str]] = {
    Verdict.DECISION: "Needs a decision",
    Verdict.DROPPED: "Dropped",
    Verdict.CONVERTED: "Converted",
    Verdict.DEFAULT: "Default applied",
    Verdict.KEPT: "Kept",
}
# The order in which people should read them.
ORDER: Final = tuple(TITLES)

_HEADS: Final[dict[str, str]] = {
    "model": "Language model",
    "voice": "Voice",
    "transcriber": "Transcription",
    "firstMessage": "First message",
    "firstMessageMode": "How the call begins",
    "firstMessageInterruptionsEnabled": "First message can be interrupted",
    "systemPrompt": "Prompt",
    "server": "Server for webhooks",
    "serverUrl": "Server URL",
    "serverUrlSecret": "Server secret",
    "serverMessages": "Events sent to the server",
    "clientMessages": "Events sent to browsers",
    "endCallMessage": "Last message",
    "endCallPhrases": "Phrases that end the call",
    "voicemailDetection": "Voicemail detection",
    "voicemailMessage": "Message on a voicemail",
    "startSpeakingPlan": "When the assistant begins to speak",
    "stopSpeakingPlan": "When the caller interrupts",
    "maxDurationSeconds": "Longest call (seconds)",
    "silenceTimeoutSeconds": "Hang up after silence (seconds)",
    "backgroundSound": "Background sound",
    "analysisPlan": "Analysis after the call",
    "artifactPlan": "Recordings and transcripts",
    "compliancePlan": "Compliance",
    "monitorPlan": "Listening in",
    "keypadInputPlan": "Keypad",
    "hooks": "Hooks",
    "id": "Id at Vapi",
    "orgId": "Organisation at Vapi",
    "createdAt": "Created at Vapi",
    "updatedAt": "Changed at Vapi",
    "latestVersion": "Version at Vapi",
    "isServerUrlSecretSet": "A server secret is set at Vapi",
}
WHOLE: Final = "The assistant as a whole"
# What steps further in are called where the JSON's own word says too little.
_INNER: Final[dict[str, str]] = {
    "toolIds": "tools",
    "parameters": "arguments",
    "do": "action",
    "on": "event",
    "id": "id at Vapi",
}
_WORDS: Final = {
    "url": "URL",
    "id": "id",
    "ids": "ids",
    "hipaa": "HIPAA",
    "pci": "PCI",
    "dtmf": "DTMF",
    "sip": "SIP",
}
_STEP = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]|[^.\[\]]+')
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-\s]+")
# A spreadsheet takes a cell that begins so for a formula, and would carry it out.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def path_in_words(path: str) -> str:
    """Where something stands at Vapi: ``model.messages[0].content`` is Language model → messages 1 → content.

    Only what is about no single place of an assistant has an empty path.
    """
    if not path:
        return WHOLE
    parts: list[str] = []
    for step in _STEP.findall(path):
        if step.startswith("[") and step[1:-1].isdigit():
            number = str(int(step[1:-1]) + 1)
            parts[-1:] = [f"{parts[-1]} {number}" if parts else number]
        elif step.startswith("["):
            parts.append(step[2:-2])
        else:
            parts.append(_step_in_words(step, first=not parts))
    return " → ".join(parts)


def _step_in_words(step: str, *, first: bool) -> str:
    known = (_HEADS if first else _INNER).get(step)
    if known:
        return known
    listed = [_WORDS.get(word.lower(), word.lower()) for word in _HUMP.split(step) if word]
    words = " ".join(listed) or step
    return words[:1].upper() + words[1:] if first else words


def source_in_words(finding: ImportFinding) -> str:
    """The value at Vapi as people read it: a text without quotes, and words where there is none."""
    text = finding.source
    if not text:
        return "Not set"
    if text in ("true", "false"):
        return "Yes" if text == "true" else "No"
    if text == "null":
        return "Empty"
    if len(text) > 1 and text[0] == '"' and text[-1] == '"':
        return str(json.loads(text)) or "Empty"
    return text


def csv_text(rows: Iterable[tuple[VapiObject, ImportFinding]]) -> str:
    """All findings as a table for a spreadsheet. No cell of it is taken for a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(
        [
            "Kind", "Object", "Id at Vapi", "Place", "Path in the JSON", "What became of it", "Value at Vapi",
            "Setting in Tandem", "Value in Tandem", "Reason", "Code", "Settled", "Settled by", "Note",
        ]
    )  # fmt: skip
    for owner, finding in rows:
        cells = [
            owner.get_kind_display(),
            str(owner),
            owner.key,
            path_in_words(finding.path),
            finding.path,
            TITLES[finding.verdict],
            finding.source,
            label(owner.kind, finding.field) if finding.field else "",
            finding.ours,
            finding.reason,
            finding.code,
            finding.settled_at.isoformat(timespec="seconds") if finding.settled_at else "",
            str(finding.settled_by or "") if finding.settled_at else "",
            finding.settled_note,
        ]
        writer.writerow([cell_safe(cell) for cell in cells])
    # Without it a spreadsheet guesses the encoding, and guesses wrong.
    return "\ufeff" + stream.getvalue()


def cell_safe(text: str) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def written_rows(objects: Iterable[Written]) -> Iterable[tuple[VapiObject, ImportFinding]]:
    """Each finding of an import with its object."""
    return ((one.row, finding) for one in objects for finding in one.findings)


def counts_in_words(counts: dict[str, int]) -> str:
    """How many of each verdict there were: "3 need a decision, 12 kept"."""
    words = {
        "decision": "needs a decision" if counts.get("decision") == 1 else "need a decision",
        "dropped": "dropped",
        "converted": "converted",
        "default": "default applied",
        "kept": "kept",
    }
    return ", ".join(f"{counts[key]} {words[key]}" for key in words if counts.get(key)) or "nothing"
