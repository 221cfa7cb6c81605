"""JSON whose keys stay in the order in which they were written.

PostgreSQL's ``jsonb`` sorts keys. A model reads a tool's parameters from the top, so their order is part of the
tool; and whoever wrote them wants to find them again as they were. ``json`` keeps the text.
"""

import json
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.json import Json


class OrderedJSONField(models.JSONField):
    """A JSON column that keeps the order of keys. It cannot be compared or grouped by in SQL."""

    description = "JSON in its own order"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        if value is None or hasattr(value, "as_sql"):
            return value
        return Json(value, dumps=lambda plain: json.dumps(plain, cls=self.encoder))

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        # The driver decodes `json` by itself, unlike the `jsonb` that Django takes as text.
        return super().from_db_value(value, expression, connection) if isinstance(value, str) else value
