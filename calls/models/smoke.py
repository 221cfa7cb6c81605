"""Smoke tests: what a caller is played to do, the runs that play it, and how far our tool calls drift from Vapi's."""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from assistants.models import Assistant, AssistantVersion
from calls.models.call import Call
from calls.models.number import PhoneNumber
from tools.ordered_json import OrderedJSONField


class Scenario(models.Model):
    """One story of a caller, for one assistant. What is played stands in its versions; the newest is the one in force."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="scenarios")
    name = models.CharField(max_length=120, help_text="For your own lists: “Books a haircut for tomorrow”.")
    enabled = models.BooleanField(default=True, help_text="Switched off, runs leave it out.")
    references = models.ManyToManyField(
        Call,
        blank=True,
        related_name="referred_to_by",
        help_text="Calls at Vapi in which a caller did just this. With two or more, Vapi is compared with itself too.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["assistant", "name"]
        constraints = [
            models.UniqueConstraint(name="scenario_name_once_per_assistant", fields=["assistant", "name"])
        ]

    def __str__(self) -> str:
        return self.name


class ScenarioVersion(models.Model):
    """A scenario as it was written, frozen: the database refuses to change one (a trigger).

    The shape of ``script`` is ``calls.smoke.scripts.Script``.
    """

    scenario = models.ForeignKey(Scenario, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    script = OrderedJSONField()
    drafted_from = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="drafted from"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["scenario", "-number"]
        constraints = [
            models.UniqueConstraint(name="scenario_version_once", fields=["scenario", "number"]),
        ]

    def __str__(self) -> str:
        return f"{self.scenario} v{self.number}"


class DriftRules(models.Model):
    """What counts as drift for one assistant, and whether a draft must pass before it is published."""

    class Gate(models.TextChoices):
        OFF = "off", "Not asked for"
        WARN = "warn", "Warns"
        BLOCK = "block", "Blocks, unless somebody overrides it by name and reason"

    assistant = models.OneToOneField(Assistant, on_delete=models.CASCADE, related_name="drift_rules")
    orders = models.TextField(
        blank=True,
        verbose_name="declared orders",
        help_text="Which orders are lawful, one rule a line: “lookup before book”, “sms anywhere”. Empty: only Vapi's own.",
    )
    publish_gate = models.CharField(
        max_length=5,
        choices=Gate,
        default=Gate.OFF,
        verbose_name="check before publishing",
        help_text="Whether a draft is to be checked against the scenarios before it is published.",
    )
    last_calls = models.PositiveSmallIntegerField(
        default=5,
        validators=[MaxValueValidator(50)],
        verbose_name="recent real calls",
        help_text="How many of the assistant's newest real calls a draft is checked against besides the scenarios.",
    )

    class Meta:
        verbose_name = "rules of drift"
        verbose_name_plural = "rules of drift"

    def __str__(self) -> str:
        return f"Rules of {self.assistant}"


class SmokeRun(models.Model):
    """One smoke test: scenarios played to our stack, each compared with what Vapi did, and the verdict.

    What is tested is frozen in ``snapshot`` when the run is made, so that a draft can be tested without being published.
    """

    class Purpose(models.TextChoices):
        SMOKE_TEST = "smoke", "Smoke test"
        PUBLISHING = "publish", "Check of a draft"

    class Line(models.TextChoices):
        SIMULATOR = "simulator", "Simulator"
        LOOPBACK = "loopback", "Our own line, no telephone"
        TELEPHONE = "telephone", "Real telephone lines"

    class Caller(models.TextChoices):
        SCRIPT = "script", "The words of the scenario"
        MODEL = "model", "A model that knows the goal"

    class Status(models.TextChoices):
        PLANNED = "planned", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        STOPPED = "stopped", "Stopped"

    class Outcome(models.TextChoices):
        NONE = "", "No verdict yet"
        PASS = "pass", "Passed"
        FAIL = "fail", "Failed"
        INCONCLUSIVE = "inconclusive", "Inconclusive"
        ERRORED = "errored", "Broke"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.SMOKE_TEST)
    number = models.ForeignKey(
        PhoneNumber, null=True, blank=True, on_delete=models.SET_NULL, related_name="smoke_runs"
    )
    did = models.CharField(max_length=40, blank=True, verbose_name="number")
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="smoke_runs")
    assistant_version = models.ForeignKey(
        AssistantVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="smoke_runs",
        verbose_name="version",
        help_text="Empty for a draft, until the very same draft is published.",
    )
    snapshot = models.JSONField(editable=False)
    fingerprint = models.CharField(max_length=16, editable=False)
    line = models.CharField(max_length=10, choices=Line, default=Line.SIMULATOR)
    caller = models.CharField(max_length=10, choices=Caller, default=Caller.SCRIPT)
    test_numbers = models.JSONField(
        default=list, blank=True, editable=False, help_text="The numbers that calls are placed from."
    )
    vapi_number = models.CharField(
        max_length=40,
        blank=True,
        verbose_name="number at Vapi",
        help_text="The number at which the same scenarios are played to Vapi; empty where calls of the past are the reference.",
    )
    simulated_model = models.BooleanField(
        default=True, help_text="The Realtime API was a simulated one: this proves nothing about the model."
    )
    orders = models.TextField(blank=True, verbose_name="declared orders")
    side_by_side = models.PositiveSmallIntegerField(default=4, validators=[MinValueValidator(1)])
    speed = models.FloatField(
        default=1.0, help_text="How many times faster than life; only in the simulator."
    )
    budget_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="Minutes of conversation after which no further call is placed."
    )
    budget_usd = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="Dollars, by the estimate below, after which no further call is placed.",
    )
    usd_per_minute = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=0,
        help_text="What a minute of conversation is reckoned at, an estimate of yours.",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.PLANNED, db_index=True)
    stopped_because = models.TextField(blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.NONE, blank=True)
    verdict = models.JSONField(default=dict, blank=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_by_label = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "smoke test"
        permissions = [("run_smoketest", "Can run smoke tests")]
        indexes = [models.Index(fields=["number", "-finished_at"], name="smoke_run_by_number")]
        constraints = [
            models.CheckConstraint(
                name="smoke_run_done_has_verdict", condition=~Q(status="done") | ~Q(outcome="")
            )
        ]

    def __str__(self) -> str:
        return f"Smoke test of {self.did or self.assistant}"


class SmokePair(models.Model):
    """One comparison of a run: a scenario, what was done at Vapi, and what our stack did.

    ``expected`` is frozen when the run is made; the shape of its steps is ``calls.smoke.sequences.ToolStep``.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        PLACED = "placed", "Being placed"
        CONNECTED = "connected", "In progress"
        JUDGED = "judged", "Compared"

    class Outcome(models.TextChoices):
        NONE = "", "Not compared yet"
        SAME = "same", "Same"
        REORDERED = "reordered", "Same, in another lawful order"
        DRIFTED = "drifted", "Differs"
        ERRORED = "errored", "Broke"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(SmokeRun, on_delete=models.CASCADE, related_name="pairs")
    position = models.PositiveIntegerField()
    scenario_version = models.ForeignKey(
        ScenarioVersion, null=True, blank=True, on_delete=models.RESTRICT, related_name="pairs"
    )
    title = models.CharField(max_length=200)
    script = models.JSONField(
        default=dict, editable=False, help_text="What is played, in the shape of a script."
    )
    expected = models.JSONField(default=list, editable=False)
    reference = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name="call at Vapi"
    )
    call = models.OneToOneField(
        Call,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="smoke_pair",
        verbose_name="our call",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often a call was placed for it.")
    placed_at = models.DateTimeField(null=True, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.NONE, blank=True)
    strictly_same = models.BooleanField(null=True, blank=True)
    steps = models.JSONField(default=list, blank=True, help_text="The tools that our stack called.")
    edits = models.JSONField(default=list, blank=True)
    causes = models.JSONField(default=list, blank=True)
    why = models.TextField(blank=True, help_text="Why it broke, in plain words.")
    caller_note = models.CharField(
        max_length=300, blank=True, help_text="How the call went for a caller who was played by a model."
    )
    seconds = models.FloatField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="Median answer time of our stack."
    )
    reference_latency_ms = models.PositiveIntegerField(null=True, blank=True)
    reference_usd = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)

    class Meta:
        ordering = ["run", "position"]
        verbose_name = "pair"
        constraints = [
            models.UniqueConstraint(name="smoke_pair_once", fields=["run", "position"]),
            models.CheckConstraint(
                name="smoke_pair_judged_has_outcome", condition=~Q(status="judged") | ~Q(outcome="")
            ),
            models.CheckConstraint(
                name="smoke_pair_errored_says_why", condition=~Q(outcome="errored") | ~Q(why="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.title}"


class PublishCheck(models.Model):
    """What was known of a version's drift when it was published, and who let it through if that was not enough."""

    version = models.OneToOneField(AssistantVersion, on_delete=models.PROTECT, related_name="publish_check")
    run = models.ForeignKey(
        SmokeRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="publish_checks"
    )
    gate = models.CharField(max_length=5, choices=DriftRules.Gate)
    outcome = models.CharField(max_length=12, blank=True)
    sentence = models.TextField(blank=True)
    overridden_by = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at"]
        verbose_name = "check at publishing"
        verbose_name_plural = "checks at publishing"
        permissions = [("override_publishgate", "Can publish a draft that its check blocks")]
        constraints = [
            models.CheckConstraint(
                name="publish_override_says_why", condition=Q(overridden_by="") | ~Q(reason="")
            )
        ]

    def __str__(self) -> str:
        return f"Check of {self.version}"
