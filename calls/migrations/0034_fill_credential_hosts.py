"""A credential may go on to where it goes today: to the servers of whatever names it, as written and as published."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import migrations
from django.db.models import Q

from tools.auth.hosts import entry_added, entry_for


def hosts_fill(apps: Any, schema_editor: Any) -> None:
    """Allow each credential the hosts where it is used."""
    found: dict[Any, list[str]] = defaultdict(list)
    for credential_id, url in _uses(apps):
        found[credential_id].append(url)
    for credential in apps.get_model("tools", "Credential").objects.filter(pk__in=found).only("pk", "hosts"):
        hosts = credential.hosts
        for url in found[credential.pk]:
            entry = entry_for(url)
            if entry is not None:
                hosts = entry_added(hosts, entry)
        apps.get_model("tools", "Credential").objects.filter(pk=credential.pk).update(hosts=hosts)


def _uses(apps: Any) -> Iterator[tuple[Any, str]]:
    if not _every(apps, "tools", "Credential").exists():
        return
    tools = _every(apps, "tools", "Tool").filter(credential__isnull=False)
    by_tool = {}
    for pk, credential_id, url, settings in tools.values_list(
        "pk", "credential_id", "server_url", "settings"
    ):
        by_tool[str(pk)] = credential_id
        yield from ((credential_id, one) for one in (url, _asked(settings)) if one)
    for credential_id, url in (
        _every(apps, "calls", "NumberServer")
        .filter(credential__isnull=False)
        .values_list("credential_id", "server_url")
    ):
        yield credential_id, url
    # Those of programs' calls, of which there may be any number, offer stored tools as they are stored, and tools of their own.
    theirs = Q(transient__isnull=True) | Q(credential__isnull=False)
    assistants = _every(apps, "assistants", "Assistant").filter(theirs)
    columns = ("credential_id", "server_url", "live_version__snapshot")
    for credential_id, url, snapshot in assistants.values_list(*columns).iterator():
        published = snapshot if isinstance(snapshot, dict) else {}
        if credential_id is not None:
            yield from ((credential_id, one) for one in (url, _text(published, "server_url")) if one)
        listed = published.get("tools")
        for tool in listed if isinstance(listed, list) else ():
            owner = by_tool.get(_text(tool, "id")) if isinstance(tool, dict) else None
            if owner is not None:
                told = (_text(tool, "server_url"), _asked(tool.get("settings")))
                yield from ((owner, one) for one in told if one)


def _every(apps: Any, app: str, model: str) -> Any:
    return apps.get_model(app, model)._base_manager.order_by()


def _asked(settings: Any) -> str:
    return _text(settings, "url") if isinstance(settings, dict) else ""


def _text(holder: Any, name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0033_scheduled_calls_by_moment"),
        ("tools", "0010_credential_hosts"),
        ("assistants", "0018_server_messages_move"),
    ]

    operations = [migrations.RunPython(hosts_fill, migrations.RunPython.noop, elidable=True)]
