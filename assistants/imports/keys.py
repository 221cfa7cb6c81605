"""The keys of what is imported: how each is stored, and which of them some drafts hold or mention."""

import hashlib
from typing import Final

from assistants.vapi.drafts import AssistantDraft, Drafts, NumberDraft, SquadDraft, ToolDraft

_KEY_MAX: Final = 300

Draft = ToolDraft | AssistantDraft | SquadDraft | NumberDraft


def key_stored(key: str) -> str:
    """The key as it is stored: names of tools in it may be longer than any column."""
    if len(key) <= _KEY_MAX:
        return key
    return f"{key[:250]}#{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def keys_of(drafts: Drafts) -> set[str]:
    """The key of every object that the drafts hold or mention."""
    every: tuple[Draft, ...] = (*drafts.tools, *drafts.assistants, *drafts.squads, *drafts.numbers)
    keys = {one.key for one in every}
    for assistant in drafts.assistants:
        keys |= set(assistant.tools)
    for squad in drafts.squads:
        keys |= set(squad.members)
    return keys | {number.answers for number in drafts.numbers}
