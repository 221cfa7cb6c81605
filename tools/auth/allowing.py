"""Allowing credentials the hosts where they are used, and telling what may not go where it is to."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import CharField, F, Value
from django.db.models.fields.json import KeyTextTransform

from tools.auth.hosts import Entry, entry_added, entry_for, has_template_host, host_told, is_allowed
from tools.models import Credential, Tool

logger = logging.getLogger(__name__)

# Of each kind of thing, as many uses as a page shows.
MOST_USES = 200
_REFUSED = (
    "The credential “{}” may not be sent to {}. Whoever may change credentials allows that host on its page in the admin, "
    "under Credentials."
)


@dataclass(frozen=True, slots=True)
class Use:
    """Something that has a credential sent to an address. ``label`` is that of its model, for the link to its page."""

    label: str
    kind: str
    pk: Any
    name: str
    url: str
    listed: bool = True  # has a page; else it is any number of them, of programs' calls


def credential_known(given: str) -> str | None:
    """Our id of the credential that programs know by this one: by Vapi's id, or by ours. None where there is none."""
    if "\0" in given:  # the database would take that for an error
        return None
    rows = Credential.objects.order_by()
    found = rows.filter(vapi_id=given[:80]).values_list("pk", flat=True).first() if given else None
    if found is None:
        try:
            found = rows.filter(pk=uuid.UUID(given)).values_list("pk", flat=True).first()
        except ValueError:
            return None
    return str(found) if found is not None else None


def unknown_credential(given: str) -> str:
    """What a program is told that names a credential which is not here."""
    return (
        f"there is no credential {given[:80]} here. Enter it in the admin under Credentials, with this id, "
        "or import it from Vapi."
    )


def asked_url(row: Any) -> str:
    """Where what convinces a row's server is sent: its server, or what a tool asks by itself; empty where that is neither."""
    if isinstance(row, Tool) and row.kind == Tool.Kind.API_REQUEST:
        settings = row.settings if isinstance(row.settings, dict) else {}
        return str(settings.get("url") or row.server_url)
    return str(row.server_url)


def host_refusal(credential_id: uuid.UUID | str | None, url: str) -> str:
    """Why the credential may not go to this address, in a sentence; empty where it may, or where only a call knows the host."""
    if credential_id is None or not url or has_template_host(url):
        return ""
    found = Credential.objects.filter(pk=credential_id).values_list("name", "hosts").first()
    if found is None or is_allowed(found[1], url):
        return ""
    return _REFUSED.format(found[0], host_told(url))


def credential_faults(named: Iterable[tuple[Any, str]]) -> list[str]:
    """What is wrong with rows that are to have the credentials of these ids: unknown ones, and hosts that are not to have them."""
    faults = []
    for row, given in named:
        known = credential_known(given)
        refused = host_refusal(known, asked_url(row)) if known else unknown_credential(given)
        if refused:
            faults.append(f"server.credentialId: {refused}")
    return list(dict.fromkeys(faults))


def host_allow(*, credential_id: uuid.UUID | str, entry: Entry, by: User | None = None) -> bool:
    """Let the credential go to these hosts. False where it might already, or is gone."""
    with transaction.atomic():
        row = Credential.objects.select_for_update().only("hosts", "name").filter(pk=credential_id).first()
        if row is None:
            return False
        hosts = entry_added(row.hosts, entry)
        if hosts == row.hosts:
            return False
        row.hosts = hosts
        row.save(update_fields=["hosts", "updated_at"])
        if by is not None:
            LogEntry.objects.log_actions(
                by.pk, [row], CHANGE, f"Allowed the host {entry}.", single_object=True
            )
    logger.info("a credential may go to one more host", extra={"credential": str(row.pk), "host": str(entry)})
    return True


def url_allow(*, credential_id: uuid.UUID | str | None, url: str, by: Any = None) -> bool:
    """The same for the host of an address that an import brings, which is in use at Vapi; nothing where it names no host.

    ``by`` is who has started it. For somebody who may not change credentials that holds only until the secret is entered: they
    could have written the file themselves. Whoever enters it sees the list.
    """
    entry = entry_for(url) if credential_id is not None and url else None
    if (
        entry is None
        or credential_id is None
        or (not host_refusal(credential_id, url) and not has_template_host(url))
    ):
        return False
    if by is not None and not by.has_perm("tools.change_credential") and _is_entered(credential_id):
        return False
    return host_allow(credential_id=credential_id, entry=entry)


def _is_entered(credential_id: uuid.UUID | str) -> bool:
    return Credential.objects.filter(pk=credential_id).exclude(kind="").exists()


def uses_of(credential_id: uuid.UUID | str) -> Iterator[Use]:
    """Where the credential is sent, by whom: tools, assistants as written and as published, numbers."""
    for relation in Credential._meta.related_objects:
        yield from _uses(relation.related_model, credential_id)


def refused_uses(*, most: int = MOST_USES) -> Iterator[tuple[Credential, Use]]:
    """Uses of any credential at an address that it may not be sent to, whatever a template in it is filled with."""
    for credential in Credential.objects.only("name", "hosts"):
        for use in uses_of(credential.pk):
            refused = (
                not credential.hosts
                if has_template_host(use.url)
                else not is_allowed(credential.hosts, use.url)
            )
            if refused:
                yield credential, use
                most -= 1
                if not most:
                    return


def _uses(model: Any, credential_id: uuid.UUID | str) -> Iterator[Use]:
    names = {field.name for field in model._meta.get_fields()}
    rows = model._base_manager.filter(credential=credential_id).order_by()
    called = F("name") if "name" in names else Value("", output_field=CharField())
    addresses: list[Any] = [F("server_url")]
    if model is Tool:
        addresses.append(KeyTextTransform("url", "settings"))
    kind, label = str(model._meta.verbose_name), str(model._meta.label_lower)
    hidden = rows.none()
    if "transient" in names:
        # Of programs' calls there may be any number, and all of them differ in name.
        rows, hidden = rows.filter(transient=None), rows.exclude(transient=None)
    published: list[Any] = (
        [KeyTextTransform("server_url", "live_version__snapshot")] if "live_version" in names else []
    )
    for pk, name, *urls in rows.values_list("pk", called, *addresses, *published)[:MOST_USES]:
        for url in dict.fromkeys(one for one in urls if one):
            yield Use(label, kind, pk, name or "", url)
    found = hidden.values_list(*addresses).distinct()[:MOST_USES]
    for url in dict.fromkeys(one for urls in found for one in urls if one):
        yield Use(label, kind, None, "", url, listed=False)
