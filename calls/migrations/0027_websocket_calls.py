"""Calls that reach us by a program's own socket, or in a Twilio flow of somebody else's."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0026_found_quickly"),
        ("tools", "0006_tool_calls_by_moment"),
    ]

    operations = [
        migrations.CreateModel(
            name="SocketCall",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="socket",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("websocket", "A program's WebSocket"),
                            ("bypass", "A call in somebody else's Twilio flow"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "encoding",
                    models.CharField(blank=True, help_text="Of the sound, in Vapi's words.", max_length=20),
                ),
                ("sample_rate", models.PositiveIntegerField(blank=True, help_text="In Hz.", null=True)),
                (
                    "customer",
                    models.JSONField(
                        blank=True, default=dict, help_text="As it was given, without overrides."
                    ),
                ),
                ("metadata", models.JSONField(blank=True, null=True)),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tools.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name": "call without a number",
                "verbose_name_plural": "calls without a number",
            },
        ),
    ]
