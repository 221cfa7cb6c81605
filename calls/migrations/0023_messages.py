import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0022_tool_calls_made"),
    ]

    operations = [
        migrations.CreateModel(
            name="ServerMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        default=uuid.uuid4,
                        editable=False,
                        help_text="Goes with every attempt as Idempotency-Key, so that a server can tell a repetition.",
                        verbose_name="id",
                    ),
                ),
                ("kind", models.CharField(help_text="In Vapi's words.", max_length=60)),
                (
                    "key",
                    models.CharField(
                        editable=False,
                        help_text="Unique in the call, so that noticing it twice changes nothing.",
                        max_length=120,
                    ),
                ),
                ("at", models.DateTimeField(help_text="When it became true.")),
                (
                    "part",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="Which of the call's assistants had it then; 0 for the first."
                    ),
                ),
                (
                    "facts",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Which of the call's rows it is about; of words that no row has, sealed, what was said.",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("dead", "Given up"),
                            ("skipped", "Left out"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "server_from",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("assistant", "The assistant's"),
                            ("number", "The number's"),
                            ("organisation", "The organisation's"),
                        ],
                        max_length=20,
                        verbose_name="whose server",
                    ),
                ),
                (
                    "host",
                    models.CharField(
                        blank=True, help_text="Where it goes, without path and query.", max_length=255
                    ),
                ),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tried_at",
                    models.DateTimeField(blank=True, help_text="When it was last sent off.", null=True),
                ),
                ("lease", models.UUIDField(blank=True, editable=False, null=True)),
                ("leased_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("attempts_n", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                (
                    "resent_n",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often people had it sent again."
                    ),
                ),
                ("http_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "error",
                    models.CharField(
                        blank=True, help_text="Why it did not arrive. Never quotes an answer.", max_length=300
                    ),
                ),
                (
                    "elapsed_ms",
                    models.PositiveIntegerField(
                        blank=True, help_text="What the last attempt took.", null=True
                    ),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="server_messages",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "verbose_name": "server message",
                "ordering": ["-id"],
                "permissions": [("resend_servermessage", "Can send server messages again")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["call", "id"], name="message_lanes"
                    ),
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "dead"])),
                        fields=["host", "tried_at"],
                        name="message_hosts",
                    ),
                    models.Index(fields=["state", "-id"], name="message_by_state"),
                    models.Index(fields=["created_at"], name="message_by_age"),
                ],
                "constraints": [models.UniqueConstraint(fields=("call", "key"), name="server_message_once")],
            },
        ),
    ]
