"""The whole of Tandem seen from outside: the trace of a call over three processes, their metrics, and a call that outlives a deployment."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.plugin import DjangoDbBlocker

from config.run.ports import next_free
from tests.integration.outside import Outside
from tests.integration.rows import make_desk, written
from tests.integration.stack import Stack, eventually
from tests.platform.observing.otlp import Receiver, receiving

pytestmark = pytest.mark.long

TOKEN = "scrape"
SPANS = {
    "call",
    "POST twilio-voice",
    "stream",
    "realtime connect",
    "tool call",
    "tool forward",
    "tool request",
}


class ObservedStack(Stack):
    """A stack that sends traces and serves metrics, and lets its calls end."""

    def __init__(self, folder: Path, outside: Outside, receiver: Receiver) -> None:
        super().__init__(folder, outside)
        self.metrics_port = next_free(41000)
        self._receiver = receiver

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "METRICS_TOKEN": TOKEN,
            "METRICS_PORT": str(self.metrics_port),
            "MEDIA_DRAIN_S": "60",
        }

    def terminate(self, name: str) -> None:
        """Tell a process to stop, and go on."""
        self._children[name].terminate()

    def has_ended(self, name: str) -> bool:
        """Whether a process is gone."""
        return self._children[name].has_ended()

    def metrics(self, port: int) -> dict[str, float]:
        """Every series that a process shows, by name and labels."""
        answer = requests.get(
            f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
        )
        assert answer.status_code == 200, answer.text
        return {
            f"{one.name}{json.dumps(one.labels, sort_keys=True)}" if one.labels else one.name: one.value
            for family in text_string_to_metric_families(answer.text)
            for one in family.samples
        }


@dataclass(frozen=True, slots=True)
class Observed:
    """The stack, and who receives its traces."""

    stack: ObservedStack
    receiver: Receiver


@pytest.fixture
def observed(tmp_path: Path, outside: Outside, django_db_blocker: DjangoDbBlocker) -> Iterator[Observed]:
    """A stack of its own, for its settings are others."""
    with receiving() as receiver, django_db_blocker.unblock():
        made = ObservedStack(tmp_path, outside, receiver)
        with made.running() as stack, stack.database():
            yield Observed(made, receiver)


def test_a_call_is_seen_as_a_whole_and_outlives_a_deployment(observed: Observed) -> None:
    stack, receiver = observed.stack, observed.receiver
    desk = make_desk(stack)

    report = stack.call("one_tool", desk.did).report()
    rows = written(report.call_sid)
    eventually(lambda: {span.name for span in receiver.spans} >= SPANS, "the whole trace has come")

    assert_one_trace(receiver)
    assert_metrics(stack)
    assert all(str(rows.call.id) == span.attributes["tandem.call_id"] for span in receiver.spans)
    for log in ("web", "media", "worker"):
        for words in (*rows.heard(), *rows.said("caller"), desk.did):
            assert words not in stack.log(log)

    # A deployment in the middle of the next call.
    call = stack.call("one_tool", desk.did)
    eventually(lambda: stack.metrics(stack.ports.media)["tandem_calls_live"] == 1, "the call is live")
    stack.terminate("media")
    eventually(
        lambda: requests.get(f"http://127.0.0.1:{stack.ports.media}/readyz", timeout=5).status_code == 503,
        "media says that it drains",
    )
    assert not stack.has_ended("media")
    after = written(call.report().call_sid)
    eventually(lambda: stack.has_ended("media"), "media has ended with its last call")

    assert after.call.ended_reason == rows.call.ended_reason  # nobody was cut off
    assert after.codes() == []
    assert after.heard() == rows.heard()


def assert_one_trace(receiver: Receiver) -> None:
    """All spans are of one call, of three processes, and hang together."""
    above = {span.id: span for span in receiver.spans}
    root = receiver.one("call")

    assert {span.trace for span in receiver.spans} == {root.trace}
    assert all(span.parent in above for span in receiver.spans if span is not root)
    services = {span.name: span.service for span in receiver.spans}
    assert services["POST twilio-voice"] == "tandem-web"
    assert services["stream"] == services["tool call"] == "tandem-media"
    assert services["tool forward"] == services["call"] == "tandem-worker"
    assert above[receiver.one("tool forward").parent].name == "tool call"


def assert_metrics(stack: ObservedStack) -> None:
    """Each process shows its own part."""
    web, media = stack.metrics(stack.ports.web), stack.metrics(stack.ports.media)
    worker = stack.metrics(stack.metrics_port)

    assert web['tandem_voice_webhooks_total{"decision": "answered"}'] == 1
    assert web['tandem_queue_depth{"queue": "tools"}'] == 0
    assert web['tandem_instances{"state": "serving"}'] == 2
    assert media['tandem_calls_started_total{"kind": "call"}'] == 1
    assert media["tandem_calls_live"] == 0
    assert media["tandem_turn_latency_seconds_count"] >= 1
    assert media["tandem_event_loop_lag_seconds_count"] > 1
    assert media["tandem_outbox_waiting"] == 0
    assert media["tandem_database_pool_size"] >= 0
    assert worker['tandem_tool_calls_total{"kind": "function", "outcome": "answered"}'] == 1
    finished = 'tandem_tasks_total{"result": "done", "task": "calls.tasks.call_finish"}'
    eventually(lambda: finished in stack.metrics(stack.metrics_port), "the task that ends the call is done")
    assert {value for name, value in web.items() if name.startswith("tandem_shared_up")} == {1}
