"""What may be kept of calls that ran at Vapi, by the assistant that they are linked to here."""

import uuid
from collections.abc import Iterable, Sequence

from assistants.models import Assistant
from calls.models import VapiCall
from tools.models import ToolCall
from tools.redaction.keeping import Keeping
from transcripts.models import Utterance
from transcripts.redaction import SpokenRedactor


def keepings_of(assistant_ids: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, Keeping]:
    """The rules of these assistants as they are live, or as drafted where they were never published; only those that have any."""
    rows = Assistant.objects.filter(pk__in={one for one in assistant_ids if one is not None}).values_list(
        "pk", "live_version__snapshot", "redact", "hipaa"
    )
    found = {
        pk: Keeping.from_json(live if isinstance(live, dict) else {"redact": redact, "hipaa": hipaa})
        for pk, live, redact, hipaa in rows
    }
    return {pk: rules for pk, rules in found.items() if not rules.everything}


def conversation_keep(
    rules: Keeping, utterances: Sequence[Utterance], tool_calls: Sequence[ToolCall]
) -> None:
    """Take out of unsaved rows of one call what is not to be kept."""
    spoken = SpokenRedactor(rules.redact)
    for one in utterances:
        if not rules.hipaa:
            spoken.said(one.item_id, one.speaker, one.text)
    for one in utterances:
        text = rules.words(one.text) if rules.hipaa else spoken.settled(one.item_id, one.speaker, one.text)
        one.text = one.heard_text = text
    for row in tool_calls:
        row.arguments = rules.values(row.arguments)
        row.outcome, row.answer = rules.words(row.outcome), rules.words(row.answer)


def beside_keep(rules: Keeping, row: VapiCall) -> None:
    """The same for what Vapi told of the call beside its conversation. Its ranks stay: they are digests."""
    row.analysis = rules.values(row.analysis)
    row.structured_outputs = rules.values(row.structured_outputs)
    row.transfers = rules.values(row.transfers)
    row.ended_message = rules.words(row.ended_message)
    if rules.hipaa:
        row.recordings = {}
