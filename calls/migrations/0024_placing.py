import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0023_messages"),
        ("tools", "0006_tool_calls_by_moment"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="call",
            name="status",
            field=models.CharField(
                choices=[
                    ("scheduled", "Scheduled"),
                    ("queued", "About to be placed"),
                    ("ringing", "Ringing"),
                    ("in-progress", "In progress"),
                    ("forwarding", "Being transferred"),
                    ("ended", "Ended"),
                    ("refused", "Not answered by an assistant"),
                ],
                db_index=True,
                default="ringing",
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="CallRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("by_label", models.CharField(blank=True, max_length=200, verbose_name="by")),
                ("idempotency_key", models.CharField(blank=True, max_length=255)),
                (
                    "digest",
                    models.CharField(
                        help_text="Of the body, so that a repeated request is known.", max_length=64
                    ),
                ),
                ("batch", models.BooleanField(default=False)),
                (
                    "errors",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Which customers of a batch are not called, and why.",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="call_requests",
                        to="tools.apikey",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "request for calls",
                "verbose_name_plural": "requests for calls",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Placing",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="placing",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                ("position", models.PositiveIntegerField(default=0, help_text="In its request.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for its turn"),
                            ("dialling", "Ordered from Twilio"),
                            ("placed", "Placed"),
                            ("over", "Over, in Twilio's own words"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "earliest_at",
                    models.DateTimeField(blank=True, help_text="What it was scheduled for.", null=True),
                ),
                ("latest_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(help_text="When it may be dialled.")),
                ("give_up_at", models.DateTimeField(help_text="After this it is not dialled any more.")),
                (
                    "follows_live",
                    models.BooleanField(
                        default=False,
                        help_text="It runs on what is published when it is dialled, not when it was asked for.",
                    ),
                ),
                ("customer", models.JSONField(default=dict, help_text="As it was given, without overrides.")),
                ("metadata", models.JSONField(blank=True, null=True)),
                (
                    "machine",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="How Twilio is to recognise answering machines; empty: not at all.",
                    ),
                ),
                ("rings_s", models.PositiveSmallIntegerField(default=60)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "claimed_at",
                    models.DateTimeField(blank=True, help_text="When it was ordered from Twilio.", null=True),
                ),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                (
                    "answered_by",
                    models.CharField(
                        blank=True, help_text="A person or a machine, in Twilio's words.", max_length=30
                    ),
                ),
                (
                    "looked_at",
                    models.DateTimeField(
                        blank=True, help_text="When Twilio was last asked about it.", null=True
                    ),
                ),
                (
                    "hang_up",
                    models.BooleanField(
                        default=False,
                        help_text="It was called off on the way: whoever learns its SID hangs up.",
                    ),
                ),
                (
                    "error_code",
                    models.CharField(blank=True, help_text="Of Twilio's, where it refused.", max_length=20),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="placings",
                        to="calls.callrequest",
                    ),
                ),
            ],
            options={
                "verbose_name": "outbound call",
                "ordering": ["-due_at"],
                "permissions": [("place_call", "Can place calls")],
            },
        ),
        migrations.AddIndex(
            model_name="callrequest",
            index=models.Index(fields=["key", "digest", "-created_at"], name="call_request_again"),
        ),
        migrations.AddConstraint(
            model_name="callrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key", ""), _negated=True),
                fields=("key", "idempotency_key"),
                name="idempotency_key_once",
            ),
        ),
        migrations.AddIndex(
            model_name="placing",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["due_at"], name="placing_waits"
            ),
        ),
        migrations.AddIndex(
            model_name="placing",
            index=models.Index(
                condition=models.Q(("state", "dialling")), fields=["claimed_at"], name="placing_dials"
            ),
        ),
        migrations.AddConstraint(
            model_name="placing",
            constraint=models.UniqueConstraint(
                fields=("request", "position"), name="placing_in_request_once"
            ),
        ),
    ]
