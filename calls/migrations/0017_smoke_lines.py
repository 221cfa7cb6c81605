"""Smoke tests over the telephone: their legs, recorded lines of callers, and callers who are played by a model."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0012_calls_by_day"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallerLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "words",
                    models.TextField(
                        help_text="What is said in it, to the letter as it stands in the scenarios."
                    ),
                ),
                ("voice", models.CharField(blank=True, editable=False, max_length=40)),
                ("mulaw", models.BinaryField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "recorded line",
                "ordering": ["words"],
            },
        ),
        migrations.AddField(
            model_name="smokepair",
            name="caller_note",
            field=models.CharField(
                blank=True,
                help_text="How the call went for a caller who was played by a model.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="smokerun",
            name="caller",
            field=models.CharField(
                choices=[("script", "The words of the scenario"), ("model", "A model that knows the goal")],
                default="script",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="smokerun",
            name="test_numbers",
            field=models.JSONField(
                blank=True, default=list, editable=False, help_text="The numbers that calls are placed from."
            ),
        ),
        migrations.AddField(
            model_name="smokerun",
            name="vapi_number",
            field=models.CharField(
                blank=True,
                help_text="The number at which the same scenarios are played to Vapi; empty where calls of the past are the reference.",
                max_length=40,
                verbose_name="number at Vapi",
            ),
        ),
        migrations.CreateModel(
            name="SmokeLeg",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("attempt", models.PositiveSmallIntegerField()),
                ("stack", models.CharField(choices=[("direct", "Tandem"), ("vapi", "Vapi")], max_length=10)),
                ("from_number", models.CharField(max_length=40)),
                ("to_number", models.CharField(max_length=40)),
                ("holds_line", models.BooleanField(default=True)),
                ("call_sid", models.CharField(blank=True, help_text="Of the caller's end.", max_length=64)),
                (
                    "far_sid",
                    models.CharField(
                        blank=True, help_text="Of the other end, where it came to us.", max_length=64
                    ),
                ),
                (
                    "vapi_call_id",
                    models.CharField(
                        blank=True, help_text="Vapi's id of the call, where it told us.", max_length=100
                    ),
                ),
                ("document", models.TextField(blank=True, help_text="Vapi's document for the other end.")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("placing", "Being placed"),
                            ("talking", "In progress"),
                            ("over", "Over"),
                            ("failed", "Broke"),
                        ],
                        default="placing",
                        max_length=10,
                    ),
                ),
                ("why", models.TextField(blank=True, help_text="Why it broke, in plain words.")),
                ("turn", models.PositiveSmallIntegerField(default=0)),
                ("keys", models.CharField(blank=True, max_length=40)),
                ("token_used_at", models.DateTimeField(blank=True, null=True)),
                ("goal_reached", models.BooleanField(blank=True, null=True)),
                ("ended_because", models.CharField(blank=True, max_length=200)),
                ("said_never", models.JSONField(blank=True, default=list)),
                ("placed_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                ("over_at", models.DateTimeField(blank=True, null=True)),
                (
                    "pair",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="legs", to="calls.smokepair"
                    ),
                ),
            ],
            options={
                "ordering": ["placed_at"],
                "indexes": [models.Index(fields=["call_sid"], name="smoke_leg_by_sid")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("holds_line", True)),
                        fields=("from_number", "to_number"),
                        name="smoke_leg_line_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("far_sid", ""), _negated=True),
                        fields=("far_sid",),
                        name="smoke_leg_far_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "failed"), _negated=True),
                            models.Q(("why", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="smoke_leg_failed_says_why",
                    ),
                ],
            },
        ),
    ]
