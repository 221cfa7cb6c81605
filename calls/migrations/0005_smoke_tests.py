"""Smoke tests: scenarios with frozen versions, runs with their pairs, rules of drift, and checks at publishing."""

import django.core.validators
import django.db.models.deletion
import tools.ordered_json
import uuid
from django.conf import settings
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION calls_scenario_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a version of a scenario cannot be changed; write a new one'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER calls_scenario_version_is_immutable BEFORE UPDATE ON calls_scenarioversion FOR EACH ROW
    WHEN (OLD.script::text IS DISTINCT FROM NEW.script::text OR OLD.number <> NEW.number
          OR OLD.scenario_id <> NEW.scenario_id)
    EXECUTE FUNCTION calls_scenario_version_is_immutable();
"""
BACKWARD = """
DROP TRIGGER calls_scenario_version_is_immutable ON calls_scenarioversion;
DROP FUNCTION calls_scenario_version_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0011_fill_voice_mappings"),
        ("calls", "0004_cutover_history_is_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="smoke_test",
            field=models.BooleanField(
                default=False,
                help_text="Placed by a smoke test: nobody was on the line, and its tools were answered by the scenario.",
            ),
        ),
        migrations.CreateModel(
            name="DriftRules",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "orders",
                    models.TextField(
                        blank=True,
                        help_text="Which orders are lawful, one rule a line: “lookup before book”, “sms anywhere”. Empty: only Vapi's own.",
                        verbose_name="declared orders",
                    ),
                ),
                (
                    "publish_gate",
                    models.CharField(
                        choices=[
                            ("off", "Not asked for"),
                            ("warn", "Warns"),
                            ("block", "Blocks, unless somebody overrides it by name and reason"),
                        ],
                        default="off",
                        help_text="Whether a draft is to be checked against the scenarios before it is published.",
                        max_length=5,
                        verbose_name="check before publishing",
                    ),
                ),
                (
                    "last_calls",
                    models.PositiveSmallIntegerField(
                        default=5,
                        help_text="How many of the assistant's newest real calls a draft is checked against besides the scenarios.",
                        validators=[django.core.validators.MaxValueValidator(50)],
                        verbose_name="recent real calls",
                    ),
                ),
                (
                    "assistant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="drift_rules",
                        to="assistants.assistant",
                    ),
                ),
            ],
            options={
                "verbose_name": "rules of drift",
                "verbose_name_plural": "rules of drift",
            },
        ),
        migrations.CreateModel(
            name="Scenario",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="For your own lists: “Books a haircut for tomorrow”.", max_length=120
                    ),
                ),
                ("enabled", models.BooleanField(default=True, help_text="Switched off, runs leave it out.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scenarios",
                        to="assistants.assistant",
                    ),
                ),
                (
                    "references",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Calls at Vapi in which a caller did just this. With two or more, Vapi is compared with itself too.",
                        related_name="referred_to_by",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "ordering": ["assistant", "name"],
            },
        ),
        migrations.CreateModel(
            name="ScenarioVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("script", tools.ordered_json.OrderedJSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "drafted_from",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="calls.call",
                        verbose_name="drafted from",
                    ),
                ),
                (
                    "scenario",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="calls.scenario",
                    ),
                ),
            ],
            options={
                "ordering": ["scenario", "-number"],
            },
        ),
        migrations.CreateModel(
            name="SmokeRun",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("smoke", "Smoke test"), ("publish", "Check of a draft")],
                        default="smoke",
                        max_length=10,
                    ),
                ),
                ("did", models.CharField(blank=True, max_length=40, verbose_name="number")),
                ("snapshot", models.JSONField(editable=False)),
                ("fingerprint", models.CharField(editable=False, max_length=16)),
                (
                    "line",
                    models.CharField(
                        choices=[
                            ("simulator", "Simulator"),
                            ("loopback", "Our own line, no telephone"),
                            ("telephone", "Real telephone lines"),
                        ],
                        default="simulator",
                        max_length=10,
                    ),
                ),
                (
                    "simulated_model",
                    models.BooleanField(
                        default=True,
                        help_text="The Realtime API was a simulated one: this proves nothing about the model.",
                    ),
                ),
                ("orders", models.TextField(blank=True, verbose_name="declared orders")),
                (
                    "side_by_side",
                    models.PositiveSmallIntegerField(
                        default=4, validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                (
                    "speed",
                    models.FloatField(
                        default=1.0, help_text="How many times faster than life; only in the simulator."
                    ),
                ),
                (
                    "budget_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Minutes of conversation after which no further call is placed.",
                        null=True,
                    ),
                ),
                (
                    "budget_usd",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Dollars, by the estimate below, after which no further call is placed.",
                        max_digits=8,
                        null=True,
                    ),
                ),
                (
                    "usd_per_minute",
                    models.DecimalField(
                        decimal_places=3,
                        default=0,
                        help_text="What a minute of conversation is reckoned at, an estimate of yours.",
                        max_digits=6,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("planned", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("stopped", "Stopped"),
                        ],
                        db_index=True,
                        default="planned",
                        max_length=10,
                    ),
                ),
                ("stopped_because", models.TextField(blank=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "No verdict yet"),
                            ("pass", "Passed"),
                            ("fail", "Failed"),
                            ("inconclusive", "Inconclusive"),
                            ("errored", "Broke"),
                        ],
                        default="",
                        max_length=12,
                    ),
                ),
                ("verdict", models.JSONField(blank=True, default=dict, editable=False)),
                ("started_by_label", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True, db_index=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("moved_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "assistant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="smoke_runs",
                        to="assistants.assistant",
                    ),
                ),
                (
                    "assistant_version",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty for a draft, until the very same draft is published.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="smoke_runs",
                        to="assistants.assistantversion",
                        verbose_name="version",
                    ),
                ),
                (
                    "number",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="smoke_runs",
                        to="calls.phonenumber",
                    ),
                ),
                (
                    "started_by",
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
                "verbose_name": "smoke test",
                "ordering": ["-created_at"],
                "permissions": [("run_smoketest", "Can run smoke tests")],
            },
        ),
        migrations.CreateModel(
            name="SmokePair",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("position", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=200)),
                (
                    "script",
                    models.JSONField(
                        default=dict, editable=False, help_text="What is played, in the shape of a script."
                    ),
                ),
                ("expected", models.JSONField(default=list, editable=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("placed", "Being placed"),
                            ("connected", "In progress"),
                            ("judged", "Compared"),
                        ],
                        db_index=True,
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often a call was placed for it."
                    ),
                ),
                ("placed_at", models.DateTimeField(blank=True, null=True)),
                ("judged_at", models.DateTimeField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not compared yet"),
                            ("same", "Same"),
                            ("reordered", "Same, in another lawful order"),
                            ("drifted", "Differs"),
                            ("errored", "Broke"),
                        ],
                        default="",
                        max_length=10,
                    ),
                ),
                ("strictly_same", models.BooleanField(blank=True, null=True)),
                (
                    "steps",
                    models.JSONField(blank=True, default=list, help_text="The tools that our stack called."),
                ),
                ("edits", models.JSONField(blank=True, default=list)),
                ("causes", models.JSONField(blank=True, default=list)),
                ("why", models.TextField(blank=True, help_text="Why it broke, in plain words.")),
                ("seconds", models.FloatField(blank=True, null=True)),
                (
                    "latency_ms",
                    models.PositiveIntegerField(
                        blank=True, help_text="Median answer time of our stack.", null=True
                    ),
                ),
                ("reference_latency_ms", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "reference_usd",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=10, null=True),
                ),
                (
                    "call",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="smoke_pair",
                        to="calls.call",
                        verbose_name="our call",
                    ),
                ),
                (
                    "reference",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="calls.call",
                        verbose_name="call at Vapi",
                    ),
                ),
                (
                    "scenario_version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.RESTRICT,
                        related_name="pairs",
                        to="calls.scenarioversion",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pairs", to="calls.smokerun"
                    ),
                ),
            ],
            options={
                "verbose_name": "pair",
                "ordering": ["run", "position"],
            },
        ),
        migrations.CreateModel(
            name="PublishCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "gate",
                    models.CharField(
                        choices=[
                            ("off", "Not asked for"),
                            ("warn", "Warns"),
                            ("block", "Blocks, unless somebody overrides it by name and reason"),
                        ],
                        max_length=5,
                    ),
                ),
                ("outcome", models.CharField(blank=True, max_length=12)),
                ("sentence", models.TextField(blank=True)),
                ("overridden_by", models.CharField(blank=True, max_length=150)),
                ("reason", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="publish_check",
                        to="assistants.assistantversion",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="publish_checks",
                        to="calls.smokerun",
                    ),
                ),
            ],
            options={
                "verbose_name": "check at publishing",
                "verbose_name_plural": "checks at publishing",
                "permissions": [("override_publishgate", "Can publish a draft that its check blocks")],
                "ordering": ["-at"],
            },
        ),
        migrations.AddConstraint(
            model_name="scenario",
            constraint=models.UniqueConstraint(
                fields=("assistant", "name"), name="scenario_name_once_per_assistant"
            ),
        ),
        migrations.AddConstraint(
            model_name="scenarioversion",
            constraint=models.UniqueConstraint(fields=("scenario", "number"), name="scenario_version_once"),
        ),
        migrations.AddIndex(
            model_name="smokerun",
            index=models.Index(fields=["number", "-finished_at"], name="smoke_run_by_number"),
        ),
        migrations.AddConstraint(
            model_name="smokerun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "done"), _negated=True),
                    models.Q(("outcome", ""), _negated=True),
                    _connector="OR",
                ),
                name="smoke_run_done_has_verdict",
            ),
        ),
        migrations.AddConstraint(
            model_name="smokepair",
            constraint=models.UniqueConstraint(fields=("run", "position"), name="smoke_pair_once"),
        ),
        migrations.AddConstraint(
            model_name="smokepair",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "judged"), _negated=True),
                    models.Q(("outcome", ""), _negated=True),
                    _connector="OR",
                ),
                name="smoke_pair_judged_has_outcome",
            ),
        ),
        migrations.AddConstraint(
            model_name="smokepair",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", "errored"), _negated=True),
                    models.Q(("why", ""), _negated=True),
                    _connector="OR",
                ),
                name="smoke_pair_errored_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="publishcheck",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("overridden_by", ""), models.Q(("reason", ""), _negated=True), _connector="OR"
                ),
                name="publish_override_says_why",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
