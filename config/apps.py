"""The platform as a Django app, so that its system checks are found."""

from django.apps import AppConfig
from django.core.checks import register

from config.checks import CHECKS


class PlatformConfig(AppConfig):
    name = "config"
    label = "platform"
    verbose_name = "Platform"

    def ready(self) -> None:
        for check in CHECKS:
            register(check, "tandem")
        from config.observing.tasks import tasks_observe  # noqa: PLC0415  # models are not there before

        tasks_observe()
