"""The Celery app: queue `tools` for what a caller waits for, queue `records` for everything durable."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("tandem")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Periodic tasks; an app adds its own by app.conf.beat_schedule.update({...}) here.
app.conf.beat_schedule = {
    "tool-calls-expire": {"task": "tools.tasks.tool_calls_expire", "schedule": 120.0},
}
# Threads other than the main one would publish to amqp://localhost.
app.set_default()
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """Leave logging as Django's settings have it; without a receiver Celery would replace it."""
