"""Numbers, which ops staff assign, and who answers them."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, ForeignKey, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from assistants.models import Assistant
from calls.cutover.screen.answerer import answerer_shown
from calls.cutover.screen.by_hand import answering_of, assigned_note, fields_barred
from calls.forms import PhoneNumberForm
from calls.models import Call, PhoneNumber
from calls.numbers.server_admin import NumberServerInline
from calls.searching import phone_search_term
from tools.adminkit import ModelAdmin, moment
from tools.auth.pages import hosts_remind


class AssignedFilter(admin.SimpleListFilter):
    """Numbers that an assistant answers, and those that nobody does."""

    title = "answered"
    parameter_name = "answered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "By an assistant"), ("no", "No assistant")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> QuerySet[PhoneNumber]:
        if self.value() not in ("yes", "no"):
            return queryset
        nobody = {"assistant__isnull": True, "squad__isnull": True}
        return queryset.filter(**nobody) if self.value() == "no" else queryset.exclude(**nobody)


@admin.register(PhoneNumber)
class PhoneNumberAdmin(ModelAdmin[PhoneNumber]):
    """Numbers. A change is in force for the next call."""

    form = PhoneNumberForm
    change_form_template = "admin/calls/phonenumber/change_form.html"
    fields = ["did", "label", "assistant", "squad", "enabled"]
    autocomplete_fields = ["assistant", "squad"]
    inlines = [NumberServerInline]
    list_display = ["did", "label", "answers", "enabled", "last_call", "calls_24h"]
    list_filter = ["enabled", AssignedFilter, "assistant"]
    search_fields = ["did", "label", "assistant__name"]
    search_help_text = "By any part of the number, its label, or its assistant."
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: PhoneNumber | None = None) -> Any:
        # What only a cutover asks for is shown once the number was found at Twilio.
        moved = ("hand_over_by", "fight_once") if obj is not None and obj.twilio_sid else ()
        return [*self.fields, *moved]

    def get_readonly_fields(self, request: HttpRequest, obj: PhoneNumber | None = None) -> Any:
        return fields_barred(request)

    def save_model(self, request: HttpRequest, obj: PhoneNumber, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        before = answering_of(obj.pk) if change else None
        super().save_model(request, obj, form, change)
        if before is not None:
            assigned_note(request, obj, before)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        super().save_formset(request, form, formset, change)
        for server in [*formset.new_objects, *(row for row, _ in formset.changed_objects)]:
            hosts_remind(request, server)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PhoneNumber]:
        calls = Call.objects.filter(phone_number=OuterRef("pk"), smoke_test=False)
        recent = calls.filter(created_at__gte=timezone.now() - timedelta(hours=24))
        return (
            super()
            .get_queryset(request)
            .select_related("assistant", "squad")
            .prefetch_related("squad__squadmember_set__assistant")
            .defer("assistant__instructions", "assistant__server_secret")
            .annotate(
                last_call_at=Subquery(calls.order_by("-created_at").values("created_at")[:1]),
                recent=Coalesce(
                    Subquery(recent.order_by().values("phone_number").annotate(n=Count("pk")).values("n")),
                    0,
                    output_field=IntegerField(),
                ),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PhoneNumber], search_term: str
    ) -> tuple[QuerySet[PhoneNumber], bool]:
        return super().get_search_results(request, queryset, phone_search_term(search_term))

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any], request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "assistant":
            kwargs["queryset"] = Assistant.objects.defer("instructions", "server_secret")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="answers", ordering="assistant__name")
    def answers(self, number: PhoneNumber) -> SafeString | str:
        return answerer_shown(number, nobody="No assistant")

    @admin.display(description="last call", ordering="last_call_at")
    def last_call(self, number: Any) -> SafeString | str:
        return moment(number.last_call_at) if number.last_call_at else "Never"

    @admin.display(description="calls, 24 h", ordering="recent")
    def calls_24h(self, number: Any) -> SafeString | str:
        if not number.recent:
            return "0"
        url = reverse("admin:calls_call_changelist")
        return format_html(
            '<a class="t-link" href="{}?q={}&since=day">{}</a>', url, number.did[1:], number.recent
        )
