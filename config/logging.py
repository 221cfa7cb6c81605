"""Logs as JSON lines. What was said, typed or asked stands only in keys that begin with `pii.`, and is redacted."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

PII_PREFIX = "pii."
REDACTED = "[redacted]"
# What every record has anyway, and uvicorn's second form of its message; all else in it came through `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the fields of `extra`, and a traceback if there is one."""

    def __init__(self, *, reveal_pii: bool = False) -> None:
        super().__init__()
        self._reveal_pii = reveal_pii

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("call_id", "call_sid"):  # first, because people look for them
            if name in record.__dict__:
                line[name] = record.__dict__[name]
        for name, value in record.__dict__.items():
            if name in STANDARD or name in line:
                continue
            line[name] = REDACTED if name.startswith(PII_PREFIX) and not self._reveal_pii else value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=_plain, ensure_ascii=False)


def logging_config(*, level: str, reveal_pii: bool) -> dict[str, Any]:
    """The dictConfig of every process: JSON lines on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logging.JsonFormatter", "reveal_pii": reveal_pii}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django and uvicorn bring handlers of their own; theirs would print a second time, as plain text.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "uvicorn": {"handlers": [], "level": level, "propagate": True},
            "uvicorn.error": {"handlers": [], "level": level, "propagate": True},
            # Every request line holds its query, and a query may hold a token.
            "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
            # These log arguments of tasks and audio frames at the lower levels.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "websockets": {"level": "WARNING"},
            "daphne": {"level": "WARNING"},
            "asyncio": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "twilio": {"level": "WARNING"},
        },
    }


def _plain(value: object) -> str:
    return str(value)
