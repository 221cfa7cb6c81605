"""The pages of what OpenAI is told: the session that a draft, or a published version, makes.

Here, because assistants know nothing of calls.
"""

import uuid

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from assistants.models import Assistant, AssistantVersion
from assistants.snapshots import Snapshot, snapshot_read, snapshot_take
from assistants.squads import ways_now
from calls.bridge.plan import session_payload
from calls.plans import plan_from_snapshot
from tools.adminkit import json_pretty


def told_draft_page(request: HttpRequest, assistant_id: uuid.UUID) -> HttpResponse:
    """The session that the draft would make."""
    assistant = (
        Assistant.objects.select_related("model", "transcription_model")
        .defer("server_secret")
        .filter(pk=assistant_id)
        .first()
    )
    if assistant is None:
        raise Http404("There is no such assistant.")
    if not request.user.has_perm("assistants.view_assistant"):
        raise PermissionDenied
    return _told(
        request,
        snapshot_take(assistant),
        title=f"What OpenAI will be told: {assistant.name}, draft",
        back_url=reverse("admin:assistants_assistant_change", args=[assistant.pk]),
    )


def told_version_page(request: HttpRequest, version_id: int) -> HttpResponse:
    """The session of a published version."""
    version = AssistantVersion.objects.filter(pk=version_id).select_related("assistant").defer(
        "assistant__server_secret"
    ).first()  # fmt: skip
    if version is None:
        raise Http404("There is no such version.")
    if not request.user.has_perm("assistants.view_assistantversion"):
        raise PermissionDenied
    try:
        snapshot = snapshot_read(version.snapshot)
    except TypeError:
        snapshot = None
    return _told(
        request,
        snapshot,
        title=f"What OpenAI is told: {version.assistant.name}, version {version.number}",
        back_url=reverse("admin:assistants_assistantversion_change", args=[version.pk]),
    )


def _told(request: HttpRequest, snapshot: Snapshot | None, *, title: str, back_url: str) -> HttpResponse:
    unreadable, session = "", ""
    if snapshot is None:
        unreadable = "No session can be made of it: it has not the shape that this release knows."
    else:
        try:
            session = json_pretty(
                session_payload(plan_from_snapshot(snapshot, ways_now(snapshot)), floor_open=True)
            )
        except ValueError as exc:
            unreadable = f"No session can be made of it: {exc}."
    context = {
        **admin.site.each_context(request),
        "opts": Assistant._meta,
        "title": title,
        "explanation": "The settings of the Realtime session, as they stand once the first message is over.",
        "session": session,
        "unreadable": unreadable,
        "model": snapshot.model if snapshot else "",
        "back_url": back_url,
    }
    return TemplateResponse(request, "admin/tandem/told.html", context)
