"""A key of the API, without the admin."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tools.access.keys import SCOPES, key_create


class Command(BaseCommand):
    help = (
        "Make a key of the API and print it, this once. "
        'Example: manage.py create_api_key "booking service" --scopes assistant:read,tool:read --expires 90'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="which program uses it")
        parser.add_argument(
            "--scopes", default="", help=f"separated by commas, of {', '.join(SCOPES)}; all by default"
        )
        parser.add_argument(
            "--expires", type=int, metavar="DAYS", help="after how many days; never by default"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")

    def handle(self, *args: Any, name: str, scopes: str, expires: int | None, **options: Any) -> None:
        chosen = [one.strip() for one in scopes.split(",") if one.strip()] or list(SCOPES)
        unknown = sorted(set(chosen) - set(SCOPES))
        if unknown:
            raise CommandError(f"There is no scope {', '.join(unknown)}. Choose of {', '.join(SCOPES)}.")
        if not name.strip() or len(name) > 80:
            raise CommandError("Give the key a name of 1 to 80 characters.")
        if expires is not None and not 1 <= expires <= 36_500:
            raise CommandError("A key expires after 1 to 36,500 days.")
        until = timezone.now() + timedelta(days=expires) if expires else None
        key, text = key_create(name=name.strip(), scopes=chosen, expires_at=until)
        if options["json"]:
            shown = {"id": str(key.pk), "name": key.name, "key": text, "scopes": key.scopes}
            shown["expiresAt"] = until.isoformat() if until else None
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write(f"Key: {text}   (shown only this once)")
