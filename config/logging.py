"""Logs as JSON lines. What was said, typed or asked stands only in keys that begin with `pii.`, and is redacted."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from tools.observing import metrics
from tools.observing.context import observed

PII_PREFIX = "pii."
REDACTED = "[redacted]"
# What every record has anyway, and uvicorn's second form of its message; all else in it came through `extra`.
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# Django gives the request itself, whose text is its address with the query.
LEFT_OUT = frozenset({"request"})
FIRST = ("call_id", "call_sid", "trace_id", "request_id", "task", "task_id")  # because people look for them
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class CountingHandler(logging.StreamHandler[Any]):
    """Writes to standard error, and counts the lines by level."""

    def emit(self, record: logging.LogRecord) -> None:
        metrics.LOG_RECORDS.labels(record.levelname if record.levelname in LEVELS else metrics.OTHER).inc()
        super().emit(record)


class PathlessFilter(logging.Filter):
    """Takes the path out of what Django says of a request that went wrong, and queries out of what uvicorn says of sockets.

    They may hold tokens and numbers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "uvicorn.error" and isinstance(record.args, tuple):
            record.args = tuple(one.partition("?")[0] if isinstance(one, str) else one for one in record.args)
        request = record.__dict__.get("request")
        if request is not None and isinstance(record.args, tuple) and record.args:
            path = getattr(request, "path", None)
            match = getattr(request, "resolver_match", None)
            shown = match.view_name if match is not None else "an address that is not known here"
            # Django writes what cannot be printed as escapes.
            known = {path, path.encode("unicode_escape").decode()} if isinstance(path, str) else set()
            record.args = tuple(
                shown if isinstance(one, str) and one in known else one for one in record.args
            )
        return True


class HostFilter(logging.Filter):
    """Makes a warning of what Django calls an error: that a request names a host which is not ours.

    Whoever scans addresses does so all day, and nothing is broken. The name is theirs to choose, so it is left out.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "django.security.DisallowedHost":
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.msg = "a request names a host that is not in ALLOWED_HOSTS; it was answered 400"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


class FieldsFormatter(logging.Formatter):
    """What the formats have in common: a line's fields, from the record and from what is being done."""

    def __init__(self, *, reveal_pii: bool = False) -> None:
        super().__init__()
        self._reveal_pii = reveal_pii

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields beside the message, those that lead elsewhere first."""
        given = {
            name: REDACTED if name.startswith(PII_PREFIX) and not self._reveal_pii else value
            for name, value in record.__dict__.items()
            if name not in STANDARD and name not in LEFT_OUT
        }
        every = {**observed(), **given}
        return {name: every[name] for name in (*(one for one in FIRST if one in every), *every)}


class JsonFormatter(FieldsFormatter):
    """One JSON object a line: time, level, logger, message, the fields of `extra`, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in self.fields(record).items() if name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=_plain, ensure_ascii=False)


class ConsoleFormatter(FieldsFormatter):
    """One line for people: the time of day, level, message and fields, and a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        fields = "".join(f" {name}={value}" for name, value in self.fields(record).items())
        message = record.getMessage()
        text = f"{moment:%H:%M:%S} {record.levelname:<8}{record.name}: {message}{fields}"
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        if record.stack_info:
            text += f"\n{self.formatStack(record.stack_info)}"
        return text


def logging_config(*, level: str, reveal_pii: bool, form: str = "json") -> dict[str, Any]:
    """The dictConfig of every process: lines on standard error, as JSON or for the console."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "config.logging.JsonFormatter", "reveal_pii": reveal_pii},
            "console": {"()": "config.logging.ConsoleFormatter", "reveal_pii": reveal_pii},
        },
        "filters": {
            "pathless": {"()": "config.logging.PathlessFilter"},
            "hostless": {"()": "config.logging.HostFilter"},
        },
        "handlers": {
            "stderr": {
                "class": "config.logging.CountingHandler",
                "formatter": form,
                "filters": ["pathless", "hostless"],
            }
        },
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
            # Each says at every level but this one where traces go, and at warning that they do not get there.
            "opentelemetry": {"level": "ERROR"},
        },
    }


def _plain(value: object) -> str:
    return str(value)
