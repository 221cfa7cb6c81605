"""The role that Metabase connects as."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from calls.reporting.building import SCHEMA, view_files
from calls.reporting.role import RoleError, role_make


class Command(BaseCommand):
    help = (
        "Create the PostgreSQL role REPORTING_ROLE with REPORTING_PASSWORD, or give it that password again. It reads the "
        "views and nothing else. Needs a DATABASE_URL whose role may create roles. Example: manage.py reporting_role"
    )

    def handle(self, *args: Any, **options: Any) -> None:
        name = settings.REPORTING_ROLE
        try:
            is_new = role_make(name, settings.REPORTING_PASSWORD)
        except RoleError as exc:
            raise CommandError(str(exc)) from exc
        except DatabaseError as exc:
            raise CommandError(f"Nothing was changed. PostgreSQL says: {exc}") from exc
        done = "Created" if is_new else "Found, and set again,"
        self.stdout.write(f"{done} the role {name}: it reads {len(view_files())} views in {SCHEMA}.")
