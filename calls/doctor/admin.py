"""The doctor in the admin: its page takes the place of a list of reports."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from calls.doctor.page import doctor_page
from calls.models import DoctorRun
from tools.adminkit import HistoryAdmin


@admin.register(DoctorRun)
class DoctorRunAdmin(HistoryAdmin):
    """Reports: the newest is the page itself, earlier ones have their own."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return doctor_page(request, site=self.admin_site)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, unquote(object_id))
        if not isinstance(run, DoctorRun):
            return HttpResponseRedirect(reverse("admin:calls_doctorrun_changelist"))
        return doctor_page(request, site=self.admin_site, run=run)
