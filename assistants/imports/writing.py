"""Writing what was translated: drafts to rows, all or nothing, once however often it is imported."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from assistants.imports.columns import column_read, columns_checked, columns_set, label
from assistants.imports.faults import findings_with_faults
from assistants.imports.findings import (
    findings_joined,
    findings_merged,
    refused,
    rows_for,
    rows_replace,
    secret_conflict,
    secrets_settle,
    settled_before,
)
from assistants.imports.keys import Draft, key_stored, keys_of
from assistants.imports.linking import Linked, Links, ids_ordered
from assistants.imports.names import name_free
from assistants.imports.policies import Choice, ImportPolicy, Policy
from assistants.imports.summary import Action, ImportSummary, Written
from assistants.models import (
    Assistant,
    ClientDocument,
    ImportFinding,
    RealtimeModel,
    Squad,
    TranscriptionModel,
    VapiImport,
    VapiObject,
    Voice,
)
from assistants.signals import ImportedNumber, phone_numbers_imported
from assistants.vapi.drafts import (
    AssistantDraft,
    Drafts,
    Finding,
    NumberDraft,
    SquadDraft,
    ToolDraft,
)
from assistants.vapi.merge import Side, fields_merge, value_merge
from tools.auth.allowing import asked_url, credential_known, url_allow
from tools.encryption import SecretUnreadableError
from tools.models import Credential, Tool

# Any number: whoever writes an import holds it, so two at once come one after the other.
_LOCK: Final = 7_305_519_026
# A change of these sends a credential to another host.
_ADDRESSED: Final = frozenset({"server_url", "credential", "settings", "kind"})

Kind = VapiObject.Kind


@dataclass(frozen=True, slots=True)
class _Merge:
    """What a merge came to: the new base, which of our settings changed, and the findings of the object."""

    findings: tuple[Finding, ...]
    base: dict[str, Any]
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Done:
    """An object that is written but for its findings."""

    row: VapiObject
    action: Action
    target: str
    changed: tuple[str, ...]
    findings: tuple[Finding, ...]


def import_lock() -> None:
    """Wait until no other import writes; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def import_apply(
    drafts: Drafts, *, run: VapiImport, author: User | None = None, overwrite: bool = False
) -> ImportSummary:
    """Write everything or nothing. Nothing is published: callers hear what they heard before.

    What somebody changed here stays; what both sides changed becomes a decision. With ``overwrite`` Vapi's value
    counts everywhere. What was deleted here since is made anew.
    """
    with transaction.atomic():
        import_lock()
        writer = Writer(run=run, keys=keys_of(drafts), policy=ImportPolicy(overwrite), overwrite=overwrite)
        for tool in drafts.tools:
            writer.tool(tool)
        for assistant in drafts.assistants:
            writer.assistant(assistant)
        for squad in drafts.squads:
            writer.squad(squad)
        writer.numbers(drafts.numbers)
        summary = writer.finish()
        if author is not None:
            _history(summary.objects, author)
    return summary


def _history(objects: Iterable[Written], author: User) -> None:
    """A line in the history of every row that an import changed."""
    for model, kind in ((Assistant, Kind.ASSISTANT), (Tool, Kind.TOOL)):
        ids = [one.target for one in objects if one.kind == kind and one.action != "unchanged"]
        rows: Any = model._default_manager.filter(pk__in=ids)
        if ids:
            LogEntry.objects.log_actions(author.pk, rows, CHANGE, "Imported from Vapi.")


Row = TypeVar("Row", bound=models.Model)
SECRETS: Final[dict[type[models.Model], tuple[str, ...]]] = {
    Assistant: ("server_secret", "server_headers"),
    Tool: ("server_secret", "server_headers"),
}


class Writer:
    """Writes drafts inside a transaction that somebody else holds."""

    def __init__(
        self, *, run: VapiImport | None, keys: Iterable[str], policy: Policy, overwrite: bool = False
    ) -> None:
        self._run = run
        self._policy = policy
        self._overwrite = overwrite
        self._now = timezone.now()
        rows = VapiObject.objects.filter(key__in={key_stored(key) for key in keys})
        self._rows = {(row.kind, row.key): row for row in rows}
        self._settled = settled_before(row.pk for row in self._rows.values())
        self._done: list[_Done] = []
        self._credentials: dict[str, str] = {}
        self._choices = _choices()

    # --- One object of each kind

    def tool(self, draft: ToolDraft) -> None:
        """Create or update a tool."""
        row, tool, new = self._ours(Kind.TOOL, Tool, draft)
        theirs = {**draft.fields, "credential": self.credential(draft.credential_id)}
        merge = self._merge(tool, row, draft, theirs, new=new)
        row.tool = tool
        self._keep(row, draft, merge, target=tool, new=new)

    def assistant(self, draft: AssistantDraft) -> None:
        """Create or update an assistant and what it offers."""
        row, assistant, new = self._ours(Kind.ASSISTANT, Assistant, draft)
        theirs = {**draft.fields, "credential": self.credential(draft.credential_id)}
        theirs["name"], renamed = name_free(assistant, str(theirs.get("name") or draft.name))
        merge = self._merge(assistant, row, draft, theirs, new=new, more=renamed)
        links = self._link_tools(assistant, row, draft.tools, new=new)
        row.assistant = assistant
        self._keep(row, draft, _with_links(merge, "tools", links), target=assistant, new=new)

    def squad(self, draft: SquadDraft) -> None:
        """Create or update a squad and its members."""
        row, squad, new = self._ours(Kind.SQUAD, Squad, draft)
        name, renamed = name_free(squad, draft.name)
        merge = self._merge(squad, row, draft, {"name": name}, new=new, more=renamed)
        links = self._link_members(squad, row, draft.members, new=new)
        row.squad = squad
        self._keep(row, draft, _with_links(merge, "members", links), target=squad, new=new)

    def numbers(self, drafts: Sequence[NumberDraft]) -> None:
        """Hand the phone numbers to whoever keeps them, and write what became of them."""
        if not drafts:
            return
        numbers = tuple(
            ImportedNumber(
                draft,
                self._answers(draft.answers),
                self.credential(draft.server.credential_id) if draft.server else None,
                self._squad_answers(draft.answers),
            )
            for draft in drafts
        )
        answers: list[Any] = phone_numbers_imported.send(
            sender=VapiImport, numbers=numbers, by=self._run.started_by if self._run is not None else None
        )
        for draft in drafts:
            self.number_keep(
                draft, [finding for _, told in answers for finding in (told or {}).get(draft.key, ())]
            )

    def number_keep(self, draft: NumberDraft, more: Sequence[Finding] = ()) -> None:
        """Keep a phone number as it came, with what is to be said of it. The number itself is kept elsewhere."""
        row = self._row(Kind.PHONE_NUMBER, draft.key)
        merge = _Merge(findings=tuple(findings_joined(draft.findings, more)), base={})
        self._keep(row, draft, merge, target=None, new=row.pk is None)

    def finish(self) -> ImportSummary:
        """Write the findings of all objects, settle those that are met, and tell what was done."""
        for one in self._done:
            target: Tool | Assistant | None = one.row.tool or one.row.assistant
            changed = _ADDRESSED if one.action != "updated" else _ADDRESSED & set(one.changed)
            if (
                target is not None
                and target.credential_id is not None
                and changed
                and one.action != "unchanged"
            ):
                self.addressed(target, changed)
        findings = findings_with_faults({one.row.pk: one.findings for one in self._done})
        rows_replace(
            {one.row.pk: rows_for(one.row, findings[one.row.pk], self._settled) for one in self._done}
        )
        secrets_settle(one.row for one in self._done)
        read: dict[int, list[ImportFinding]] = {one.row.pk: [] for one in self._done}
        for finding in ImportFinding.objects.filter(vapi_object__in=read).order_by("position"):
            read[finding.vapi_object_id].append(finding)
        return ImportSummary(
            tuple(
                Written(
                    kind=one.row.kind,
                    key=one.row.key,
                    name=str(one.row),
                    action=one.action,
                    row=one.row,
                    target=one.target,
                    changed=tuple(label(one.row.kind, name) for name in one.changed),
                    findings=tuple(read[one.row.pk]),
                )
                for one in self._done
            )
        )

    # --- Rows

    def _row(self, kind: VapiObject.Kind, key: str) -> VapiObject:
        stored = key_stored(key)
        if (kind, stored) not in self._rows:
            self._rows[kind, stored] = VapiObject(kind=kind, key=stored, base={})
        return self._rows[kind, stored]

    def _ours(
        self, kind: VapiObject.Kind, model: type[Row], draft: ToolDraft | AssistantDraft | SquadDraft
    ) -> tuple[VapiObject, Row, bool]:
        """The imported object, our row for it, and whether that is new. It is locked against people who save it."""
        row = self._row(kind, draft.key)
        pk = {Kind.TOOL: row.tool_id, Kind.ASSISTANT: row.assistant_id, Kind.SQUAD: row.squad_id}[kind]
        found = None
        if pk is not None:
            rows = model._default_manager.select_for_update().filter(pk=pk)
            found = rows.defer(*SECRETS.get(model, ())).first()
        return (row, model(), True) if found is None else (row, found, False)

    def _keep(
        self, row: VapiObject, draft: Draft, merge: _Merge, *, target: models.Model | None, new: bool
    ) -> None:
        """Save the imported object itself, once what it became is there."""
        known = row.pk is not None
        self.store(row, draft, merge.base)
        action: Action = "updated" if merge.changed else "unchanged"
        if new:
            action = "recreated" if known else "created"
        pk = str(target.pk) if target is not None else ""
        self._done.append(_Done(row, action, pk, merge.changed, merge.findings))

    def store(self, row: VapiObject, draft: Draft, base: dict[str, Any]) -> None:
        """Save the imported object as it came, and what the next merge starts from."""
        row.name = draft.name[:400]
        if not row._state.adding and row.raw != draft.raw:
            # What a program wrote of it is older now; our settings, which it changed, remain.
            ClientDocument.objects.filter(vapi_object=row, deleted_at=None).delete()
        row.raw, row.base = draft.raw, {**row.base, **base}
        if self._run is not None:
            row.last_import, row.imported_at = self._run, self._now
        row.seen, row.seen_at, row.seen_with, row.gone = None, None, [], False
        row.save()

    def credential(self, vapi_id: str) -> str | None:
        """The credential of that id at Vapi; where nobody has entered it yet, an empty one that waits for it."""
        if not vapi_id:
            return None
        if vapi_id not in self._credentials:
            found = credential_known(vapi_id) or self.credential_unknown(vapi_id)
            if found is None:
                return None
            self._credentials[vapi_id] = found
            self._choices["credential"] |= {found}
        return self._credentials[vapi_id]

    def credential_unknown(self, vapi_id: str) -> str | None:
        """What stands for a credential that is not here: an empty one, since an import brings their ids and never themselves."""
        made, _ = Credential.objects.get_or_create(
            vapi_id=vapi_id[:80], defaults={"name": f"Vapi's credential {vapi_id[:8]}"}
        )
        return str(made.pk)

    def addressed(self, row: Tool | Assistant, changed: frozenset[str]) -> None:
        """Settle that what was written has a credential sent somewhere: what an import brings is in use there already."""
        by = self._run.started_by if self._run is not None else None
        url_allow(credential_id=row.credential_id, url=asked_url(row), by=by)

    # --- Fields

    def _merge(
        self,
        ours: models.Model,
        row: VapiObject,
        draft: ToolDraft | AssistantDraft | SquadDraft,
        theirs: Mapping[str, Any],
        *,
        new: bool,
        more: Sequence[Finding] = (),
    ) -> _Merge:
        """Merge and save what stands in our row itself."""
        good, bad = columns_checked(type(ours), theirs, keys=self._choices)
        before = {name: column_read(ours, name) for name in good}
        known: Mapping[str, Any] = {} if new else row.base.get("fields", {})
        if new:
            values, later = dict(good), dict(good)
        else:
            merged = fields_merge(base=known, theirs=good, ours=before)
            decided = {name: self._policy.field(name, one) for name, one in merged.items()}
            values = {name: value for name, (value, _) in decided.items()}
            later = {name: base for name, (_, base) in decided.items()}
        changed = [name for name, value in values.items() if new or value != before[name]]
        columns_set(ours, {name: values[name] for name in changed})
        secrets, set_now, doubtful = self._secrets(ours, row, draft, new=new)
        if new:
            ours.save(force_insert=True)
        elif changed or set_now:
            ours.save(update_fields=[*changed, *set_now, "updated_at"])
        after = fields_merge(base=later, theirs=good, ours=values)
        findings = findings_merged(draft.findings, after, kind=row.kind)
        wrong = [refused(findings, name, theirs[name], why) for name, why in bad.items()]
        return _Merge(
            findings=tuple(findings_joined(findings, [*more, *wrong, *doubtful])),
            base={"fields": {**known, **later}, "secrets": secrets},
            changed=(*changed, *set_now) if not new else (),
        )

    def _secrets(
        self,
        ours: models.Model,
        row: VapiObject,
        draft: ToolDraft | AssistantDraft | SquadDraft,
        *,
        new: bool,
    ) -> tuple[dict[str, str], list[str], list[Finding]]:
        """Set the secrets that the export had. They are compared by digests, since the base must hold none."""
        given = {} if isinstance(draft, SquadDraft) else draft.secrets
        base: dict[str, str] = {} if new else dict(row.base.get("secrets", {}))
        changed: list[str] = []
        doubtful: list[Finding] = []
        for name, value in given.items():
            if not value:
                continue
            theirs, now = _digest(value), "" if new else _digest(_secret(ours, name))
            merged = value_merge(base=base.get(name, ""), theirs=theirs, ours=now)
            if merged.result(overwrite=self._overwrite) == theirs:
                base[name] = theirs
                if now != theirs:
                    setattr(ours, name, value)
                    changed.append(name)
            elif merged.changed_by is Side.BOTH:
                doubtful.append(secret_conflict(draft.findings, name, kind=row.kind))
        return base, changed, doubtful

    # --- Links

    def _link_tools(self, assistant: Assistant, row: VapiObject, keys: Sequence[str], *, new: bool) -> Links:
        """Offer the tools in their order. Tools that people added by hand stay."""
        # A tool that was deleted here and is back is linked again.
        anew = {one.row.key for one in self._done if one.action == "recreated"}
        before = [key for key in row.base.get("tools", ()) if key_stored(key) not in anew]
        return self._link(Linked(assistant), "tools", Kind.TOOL, before=before, theirs=keys, new=new)

    def _link_members(self, squad: Squad, row: VapiObject, keys: Sequence[str], *, new: bool) -> Links:
        """Put the members in their order; the first takes the call."""
        before = row.base.get("members", ())
        return self._link(Linked(squad), "members", Kind.ASSISTANT, before=before, theirs=keys, new=new)

    def _link(
        self,
        linked: Linked,
        name: str,
        kind: VapiObject.Kind,
        *,
        before: Sequence[str],
        theirs: Sequence[str],
        new: bool,
    ) -> Links:
        """Link what is to be linked. ``before`` and ``theirs`` are keys."""
        ours = linked.ids
        choice: Choice = "take" if new else self._policy.links(name)
        if choice == "take":
            order = ids_ordered(
                theirs=self._targets(kind, theirs),
                base=self._targets(kind, before),
                ours=ours,
                overwrite=self._overwrite,
            )
            links = Links(tuple(order), tuple(theirs), changed=order != ours)
        else:
            links = Links(tuple(ours), tuple(before if choice == "leave" else theirs), changed=False)
        linked.write(links)
        return links

    def _targets(self, kind: VapiObject.Kind, keys: Sequence[str]) -> list[str]:
        """The ids of our rows behind these keys, where there are rows."""
        stored = [key_stored(key) for key in keys]
        unknown = [key for key in stored if (kind, key) not in self._rows]
        for row in VapiObject.objects.filter(kind=kind, key__in=unknown) if unknown else ():
            self._rows[kind, row.key] = row
        rows = [self._rows[kind, key] for key in stored if (kind, key) in self._rows]
        ids = [row.tool_id if kind == Kind.TOOL else row.assistant_id for row in rows]
        return list(dict.fromkeys(str(pk) for pk in ids if pk is not None))

    def _answers(self, key: str) -> Assistant | None:
        """The assistant behind a key."""
        stored = key_stored(key)
        row = self._rows.get((Kind.ASSISTANT, stored))
        return row.assistant if row else None

    def _squad_answers(self, key: str) -> Squad | None:
        """The squad behind a key, if it has a member to take its calls."""
        row = self._rows.get((Kind.SQUAD, key_stored(key)))
        squad = row.squad if row else None
        return squad if squad is not None and squad.squadmember_set.exists() else None


def _choices() -> dict[str, frozenset[Any]]:
    """What the foreign keys of a draft may name."""
    models_of = (("model", RealtimeModel), ("voice", Voice), ("transcription_model", TranscriptionModel))
    return {
        "credential": frozenset(),
        **{name: frozenset(model.objects.values_list("pk", flat=True)) for name, model in models_of},
    }


def _with_links(merge: _Merge, name: str, links: Links) -> _Merge:
    changed = (*merge.changed, name) if links.changed else merge.changed
    return replace(merge, base={**merge.base, name: list(links.base)}, changed=changed)


def _secret(row: models.Model, name: str) -> str:
    """The secret that is stored; one that no configured key opens counts as none, and may be set anew."""
    try:
        return str(getattr(row, name))
    except SecretUnreadableError:
        return ""


def _digest(secret: str) -> str:
    return salted_hmac("assistants.imports", secret, algorithm="sha256").hexdigest()[:32] if secret else ""
