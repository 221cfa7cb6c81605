"""Django's ASGI application, which carries each request through all of its middleware and its view in one thread.

Half of the middleware knows only the synchronous way. Django's own handler goes into a thread and back for each of them, ten
times for a request: that takes longer than most views.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import django
from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Piece = TypeVar("Piece")


class ThreadHandler(ASGIHandler):
    """The handler whose middleware is all synchronous. A view that is not is run on the loop, as under WSGI."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's
        super().load_middleware(is_async=False)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        given_up = threading.Event()

        def answered() -> HttpResponseBase:
            response = self.get_response(request)
            if given_up.is_set():
                response.close()
            return response

        try:
            return await sync_to_async(answered, thread_sensitive=True)()
        except asyncio.CancelledError:
            # The client is gone, and the thread goes on. The server waits some seconds for it; after that nobody else would give
            # its connection back to the database's pool.
            given_up.set()
            raise

    async def listen_for_disconnect(self, receive: Any) -> None:
        """Return when the client is gone, or has its answer: daphne tells of both in the same way.

        Django's raises. The error would hold the frame that waits for it, which holds the error and the answer: each page of 15 MB
        would stay until garbage is collected, and the next one be written to fresh memory, which takes longer than the copying.
        """
        with contextlib.suppress(RequestAborted):
            await super().listen_for_disconnect(receive)

    @classmethod
    def chunk_bytes(cls, data: Sequence[Piece]) -> Iterator[tuple[Sequence[Piece], bool]]:
        """All of it at once: the servers take it in whole before they send any of it, so pieces would only be copies."""
        yield data, True


def application_in_a_thread() -> ThreadHandler:
    """As `get_asgi_application`."""
    django.setup(set_prefix=False)
    return ThreadHandler()
