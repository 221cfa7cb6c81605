"""Having a call that has spent its limit say goodbye."""

import logging

from calls.bridge.ending import AFTER_MESSAGE
from calls.live.control import call_say
from calls.models import Call

logger = logging.getLogger(__name__)


def goodbye_say(call: Call, sentence: str) -> None:
    """Have the call say a sentence to its end and then hang up. A call that does not take it is asked again later.

    Vapi has no word for a budget; the reason is what happens, and the problem row says why.
    """
    outcome = call_say(call.pk, sentence, end_after=True, reason=AFTER_MESSAGE)
    if not outcome.taken:
        logger.warning(
            "a call that has spent its limit could not be told to end",
            extra={"call_id": str(call.pk), "result": outcome.result.value},
        )
