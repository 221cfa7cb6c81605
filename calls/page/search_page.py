"""The page on which calls are found by what was said in them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from assistants.models import Assistant
from calls.forms import did_normalise
from calls.models import Call
from calls.naming import ends_of
from calls.privacy.access import calls_opened
from calls.searching import Hit, Narrowing, said_find
from tools.adminkit import clipped, moment
from transcripts.admin import clock_text
from transcripts.search import TEXT_MAX, Place, parts_read


class SearchForm(forms.Form):
    """What is looked for, and in which calls."""

    q = forms.CharField(label="Words", max_length=TEXT_MAX, required=False, widget=UnfoldAdminTextInputWidget)
    since = forms.DateField(
        label="From", required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="To", required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    assistant = forms.ModelChoiceField(
        Assistant.objects.only("name").order_by("name"),
        required=False,
        empty_label="Any",
        widget=UnfoldAdminSelectWidget,
    )
    did = forms.CharField(
        label="Called number", max_length=40, required=False, widget=UnfoldAdminTextInputWidget
    )
    stack = forms.ChoiceField(
        choices=[("", "Both"), *Call.Stack.choices], required=False, widget=UnfoldAdminSelectWidget
    )

    def clean_did(self) -> str:
        did = self.cleaned_data["did"].strip()
        return did_normalise(did) if did else ""

    def narrowing(self) -> Narrowing:
        """Which calls are looked through."""
        data = self.cleaned_data
        assistant = data["assistant"]
        until = data["until"]
        return Narrowing(
            date_from=_midnight(data["since"]),
            date_to=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
            assistant_id=assistant.pk if assistant else None,
            did=data["did"],
            stack=data["stack"],
        )


def _midnight(day: date | None) -> datetime | None:
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())


def calls_active(request: HttpRequest) -> bool:
    """Whether the sidebar's entry of calls is lit: not on the search, which lies below them and has its own."""
    here = request.path
    return here.startswith(reverse("admin:calls_call_changelist")) and here != reverse(
        "admin:calls_call_said"
    )


def search_page(request: HttpRequest) -> HttpResponse:
    """The form, and below it the newest calls in which all of it was said."""
    for permission in ("calls.view_call", "transcripts.view_transcript"):
        if not request.user.has_perm(permission):
            raise PermissionDenied
    form = SearchForm(request.GET or None)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "opts": Call._meta,
        "title": "What was said",
        "form": form,
        "before": request.GET.get("before", ""),
    }
    if form.is_bound and form.is_valid():
        context |= _results(form, request)
    return TemplateResponse(request, "admin/calls/said.html", context)


def _results(form: SearchForm, request: HttpRequest) -> dict[str, Any]:
    parts = parts_read(form.cleaned_data["q"])
    if not any(not part.excluded for part in parts):
        return {"advice": "Type a word that was said." if form.cleaned_data["q"] else ""}
    results = said_find(parts, form.narrowing(), before=_place(request.GET.get("before", "")))
    found = results.found
    # A snippet is a part of what was said.
    shown = [hit.transcript.call_id for hit in results.hits]
    calls_opened(call_ids=shown, user=request.user, what="transcript")
    older = ""
    if found.older is not None:
        kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
        older = "?" + urlencode(kept | {"before": _text(found.older)})
    return {
        "searched": True,
        "hits": [_shown(hit) for hit in results.hits],
        "older": older,
        "back_to": found.back_to,
        "too_slow": found.too_slow,
    }


def _shown(hit: Hit) -> dict[str, Any]:
    call, transcript = hit.call, hit.transcript
    if call is None:
        url = reverse("admin:transcripts_transcript_change", args=[transcript.pk])
        title, under = "A call whose own row is missing", ""
    else:
        url = reverse("admin:calls_call_change", args=[call.pk])
        title = clipped(ends_of(call), 80)
        under = call.assistant.name if call.assistant else ""
    return {
        "url": url,
        "title": title,
        "assistant": under,
        "stack": call.get_stack_display() if call is not None and call.stack == Call.Stack.VAPI else "",
        "smoke_test": call is not None and call.smoke_test,
        "at": moment(transcript.started_at),
        "snippets": [(clock_text(one.began_ms), one) for one in hit.snippets],
    }


def _text(place: Place) -> str:
    return f"{place.started_at.astimezone(UTC).isoformat()}~{place.id}"


def _place(text: str) -> Place | None:
    """Where the page goes on; nonsense begins at the newest."""
    at, _, number = text.partition("~")
    try:
        moment_at = parse_datetime(at)
    except ValueError:
        return None
    if moment_at is None or moment_at.tzinfo is None or not number.isdecimal() or len(number) > 18:
        return None
    return Place(moment_at, int(number))
