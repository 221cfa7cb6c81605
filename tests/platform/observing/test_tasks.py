"""Celery's tasks, as they are seen from outside."""

import uuid
from typing import Any

import pytest
from celery.signals import task_postrun, task_prerun, task_retry
from prometheus_client import REGISTRY

from calls import tasks as calls
from config.observing.tasks import call_of
from tools import tasks as tools
from tools.observing.context import observed

CALL = str(uuid.UUID(int=7))


@pytest.mark.parametrize(
    ("task", "args", "kwargs", "found"),
    [
        pytest.param(calls.call_finish, (), {"call_id": CALL}, CALL, id="by name"),
        pytest.param(tools.tool_call_forward, (), {"order": {"call_id": CALL}}, CALL, id="in an order"),
        pytest.param(tools.tool_call_forward, ({"call_id": CALL}, "ch"), {}, CALL, id="order by place"),
        pytest.param(tools.tool_call_settle, (CALL, "call_1", {}), {}, CALL, id="by place"),
        pytest.param(calls.calls_reap, (), {}, "", id="none"),
        pytest.param(calls.calls_reap, (CALL,), {}, "", id="not for this task"),
        pytest.param(calls.transfer_summarise, (), {"transfer_id": CALL}, "", id="the id of something else"),
    ],
)
def test_the_call_of_a_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: str) -> None:
    assert call_of(task, args, kwargs) == found


def test_a_task_runs_in_the_context_of_its_call_and_is_counted() -> None:
    one: Any = calls.call_finish
    labels = {"task": one.name, "result": "done"}
    before = REGISTRY.get_sample_value("tandem_tasks_total", labels) or 0

    task_prerun.send(sender=one, task_id="id-1", task=one, args=(), kwargs={"call_id": CALL})
    inside = dict(observed())
    task_postrun.send(sender=one, task_id="id-1", task=one, args=(), kwargs={}, state="SUCCESS")

    assert inside["call_id"] == CALL
    assert (inside["task"], inside["task_id"]) == ("calls.tasks.call_finish", "id-1")
    assert observed() == {}
    assert REGISTRY.get_sample_value("tandem_tasks_total", labels) == before + 1


def test_a_task_that_is_to_run_again_is_not_done() -> None:
    one: Any = calls.call_finish
    done, again = ({"task": one.name, "result": word} for word in ("done", "again"))
    before = [REGISTRY.get_sample_value("tandem_tasks_total", labels) or 0 for labels in (done, again)]

    task_prerun.send(sender=one, task_id="id-2", task=one, args=(), kwargs={})
    task_retry.send(sender=one, request=None, reason=None, einfo=None)
    task_postrun.send(sender=one, task_id="id-2", task=one, args=(), kwargs={}, state="RETRY")

    after = [REGISTRY.get_sample_value("tandem_tasks_total", labels) or 0 for labels in (done, again)]
    assert after == [before[0], before[1] + 1]
