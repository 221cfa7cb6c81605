"""Records that could not be written are kept whole."""

from django.db import migrations, models

import tools.encryption


class Migration(migrations.Migration):
    dependencies = [("calls", "0014_recordings")]
    operations = [
        migrations.CreateModel(
            name="UnwrittenRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        editable=False,
                        help_text="Of task and content: keeping it twice changes nothing.",
                        max_length=64,
                        unique=True,
                    ),
                ),
                ("task", models.CharField(max_length=120)),
                ("call_id", models.UUIDField(blank=True, db_index=True, null=True, verbose_name="call")),
                (
                    "content",
                    tools.encryption.EncryptedTextField(
                        help_text="The task's arguments as JSON. They may hold what was said."
                    ),
                ),
                (
                    "error",
                    models.CharField(
                        help_text="What the database or the code had against it, without its content.",
                        max_length=200,
                    ),
                ),
                ("tries", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("tried_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "record not written",
                "verbose_name_plural": "records not written",
                "ordering": ["-created_at", "-id"],
            },
        ),
    ]
