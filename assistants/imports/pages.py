"""What the pages of imports show, made ready: objects of a run, and every leaf in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import slugify

from assistants.imports.columns import label
from assistants.imports.findings import CONFLICT
from assistants.imports.report import ORDER, TITLES, counts_in_words, path_in_words, source_in_words
from assistants.imports.watch import Comparison
from assistants.models import ImportFinding, VapiImport, VapiObject
from assistants.selectors import OPEN, findings_counted
from tools.adminkit import Tone, clipped

# What is longer is folded away.
SHOWN: Final = 160
TONES: Final[dict[str, Tone]] = {
    "decision": "warn",
    "dropped": "bad",
    "converted": "info",
    "default": "plain",
    "kept": "good",
}
ACTIONS: Final[dict[str, str]] = {
    "created": "New",
    "updated": "Updated",
    "unchanged": "As before",
    "recreated": "Made anew, for it had been deleted here",
}
# Open decisions first, then what was lost, then the rest as it stands in the export.
READING_ORDER: Final[tuple[Any, ...]] = (
    Case(When(OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()),
    Case(
        *(When(verdict=verdict, then=Value(rank)) for rank, verdict in enumerate(ORDER)),
        default=Value(9),
        output_field=IntegerField(),
    ),
    "position",
)


@dataclass(frozen=True, slots=True)
class Text:
    """A value to show; ``start`` is not empty where it is long and the whole is folded away."""

    whole: str
    start: str = ""


@dataclass(frozen=True, slots=True)
class LeafRow:
    """One leaf of an export and what became of it."""

    pk: int | None
    position: int
    place: str
    path: str
    verdict: str
    title: str
    tone: Tone
    source: Text
    setting: str
    ours: Text
    reason: str
    is_open: bool
    act_url: str
    settled_at: datetime | None
    settled_by: str
    settled_note: str


@dataclass(frozen=True, slots=True)
class RunObject:
    """What a run did with one object. ``read_again``: a later run has replaced its report."""

    kind: str
    name: str
    action: str
    changed: str
    counts: str
    open_n: int
    report_url: str
    read_again: bool
    found_by: int


@dataclass(frozen=True, slots=True)
class Tab:
    """A choice of one verdict, with how many leaves have it."""

    title: str
    n: int
    url: str
    current: bool


def leaf_row(finding: ImportFinding) -> LeafRow:
    """A finding made readable."""
    owner = finding.vapi_object
    is_decision = finding.verdict == ImportFinding.Verdict.DECISION
    return LeafRow(
        pk=finding.pk,
        position=finding.position,
        place=path_in_words(finding.path),
        path=finding.path,
        verdict=finding.verdict,
        title=TITLES[finding.verdict],
        tone=TONES[finding.verdict],
        source=_text(source_in_words(finding)),
        setting=label(owner.kind, finding.field) if finding.field else "",
        ours=_text(finding.ours),
        reason=finding.reason,
        is_open=is_decision and finding.settled_at is None,
        act_url=_act_url(finding) if is_decision else "",
        settled_at=finding.settled_at,
        settled_by=str(finding.settled_by) if finding.settled_by else "",
        settled_note=finding.settled_note,
    )


def _act_url(finding: ImportFinding) -> str:
    """The page on which something can be done about a finding; empty where none is known."""
    owner = finding.vapi_object
    ours = owner.assistant or owner.tool
    if finding.field == "credential" and ours is not None and ours.credential_id:
        return reverse("admin:tools_credential_change", args=[ours.credential_id])
    if finding.code == CONFLICT:
        return reverse("admin:assistants_vapiobject_changes", args=[owner.pk])
    if owner.assistant_id:
        return reverse("admin:assistants_assistant_change", args=[owner.assistant_id])
    if owner.tool_id:
        return reverse("admin:tools_tool_change", args=[owner.tool_id])
    return ""


def _text(text: str) -> Text:
    return Text(text, clipped(text, SHOWN) if len(text) > SHOWN or text.count("\n") > 3 else "")


def run_objects(run: VapiImport) -> list[RunObject]:
    """What a run did, object by object, with the decisions that wait now; of a try, those that would."""
    told = run.summary.get("objects", [])
    ids = [one["row"] for one in told if one.get("row")]
    rows = findings_counted(VapiObject.objects.filter(pk__in=ids)).defer("raw", "base", "seen", "seen_with")
    by_id: dict[int, Any] = {row.pk: row for row in rows}
    found = []
    for number, one in enumerate(told):
        row = None if run.dry_run else by_id.get(one.get("row"))
        found.append(
            RunObject(
                kind=str(dict(VapiObject.Kind.choices).get(one["kind"], one["kind"])),
                name=clipped(one["name"], 100),
                action=ACTIONS.get(one["action"], one["action"]),
                changed=", ".join(one.get("changed", [])),
                counts=counts_in_words(one["counts"]),
                open_n=row.open_n if row is not None else one["open"] if run.dry_run else 0,
                report_url=reverse("admin:assistants_vapiobject_change", args=[row.pk]) if row else "",
                read_again=row is not None and row.last_import_id != run.pk,
                found_by=number if run.dry_run else int(one.get("row") or -1),
            )
        )
    return found


def run_findings(run: VapiImport, *, verdict: str = "") -> Iterator[tuple[int, VapiObject, ImportFinding]]:
    """Every finding of a run's objects, or those of one verdict, each with its object and the ``found_by`` of that.

    Of a try they are as it noted them, of an import as they stand now.
    """
    found = _noted_findings(run) if run.dry_run else _stored_findings(run)
    return (one for one in found if not verdict or one[2].verdict == verdict)


def _stored_findings(run: VapiImport) -> Iterator[tuple[int, VapiObject, ImportFinding]]:
    ids = [one["row"] for one in run.summary.get("objects", []) if one.get("row")]
    findings = ImportFinding.objects.filter(vapi_object__in=ids).select_related(
        "settled_by", "vapi_object__assistant", "vapi_object__tool"
    )
    findings = findings.defer(
        *(f"vapi_object__{name}" for name in ("raw", "base", "seen", "seen_with")),
        *(f"vapi_object__assistant__{name}" for name in ("instructions", "server_secret", "server_headers")),
        *(f"vapi_object__tool__{name}" for name in ("parameters", "server_secret", "server_headers")),
    )
    for finding in findings.order_by("vapi_object__kind", "vapi_object__name", "vapi_object_id", "position"):
        yield finding.vapi_object_id, finding.vapi_object, finding


def _noted_findings(run: VapiImport) -> Iterator[tuple[int, VapiObject, ImportFinding]]:
    """The findings of a try, which left no rows."""
    for number, one in enumerate(run.summary.get("objects", [])):
        owner = VapiObject(kind=one["kind"], key=one["key"], name=one["name"])
        for position, noted in enumerate(one.get("findings", [])):
            fields = {key: value for key, value in noted.items() if key != "settled"}
            settled_at = run.finished_at if noted.get("settled") else None
            yield (
                number,
                owner,
                ImportFinding(vapi_object=owner, position=position, settled_at=settled_at, **fields),
            )


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One setting that Vapi has changed since the import."""

    name: str
    label: str
    base: Text
    theirs: Text
    ours: Text
    changed_here: bool


@dataclass(frozen=True, slots=True)
class ChangedLeaf:
    """One place of Vapi's own object that is different there now."""

    place: str
    path: str
    was: Text
    now: Text


def difference_rows(found: Comparison) -> list[DifferenceRow]:
    """The settings that differ, made readable."""
    return [
        DifferenceRow(
            one.name, one.label, _text(one.base), _text(one.theirs), _text(one.ours), one.changed_here
        )
        for one in found.differences
    ]


def changed_leaves(found: Comparison) -> list[ChangedLeaf]:
    """The places that differ, made readable."""
    return [
        ChangedLeaf(
            path_in_words(one.path), one.path, _text(one.was or "Not set"), _text(one.now or "Not set")
        )
        for one in found.leaves
    ]


def verdict_tabs(counted: dict[str, int], *, chosen: str, words: str) -> list[Tab]:
    """All verdicts, and all of them together, as choices."""

    def url(verdict: str) -> str:
        query = {key: value for key, value in (("verdict", verdict), ("q", words)) if value}
        return f"?{urlencode(query)}"

    total = Tab("All", sum(counted.values()), url(""), current=chosen not in TITLES)
    return [total, *(Tab(TITLES[key], counted.get(key, 0), url(key), chosen == key) for key in ORDER)]


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied unless the person has the permission."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def csv_response(text: str, name: str) -> HttpResponse:
    """A table to save."""
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slugify(name)[:80] or "report"}.csv"'
    return response
