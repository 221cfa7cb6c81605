"""What a stream that Twilio has not signed needs before it may open its call."""

import asyncio
import logging
import uuid
from dataclasses import replace

from django.db import Error as DatabaseError

from calls.database_threads import in_database_thread
from calls.lines.opening import INTERNAL_ERROR, LOAD_WITHIN_S, POLICY_VIOLATION, stream_call_load
from calls.models import SocketCall
from calls.selectors import StreamCall
from calls.websocket_calls import services
from calls.websocket_calls.formats import ClientFormat

logger = logging.getLogger(__name__)


async def socket_call_load(call_id: uuid.UUID, token: str) -> tuple[StreamCall, ClientFormat] | int:
    """The call that this token opens, and the form of its sound; or the code to refuse it with."""
    try:
        row = await asyncio.wait_for(
            in_database_thread(lambda: services.socket_awaited(call_id, token)), LOAD_WITHIN_S
        )
    except (DatabaseError, TimeoutError):
        logger.exception("a socket could not be looked up", extra={"call_id": str(call_id)})
        return INTERNAL_ERROR
    if row is None:
        logger.warning("socket for no open call refused", extra={"call_id": str(call_id)})
        return POLICY_VIOLATION
    call = await stream_call_load(call_id)
    if isinstance(call, int):
        return call
    form = _form(row)
    return replace(call, audio=form.at_model), form


def _form(row: SocketCall) -> ClientFormat:
    return ClientFormat(row.encoding, row.sample_rate or ClientFormat().rate)


async def bypass_call_load(call_id: uuid.UUID) -> StreamCall | int:
    """The call that waits for a stream of somebody else's flow; or the code to refuse it with."""
    try:
        awaited = await asyncio.wait_for(
            in_database_thread(lambda: services.bypass_awaited(call_id)), LOAD_WITHIN_S
        )
    except (DatabaseError, TimeoutError):
        logger.exception("a bypass stream could not be looked up", extra={"call_id": str(call_id)})
        return INTERNAL_ERROR
    if not awaited:
        logger.warning("bypass stream for no open call refused", extra={"call_id": str(call_id)})
        return POLICY_VIOLATION
    return await stream_call_load(call_id)
