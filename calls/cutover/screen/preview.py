"""The page of a preview: exactly which fields go from what to what, what is in the way, and the button that does it."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from celery.exceptions import OperationalError as BrokerError
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from calls.cutover.gates import Gate
from calls.cutover.intention import TO_US
from calls.cutover.screen.forms import OverridesForm, ReasonForm, ShareForm, gates_named
from calls.cutover.screen.previews import (
    PreviewError,
    gates_of,
    preview_begin,
    preview_counts,
    preview_turn,
)
from calls.cutover.screen.rights import CUT_OVER, OVERRIDE, allowed, require, rights
from calls.cutover.screen.words import (
    ChangeRow,
    change_rows,
    config_rows,
    kind_words,
    share,
    state_badge,
    state_words,
)
from calls.cutover.tasks import batch_run
from calls.models import (
    CutoverBatch,
    CutoverNumber,
    CutoverOperation,
    CutoverPreview,
    CutoverPreviewItem,
    PhoneNumber,
)
from tools.adminkit import moment

Kind = CutoverOperation.Kind
PER_PAGE: Final = 25
QUEUE_AWAY: Final = "The queue of jobs could not be reached. Nothing is lost: it is begun by itself within a few minutes, once the queue is back."
_REASONS: Final = {
    Kind.ROLLBACK.value: "Rolled back by hand.",
    Kind.RESTORE.value: "An older snapshot restored by hand.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One number of a preview, as it was shown."""

    number: PhoneNumber
    state: SafeString
    to_state: str
    changes: list[ChangeRow]
    raw: list[tuple[str, str, str]]
    possible: bool
    obstacles: list[str]
    warnings: list[str]
    notes: list[str]
    gates: list[Gate] = field(default_factory=list)

    @property
    def closed(self) -> list[Gate]:
        """The gates that stop it."""
        return [gate for gate in self.gates if not gate.passed]


def preview_url(preview: CutoverPreview) -> str:
    """Where a preview is shown."""
    return reverse("admin:calls_cutovernumber_preview", args=[preview.pk])


def preview_page(request: HttpRequest, preview_id: uuid.UUID) -> HttpResponse:
    """What would be written. A POST shows the same numbers for another move, or begins this one."""
    user = require(request, CUT_OVER)
    preview = (
        CutoverPreview.objects.select_related("target", "batch", "user")
        .filter(pk=preview_id, user=user)
        .first()
    )
    if preview is None:
        raise Http404("There is no such preview any more. Choose the numbers again.")
    if preview.batch is not None:
        return HttpResponseRedirect(batch_url(preview.batch))
    page = Paginator(_items(preview), PER_PAGE).get_page(request.GET.get("page"))
    rows = _rows(preview, list(page.object_list))
    overrides = _overrides_form(request, rows)
    reason = ReasonForm(
        request.POST if "begin" in request.POST else None, initial={"reason": _REASONS.get(preview.kind, "")}
    )
    shares = ShareForm(
        request.POST if "show" in request.POST else None,
        initial={"kind": preview.kind, "percent": preview.percent if preview.percent < 100 else 10},
    )
    refused = ""
    if "show" in request.POST and shares.is_valid():
        return _turned(preview, shares.cleaned_data)
    if "begin" in request.POST:
        if any(key.startswith("override_") for key in request.POST):
            require(request, OVERRIDE)
        if reason.is_valid() and overrides.is_valid():
            try:
                return _begun(request, preview, reason.cleaned_data["reason"], overrides)
            except PreviewError as exc:
                refused = str(exc)
    counts = preview_counts(preview)
    context = {
        **admin.site.each_context(request),
        **rights(request),
        "opts": CutoverNumber._meta,
        "title": _title(preview),
        "preview": preview,
        "kind": kind_words(preview.kind, preview.percent),
        "share": share(preview.percent),
        "to_us": preview.kind in TO_US,
        "counts": counts,
        "possible_n": counts.total - counts.barred,
        "rows": rows,
        "page": page,
        "reason_form": reason,
        "share_form": shares,
        "overrides_form": overrides,
        "refused": refused,
        "shown_at": moment(preview.created_at),
        "list_url": reverse("admin:calls_cutovernumber_changelist"),
    }
    return TemplateResponse(request, "admin/cutover/preview.html", context)


def batch_url(batch: CutoverBatch) -> str:
    """Where a batch is watched."""
    return reverse("admin:calls_cutoverbatch_change", args=[batch.pk])


def batch_enqueue(request: HttpRequest, batch: CutoverBatch) -> HttpResponse:
    """Have a worker carry it out, and show how far it is."""
    try:
        batch_run.delay(str(batch.pk))
    except BrokerError:
        messages.warning(request, QUEUE_AWAY)
    return HttpResponseRedirect(batch_url(batch))


def _items(preview: CutoverPreview) -> Any:
    return (
        CutoverPreviewItem.objects.filter(preview=preview)
        .select_related("number__assistant", "number__squad")
        .defer(
            "number__assistant__instructions",
            "number__assistant__server_secret",
            "number__assistant__server_headers",
        )
        .order_by("possible", "position")
    )


def _rows(preview: CutoverPreview, items: list[CutoverPreviewItem]) -> list[Row]:
    gates = gates_of(preview, [item.number for item in items if item.possible])
    return [
        Row(
            number=item.number,
            state=state_badge(item.number),
            to_state=kind_words(preview.kind, preview.percent)
            if preview.kind == Kind.CANARY
            else state_words(str(item.told.get("to_state", ""))),
            changes=change_rows(item.told.get("changes", [])),
            raw=config_rows(item.seen),
            possible=item.possible,
            obstacles=item.told.get("obstacles", []),
            warnings=item.told.get("warnings", []),
            notes=item.told.get("notes", []),
            gates=gates.get(item.number_id, []),
        )
        for item in items
    ]


def _overrides_form(request: HttpRequest, rows: list[Row]) -> OverridesForm:
    """Those gates that stop something on this page, and any that were overridden already: a page later they still are."""
    closed = {gate.name for row in rows for gate in row.closed}
    posted = {
        name
        for name in gates_named()
        if f"override_{name}" in request.POST or request.POST.get(f"override_{name}_reason")
    }
    named = gates_named(closed | posted) if allowed(request, OVERRIDE) else {}
    return OverridesForm(request.POST if "begin" in request.POST else None, gates=named)


def _turned(preview: CutoverPreview, wanted: dict[str, Any]) -> HttpResponse:
    percent = wanted["percent"] if wanted["kind"] == Kind.CANARY else 100
    return HttpResponseRedirect(preview_url(preview_turn(preview, kind=wanted["kind"], percent=percent)))


def _begun(
    request: HttpRequest, preview: CutoverPreview, reason: str, overrides: OverridesForm
) -> HttpResponse:
    user = require(request, CUT_OVER)
    batch, first = preview_begin(preview, reason=reason, overrides=overrides.overrides(), user=user)
    return batch_enqueue(request, batch) if first else HttpResponseRedirect(batch_url(batch))


def _title(preview: CutoverPreview) -> str:
    count = preview.items.count()
    what = f"{count} numbers" if count != 1 else str(preview.items.select_related("number").get().number.did)
    return f"{kind_words(preview.kind, preview.percent)}: {what}"
