"""What calls use and cost, the price list, what Twilio charged, and spending limits with their alerts."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0014_records"),
        ("calls", "0017_smoke_lines"),
    ]

    operations = [
        migrations.CreateModel(
            name="CarrierCall",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="carrier",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                ("duration_s", models.PositiveIntegerField(blank=True, null=True)),
                ("price_usd", models.DecimalField(blank=True, decimal_places=6, max_digits=12, null=True)),
                (
                    "asked_at",
                    models.DateTimeField(
                        blank=True, help_text="When Twilio was last asked for it.", null=True
                    ),
                ),
            ],
            options={
                "verbose_name": "call at Twilio",
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "provider",
                    models.CharField(
                        choices=[("openai", "OpenAI"), ("twilio", "Twilio"), ("vapi", "Vapi")], max_length=10
                    ),
                ),
                (
                    "item",
                    models.CharField(
                        help_text="A model as OpenAI names it, or what Twilio and Vapi charge for, as in the list. A new name is a new price.",
                        max_length=120,
                    ),
                ),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("text_in", "text in"),
                            ("text_cached", "text in, cached"),
                            ("text_out", "text out"),
                            ("audio_in", "audio in"),
                            ("audio_cached", "audio in, cached"),
                            ("audio_out", "audio out"),
                            ("image_in", "images in"),
                            ("image_cached", "images in, cached"),
                            ("seconds", "seconds of audio"),
                            ("minutes", "minutes"),
                            ("times", "times"),
                            ("months", "months"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "usd",
                    models.DecimalField(
                        decimal_places=6,
                        max_digits=14,
                        validators=[django.core.validators.MinValueValidator(Decimal("0"))],
                        verbose_name="US dollars",
                    ),
                ),
                (
                    "per",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="For so many: 1,000,000 tokens, 60 seconds, 1 minute.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "valid_from",
                    models.DateTimeField(
                        default=django.utils.timezone.now,
                        help_text="For calls that come in at this moment or later, until the next row of the same item and part.",
                    ),
                ),
                (
                    "source",
                    models.CharField(blank=True, help_text="Where the figure is from.", max_length=300),
                ),
                ("entered_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "price",
                "ordering": ["provider", "item", "part", "-valid_from", "-id"],
                "indexes": [
                    models.Index(fields=["provider", "item", "part", "-valid_from"], name="price_in_force")
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("usd__gte", 0)), name="price_not_negative"),
                    models.CheckConstraint(condition=models.Q(("per__gte", 1)), name="price_per_something"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SpendingLimit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "call_usd",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=10,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.01"))],
                        verbose_name="per call, US dollars",
                    ),
                ),
                (
                    "when_call",
                    models.CharField(
                        choices=[("warn", "Only warn"), ("end", "End the call politely")],
                        default="warn",
                        max_length=10,
                        verbose_name="when a call has spent it",
                    ),
                ),
                (
                    "closing_sentence",
                    models.CharField(
                        default="I am sorry, I have to end our call here. Please call again if there is anything else. Goodbye.",
                        help_text="Said word for word and heard to its end, before the call is ended.",
                        max_length=500,
                    ),
                ),
                (
                    "day_usd",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Days are in UTC.",
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0.01"))],
                        verbose_name="per day, US dollars",
                    ),
                ),
                (
                    "when_day",
                    models.CharField(
                        choices=[
                            ("warn", "Only warn: calls are answered as ever"),
                            ("refuse", "Answer new calls with the sentence, and hang up"),
                            ("forward", "Connect new calls to the other number"),
                        ],
                        default="warn",
                        max_length=10,
                        verbose_name="when the day has spent it",
                    ),
                ),
                (
                    "refusal_sentence",
                    models.CharField(
                        default="We are sorry, we cannot take your call right now. Please try again tomorrow.",
                        help_text="Spoken by Twilio to new callers; also where the other number does not answer.",
                        max_length=500,
                    ),
                ),
                (
                    "forward_to",
                    models.CharField(
                        blank=True,
                        max_length=20,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^\\+[1-9][0-9]{6,14}$", "Write it as +14155550100."
                            )
                        ],
                        verbose_name="other number",
                    ),
                ),
                (
                    "warn_percent",
                    models.PositiveSmallIntegerField(
                        default=80,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                        verbose_name="warn at, %",
                    ),
                ),
                (
                    "assistant",
                    models.OneToOneField(
                        blank=True,
                        help_text="Empty: per call, for every assistant without a row of its own; per day, for all calls together.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spending_limit",
                        to="assistants.assistant",
                    ),
                ),
            ],
            options={
                "verbose_name": "spending limit",
            },
        ),
        migrations.CreateModel(
            name="SpendingAlert",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "level",
                    models.CharField(choices=[("near", "Nearly spent"), ("spent", "Spent")], max_length=10),
                ),
                ("day", models.DateField()),
                (
                    "spent_usd",
                    models.DecimalField(decimal_places=10, help_text="When it was noticed.", max_digits=18),
                ),
                ("allowed_usd", models.DecimalField(decimal_places=2, max_digits=12)),
                ("at", models.DateTimeField(db_index=True)),
                (
                    "told_at",
                    models.DateTimeField(
                        blank=True, help_text="When the call was last told to say goodbye.", null=True
                    ),
                ),
                (
                    "call",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spending_alerts",
                        to="calls.call",
                    ),
                ),
                (
                    "limit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alerts",
                        to="calls.spendinglimit",
                    ),
                ),
            ],
            options={
                "verbose_name": "spending alert",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="CallCost",
            fields=[
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cost",
                        serialize=False,
                        to="calls.call",
                    ),
                ),
                ("day", models.DateField(help_text="On which it came in, in UTC.")),
                ("total_usd", models.DecimalField(decimal_places=10, default=Decimal("0"), max_digits=18)),
                (
                    "unpriced_n",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Lines without a price or without a figure.",
                        verbose_name="unknown",
                    ),
                ),
                (
                    "priced_at",
                    models.DateTimeField(blank=True, help_text="Empty while the call runs.", null=True),
                ),
                (
                    "assistant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="assistants.assistant",
                    ),
                ),
            ],
            options={
                "verbose_name": "cost of a call",
                "verbose_name_plural": "costs of calls",
                "ordering": ["-day", "call"],
                "indexes": [
                    models.Index(fields=["day", "assistant"], include=("total_usd",), name="call_cost_by_day")
                ],
            },
        ),
        migrations.CreateModel(
            name="CallUsage",
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
                            ("response", "Response"),
                            ("transcription", "Transcription"),
                            ("summary", "Summary for an operator"),
                            ("analysis", "Analysis after the call"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "session",
                    models.CharField(
                        help_text="The stream and its Realtime session; 0 is the first.", max_length=40
                    ),
                ),
                ("item", models.CharField(help_text="The response's id, or the item's.", max_length=100)),
                ("model", models.CharField(max_length=120)),
                ("status", models.CharField(max_length=20)),
                ("usage", models.JSONField(blank=True, default=dict)),
                ("at", models.DateTimeField()),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="usages", to="calls.call"
                    ),
                ),
            ],
            options={
                "verbose_name": "usage",
                "verbose_name_plural": "usage",
                "ordering": ["at", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("call", "kind", "session", "item"), name="usage_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="CostLine",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "provider",
                    models.CharField(
                        choices=[("openai", "OpenAI"), ("twilio", "Twilio"), ("vapi", "Vapi")], max_length=10
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        help_text="What it was for: response, transcription, line …", max_length=20
                    ),
                ),
                ("item", models.CharField(max_length=120)),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("text_in", "text in"),
                            ("text_cached", "text in, cached"),
                            ("text_out", "text out"),
                            ("audio_in", "audio in"),
                            ("audio_cached", "audio in, cached"),
                            ("audio_out", "audio out"),
                            ("image_in", "images in"),
                            ("image_cached", "images in, cached"),
                            ("seconds", "seconds of audio"),
                            ("minutes", "minutes"),
                            ("times", "times"),
                            ("months", "months"),
                        ],
                        max_length=20,
                    ),
                ),
                ("quantity", models.DecimalField(blank=True, decimal_places=3, max_digits=18, null=True)),
                ("amount_usd", models.DecimalField(blank=True, decimal_places=10, max_digits=18, null=True)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("written_at", models.DateTimeField()),
                ("superseded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cost_lines",
                        to="calls.call",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="calls.price",
                    ),
                ),
            ],
            options={
                "verbose_name": "cost line",
                "ordering": ["call", "provider", "kind", "item", "part"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("call", "provider", "kind", "item", "part"),
                        name="cost_line_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount_usd__isnull", False),
                            models.Q(("note", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="cost_line_without_amount_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("superseded_at__isnull", True),
                            ("superseded_at__gte", models.F("written_at")),
                            _connector="OR",
                        ),
                        name="cost_line_superseded_after_written",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="spendinglimit",
            constraint=models.UniqueConstraint(
                fields=("assistant",), name="spending_limit_for_all_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="spendinglimit",
            constraint=models.CheckConstraint(
                condition=models.Q(("call_usd__isnull", False), ("day_usd__isnull", False), _connector="OR"),
                name="spending_limit_limits_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="spendinglimit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("when_day", "forward"), _negated=True),
                    models.Q(("forward_to", ""), _negated=True),
                    _connector="OR",
                ),
                name="spending_limit_knows_where_to",
            ),
        ),
        migrations.AddConstraint(
            model_name="spendingalert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("call__isnull", False)),
                fields=("limit", "level", "call"),
                name="spending_alert_once_per_call",
            ),
        ),
        migrations.AddConstraint(
            model_name="spendingalert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("call__isnull", True)),
                fields=("limit", "level", "day"),
                name="spending_alert_once_per_day",
            ),
        ),
    ]
