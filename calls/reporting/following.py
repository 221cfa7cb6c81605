"""How the views follow the tables: out of the way before a migration, made again after it."""

import logging
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from calls.reporting.building import views_current, views_drop, views_make

logger = logging.getLogger(__name__)


def views_step_aside(*, using: str, plan: Any = (), **_: Any) -> None:
    """Drop the views where tables are about to change. Connected to ``pre_migrate``."""
    if using != connection.alias or not plan:
        return
    try:
        views_drop()
    except DatabaseError as exc:
        # Most migrations touch no column that a view uses; one that does says so itself.
        logger.warning(
            "the reporting views could not step aside for the migration", extra={"why": type(exc).__name__}
        )


def views_follow(*, using: str, **_: Any) -> None:
    """Make the views where they are not as their files have them. Connected to ``post_migrate``.

    Reports never stand in the way of a migration: what goes wrong is logged, and `manage.py report_views` tells more.
    """
    if using != connection.alias or views_current():
        return
    if _behind():
        logger.warning("no reporting views: not all migrations are applied")
        return
    try:
        views_make()
    except DatabaseError:
        logger.exception("the reporting views could not be made; see manage.py report_views")


def _behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
