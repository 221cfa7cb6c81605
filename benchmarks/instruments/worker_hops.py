"""Loaded into a worker by Celery's `--include`: notes when a tool call passes each place of it.

The stamps are the machine's monotonic clock, which all processes share. One line of JSON for each tool call goes to the
file that HOPS_FILE names, once the worker is through with it.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from celery import signals
from celery.concurrency import thread
from kombu.transport import redis

from tools import breaker, clients, connections, replies, sending, services

# Libraries that are changed while they run.
pool: Any = thread
transport: Any = redis
TASK = "tools.tasks.tool_call_forward"

_lines = Path(os.environ["HOPS_FILE"]).open("ab", buffering=0)  # noqa: SIM115 - as long as the process
_main: dict[str, int] = {}
_by_task: dict[str, dict[str, int]] = {}
_by_gate: dict[int, dict[str, int]] = {}
_here = threading.local()


def _stamp(name: str) -> None:
    stamps: dict[str, int] | None = getattr(_here, "stamps", None)
    if stamps is not None:
        stamps.setdefault(name, time.monotonic_ns())


def _around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Stamp the tool call of this thread around a function."""
    inner: Callable[..., Any] = getattr(owner, name)

    def stamped(*args: Any, **kwargs: Any) -> Any:
        if before:
            _stamp(before)
        try:
            return inner(*args, **kwargs)
        finally:
            if after:
                _stamp(after)

    setattr(owner, name, stamped)


def _consumer() -> None:
    """The worker's main thread: what Redis answers is read, given to its book of unacknowledged tasks, and to the pool."""
    deliver, append, read = (
        transport.Transport._deliver,
        transport.QoS.append,
        transport.Channel._brpop_read,
    )

    def reading(self: Any, **options: Any) -> Any:
        _main["readable"] = time.monotonic_ns()
        return read(self, **options)

    def delivering(self: Any, *args: Any) -> Any:
        _main["parsed"] = time.monotonic_ns()
        return deliver(self, *args)

    def appending(self: Any, *args: Any) -> Any:
        found = append(self, *args)
        _main["booked"] = time.monotonic_ns()
        return found

    transport.Channel._brpop_read = reading
    transport.Transport._deliver = delivering
    transport.QoS.append = appending


@signals.task_received.connect(weak=False)
def _received(request: Any = None, **_: Any) -> None:
    if request is not None and request.name == TASK:
        _by_task[request.id] = {**_main, "received": time.monotonic_ns()}


def _pool() -> None:
    apply = pool.apply_target

    def applying(target: Any, args: Any = (), *rest: Any, **options: Any) -> Any:
        # The arguments of a traced task: its name, its id, and what it is asked.
        _here.stamps = _by_task.pop(args[1], None) if args and len(args) > 1 else None
        _stamp("thread")
        try:
            return apply(target, args, *rest, **options)
        finally:
            _through()

    pool.apply_target = applying


def _through() -> None:
    stamps = getattr(_here, "stamps", None)
    _here.stamps = None
    if stamps and "tool_call_id" in stamps:
        stamps["through"] = time.monotonic_ns()
        _lines.write(orjson.dumps(stamps) + b"\n")


@signals.task_prerun.connect(weak=False)
def _began(kwargs: Any = None, **_: Any) -> None:
    stamps = getattr(_here, "stamps", None)
    if stamps is not None and kwargs and "order" in kwargs:
        stamps["tool_call_id"] = kwargs["order"]["tool_call_id"]
        _stamp("began")


def _gates() -> None:
    """The exchange has a thread of its own; its gate tells whose it is."""
    made, let_out, attempt = (
        connections.Gate.__init__,
        connections.Gate.let_out,
        clients._Exchange._attempt,
    )

    def making(self: Any, **options: Any) -> None:
        made(self, **options)
        if getattr(_here, "stamps", None) is not None:
            _by_gate[id(self)] = _here.stamps

    def letting_out(self: Any) -> None:
        let_out(self)
        stamps = _by_gate.get(id(self))
        if stamps is not None:
            stamps["out"] = time.monotonic_ns()

    def attempting(self: Any) -> None:
        stamps = _by_gate.get(id(self._gate))
        if stamps is not None:
            stamps["exchange"] = time.monotonic_ns()
        attempt(self)
        if stamps is not None:
            stamps["exchanged"] = time.monotonic_ns()
            del _by_gate[id(self._gate)]

    connections.Gate.__init__ = making  # type: ignore[method-assign]
    connections.Gate.let_out = letting_out  # type: ignore[method-assign]
    clients._Exchange._attempt = attempting  # type: ignore[method-assign]


_consumer()
_pool()
_gates()
_around(services, "tool_call_take", before="take", after="row")
_around(sending, "prepared", after="body")
_around(breaker, "permit", after="permit")
_around(sending, "http_send", after="answered")
_around(services, "tool_call_settle", before="settle", after="settled")
_around(replies, "message_send", before="reply", after="replied")
_around(services, "tool_attempts_write", after="attempts")
