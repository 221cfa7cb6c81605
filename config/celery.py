"""The Celery app: queue `tools` for what a caller waits for, `records` for everything durable, `messages` for customers' servers."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

from config import redis_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

redis_transport.use_in_this_process()
app = Celery("tandem")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Periodic tasks; an app adds its own by app.conf.beat_schedule.update({...}) here.
app.conf.beat_schedule = {
    # A run that is late is not made up for: the next one finds the same calls.
    "calls-reap": {"task": "calls.tasks.calls_reap", "schedule": 60.0, "options": {"expires": 60.0}},
    "budgets-check": {"task": "calls.tasks.budgets_check", "schedule": 60.0, "options": {"expires": 60.0}},
    "doctor-beat": {"task": "calls.doctor.tasks.beat_mark", "schedule": 60.0, "options": {"expires": 60.0}},
    # More often than a gate lets it age (calls.cutover.gates), so that a schedule finds a fresh one.
    "doctor-examine": {
        "task": "calls.doctor.tasks.examine",
        "schedule": 1500.0,
        "options": {"expires": 1500.0},
    },
    "smoke-runs-go-on": {
        "task": "calls.smoke.tasks.smoke_runs_go_on",
        "schedule": 120.0,
        "options": {"expires": 120.0},
    },
    "cutover-recover": {
        "task": "calls.cutover.tasks.operations_recover",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "cutover-watch": {
        "task": "calls.cutover.tasks.numbers_watch",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "cutover-schedules": {
        "task": "calls.cutover.tasks.schedules_run",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "costs-catch-up": {
        "task": "calls.costs.tasks.costs_catch_up",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    # Reports are exact without it, and slower the more days are not kept.
    "daily-figures": {
        "task": "calls.reporting.tasks.days_keep",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "carrier-prices": {
        "task": "calls.costs.tasks.carrier_prices_look",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "recordings-go-on": {
        "task": "calls.recordings.tasks.recordings_go_on",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    # What is too old goes a little at a time; a run that is late is not made up for.
    "calls-expire": {
        "task": "calls.erasing.tasks.calls_expire",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "analyses-go-on": {
        "task": "calls.analysis.tasks.analyses_go_on",
        "schedule": 20.0,
        "options": {"expires": 20.0},
    },
    "messages-go-on": {
        "task": "calls.messages.tasks.messages_go_on",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "messages-expire": {
        "task": "calls.messages.tasks.messages_expire",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    # How late a scheduled call is at the most.
    "placings-go-on": {
        "task": "calls.placing.tasks.placings_go_on",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "socket-calls-close": {
        "task": "calls.websocket_calls.tasks.socket_calls_close",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "transients-expire": {"task": "calls.choosing.tasks.transients_expire", "schedule": 6 * 3600.0},
    "api-writes-expire": {"task": "tools.tasks.api_writes_expire", "schedule": 3600.0},
    "captures-expire": {"task": "tools.tasks.captures_expire", "schedule": 3600.0},
    "tool-calls-expire": {"task": "tools.tasks.tool_calls_expire", "schedule": 120.0},
}
# Threads other than the main one would publish to amqp://localhost.
app.set_default()
app.autodiscover_tasks()
app.autodiscover_tasks(
    [
        "assistants.imports",
        "assistants.voices",
        "calls.analysis",
        "calls.choosing",
        "calls.costs",
        "calls.doctor",
        "calls.cutover",
        "calls.erasing",
        "calls.history",
        "calls.messages",
        "calls.orders",
        "calls.placing",
        "calls.recordings",
        "calls.reporting",
        "calls.smoke",
        "calls.warehouse",
        "calls.websocket_calls",
    ]
)


@app.on_after_configure.connect
def schedule_watch(sender: Celery, **_: Any) -> None:
    """Have the beat look at Vapi as often as the settings say, which are not to be read while this module is imported."""
    sender.conf.beat_schedule["vapi-watch"] = {
        "task": "assistants.imports.tasks.vapi_watch_look",
        "schedule": settings.VAPI_WATCH_MINUTES * 60.0,
        # A worker that was away for hours looks once.
        "options": {"expires": settings.VAPI_WATCH_MINUTES * 60.0},
    }


@app.on_after_configure.connect
def schedule_deliveries(sender: Celery, **_: Any) -> None:
    """Have the beat send finished calls to the warehouse, where there is one beside our own database."""
    if settings.WAREHOUSE == "postgres":
        return
    sender.conf.beat_schedule["warehouse-deliveries"] = {
        "task": "calls.warehouse.tasks.deliveries_send",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    }
    sender.conf.beat_schedule["warehouse-sweep"] = {
        "task": "calls.warehouse.tasks.calls_sweep",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    }


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """Leave logging as Django's settings have it; without a receiver Celery would replace it."""
