"""The Celery app: queue `tools` for what a caller waits for, queue `records` for everything durable."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("tandem")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Periodic tasks; an app adds its own by app.conf.beat_schedule.update({...}) here.
app.conf.beat_schedule = {
    "captures-expire": {"task": "tools.tasks.captures_expire", "schedule": 3600.0},
    "tool-calls-expire": {"task": "tools.tasks.tool_calls_expire", "schedule": 120.0},
}
# Threads other than the main one would publish to amqp://localhost.
app.set_default()
app.autodiscover_tasks()
app.autodiscover_tasks(["assistants.imports", "assistants.voices"])


@app.on_after_configure.connect
def schedule_watch(sender: Celery, **_: Any) -> None:
    """Have the beat look at Vapi as often as the settings say, which are not to be read while this module is imported."""
    sender.conf.beat_schedule["vapi-watch"] = {
        "task": "assistants.imports.tasks.vapi_watch_look",
        "schedule": settings.VAPI_WATCH_MINUTES * 60.0,
        # A worker that was away for hours looks once.
        "options": {"expires": settings.VAPI_WATCH_MINUTES * 60.0},
    }


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """Leave logging as Django's settings have it; without a receiver Celery would replace it."""
