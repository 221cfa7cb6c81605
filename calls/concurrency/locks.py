"""What only one process does at a time, while its transaction lasts."""

from typing import Final

from django.db import connection

# Any numbers that nobody else uses; PostgreSQL knows no names here.
ORDERS: Final = 7_341_001  # calls are ordered
TURNS: Final = 7_341_002  # it is decided who gets a place on the line


def locked(what: int) -> None:
    """Wait until nobody else does this, and keep others waiting until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [what])
