from typing import Any

from django.db import migrations


def lists_move(apps: Any, schema_editor: Any) -> None:
    """Put the lists of events of earlier imports where they are read from."""
    assistants = apps.get_model("assistants", "Assistant").objects
    for one in assistants.only("pk", "plans", "server_messages").iterator():
        listed = one.plans.get("serverMessages") if isinstance(one.plans, dict) else None
        if isinstance(listed, list) and one.server_messages is None:
            rest = {name: value for name, value in one.plans.items() if name != "serverMessages"}
            kept = [name for name in listed if isinstance(name, str)]
            assistants.filter(pk=one.pk).update(server_messages=kept, plans=rest)


class Migration(migrations.Migration):
    dependencies = [("assistants", "0017_transient")]

    operations = [migrations.RunPython(lists_move, migrations.RunPython.noop, elidable=True)]
