"""Whether a media stream may open its call, and what that call is."""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from calls import selectors
from calls.database_threads import in_database_thread
from calls.selectors import StreamCall
from calls.twilio.signatures import upgrade_tokens, websocket_signature_valid
from calls.variables import call_rendered

logger = logging.getLogger(__name__)

POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
LOAD_WITHIN_S = 5.0


async def upgrade_signed(scope: dict[str, Any]) -> bool:
    """Whether Twilio signed the upgrade, for our account or another that is known here."""
    return _signed(scope, settings.TWILIO_AUTH_TOKENS) or await _signed_by_another(scope)


async def _signed_by_another(scope: dict[str, Any]) -> bool:
    """Whether another account than the environment's signed the upgrade: a subaccount's streams are signed with its token."""
    if b"x-twilio-signature" not in dict(scope["headers"]):
        return False
    try:
        tokens = await asyncio.wait_for(in_database_thread(upgrade_tokens), LOAD_WITHIN_S)
    except TimeoutError:
        return False
    return _signed(scope, tokens)


def _signed(scope: dict[str, Any], tokens: Sequence[str]) -> bool:
    headers = dict(scope["headers"])
    return websocket_signature_valid(
        origin=settings.MEDIA_ORIGIN,
        path=scope["path"],
        signature=headers.get(b"x-twilio-signature", b"").decode("latin-1"),
        tokens=tokens,
    )


async def stream_call_load(call_id: uuid.UUID) -> StreamCall | int:
    """The call behind the path, or the code to close with."""
    try:
        call = await asyncio.wait_for(in_database_thread(lambda: _read(call_id)), LOAD_WITHIN_S)
    except (DatabaseError, TimeoutError, TypeError):
        logger.exception("a media stream could not be looked up", extra={"call_id": str(call_id)})
        return INTERNAL_ERROR
    if call is None:
        logger.warning("media stream for no open call refused", extra={"call_id": str(call_id)})
        return POLICY_VIOLATION
    return call


def _read(call_id: uuid.UUID) -> StreamCall | None:
    """The call as it is run: read, and its templates rendered, away from the event loop."""
    call = selectors.call_for_stream(call_id)
    return call_rendered(call, now=timezone.now()) if call is not None else None
