"""What every admin page of ours shares: read-only history pages, and pieces of HTML that never fail on odd data."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

# Unfold has no types, and its classes are Django's to a type checker.
if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

__all__ = [
    "HistoryAdmin",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "SecretAdmin",
    "SinceFilter",
    "StackedInline",
    "TabularInline",
    "Tone",
    "WrittenElsewhereAdmin",
    "badge",
    "clipped",
    "duration_text",
    "json_pretty",
    "moment",
    "ms_text",
    "object_link",
    "unbroken",
]

Tone = Literal["good", "warn", "bad", "info", "plain"]


def badge(text: object, tone: Tone = "plain", *, title: str = "") -> SafeString:
    """A small coloured label. The colour only repeats what the words say."""
    return format_html('<span class="t-badge t-{}" title="{}">{}</span>', tone, title, text)


def object_link(url_name: str, pk: object, text: object) -> SafeString:
    """A link to the admin page of one object, or its text alone where no such page is registered."""
    try:
        url = reverse(f"admin:{url_name}_change", args=[pk])
    except NoReverseMatch:
        return format_html("{}", text)
    return format_html('<a class="t-link" href="{}">{}</a>', url, text)


def moment(at: datetime | None) -> SafeString | str:
    """A moment in one short line, the year only where it is not this one; whole in its tooltip."""
    if at is None:
        return "-"
    local = timezone.localtime(at)
    day = f"{local:%d %b}" if local.year == timezone.localdate().year else f"{local:%d %b %Y}"
    return format_html(
        '<span class="t-nowrap" title="{}">{}, {}</span>', local.isoformat(), day, f"{local:%H:%M:%S}"
    )


def unbroken(text: object) -> SafeString:
    """The text, never broken over two lines."""
    return format_html('<span class="t-nowrap">{}</span>', text)


def clipped(text: str, length: int = 80) -> str:
    """The text in one line, at most ``length`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def json_pretty(value: object) -> str:
    """The value as indented JSON; what is no JSON comes out as Python spells it."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def ms_text(ms: int | None) -> str:
    """Milliseconds for people: 640 ms, 1.24 s, or a dash."""
    if ms is None:
        return "-"
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def duration_text(seconds: int | None) -> str:
    """Seconds for people: 45 s, 2 min 5 s, or a dash."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class SinceFilter(admin.SimpleListFilter):
    """Rows of the last hour, day or week. Subclasses name the column."""

    title = "when"
    parameter_name = "since"
    column = "created_at"
    _spans = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("hour", "Last hour"), ("day", "Last 24 hours"), ("week", "Last 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        span = self._spans.get(self.value() or "")
        return queryset.filter(**{f"{self.column}__gte": timezone.now() - span}) if span else queryset


class SearchAcrossAdmin(ModelAdmin[Any]):
    """An admin whose search follows relations to many rows, on a table that holds JSON in its own order.

    Such JSON has no equality, so ``distinct()`` cannot take the doubles out; a subquery does.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, doubled = super().get_search_results(request, queryset, search_term)
        return (queryset.filter(pk__in=found.order_by().values("pk")), False) if doubled else (found, False)


class SecretAdmin(SearchAcrossAdmin):
    """An admin of a model with a ``server_secret``, shown through a ``formparts.SecretForm``: written, never read."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset: QuerySet[Any] = super().get_queryset(request).defer("server_secret")
        stored: QuerySet[Any] = queryset.annotate(secret_stored=~Q(server_secret=""))
        return stored

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None and not self.has_change_permission(request, obj):
            kept: tuple[str, ...] = ("secret_state",)
        elif getattr(obj, "secret_stored", False):
            kept = ("new_secret", "clear_secret")
        else:
            kept = ("new_secret",)
        return [(title, _with_secret_fields(options, kept)) for title, options in fieldsets]

    @admin.display(description="server secret")
    def secret_state(self, obj: Any) -> str:
        return "A secret is stored." if obj.secret_stored else "None is stored."


def _with_secret_fields(options: Any, kept: tuple[str, ...]) -> dict[str, Any]:
    fields: list[str] = []
    for name in options["fields"]:
        fields += kept if name == "new_secret" else [name]
    return {**options, "fields": fields}


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # a plain class at run time
    """Pages of the first so many rows: nobody turns two hundred pages, and counting millions takes seconds."""

    counted = 10_000

    @cached_property
    def count(self) -> int:
        if isinstance(self.object_list, QuerySet):
            # What is only shown need not be worked out to be counted.
            return self.object_list.order_by().values("pk")[: self.counted].count()
        return min(self.counted, len(self.object_list))


class WrittenElsewhereAdmin(ModelAdmin[Any]):
    """Rows that nobody adds or changes here."""

    list_per_page = 50
    # The unfiltered count of a table that only grows costs more than it tells.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(WrittenElsewhereAdmin):
    """Rows that nobody deletes here, either."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class HistoryAdmin(ReadOnlyAdmin):
    """Rows that tell what happened: anyone who may see them can read them, nobody can write them here.

    Subclasses name ``page_template`` and fill it by ``page_context``.
    """

    page_template: str
    actions = None
    paginator = BoundedPaginator
    # The columns by which the whole list can be ordered without reading all of it; by the others once it is narrowed
    # to a time or by a search. Empty: by all.
    always_sortable: Sequence[str] = ()

    def get_sortable_by(self, request: HttpRequest) -> Any:
        if not self.always_sortable or request.GET.get("since") or request.GET.get("q"):
            return super().get_sortable_by(request)
        return self.always_sortable

    def page_title(self, obj: Any) -> str:
        """The heading of one row's page."""
        return str(obj)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the page shows besides the row itself."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            messages.warning(request, f"There is no such {self.opts.verbose_name} (any more).")
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            # Not "original": the header would show str() of it, which for a call is its bare id.
            "row": obj,
            "title": self.page_title(obj),
            **self.page_context(request, obj),
            **(extra_context or {}),
        }
        return TemplateResponse(request, self.page_template, context)
