"""/metrics: who may read it, and that it does not grow with what callers, customers and models think up."""

import http.client
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from redis import Redis

from calls.bridge import commands as do
from calls.models import Call
from calls.observing.stream import CallWatch
from calls.tests.factories import make_call, make_phone_number
from calls.tests.stage import CALL
from config.observing import exposition, shared, tasks
from config.observing.exposition import Listener, allowed, metrics_text
from config.observing.shared import SharedCollector
from tools import tracks
from tools.observing import metrics
from tools.outcomes import Outcome
from tools.tests.factories import make_order, make_order_tool

TOKEN = "scrape-token"


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of a registry and its value."""
    text = generate_latest(registry).decode()
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


# Who may read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "authorization", "peer", "headers", "open_to_loopback", "fine"),
    [
        pytest.param(TOKEN, f"Bearer {TOKEN}", "203.0.113.9", {}, False, True, id="token"),
        pytest.param(
            TOKEN, f"bearer  {TOKEN} ", "203.0.113.9", {}, False, True, id="token, written otherwise"
        ),
        pytest.param(TOKEN, "Bearer other", "127.0.0.1", {}, True, False, id="another token"),
        pytest.param(TOKEN, f"Basic {TOKEN}", "127.0.0.1", {}, True, False, id="another scheme"),
        pytest.param(TOKEN, "", "127.0.0.1", {}, True, False, id="a token is set: loopback needs it, too"),
        pytest.param(TOKEN, "Bearer é", "127.0.0.1", {}, True, False, id="not ASCII"),
        pytest.param("", "", "127.0.0.1", {}, True, True, id="loopback"),
        pytest.param("", "", "::1", {}, True, True, id="loopback of IPv6"),
        pytest.param("", "", "127.0.0.1", {}, False, False, id="loopback of a deployment"),
        pytest.param("", "Bearer ", "203.0.113.9", {}, True, False, id="no token, from elsewhere"),
        pytest.param("", "", "127.0.0.1", {"X-Forwarded-For": "1.2.3.4"}, True, False, id="by a proxy"),
        pytest.param("", "", "", {}, True, False, id="by a Unix socket"),
    ],
)
def test_who_may_read(
    settings: Settings,
    token: str,
    authorization: str,
    peer: str,
    headers: dict[str, str],
    open_to_loopback: bool,
    fine: bool,
) -> None:
    settings.METRICS_TOKEN = token

    assert (
        allowed(authorization=authorization, peer=peer, headers=headers, open_to_loopback=open_to_loopback)
        is fine
    )


def test_a_deployment_without_a_token_shows_nothing_to_anybody(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.DEBUG = "", False

    answer = Client(REMOTE_ADDR="127.0.0.1").get("/metrics")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert "METRICS_TOKEN" in answer.content.decode()


def test_the_token_shows_the_metrics_of_the_process(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN

    answer = Client().get("/metrics?part=process", headers={"Authorization": f"Bearer {TOKEN}"})

    text = answer.content.decode()
    assert answer["Content-Type"].startswith("text/plain")
    for name in ("tandem_calls_live", "tandem_turn_latency_seconds_bucket", "process_cpu_seconds_total"):
        assert f"\n{name}" in text
    assert "tandem_queue_depth" not in text


@contextmanager
def listening() -> Iterator[int]:
    listener = Listener("127.0.0.1", 0)
    listener.begin(look_every_s=0.01)
    try:
        yield listener.server_port
    finally:
        listener.shutdown()
        listener.server_close()


def test_a_worker_serves_its_own_on_a_port(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    with listening() as port:

        def get(path: str, **headers: str) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        openly = get("/metrics?part=process")
        settings.METRICS_TOKEN = TOKEN
        without = get("/metrics?part=process")
        with_token = get("/metrics?part=process", Authorization=f"Bearer {TOKEN}")
        elsewhere = get("/admin/")

    assert openly[0] == with_token[0] == 200
    assert "tandem_tool_calls_total" in openly[1]
    assert without[0] == 401
    assert elsewhere[0] == 404


def test_a_port_that_is_taken_costs_the_metrics_and_not_the_worker(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with listening() as port:
        settings.METRICS_PORT = port
        settings.METRICS_HOST = "127.0.0.1"

        tasks.listen()

    assert "METRICS_PORT cannot be had" in caplog.text


def test_both_parts_make_one_text_of_openmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    registry.register(SharedCollector({}))
    monkeypatch.setattr(exposition, "shared_registry", lambda: registry)

    text, content_type = metrics_text("", "application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert text.count(b"# EOF") == 1
    assert text.endswith(b"# EOF\n")


# What all have in common -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_what_all_processes_have_in_common(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WAITS_S", 60.0)  # a busy machine is not away
    make_call(status=Call.Status.IN_PROGRESS, ended_at=None)
    make_call(status=Call.Status.IN_PROGRESS, ended_at=None, stack=Call.Stack.VAPI)
    make_phone_number(state="ours")
    redis_client.rpush("tools", "a", "b")
    redis_client.hset("unacked", "tag", "message")
    registry = CollectorRegistry()
    registry.register(SharedCollector())

    found = samples(registry)

    assert found["tandem_queue_depth", (("queue", "tools"),)] == 2
    assert found["tandem_queue_depth", (("queue", "records"),)] == 0
    assert found["tandem_queue_taken", ()] == 1
    assert found["tandem_calls", (("status", "in-progress"),)] == 1
    assert found["tandem_numbers", (("state", "ours"),)] == 1
    assert found["tandem_numbers", (("state", "canary"),)] == 0
    assert found["tandem_dead_letters", (("what", "record"),)] == 0
    assert {value for (name, _), value in found.items() if name == "tandem_shared_up"} == {1}


def test_a_part_that_is_away_is_told_and_hides_no_other() -> None:
    def away() -> list[Any]:
        raise OperationalError("to user@host")

    registry = CollectorRegistry()
    registry.register(SharedCollector({"calls": away, "beat": list}))

    found = samples(registry)

    assert found["tandem_shared_up", (("part", "calls"),)] == 0
    assert found["tandem_shared_up", (("part", "beat"),)] == 1


def test_a_look_that_hangs_does_not_hold_the_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(shared, "WAITS_S", 0.01)

    def hangs() -> list[Any]:
        free.wait(120)
        return []

    registry = CollectorRegistry()
    registry.register(SharedCollector({"calls": hangs}))

    found = samples(registry)
    free.set()

    assert found["tandem_shared_up", (("part", "calls"),)] == 0


# Cardinality -----------------------------------------------------------------------------------------------------


def spoken(n: int) -> do.Spoken:
    return do.Spoken(f"item_{n}", do.Speaker.ASSISTANT, "x", "x", 0, 900, latency_ms=n)


def test_a_thousand_calls_with_invented_names_make_no_more_series_than_ten() -> None:
    def calls(first: int, count: int) -> None:
        for n in range(first, first + count):
            invented = f"{n}-{uuid.uuid4().hex}"
            watch = CallWatch(replace(CALL, call_id=uuid.uuid4(), caller=invented, did=invented))
            watch.started()
            watch.happened(do.UtteranceEnded(spoken(n)))
            watch.happened(do.RunTool(invented, invented, {invented: invented}, 20.0))
            watch.happened(do.ToolSettled(invented, invented, orphaned=False))
            watch.happened(do.ToolRefused(f"{invented}!", invented, invented, invented))
            watch.problem(do.Source.OPENAI, invented, benign=False)
            watch.problem(do.Source.OPENAI, f"connect_{invented}", benign=True)
            watch.problem(do.Source.OPENAI, f"http_{400 + n % 200}", benign=True)
            ended = do.Ended(invented, (spoken(n + 1),), n % 3, 50, 400)
            watch.ended(ended, reason=invented, frames_dropped=0)
            order = make_order(tool=make_order_tool(name=invented, kind=invented))
            tracks.order_ended(order, Outcome("failed", invented, error=invented), began_ns=1)
            metrics.REALTIME_CONNECTS.labels(metrics.code_class(invented)).inc()
            metrics.TOOL_REQUESTS.labels(metrics.attempt_class(invented)).inc()

    calls(0, 400)  # every kind of code once
    before = set(samples(REGISTRY))
    calls(400, 600)
    after = set(samples(REGISTRY))

    assert after == before
    # Not fewer: tests that ran before in this process have made series of their own.
    assert len({series for series in after if series[0].startswith("tandem_")}) < 3000


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("customer-ended-call", "caller"),
        ("call-start-error-stream-refused", "not_started"),
        ("call.in-progress.error-providerfault-openai-llm-failed", "model_failed"),
        ("call.in-progress.error-something-new", "error"),
        ("pipeline-error-of-tomorrow", "error"),
        ("", "other"),
    ],
)
def test_reasons_are_put_into_classes(reason: str, word: str) -> None:
    assert metrics.reason_class(reason) == word


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("http_429", "http_4xx"),
        ("http_503", "http_5xx"),
        ("connect_TimeoutError", "connect"),
        ("closed_1011", "closed"),
        ("connection_closed", "closed"),
        ("transcription_server_error", "transcription"),
        ("stream_lost", "stream_lost"),
        ("whatever comes", "other"),
    ],
)
def test_codes_are_put_into_classes(code: str, word: str) -> None:
    assert metrics.code_class(code) == word
