"""DATABASE_URL as Django's DATABASES entry."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

EXAMPLE = "postgresql://user:password@host:5432/tandem"
POOL = {"min_size": 2, "max_size": 20, "timeout": 5}  # seconds; the default of 4 connections queues requests


def database_from_url(url: str, *, pool: bool) -> dict[str, Any]:
    """The DATABASES entry for a PostgreSQL URL, with a connection pool or without.

    `?host=/directory` names the folder of a Unix socket; every other query parameter goes to libpq as it is
    (`sslmode`, `connect_timeout` …). Raises ImproperlyConfigured, which never quotes the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read; write {EXAMPLE}.") from exc
    if parts.scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured(
            f"DATABASE_URL begins with {parts.scheme or 'nothing'}://; Tandem runs on PostgreSQL: {EXAMPLE}."
        )
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ImproperlyConfigured(f"DATABASE_URL names no database; write {EXAMPLE}.")
    options: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    host = options.pop("host", "") or unquote(parts.hostname or "")
    if pool:
        options["pool"] = dict(POOL)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        # Each ASGI request has its own thread, so a connection that outlives the request leaks.
        "CONN_MAX_AGE": 0,
        # The pool asks each connection whether it lives. Without that, every one that a restarted database has
        # left behind would cost a call.
        "CONN_HEALTH_CHECKS": pool,
        "OPTIONS": options,
    }
