"""Where a credential is sent, and where it may not be: seen by ops, and allowed with one press."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from tools.adminkit import badge, clipped, object_link
from tools.auth.allowing import MOST_USES, Use, asked_url, host_allow, host_refusal, uses_of
from tools.auth.hosts import EntryError, entry_for, entry_read, has_template_host, host_told, is_allowed
from tools.models import Credential


@dataclass(frozen=True, slots=True)
class Row:
    """A use as the page shows it; ``entry`` is what would allow it, empty where it is allowed or nothing would."""

    user: SafeString | str
    host: str
    state: SafeString
    entry: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
def hosts_page(request: HttpRequest, *, credential: Credential, site: AdminSite) -> HttpResponse:
    """Who has the credential sent where; a POST of ``entry`` allows that host."""
    may_change = request.user.has_perm("tools.change_credential")
    if not may_change and not request.user.has_perm("tools.view_credential"):
        raise PermissionDenied
    here = reverse("admin:tools_credential_hosts", args=[credential.pk])
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        _allow(request, credential)
        return HttpResponseRedirect(here)
    uses = list(uses_of(credential.pk))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": f"Where {clipped(credential.name)} is sent",
        "rows": [_row(credential, use) for use in uses],
        "hosts": credential.hosts.splitlines(),
        "most": MOST_USES if len(uses) >= MOST_USES else 0,
        "may_change": may_change,
        "back": reverse("admin:tools_credential_change", args=[credential.pk]),
    }
    return TemplateResponse(request, "admin/tools/credential/hosts.html", context)


def hosts_remind(request: HttpRequest, row: Any) -> None:
    """Tell whoever has just saved a row that its credential may not go to where it points, with the way to allow it."""
    refused = host_refusal(row.credential_id, asked_url(row))
    if not refused:
        return
    if not request.user.has_perm("tools.change_credential"):
        messages.warning(request, f"Saved, but its server is not asked yet. {refused}")
        return
    told = 'Saved, but its server is not asked yet: its credential may not be sent to {}. <a class="t-link" href="{}">Allow it…</a>'
    url = reverse("admin:tools_credential_hosts", args=[row.credential_id])
    messages.warning(request, format_html(told, host_told(asked_url(row)), url))


def _allow(request: HttpRequest, credential: Credential) -> None:
    try:
        entry = entry_read(request.POST.get("entry", ""))
    except EntryError as exc:
        messages.error(request, str(exc))
        return
    by = request.user if isinstance(request.user, User) else None
    if host_allow(credential_id=credential.pk, entry=entry, by=by):
        messages.success(request, f"From the next request on the credential may be sent to {entry}.")
    else:
        messages.info(request, f"{entry} is among its hosts already.")


def _row(credential: Credential, use: Use) -> Row:
    user: SafeString | str = f"{use.kind} of programs' calls"
    if use.listed:
        name = clipped(use.name or str(use.pk))
        user = format_html("{} {}", use.kind, object_link(use.label.replace(".", "_"), use.pk, name))
    if has_template_host(use.url):
        state = badge(
            "Known in the call", "info", title="A template stands for the host, or for a part of it."
        )
        entry = entry_for(use.url)
        listed = entry is None or str(entry) in credential.hosts.splitlines()
        return Row(user, clipped(use.url), state, "" if listed else str(entry))
    if is_allowed(credential.hosts, use.url):
        return Row(user, host_told(use.url), badge("Allowed", "good"))
    entry = entry_for(use.url)
    return Row(user, host_told(use.url), badge("Not sent", "bad"), str(entry) if entry is not None else "")
