"""A table of numbers and assistants: tried dry, every line with what becomes of it, then applied with a reason."""

from typing import Any, Final

from django.contrib import admin, messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from calls.cutover.assignments import Assignments, TableError, assignments_apply, assignments_try
from calls.cutover.screen.forms import ReasonForm, TableForm
from calls.cutover.screen.rights import ASSIGN, require
from calls.models import CutoverNumber
from tools.adminkit import Tone, badge

SHOWN: Final = 500
_SALT: Final = "cutover.assignments"
_LASTS_S: Final = 12 * 3600
_FATES: Final[dict[str, tuple[str, Tone]]] = {
    "assign": ("Changes", "info"),
    "same": ("Stays", "plain"),
    "error": ("Put this right", "bad"),
}


def assignment_page(request: HttpRequest) -> HttpResponse:
    """The form; after “Try”, what would become of each line; after “Assign”, the list of numbers."""
    user = require(request, ASSIGN)
    applying = "apply" in request.POST
    form = TableForm(
        None if applying else (request.POST or None), None if applying else (request.FILES or None)
    )
    reason = ReasonForm(request.POST if applying else None)
    found: Assignments | None = None
    table, refused = "", ""
    try:
        if applying:
            table = request.POST.get("table", "")
            content = signing.loads(table, salt=_SALT, max_age=_LASTS_S).encode("latin-1")
            if reason.is_valid():
                found = assignments_apply(content, reason=reason.cleaned_data["reason"], actor=user)
                if found.applied:
                    return _applied(request, found)
                refused = "Something has changed since you looked, and nothing was assigned. Look at the lines again."
            else:
                found = assignments_try(content)
        elif request.method == "POST" and form.is_valid():
            content = form.content()
            found = assignments_try(content)
            table = signing.dumps(content.decode("latin-1"), salt=_SALT, compress=True)
    except TableError as exc:
        refused = str(exc)
    except signing.BadSignature:
        refused = "The table that was looked at is too old. Give it again."
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "opts": CutoverNumber._meta,
        "title": "Assign assistants by a table",
        "form": form,
        "reason_form": reason,
        "refused": refused,
        "table": table,
        "found": found,
        "list_url": reverse("admin:calls_cutovernumber_changelist"),
    }
    if found is not None:
        errors_first = sorted(found.lines, key=lambda line: line.fate != "error")
        context |= {
            "lines": [(line, badge(*_FATES[line.fate])) for line in errors_first[:SHOWN]],
            "more": max(0, len(found.lines) - SHOWN),
            "changes_n": len(found.changes),
            "errors_n": len(found.errors),
            "same_n": len(found.lines) - len(found.changes) - len(found.errors),
        }
    return TemplateResponse(request, "admin/cutover/assign.html", context)


def _applied(request: HttpRequest, found: Assignments) -> HttpResponse:
    many = len(found.changes)
    messages.success(
        request,
        f"{many} number{'s' if many != 1 else ''} assigned. Whoever calls next is answered by the new assistant.",
    )
    return HttpResponseRedirect(reverse("admin:calls_cutovernumber_changelist"))
