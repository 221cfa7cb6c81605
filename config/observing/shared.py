"""What all processes have in common: queues, calls, numbers. Looked up by a thread of its own, so that a scrape never hangs.

Every process that is asked gives the same numbers, so queries take their maximum, never their sum.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from django.db import Error as DatabaseError
from django.db import connections
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from calls.doctor.checks.stores import BEAT_KEY
from calls.draining.registry import instances
from calls.messages.kinds import REPORT
from calls.models import LIVE, Call, PhoneNumber, ServerMessage, UnwrittenRecord
from tools.models import ToolCall
from tools.shared_state import key, store

logger = logging.getLogger(__name__)

# Lists in Redis, as kombu keeps them, and its hash of what workers have taken.
QUEUES = ("tools", "records", "messages")
UNACKED = "unacked"
FRESH_FOR_S = 5.0
WAITS_S = 2.0  # for a look that is under way; then the last one has to do
Look = Callable[[], list[GaugeMetricFamily]]
AWAY = (DatabaseError, RedisError, OSError)


def _family(name: str, told: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"tandem_{name}", told, labels=[label])
    for word, value in values:
        family.add_metric([word], value)
    return family


def queues() -> list[GaugeMetricFamily]:
    """Tasks that wait in the broker, and those that workers have taken and not yet finished."""
    with store().pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(name)
        pipe.hlen(UNACKED)
        *depths, taken = pipe.execute()
    waiting = [(name, float(depth)) for name, depth in zip(QUEUES, depths, strict=True)]
    held = GaugeMetricFamily(
        "tandem_queue_taken", "Tasks that workers hold, of all queues.", value=float(taken)
    )
    return [_family("queue_depth", "Tasks that wait for a worker.", "queue", waiting), held]


def beat() -> list[GaugeMetricFamily]:
    """How long the beat has been silent; without a value until it has been heard once."""
    family = GaugeMetricFamily("tandem_beat_silent_seconds", "Since the beat was heard last.")
    marked = store().get(key(*BEAT_KEY))
    if isinstance(marked, str) and marked.isdecimal():
        family.add_metric([], max(0.0, time.time() - int(marked)))
    return [family]


def processes() -> list[GaugeMetricFamily]:
    """The serving processes that told of themselves lately."""
    seen = instances(store())
    counts = [
        ("serving", float(sum(not one.draining for one in seen))),
        ("draining", float(sum(one.draining for one in seen))),
    ]
    return [_family("instances", "Serving processes that told of themselves lately.", "state", counts)]


def calls() -> list[GaugeMetricFamily]:
    """Calls that are not over, numbers by where they stand in their cutover, and tool calls without an outcome."""
    live = dict(
        Call.objects.filter(status__in=LIVE, stack=Call.Stack.DIRECT)
        .values_list("status")
        .annotate(Count("pk"))
        .order_by()
    )
    numbers = dict(PhoneNumber.objects.values_list("state").annotate(Count("pk")).order_by())
    open_tools = ToolCall.objects.filter(status__in=[ToolCall.Status.REQUESTED, ToolCall.Status.SENT])
    tools = open_tools.aggregate(n=Count("pk"), oldest=Min("requested_at"))
    oldest_s = (timezone.now() - tools["oldest"]).total_seconds() if tools["oldest"] else 0.0
    return [
        _family("calls", "Calls that are not over.", "status", ((s, float(live.get(s, 0))) for s in LIVE)),
        _family(
            "numbers",
            "Numbers by where they stand in their cutover.",
            "state",
            ((state, float(numbers.get(state, 0))) for state in PhoneNumber.State.values),
        ),
        GaugeMetricFamily(
            "tandem_tool_calls_open", "Tool calls without an outcome.", value=float(tools["n"])
        ),
        GaugeMetricFamily(
            "tandem_tool_calls_open_oldest_seconds", "Age of the oldest of them.", value=max(0.0, oldest_s)
        ),
    ]


def stuck() -> list[GaugeMetricFamily]:
    """Work that nobody does any more until somebody looks at it."""
    unwritten = UnwrittenRecord.objects.count()
    # Of the other messages a customer has less use when they come late.
    untold = ServerMessage.objects.filter(state=ServerMessage.State.DEAD, kind=REPORT).count()
    waiting = [("record", float(unwritten)), ("report", float(untold))]
    return [_family("dead_letters", "Work that waits for a person.", "what", waiting)]


LOOKS: dict[str, Look] = {
    "queues": queues,
    "beat": beat,
    "processes": processes,
    "calls": calls,
    "stuck": stuck,
}


class SharedCollector(Collector):
    """Looks at all that is shared at most every five seconds, and waits at most two for it."""

    def __init__(self, looks: dict[str, Look] | None = None) -> None:
        self._looks = LOOKS if looks is None else looks
        self._lock = threading.Lock()
        self._found: dict[str, list[GaugeMetricFamily]] = {}
        self._fine: dict[str, bool] = {}
        self._at = 0.0
        self._running: threading.Thread | None = None

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that registering looks nothing up."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What was found; of a part that cannot be reached what was found last, with a note that it is not up."""
        self._refresh()
        with self._lock:
            fine, at = dict(self._fine), self._at
            families = [family for name in self._looks for family in self._found.get(name, [])]
        yield from families
        yield _family(
            "shared_up",
            "1 where the last look at this part succeeded.",
            "part",
            ((name, float(fine.get(name, False))) for name in self._looks),
        )
        age = time.monotonic() - at if at else float("nan")
        yield GaugeMetricFamily("tandem_shared_age_seconds", "How old these numbers are.", value=age)

    def _refresh(self) -> None:
        with self._lock:
            if self._at and time.monotonic() - self._at < FRESH_FOR_S:
                return
            if self._running is None or not self._running.is_alive():
                self._running = threading.Thread(target=self._look, name="metrics-shared", daemon=True)
                self._running.start()
            running = self._running
        running.join(WAITS_S)

    def _look(self) -> None:
        try:
            for name, look in self._looks.items():
                try:
                    found = look()
                except AWAY as exc:
                    logger.warning(
                        "numbers could not be read", extra={"part": name, "error": type(exc).__name__}
                    )
                    with self._lock:
                        self._fine[name] = False
                    continue
                with self._lock:
                    self._found[name], self._fine[name] = found, True
            with self._lock:
                self._at = time.monotonic()
        finally:
            connections.close_all()
