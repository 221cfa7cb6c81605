"""That somebody reads along or listens is written down, as opening a call's page is."""

import logging
import uuid

from django.db import Error as DatabaseError

from calls.live.entering import Entrant
from calls.privacy.access import call_opened

logger = logging.getLogger(__name__)


def call_opened_by(call_id: uuid.UUID, entrant: Entrant, what: str) -> None:
    """Write down who opens a call. One who only knows its address is nobody who could be named."""
    if entrant.key is None and entrant.user is None:
        logger.info("a call was opened by its address", extra={"call_id": str(call_id), "what": what})
        return
    try:
        call_opened(call_id=call_id, user=entrant.user, key=entrant.key, what=what)
    except DatabaseError:
        logger.exception("it could not be written down who opened a call", extra={"call_id": str(call_id)})
        raise
