"""Celery's side of orders to running calls, on queue `records`. Each task may run twice and in any order."""

import uuid
from typing import Any

from celery import shared_task

from calls.orders.rows import orders_write
from tools.tasks import RECORDS


@shared_task(name="calls.orders.tasks.order_write", **RECORDS)
def order_write(*, call_id: str, order: dict[str, Any]) -> None:
    """Write what is known of an order to a call."""
    orders_write(uuid.UUID(call_id), [order])
