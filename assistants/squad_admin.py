"""Squads, and the table of voices that stand in for Vapi's."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from assistants.models import (
    Squad,
    SquadMember,
    VoiceMapping,
)
from assistants.squad_view import handing_over
from tools.adminkit import ModelAdmin, TabularInline, badge, object_link

# What a list has no use for, and secrets, which it need not open.
HEAVY = ("instructions", "server_secret", "server_headers")


@admin.register(VoiceMapping)
class VoiceMappingAdmin(ModelAdmin[VoiceMapping]):
    """Which voice stands in for which of Vapi's. It counts for the next import."""

    actions = None
    list_display = ["vapi_voice_text", "provider", "voice", "why"]
    list_editable = ["voice", "why"]
    list_filter = ["provider", "voice"]
    search_fields = ["provider", "vapi_voice", "why"]
    autocomplete_fields = ["voice"]
    list_per_page = 50

    @admin.display(description="Vapi's voice", ordering="vapi_voice")
    def vapi_voice_text(self, row: VoiceMapping) -> str:
        return row.vapi_voice or "Any other voice"


class SquadMemberInline(TabularInline[SquadMember, Squad]):
    """Who belongs to a squad, in order."""

    model = SquadMember
    extra = 0
    fields = ["assistant", "position", "published"]
    readonly_fields = ["published"]
    autocomplete_fields = ["assistant"]
    hide_title = True
    verbose_name_plural = "Members; the first takes the call"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SquadMember]:
        queryset = super().get_queryset(request).select_related("assistant", "version")
        return queryset.defer(*(f"assistant__{name}" for name in HEAVY))

    @admin.display(description="published")
    def published(self, member: SquadMember) -> SafeString | str:
        if member._state.adding:
            return "-"
        if member.assistant.live_version_id is None:
            return badge("Never published", "bad")
        if not member.assistant.enabled:
            return badge("Switched off", "warn")
        return badge(f"Version {member.pinned.number}, pinned" if member.pinned else "Published", "good")


@admin.register(Squad)
class SquadAdmin(ModelAdmin[Squad]):
    """Assistants that share a call."""

    inlines = [SquadMemberInline]
    fields = ["name", "handing_over"]
    readonly_fields = ["handing_over"]
    list_display = ["name", "members_text", "report"]
    search_fields = ["name", "members__name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Squad]:
        return super().get_queryset(request).prefetch_related("squadmember_set__assistant", "vapi_objects")

    @admin.display(description="members")
    def members_text(self, squad: Squad) -> str:
        return ", ".join(member.assistant.name for member in squad.squadmember_set.all()) or "-"

    @admin.display(description="handing over")
    def handing_over(self, squad: Squad) -> SafeString | str:
        if squad._state.adding:
            return "Save the squad with its members to see who can hand a call to whom."
        return handing_over(squad)

    @admin.display(description="from Vapi")
    def report(self, squad: Squad) -> SafeString | str:
        found = next(iter(squad.vapi_objects.all()), None)
        return object_link("assistants_vapiobject", found.pk, "Report") if found else "-"
