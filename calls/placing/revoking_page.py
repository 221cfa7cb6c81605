"""The page that asks, before keys of programs are revoked, what becomes of the calls that they have ordered."""

import uuid
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from calls.placing.revoking import Revoked, calls_ordered, keys_revoke_for_good
from calls.placing.tasks import calls_hang_up, have_done
from tools.adminkit import clipped
from tools.models import ApiKey

PLACE = "calls.place_call"


@dataclass(frozen=True, slots=True)
class Row:
    """A key as the page shows it."""

    name: str
    begins: str
    calls_n: int
    revoked: bool


@require_http_methods(["GET", "HEAD", "POST"])
def revoke_page(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """The keys with what they have ordered; a POST revokes them, and calls that off where ``call_off`` says so."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm("tools.change_apikey"):
        raise PermissionDenied
    keys_page = reverse("admin:tools_apikey_changelist")
    keys = list(ApiKey.objects.filter(pk__in=_ids(request.POST.get("keys") or request.GET.get("keys", ""))))
    if not keys:
        messages.warning(request, "There are no such keys (any more).")
        return HttpResponseRedirect(keys_page)
    may_call_off = user.has_perm(PLACE)
    if request.method == "POST":
        call_off = request.POST.get("call_off") == "1"
        if call_off and not may_call_off:
            raise PermissionDenied
        done = keys_revoke_for_good(
            key_ids=[one.pk for one in keys], by=user, call_off=call_off, now=timezone.now()
        )
        if done.off:
            have_done(calls_hang_up)
        _tell(request, done)
        return HttpResponseRedirect(keys_page)
    ordered = calls_ordered([one.pk for one in keys])
    context = {
        **site.each_context(request),
        "title": "Revoke keys for good",
        "rows": [
            Row(clipped(one.name, 60), f"{one.prefix}…", ordered.get(one.pk, 0), one.revoked_at is not None)
            for one in keys
        ],
        "keys": ",".join(str(one.pk) for one in keys),
        "calls_n": sum(ordered.values()),
        "may_call_off": may_call_off,
        "back": keys_page,
    }
    return TemplateResponse(request, "admin/placing/revoke_keys.html", context)


def _tell(request: HttpRequest, done: Revoked) -> None:
    told = f"{done.keys_n} key{'' if done.keys_n == 1 else 's'} revoked. Programs that use them are refused from now on."
    if done.off:
        told += f" {len(done.off)} call{' is' if len(done.off) == 1 else 's are'} off."
    messages.success(request, told)
    if done.answered_n:
        were = "was" if done.answered_n == 1 else "were"
        messages.warning(
            request, f"{done.answered_n} {were} answered meanwhile. A running call is ended on its live page."
        )


def _ids(given: str) -> list[uuid.UUID]:
    found = []
    for one in given.split(","):
        try:
            found.append(uuid.UUID(one))
        except ValueError:
            continue
    return found
