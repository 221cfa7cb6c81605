import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0015_analysis"),
        ("calls", "0013_fill_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name="WarehouseDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("call_id", models.UUIDField(unique=True)),
                (
                    "task",
                    models.CharField(
                        choices=[("write", "Write"), ("erase", "Erase")], default="write", max_length=10
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("dead", "Given up"),
                            ("erased", "Erased"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it is looked at next; a call that was sent, for late changes.",
                        null=True,
                    ),
                ),
                ("revision", models.BigIntegerField(default=0)),
                (
                    "changes_n",
                    models.PositiveIntegerField(
                        default=1, help_text="How often the call was said to have changed."
                    ),
                ),
                (
                    "attempts_n",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Refused attempts since it last went well."
                    ),
                ),
                (
                    "looks_n",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Looks for late changes since it was sent."
                    ),
                ),
                (
                    "error",
                    models.TextField(
                        blank=True, help_text="Why the last attempt failed. Never quotes what was said."
                    ),
                ),
                ("sent_revision", models.BigIntegerField(default=0, help_text="0: it has never arrived.")),
                (
                    "sent_digest",
                    models.CharField(blank=True, help_text="Of the rows that were sent.", max_length=64),
                ),
                (
                    "rows_n",
                    models.PositiveIntegerField(
                        default=0, help_text="Rows of the last revision that arrived."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                (
                    "hidden_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When an erased call went out of sight; deleting it may take longer.",
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery to the warehouse",
                "verbose_name_plural": "deliveries to the warehouse",
                "ordering": ["-id"],
                "permissions": [("resend_warehousedelivery", "Can send calls to the warehouse again")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="warehouse_due"
                    ),
                    models.Index(fields=["state", "-id"], name="warehouse_by_state"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CallAnalysis",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("done", "Done"),
                            ("partly", "Partly done"),
                            ("skipped", "Not needed"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        blank=True, help_text="Why it was not needed, or what failed.", max_length=300
                    ),
                ),
                ("summary", models.TextField(blank=True)),
                (
                    "structured_data",
                    models.JSONField(blank=True, help_text="In the form of the plan's schema.", null=True),
                ),
                (
                    "structured_data_multi",
                    models.JSONField(blank=True, default=list, help_text="A list of key and result."),
                ),
                (
                    "success_evaluation",
                    models.TextField(blank=True, help_text="Always a text, as at Vapi: true, 8, Good …"),
                ),
                ("rubric", models.CharField(blank=True, max_length=30)),
                (
                    "success",
                    models.BooleanField(
                        blank=True, help_text="The verdict, where the rubric is PassFail.", null=True
                    ),
                ),
                (
                    "score_percent",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="The verdict on a scale of 0 to 100.",
                        max_digits=5,
                        null=True,
                    ),
                ),
                ("parts", models.JSONField(blank=True, default=dict)),
                ("model", models.CharField(blank=True, max_length=80)),
                ("input_tokens", models.PositiveIntegerField(default=0)),
                (
                    "cached_tokens",
                    models.PositiveIntegerField(default=0, help_text="A part of the input tokens."),
                ),
                ("output_tokens", models.PositiveIntegerField(default=0)),
                ("requests_n", models.PositiveSmallIntegerField(default=0)),
                (
                    "due_at",
                    models.DateTimeField(blank=True, help_text="When a worker takes it up next.", null=True),
                ),
                (
                    "runs_n",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often a worker has taken it up."
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="analysis",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "verbose_name": "analysis of a call",
                "verbose_name_plural": "analyses of calls",
                "ordering": ["-id"],
                "permissions": [("run_callanalysis", "Can have calls analysed again")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)), fields=["due_at"], name="analysis_due"
                    ),
                    models.Index(fields=["state", "-id"], name="analysis_by_state"),
                ],
            },
        ),
    ]
