"""Reading transcripts."""

import uuid

from transcripts.models import Transcript


def transcript_of_call(call_id: uuid.UUID) -> Transcript | None:
    """The transcript of a call with its utterances in order, or None while nothing was said."""
    return Transcript.objects.prefetch_related("utterances").filter(call_id=call_id).first()
