"""The doctor's page in the admin: the newest report, and a button for another."""

import logging
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from calls.doctor.report import Line, Verdict
from calls.doctor.services import examination, report_keep, report_latest, report_of
from calls.models import DoctorRun
from tools.adminkit import Tone, badge, moment, object_link

logger = logging.getLogger(__name__)

TONES: Final[dict[Verdict, Tone]] = {
    Verdict.OK: "good",
    Verdict.WARNING: "warn",
    Verdict.FAILED: "bad",
    Verdict.SKIPPED: "plain",
}
WORDS: Final = {
    Verdict.OK: "Well",
    Verdict.WARNING: "Warning",
    Verdict.FAILED: "Failed",
    Verdict.SKIPPED: "Not looked at",
}
_WORST_FIRST: Final = (Verdict.FAILED, Verdict.WARNING, Verdict.OK, Verdict.SKIPPED)
_OLD: Final = timedelta(hours=1)
_EARLIER: Final = 10


@require_http_methods(["GET", "HEAD", "POST"])
def doctor_page(request: HttpRequest, *, site: AdminSite, run: DoctorRun | None = None) -> HttpResponse:
    """The newest report, or an earlier one, worst first; a POST examines everything again, which takes some seconds."""
    if not request.user.has_perm("calls.view_doctorrun"):
        raise PermissionDenied
    if request.method == "POST":
        return _run_again(request)
    latest = report_of(run) if run else report_latest()
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": "Doctor",
        "may_run": request.user.has_perm("calls.run_doctor"),
        "run": None,
    }
    if latest is not None:
        report, shown = latest
        context |= {
            "run": shown,
            "at": moment(shown.at),
            "by": shown.by_label or shown.by or "-",
            "old": timezone.now() - shown.at > _OLD,
            "summary": report.summary(),
            "healthy": report.healthy,
            "rows": [_row(line) for line in sorted(report.lines, key=_rank)],
            "earlier": [
                (
                    object_link("calls_doctorrun", one.pk, f"{timezone.localtime(one.at):%d %b, %H:%M:%S}"),
                    badge("Healthy", "good") if one.healthy else badge("Trouble", "bad"),
                    one.by_label,
                )
                for one in DoctorRun.objects.exclude(pk=shown.pk).defer("lines")[:_EARLIER]
            ],
        }
    return TemplateResponse(request, "admin/tandem/doctor.html", context)


def _run_again(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("calls.run_doctor"):
        raise PermissionDenied
    report = examination()
    assert isinstance(request.user, User)
    report_keep(report, by=request.user)
    tell = messages.success if report.healthy else messages.error
    tell(request, report.summary())
    return HttpResponseRedirect(reverse("admin:calls_doctorrun_changelist"))


def _rank(line: Line) -> int:
    return _WORST_FIRST.index(line.verdict)


def _row(line: Line) -> dict[str, Any]:
    return {
        "name": line.name,
        "title": line.title,
        "verdict": badge(WORDS[line.verdict], TONES[line.verdict]),
        "found": line.found,
        "what_to_do": line.what_to_do,
        "took": f"{line.took_ms} ms",
    }
