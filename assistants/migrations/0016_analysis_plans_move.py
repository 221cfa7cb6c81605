from typing import Any

from django.db import migrations


def plans_move(apps: Any, schema_editor: Any) -> None:
    """Put the plans of earlier imports where they are carried out from."""
    assistants = apps.get_model("assistants", "Assistant").objects
    for one in assistants.only("pk", "plans", "analysis_plan").iterator():
        plan = one.plans.get("analysisPlan") if isinstance(one.plans, dict) else None
        if isinstance(plan, dict) and not one.analysis_plan:
            rest = {name: value for name, value in one.plans.items() if name != "analysisPlan"}
            assistants.filter(pk=one.pk).update(analysis_plan=plan, plans=rest)


class Migration(migrations.Migration):
    dependencies = [("assistants", "0015_analysis")]

    operations = [migrations.RunPython(plans_move, migrations.RunPython.noop, elidable=True)]
