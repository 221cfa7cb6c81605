"""Celery's tasks: which call each is for stands in every log line of it; runs are counted, and the ends of calls traced."""

import inspect
import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

from celery import Task
from celery.signals import beat_init, task_failure, task_postrun, task_prerun, task_retry, worker_init
from django.conf import settings

from config.observing.exposition import Listener
from config.observing.traces import traces_observe
from tools.observing import metrics
from tools.observing.context import observing

logger = logging.getLogger(__name__)


class _Running(threading.local):
    """The tasks of this thread; a task may run another inside it."""

    def __init__(self) -> None:
        self.stack: list[tuple[AbstractContextManager[None], float]] = []


_running = _Running()


def call_of(task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The id of the call that a task is for, by its own parameters; empty where there is none."""
    found = kwargs.get("call_id")
    order = kwargs.get("order")
    if found is None and args:
        try:
            bound = inspect.signature(task.run).bind_partial(*args, **kwargs).arguments
        except TypeError:
            return ""
        found, order = bound.get("call_id"), bound.get("order", order)
    if found is None and isinstance(order, dict):
        found = order.get("call_id")
    return str(found)[:64] if found else ""


def _begins(
    task_id: str = "", task: Task[Any, Any] | None = None, args: Any = (), kwargs: Any = None, **_: Any
) -> None:
    assert task is not None
    call_id = call_of(task, tuple(args or ()), dict(kwargs or {}))
    context = observing(call_id=call_id, task=task.name, task_id=task_id)
    context.__enter__()
    _running.stack.append((context, time.perf_counter()))


def _ends(task: Task[Any, Any] | None = None, state: str | None = None, **_: Any) -> None:
    if task is None or not _running.stack:
        return
    context, began = _running.stack.pop()
    name = _name(task)
    metrics.TASK_SECONDS.labels(name).observe(time.perf_counter() - began)
    if state == "SUCCESS":
        metrics.TASKS.labels(name, "done").inc()
    context.__exit__(None, None, None)


def _fails(sender: Task[Any, Any] | None = None, **_: Any) -> None:
    if sender is not None:
        metrics.TASKS.labels(_name(sender), "failed").inc()


def _retries(sender: Task[Any, Any] | None = None, **_: Any) -> None:
    if sender is not None:
        metrics.TASKS.labels(_name(sender), "again").inc()


def _name(task: Task[Any, Any]) -> str:
    """The task's name: there are as many as in the code. Whatever else comes along counts as one."""
    return task.name if task.name in task.app.tasks else metrics.OTHER


def _worker_begins(**_: Any) -> None:
    traces_observe("tandem-worker")
    listen()


def _beat_begins(**_: Any) -> None:
    listen()


def listen() -> None:
    """Serve /metrics on METRICS_PORT. A port that is taken costs the metrics, not the process."""
    port: int = settings.METRICS_PORT
    if not port:
        return
    try:
        listener = Listener(settings.METRICS_HOST, port)
    except OSError as exc:
        logger.warning(
            "no metrics: METRICS_PORT cannot be had", extra={"port": port, "error": type(exc).__name__}
        )
        return
    listener.begin()
    logger.info("metrics are served", extra={"host": settings.METRICS_HOST, "port": port})


def tasks_observe() -> None:
    """Observe the tasks of this process, and have workers and beat serve their metrics."""
    task_prerun.connect(_begins, dispatch_uid="observing.begins", weak=False)
    task_postrun.connect(_ends, dispatch_uid="observing.ends", weak=False)
    task_failure.connect(_fails, dispatch_uid="observing.fails", weak=False)
    task_retry.connect(_retries, dispatch_uid="observing.retries", weak=False)
    worker_init.connect(_worker_begins, dispatch_uid="observing.worker", weak=False)
    beat_init.connect(_beat_begins, dispatch_uid="observing.beat", weak=False)
