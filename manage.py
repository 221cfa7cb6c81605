#!/usr/bin/env python
"""Django's command line. On one machine it needs no variable: it finds, or starts, what bin/run would use."""

import os
import sys

from django.core.management import execute_from_command_line

from config.local_environment import LocalEnvironmentError, complete_environment


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    try:
        complete_environment(sys.argv[1:])
    except LocalEnvironmentError as exc:
        sys.exit(f"{exc}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
