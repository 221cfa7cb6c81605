from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "calls"
    verbose_name = "Telephone"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from assistants.signals import phone_numbers_imported  # noqa: PLC0415  # models are not there before
        from calls.imported_numbers import numbers_import  # noqa: PLC0415

        phone_numbers_imported.connect(numbers_import, dispatch_uid="calls.imported_numbers")
