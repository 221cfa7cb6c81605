"""Recorders: making one, what to enter at Vapi, and how it goes."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import ForeignKey, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants.models import Assistant
from calls.history.forms import RecorderForm
from calls.history.recorder import points_forget, token_renew
from calls.models import VapiRecorder
from tools.adminkit import ModelAdmin, badge, clipped, moment

GOING = ("state", "secret_state", "reports", "last_report", "trouble")


@admin.register(VapiRecorder)
class VapiRecorderAdmin(ModelAdmin[VapiRecorder]):
    """Where Vapi's server messages may go while an assistant still runs there. The address is shown once."""

    form = RecorderForm
    list_display = ["label", "state", "reports", "last_report", "trouble"]
    list_select_related = ["assistant"]
    search_fields = ["label", "assistant__name"]
    autocomplete_fields = ["assistant"]
    actions = ["renew"]
    fieldsets = (
        (
            None,
            {
                "description": (
                    "1. Look up the server URL of the assistant (or of the organisation) at Vapi, and enter it here as the "
                    "server to hand on to. 2. Save, and enter the address that is then shown as the server URL at Vapi; "
                    "leave all else there as it is. Every message goes on to your server unchanged and its answer goes back. "
                    "To end it, enter the old URL at Vapi again, then delete the recorder here."
                ),
                "fields": ("label", "assistant", "forward_url", "timeout_s", "recording"),
            },
        ),
        ("Proof that a message is Vapi's", {"fields": ("new_secret", "clear_secret")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapiRecorder]:
        queryset: QuerySet[VapiRecorder] = super().get_queryset(request)
        stored: QuerySet[VapiRecorder] = queryset.defer(
            "secret", "assistant__instructions", "assistant__server_secret"
        ).annotate(secret_stored=~Q(secret=""))
        return stored

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return [fieldsets[0], (fieldsets[1][0], {"fields": ("new_secret",)})]
        if not self.has_change_permission(request, obj):
            return [fieldsets[0], ("How it goes", {"fields": GOING})]
        return [*fieldsets, ("How it goes", {"fields": GOING})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*GOING]

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "assistant":
            kwargs["queryset"] = Assistant.objects.defer("instructions", "server_secret")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: VapiRecorder, form: ModelForm[Any], change: bool) -> None:  # noqa: FBT001  # Django's signature
        token = "" if change else token_renew(obj)
        super().save_model(request, obj, form, change)
        points_forget()
        if token:
            self._show(request, obj, token)

    @admin.action(description="Make a new address; the old one ends", permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[VapiRecorder]) -> None:
        for recorder in queryset:
            token = token_renew(recorder)
            recorder.save(update_fields=["token_hash"])
            self._show(request, recorder, token)
        points_forget()

    def _show(self, request: HttpRequest, recorder: VapiRecorder, token: str) -> None:
        url = f"{settings.PUBLIC_ORIGIN}{reverse('vapi-events', args=[token])}"
        text = format_html(
            "Enter this as the server URL of {} at Vapi. It is shown only now: <code>{}</code>",
            recorder.label,
            url,
        )
        messages.warning(request, text)
        if not recorder.forward_url:
            messages.warning(
                request,
                "No server is entered to hand on to. That is right only if Vapi has no server URL there now: otherwise "
                "tools and assistant requests would go unanswered.",
            )

    @admin.display(description="state", ordering="recording")
    def state(self, recorder: VapiRecorder) -> SafeString:
        if not recorder.recording:
            return badge("Hands on, keeps nothing")
        return badge("Keeps reports", "good")

    @admin.display(description="secret")
    def secret_state(self, recorder: Any) -> str:
        return "A secret is asked for." if recorder.secret_stored else "None is asked for."

    @admin.display(description="reports", ordering="reports_n")
    def reports(self, recorder: VapiRecorder) -> str:
        return f"{recorder.reports_n:,}"

    @admin.display(description="last report", ordering="last_report_at")
    def last_report(self, recorder: VapiRecorder) -> SafeString | str:
        return moment(recorder.last_report_at) if recorder.last_report_at else "None yet"

    @admin.display(description="trouble")
    def trouble(self, recorder: VapiRecorder) -> SafeString | str:
        found = []
        if recorder.forward_failed_n:
            found.append(
                f"{recorder.forward_failed_n:,} messages could not be handed on, the last one because: "
                f"{clipped(recorder.forward_failed_why, 200)}"
            )
        if recorder.unanswered_n:
            found.append(
                f"{recorder.unanswered_n:,} messages wanted an answer, and no server is entered that could give it."
            )
        if recorder.refused_n:
            found.append(f"{recorder.refused_n:,} reports came without the secret and were not kept.")
        if recorder.unreadable_n:
            found.append(f"{recorder.unreadable_n:,} reports could not be read.")
        if not found:
            return "-"
        return format_html("{} {}", badge("Look", "warn"), " ".join(found))
