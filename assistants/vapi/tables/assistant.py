"""The whole table of an assistant's settings."""

from typing import Final

from assistants.vapi.rules import Rule, Rules
from assistants.vapi.tables import call, model, records, servers, turns, voice

TABLE: Final[tuple[Rule, ...]] = (
    *call.IDENTITY,
    *call.FIRST_AND_LAST,
    *model.MODEL,
    *voice.VOICE,
    *voice.TRANSCRIPTION,
    *turns.TURNS,
    *turns.IDLE,
    *servers.HOOKS,
    *servers.SERVER,
    *records.AFTER,
    *call.IMPLICIT_TOOLS,
    *call.OVERRIDES,
)
ASSISTANT: Final = Rules(TABLE)
