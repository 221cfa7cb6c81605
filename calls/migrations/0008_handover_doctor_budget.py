"""Calls handed to the old provider or gone the way back, the doctor's examinations, and error budgets."""

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0007_vapi_history"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CallHandover",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="handover",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                (
                    "how",
                    models.CharField(
                        choices=[("redirect", "Redirected to its voice URL"), ("bypass", "Provider bypass")],
                        max_length=10,
                    ),
                ),
                ("url", models.TextField(blank=True)),
                ("method", models.CharField(default="POST", max_length=4)),
                (
                    "answers_n",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often Twilio was given the document."
                    ),
                ),
                (
                    "document",
                    models.TextField(
                        blank=True,
                        help_text="The document of provider bypass; empty while it is being asked for.",
                    ),
                ),
                (
                    "asked_at",
                    models.DateTimeField(
                        blank=True, help_text="When Vapi was asked for a document.", null=True
                    ),
                ),
                ("provider_call_id", models.CharField(blank=True, max_length=64)),
                (
                    "problem",
                    models.TextField(
                        blank=True, help_text="Why the call went another way than it should have."
                    ),
                ),
                ("status_callback", models.TextField(blank=True)),
                ("status_callback_method", models.CharField(default="POST", max_length=4)),
                ("at", models.DateTimeField()),
                (
                    "forwarding_at",
                    models.DateTimeField(
                        blank=True, help_text="When a worker began to pass on how the call ended.", null=True
                    ),
                ),
                ("forwarded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "forward_status",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="answered with"),
                ),
                ("forward_error", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name": "handed-over call",
            },
        ),
        migrations.CreateModel(
            name="SnapshotRoute",
            fields=[
                (
                    "snapshot",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="route",
                        serialize=False,
                        to="calls.numbersnapshot",
                    ),
                ),
                ("url", models.TextField()),
                ("method", models.CharField(default="POST", max_length=4)),
                ("status_callback", models.TextField(blank=True)),
                ("status_callback_method", models.CharField(default="POST", max_length=4)),
                ("found_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "way of a snapshot's calls",
            },
        ),
        migrations.AddField(
            model_name="phonenumber",
            name="hand_over_by",
            field=models.CharField(
                choices=[("redirect", "Redirect to its voice URL"), ("bypass", "Vapi's provider bypass")],
                default="redirect",
                help_text="How a canary's other calls get to the old provider. Provider bypass needs VAPI_API_KEY.",
                max_length=10,
                verbose_name="hand calls over by",
            ),
        ),
        migrations.CreateModel(
            name="DoctorRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                ("healthy", models.BooleanField(help_text="Whether nothing failed; warnings do not count.")),
                ("lines", models.JSONField(default=list)),
                (
                    "by_label",
                    models.CharField(
                        blank=True, help_text="Who asked: a name, the beat, the command line.", max_length=150
                    ),
                ),
                (
                    "by",
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
                "verbose_name": "examination",
                "ordering": ["-at", "-id"],
                "permissions": [("run_doctor", "Can run the doctor")],
            },
        ),
        migrations.CreateModel(
            name="BudgetRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True, help_text="Switched off, it is shown and nothing is done."
                    ),
                ),
                (
                    "calls_n",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="How many of the last calls are looked at.",
                        validators=[
                            django.core.validators.MinValueValidator(5),
                            django.core.validators.MaxValueValidator(200),
                        ],
                        verbose_name="last calls",
                    ),
                ),
                (
                    "least_calls_n",
                    models.PositiveSmallIntegerField(
                        default=5,
                        help_text="With fewer calls since the cutover nothing is done.",
                        validators=[
                            django.core.validators.MinValueValidator(3),
                            django.core.validators.MaxValueValidator(200),
                        ],
                        verbose_name="at least",
                    ),
                ),
                (
                    "least_failures_n",
                    models.PositiveSmallIntegerField(
                        default=3,
                        help_text="Fewer failed calls are never enough, whatever their share.",
                        validators=[
                            django.core.validators.MinValueValidator(2),
                            django.core.validators.MaxValueValidator(200),
                        ],
                        verbose_name="failures at least",
                    ),
                ),
                (
                    "setup_percent",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="Calls that no assistant answered, whose stream never came, or that broke off with an apology.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="setup failures, %",
                    ),
                ),
                (
                    "tool_percent",
                    models.PositiveSmallIntegerField(
                        default=30,
                        help_text="Of the calls that used a tool: those in which one failed or was not answered in time.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="tool errors, %",
                    ),
                ),
                (
                    "sound_percent",
                    models.PositiveSmallIntegerField(
                        default=40,
                        help_text="Calls in which the first sound came later than allowed.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="slow first sounds, %",
                    ),
                ),
                (
                    "sound_ms",
                    models.PositiveIntegerField(
                        default=4000,
                        help_text="From the start of the stream.",
                        validators=[django.core.validators.MinValueValidator(500)],
                        verbose_name="first sound within, ms",
                    ),
                ),
                (
                    "number",
                    models.OneToOneField(
                        blank=True,
                        help_text="Empty: for every number without a rule of its own.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="budget_rule",
                        to="calls.phonenumber",
                    ),
                ),
            ],
            options={
                "verbose_name": "error budget",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("number",), name="budget_rule_for_all_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("least_failures_n__gte", 2)), name="budget_never_on_one_call"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="BudgetTrip",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("cut_over_at", models.DateTimeField(help_text="Which cutover it was.")),
                ("at", models.DateTimeField(db_index=True)),
                ("words", models.TextField(help_text="Which budget was burnt, in plain words.")),
                ("figures", models.JSONField(default=dict)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("trying", "Being rolled back"),
                            ("rolled_back", "Rolled back by itself"),
                            ("asks", "A person must decide"),
                        ],
                        default="trying",
                        max_length=20,
                    ),
                ),
                ("message", models.TextField(blank=True, help_text="What became of the rollback.")),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
                (
                    "number",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="budget_trips",
                        to="calls.phonenumber",
                    ),
                ),
                (
                    "seen_by",
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
                "verbose_name": "burnt budget",
                "ordering": ["-at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("number", "cut_over_at"), name="budget_trips_once_per_cutover"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FallbackCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("error", "Came to us with an error of Twilio's"),
                            ("unseen", "Ended without having reached us"),
                        ],
                        max_length=10,
                    ),
                ),
                ("did", models.CharField(blank=True, max_length=40, verbose_name="called number")),
                ("call_sid", models.CharField(max_length=64, verbose_name="call SID")),
                ("error_code", models.CharField(blank=True, help_text="Twilio's.", max_length=20)),
                (
                    "error_url",
                    models.CharField(
                        blank=True, help_text="Which address failed, without its query.", max_length=500
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "number",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fallback_calls",
                        to="calls.phonenumber",
                    ),
                ),
            ],
            options={
                "verbose_name": "call that took the way back",
                "verbose_name_plural": "calls that took the way back",
                "ordering": ["-at", "-id"],
                "indexes": [models.Index(fields=["number", "-at"], name="fallback_call_by_number")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("call_sid", "kind", "error_code"), name="fallback_call_once"
                    )
                ],
            },
        ),
    ]
