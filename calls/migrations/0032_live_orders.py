"""What was ordered of calls while they ran: by whom, and what became of it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0030_websocket_recordings"),
        ("tools", "0006_tool_calls_by_moment"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LiveOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "order_id",
                    models.CharField(
                        help_text="Writing it twice changes nothing.", max_length=64, unique=True
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("say", "Say"),
                            ("say-first-message", "Say the first message"),
                            ("add-message", "Add a message"),
                            ("mute-assistant", "Mute the assistant"),
                            ("unmute-assistant", "Unmute the assistant"),
                            ("mute-customer", "Mute the caller"),
                            ("unmute-customer", "Unmute the caller"),
                            ("end-call", "Hang up"),
                            ("transfer", "Transfer"),
                            ("handoff", "Hand over"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "words",
                    models.TextField(
                        blank=True, help_text="What was to be said or added, as far as it may be kept."
                    ),
                ),
                (
                    "role",
                    models.CharField(blank=True, help_text="Of a message that was added.", max_length=10),
                ),
                (
                    "destination",
                    models.CharField(
                        blank=True, help_text="A number, a SIP address, or a name.", max_length=1000
                    ),
                ),
                ("at_once", models.BooleanField(default=False)),
                (
                    "ends_call",
                    models.BooleanField(default=False, help_text="The call was to end when it was heard."),
                ),
                (
                    "by",
                    models.CharField(
                        choices=[
                            ("user", "Somebody in the admin"),
                            ("key", "A program with a key"),
                            ("address", "Somebody with the call's own address"),
                            ("tandem", "Tandem itself"),
                        ],
                        max_length=10,
                    ),
                ),
                ("by_label", models.CharField(max_length=150, verbose_name="who")),
                ("asked_at", models.DateTimeField()),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("taken", "Taken"),
                            ("refused", "Refused by the call"),
                            ("nobody", "Nobody had the call"),
                            ("unknown", "It is not known whether it arrived"),
                        ],
                        max_length=10,
                    ),
                ),
                ("why", models.TextField(blank=True, help_text="Why it was refused, or was not done.")),
                (
                    "taken_at",
                    models.DateTimeField(blank=True, help_text="When the call's process took it.", null=True),
                ),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("failed_at", models.DateTimeField(blank=True, help_text="When it was given up.", null=True)),
                ("order", models.TextField(blank=True, editable=False)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="orders", to="calls.call"
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="tools.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name": "order",
                "ordering": ["asked_at", "id"],
                "indexes": [models.Index(fields=["asked_at"], name="live_order_by_moment")],
            },
        ),
    ]
