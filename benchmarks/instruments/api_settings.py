"""The settings of the server that is measured: the project's own, with one route more."""

from config.settings.local import *  # noqa: F403

ROOT_URLCONF = "benchmarks.instruments.api_urls"
