"""Database work for coroutines: on threads of its own, so that no query ever waits in line with another's."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")

_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="calls-db")


async def in_database_thread(work: Callable[[], T]) -> T:
    """The result of blocking database work. Its connection goes back to the pool at once."""
    return await asyncio.get_running_loop().run_in_executor(
        _threads, contextvars.copy_context().run, _with_fresh_connection, work
    )


def _with_fresh_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections.close_all()
