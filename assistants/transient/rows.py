"""Rows that are to be written for documents that came with calls: collected first, written in a few statements for however many."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import OuterRef, Subquery

from assistants.models import Assistant, AssistantVersion, Squad, SquadMember, Transient
from tools.auth.allowing import credential_known
from tools.models import Tool


@dataclass(slots=True)
class Rows:
    """What one document makes, or many do. ``credentials`` are Vapi's ids of those that rows are to have."""

    transients: list[Transient] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    assistants: list[Assistant] = field(default_factory=list)
    versions: list[AssistantVersion] = field(default_factory=list)
    squads: list[Squad] = field(default_factory=list)
    members: list[SquadMember] = field(default_factory=list)
    credentials: list[tuple[Assistant | Tool, str]] = field(default_factory=list)

    def write(self) -> None:
        """Write them, in the transaction that is open."""
        self._credentials_give()
        Transient.objects.bulk_create(self.transients)
        Tool.every.bulk_create(self.tools)
        Assistant.every.bulk_create(self.assistants)
        AssistantVersion.objects.bulk_create(self.versions)
        if self.versions:
            own = AssistantVersion.objects.filter(assistant=OuterRef("pk"))
            made = Assistant.every.filter(pk__in=[one.assistant_id for one in self.versions])
            made.update(live_version=Subquery(own.values("pk")[:1]))
        Squad.every.bulk_create(self.squads)
        SquadMember.objects.bulk_create(self.members)

    def _credentials_give(self) -> None:
        """Give each row the credential of that id; those that are not here were refused (``credential_faults``)."""
        found = {given: credential_known(given) for given in {given for _, given in self.credentials}}
        for row, given in self.credentials:
            known = found[given]
            row.credential_id = uuid.UUID(known) if known is not None else None


def rows_joined(parts: Iterable[Rows]) -> Rows:
    """The rows of all of them. Whoever writes the same at the same time writes it in the same order, so that none waits for the
    other."""
    whole = Rows()
    for part in sorted(parts, key=lambda one: one.transients[0].pk):
        whole.transients += part.transients
        whole.tools += part.tools
        whole.assistants += part.assistants
        whole.versions += part.versions
        whole.squads += part.squads
        whole.members += part.members
        whole.credentials += part.credentials
    return whole
