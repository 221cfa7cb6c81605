from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CallsConfig(AppConfig):
    name = "calls"
    verbose_name = "Telephone"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from assistants.signals import (  # noqa: PLC0415  # models are not there before
            phone_numbers_imported,
            publish_asked,
            version_published,
        )
        from calls.lasting.receipts_given import receipts_connect  # noqa: PLC0415
        from calls.numbers.imported import numbers_import  # noqa: PLC0415
        from calls.privacy.access import opened_keep  # noqa: PLC0415
        from calls.reporting.following import views_follow, views_step_aside  # noqa: PLC0415
        from calls.smoke.publishing import check_keep, draft_check  # noqa: PLC0415
        from tools.opened import record_opened  # noqa: PLC0415

        receipts_connect()
        record_opened.connect(opened_keep, dispatch_uid="calls.privacy.access")
        phone_numbers_imported.connect(numbers_import, dispatch_uid="calls.numbers.imported")
        publish_asked.connect(draft_check, dispatch_uid="calls.smoke.publishing.check")
        version_published.connect(check_keep, dispatch_uid="calls.smoke.publishing.keep")
        pre_migrate.connect(views_step_aside, sender=self, dispatch_uid="calls.reporting.aside")
        post_migrate.connect(views_follow, sender=self, dispatch_uid="calls.reporting.follow")
