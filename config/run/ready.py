"""Whether a process that was started can be used already."""

import http.client
from collections.abc import Callable

from celery import Celery

from config.run.ports import HOST


def http_ready(port: int, path: str) -> Callable[[], bool]:
    """A question: does a server on this port answer the path with 200?"""

    def ask() -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def worker_ready(app: Celery, node: str) -> Callable[[], bool]:
    """A question: does the worker of this name answer a ping through the broker?"""

    def ask() -> bool:
        replies = app.control.broadcast("ping", destination=[node], reply=True, limit=1, timeout=0.5)
        return bool(replies)

    return ask
