"""The assistants and squads that a program names by id: Vapi's, or ours."""

import uuid
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from assistants.models import Assistant, Squad, VapiObject

_HEAVY = ("instructions", "server_secret", "server_headers")


def assistant_named(given: str) -> Assistant | None:
    """The assistant of that id with its live version; None where programs know none."""
    rows = Assistant.objects.select_related("live_version").defer(*_HEAVY)
    found: Assistant | None = _named(rows, "assistant", given)
    return found


def squad_named(given: str) -> Squad | None:
    """The squad of that id; None where programs know none."""
    found: Squad | None = _named(Squad.objects.all(), "squad", given)
    return found


def squad_members(squad: Squad) -> list[Assistant]:
    """The members of a squad with the versions that they run on, the one that takes the calls first."""
    return squad.assistants()


def _named(rows: QuerySet[Any], kind: str, given: str) -> Any:
    # What is a part of another object has no id at Vapi, and what a program has deleted is gone for programs.
    behind = VapiObject.objects.filter(kind=kind, **{kind: OuterRef("pk")})
    unknown = behind.filter(Q(key__contains="/") | Q(client_document__deleted_at__isnull=False))
    found = Q(pk__in=VapiObject.objects.filter(kind=kind, key=given).values(kind))
    try:
        found |= Q(pk=uuid.UUID(given))
    except ValueError:
        pass
    return rows.filter(found & ~Exists(unknown)).first()
