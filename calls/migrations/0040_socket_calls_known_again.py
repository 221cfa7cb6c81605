import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0039_opened_by_key")]

    operations = [
        migrations.AddField(
            model_name="socketcall",
            name="request",
            field=models.OneToOneField(
                blank=True,
                help_text="What it was asked for with, where that bore an Idempotency-Key.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="socket",
                to="calls.callrequest",
            ),
        ),
    ]
