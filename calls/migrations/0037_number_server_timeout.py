"""How long the answer of a number's server is waited for; as long as was said of those that are here."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


def fill(apps: Any, schema_editor: Any) -> None:
    NumberServer = apps.get_model("calls", "NumberServer")
    VapiObject = apps.get_model("assistants", "VapiObject")
    ClientDocument = apps.get_model("assistants", "ClientDocument")
    # Without the secrets, which perhaps no key opens.
    for pk, vapi_id in NumberServer.objects.values_list("pk", "number__vapi_id"):
        known = VapiObject.objects.filter(kind="phone-number", key__in=[vapi_id, str(pk)])
        found = known.order_by("pk").first()
        if found is None:
            continue
        written = ClientDocument.objects.filter(vapi_object=found).values_list("raw", flat=True).first()
        server = (written or found.raw).get("server")
        given = server.get("timeoutSeconds") if isinstance(server, dict) else None
        if isinstance(given, int | float) and not isinstance(given, bool):
            # Out of bounds too, as programs and imports write it: it is given back so, and whoever waits knows the bounds.
            NumberServer.objects.filter(pk=pk).update(timeout_s=given)


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0036_day_that_a_call_counts_for"),
        ("assistants", "0018_server_messages_move"),
    ]
    operations = [
        migrations.AddField(
            model_name="numberserver",
            name="timeout_s",
            field=models.FloatField(
                blank=True,
                help_text="How long the server's answer to a message about a call is waited for. Empty: 20 seconds. Tools have their own.",
                null=True,
                validators=[MinValueValidator(1), MaxValueValidator(300)],
                verbose_name="patience, in seconds",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
