"""How a worker gives receipts: a message of an outbox is done when its task has succeeded, or what it held was put aside."""

import logging
from typing import Any

from celery import Task
from celery.signals import task_failure, task_success

from calls.lasting.receipts import HEADER, receipt_give
from calls.lasting.records import task_failed_keep

logger = logging.getLogger(__name__)


def receipts_connect() -> None:
    """Have this process give receipts for the tasks that it runs."""
    task_success.connect(_succeeded, dispatch_uid="calls.receipts.success")
    task_failure.connect(_failed, dispatch_uid="calls.receipts.failure")


def _succeeded(sender: "Task[Any, Any]", **_: Any) -> None:
    receipt = _receipt(sender)
    if receipt:
        receipt_give(receipt)


def _failed(sender: "Task[Any, Any]", exception: BaseException, kwargs: dict[str, Any], **_: Any) -> None:
    receipt = _receipt(sender)
    if receipt and task_failed_keep(sender.name, kwargs, exception):
        receipt_give(receipt)


def _receipt(task: "Task[Any, Any]") -> str:
    return str((task.request.headers or {}).get(HEADER, ""))
