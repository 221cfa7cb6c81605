import django.db.models.deletion
from django.db import migrations, models

import tools.encryption


class Migration(migrations.Migration):
    dependencies = [("calls", "0020_call_name")]

    operations = [
        migrations.CreateModel(
            name="CallVariables",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="given",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                ("values", models.JSONField(default=dict)),
                ("secret_values", tools.encryption.EncryptedTextField(blank=True)),
            ],
            options={"verbose_name": "values of a call", "verbose_name_plural": "values of calls"},
        ),
    ]
