"""What assistants choose from: models, transcription models and voices, and when OpenAI switches them off."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from assistants.models import (
    RealtimeModel,
    TranscriptionModel,
    Voice,
)
from tools.adminkit import (
    ModelAdmin,
    badge,
)

RETIRES_SOON = timedelta(days=90)


class CatalogueAdmin(ModelAdmin[Any]):
    """Rows that assistants choose from. Their names are OpenAI's and are the key, so only new rows can be named."""

    actions = None
    search_fields = ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        # A changed key would be saved as a second row beside the first.
        return ["name"] if obj is not None else []


class RetiringAdmin(CatalogueAdmin):
    """Rows that OpenAI switches off one day."""

    @admin.display(description="retires on", ordering="retires_on")
    def retires(self, row: Any) -> SafeString | str:
        return retirement(row.retires_on, today=timezone.localdate())


def retirement(on: date | None, *, today: date) -> SafeString | str:
    """The day something is switched off, marked when it is past or near."""
    if on is None:
        return "-"
    day = f"{on:%d %b %Y}"
    if on <= today:
        return badge(f"{day}: switched off", "bad")
    if on - today <= RETIRES_SOON:
        return badge(f"{day}: in {(on - today).days} days", "warn")
    return day


@admin.register(RealtimeModel)
class RealtimeModelAdmin(RetiringAdmin):
    list_display = ["name", "reasoning", "retires"]
    list_filter = ["reasoning"]


@admin.register(TranscriptionModel)
class TranscriptionModelAdmin(RetiringAdmin):
    list_display = ["name", "takes_languages", "retires"]
    list_filter = ["takes_languages"]


@admin.register(Voice)
class VoiceAdmin(CatalogueAdmin):
    list_display = ["name", "note"]
