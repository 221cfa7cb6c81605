"""What is to be done about a machine that has answered is looked after until it is done, whatever becomes of the task for it."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("calls", "0034_fill_credential_hosts")]
    operations = [
        migrations.AddField(
            model_name="placing",
            name="machine_due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the beat does what is to be done about a machine, unless that is done by then.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="placing",
            index=models.Index(
                fields=["machine_due_at"],
                condition=Q(machine_due_at__isnull=False),
                name="placing_machines",
            ),
        ),
    ]
