"""Numbers that a squad answers, the assistants that may share a call, and the parts that each had."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0011_fill_voice_mappings"),
        ("calls", "0005_smoke_tests"),
    ]
    operations = [
        migrations.AddField(
            model_name="phonenumber",
            name="squad",
            field=models.ForeignKey(
                blank=True,
                help_text="Several assistants that hand calls over to each other; the first takes the call. Instead of one assistant.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="phone_numbers",
                to="assistants.squad",
            ),
        ),
        migrations.AddConstraint(
            model_name="phonenumber",
            constraint=models.CheckConstraint(
                condition=models.Q(("assistant__isnull", True), ("squad__isnull", True), _connector="OR"),
                name="assistant_or_squad_answers",
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="squad",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose first member took the call.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="calls",
                to="assistants.squad",
            ),
        ),
        migrations.AlterField(
            model_name="call",
            name="version",
            field=models.ForeignKey(
                blank=True,
                help_text="The published version this call ran on; the first one, where several assistants shared it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="calls",
                to="assistants.assistantversion",
            ),
        ),
        migrations.CreateModel(
            name="CallMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="0 for the one that took the call."
                    ),
                ),
                ("ways", models.JSONField(blank=True, default=dict)),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="assistants.assistant",
                    ),
                ),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="members", to="calls.call"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        blank=True,
                        help_text="The version that was live then. Empty: it was never published, so nobody could hand the call to it.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="assistants.assistantversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "member",
                "ordering": ["call", "position"],
                "constraints": [
                    models.UniqueConstraint(fields=("call", "assistant"), name="member_once_per_call")
                ],
            },
        ),
        migrations.CreateModel(
            name="CallPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("n", models.PositiveSmallIntegerField(help_text="0 for the first.")),
                ("began_at", models.DateTimeField()),
                (
                    "tool_call_id",
                    models.CharField(
                        blank=True, help_text="The tool call that handed it over.", max_length=64
                    ),
                ),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_parts",
                        to="assistants.assistant",
                    ),
                ),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="calls.call"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="assistants.assistantversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "part",
                "ordering": ["call", "n"],
                "constraints": [models.UniqueConstraint(fields=("call", "n"), name="part_once_per_call")],
            },
        ),
    ]
