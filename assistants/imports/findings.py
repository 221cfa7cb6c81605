"""What became of every leaf, as rows: written at an import, settled by people, or by what they have entered since."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from assistants.imports.columns import label
from assistants.models import ImportFinding, VapiObject
from assistants.vapi.drafts import ABSENT, Finding, Verdict
from assistants.vapi.merge import Merged, Side
from tools.models import Credential

CONFLICT = "conflict"
CANNOT_PUBLISH = "cannot_publish"
CHANGED_HERE = "Somebody has changed this here, and that stays."
NOT_TAKEN = "Changed at Vapi since, and not taken over."
# A longer value is told by its beginning; the whole stands in the prompt itself or in the source column.
TOLD = 120
NOTE_MET = "Settled by itself: the secret has been entered."
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Settled:
    """Who settled a decision, when and why."""

    at: Any
    by_id: int | None
    note: str


def source_text(finding: Finding) -> str:
    """The value at Vapi as JSON text; empty where there is none."""
    return "" if finding.source is ABSENT else json.dumps(finding.source, ensure_ascii=False)


def value_told(value: Any) -> str:
    """A value of ours as people read it."""
    match value:
        case None | "" | [] | {}:
            return "empty"
        case True:
            return "Yes"
        case False:
            return "No"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def findings_merged(findings: Sequence[Finding], after: Mapping[str, Merged], *, kind: str) -> list[Finding]:
    """The findings once a merge has been written: ours where it stayed, a decision where both sides had changed it."""
    result = list(findings)
    for name, one in after.items():
        places = [position for position, finding in enumerate(result) if finding.field == name]
        match one.changed_by:
            case Side.NOBODY:
                continue
            case Side.BOTH:
                conflict = _conflict(kind, name, one, result[places[0]] if places else None)
                if places:
                    result[places[0]] = conflict
                else:
                    result.append(conflict)
            case Side.OURS | Side.THEIRS:
                words = CHANGED_HERE if one.changed_by is Side.OURS else NOT_TAKEN
                for position in places:
                    result[position] = _with_ours(result[position], one, words)
    return result


def _with_ours(finding: Finding, merged: Merged, words: str) -> Finding:
    return replace(finding, ours=value_told(merged.ours), reason=f"{finding.reason} {words}".strip())


def _conflict(kind: str, name: str, merged: Merged, found: Finding | None) -> Finding:
    words = (
        f"{label(kind, name)} was changed on both sides since the last import. Yours stays: "
        f"{_clipped(value_told(merged.ours))}. Vapi's would be: {_clipped(value_told(merged.theirs))}. "
        "Take it over on the page of differences, or settle this to keep yours."
    )
    return Finding(
        path=found.path if found else name,
        verdict=Verdict.DECISION,
        source=found.source if found else merged.theirs,
        field=name,
        ours=value_told(merged.ours),
        reason=words,
        code=CONFLICT,
    )


def refused(findings: Sequence[Finding], name: str, value: Any, why: str) -> Finding:
    """The decision about a value that our column does not take."""
    found = next((finding for finding in findings if finding.field == name), None)
    return Finding(
        path=found.path if found else name,
        verdict=Verdict.DECISION,
        source=found.source if found else value,
        field=name,
        reason=f"This value cannot be stored here: {why} What stood here stays. Enter a value by hand.",
        code="value_refused",
    )


def secret_conflict(findings: Sequence[Finding], name: str, *, kind: str) -> Finding:
    """The decision about a secret that differs from the one that somebody stored here."""
    found = next((finding for finding in findings if finding.field == name), None)
    return Finding(
        path=found.path if found else name,
        verdict=Verdict.DECISION,
        source=ABSENT,
        field=name,
        ours="A secret is stored.",
        reason=f"{label(kind, name)}: the export's is another one than yours, which stays. Enter the right one by hand.",
        code="secret_differs",
    )


def findings_joined(findings: Sequence[Finding], more: Iterable[Finding]) -> list[Finding]:
    """The findings with some in the place of those of the same path, or at the end where there is none."""
    result = list(findings)
    at = {finding.path: position for position, finding in reversed(list(enumerate(result)))}
    for finding in more:
        if finding.path in at:
            result[at[finding.path]] = finding
        else:
            result.append(finding)
    return result


# --- Rows ----------------------------------------------------------------------------------------------------


def _place(row: ImportFinding) -> Place:
    """What a decision is about: path, code and source value; of what hinders publishing the reason, too."""
    return row.path, row.code, row.source + (row.reason if row.code == CANNOT_PUBLISH else "")


def settled_before(object_ids: Iterable[int]) -> dict[tuple[int, Place], Settled]:
    """The settled decisions of these objects, by object and what they are about."""
    rows = ImportFinding.objects.filter(vapi_object__in=list(object_ids), settled_at__isnull=False)
    return {
        (row.vapi_object_id, _place(row)): Settled(row.settled_at, row.settled_by_id, row.settled_note)
        for row in rows
    }


def rows_for(
    vapi_object: VapiObject, findings: Sequence[Finding], settled: Mapping[tuple[int, Place], Settled]
) -> list[ImportFinding]:
    """The rows of an object's findings, not saved yet. A decision that was settled and is the same still is."""
    rows = []
    for position, finding in enumerate(findings):
        row = ImportFinding(
            vapi_object=vapi_object,
            position=position,
            path=_short(finding.path, 400),
            verdict=str(finding.verdict),
            code=_short(finding.code, 60),
            source=source_text(finding),
            field=_short(finding.field, 80),
            ours=finding.ours,
            reason=finding.reason,
        )
        known = settled.get((vapi_object.pk, _place(row)))
        if known and finding.verdict is Verdict.DECISION:
            row.settled_at, row.settled_by_id, row.settled_note = known.at, known.by_id, known.note
        rows.append(row)
    return rows


def rows_replace(rows: Mapping[int, Sequence[ImportFinding]]) -> None:
    """Write the findings of each object, by its id, in the place of those it had."""
    ImportFinding.objects.filter(vapi_object__in=rows.keys()).delete()
    ImportFinding.objects.bulk_create([row for found in rows.values() for row in found], batch_size=500)


# --- Settling ------------------------------------------------------------------------------------------------


def finding_settle(*, finding: ImportFinding, author: User | None, note: str = "") -> bool:
    """Settle an open decision. Returns False where there is none any more: settled before, or read again meanwhile."""
    open_row = ImportFinding.objects.filter(pk=finding.pk, verdict=Verdict.DECISION, settled_at__isnull=True)
    return bool(open_row.update(settled_at=timezone.now(), settled_by=author, settled_note=_short(note, 200)))


def finding_reopen(*, finding: ImportFinding) -> bool:
    """Open a settled decision again. Returns False where it is not settled."""
    settled_row = ImportFinding.objects.filter(pk=finding.pk, settled_at__isnull=False)
    return bool(settled_row.update(settled_at=None, settled_by=None, settled_note=""))


def secrets_settle(objects: Iterable[VapiObject]) -> int:
    """Settle the decisions about secrets that have been entered since. Returns how many."""
    ids = [vapi_object.pk for vapi_object in objects]
    stored = ~Q(vapi_object__assistant__server_secret="") & Q(vapi_object__assistant__isnull=False)
    stored |= ~Q(vapi_object__tool__server_secret="") & Q(vapi_object__tool__isnull=False)
    entered = Q(vapi_object__assistant__credential__isnull=False) & ~Q(
        vapi_object__assistant__credential__kind=Credential.Kind.MISSING
    )
    entered |= Q(vapi_object__tool__credential__isnull=False) & ~Q(
        vapi_object__tool__credential__kind=Credential.Kind.MISSING
    )
    met = (Q(code__in=SECRET_CODES) & stored) | (Q(code__in=CREDENTIAL_CODES) & entered)
    found = ImportFinding.objects.filter(
        met, vapi_object__in=ids, verdict=Verdict.DECISION, settled_at__isnull=True
    )
    return ImportFinding.objects.filter(pk__in=list(found.values_list("pk", flat=True))).update(
        settled_at=timezone.now(), settled_note=NOTE_MET
    )


SECRET_CODES = ("missing_secret",)
CREDENTIAL_CODES = ("missing_credential",)


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= TOLD else f"“{line[: TOLD - 1]}…”"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
