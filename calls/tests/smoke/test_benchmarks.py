"""Conversations in the shapes of public benchmarks, checked against what those write."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from calls.models import SmokePair, SmokeRun
from calls.smoke.benchmarks import eva_archive, tau2_lines
from calls.smoke.judging import pair_judge
from calls.smoke.runs import pair_broke, pair_take, run_begin
from calls.tests.smoke.factories import CALLED, make_desk, make_run, make_scenario, make_spoken_call
from tools.models import ToolCall

pytestmark = pytest.mark.django_db
FIXTURES = Path(__file__).parent / "fixtures"
SAID = [("assistant", "Alder Street."), ("caller", "Is it ready?"), ("assistant", "On Tuesday.")]


def played() -> SmokeRun:
    """A run with a call that is the same, one that differs, one that broke and had no call, and one that waits."""
    number, assistant = make_desk()
    make_scenario(assistant, name="Is it / ready? …")
    run = make_run(number, runs=4)
    run_begin(run.pk)
    same = make_spoken_call(smoke_test=True, said=SAID, ended_reason="customer-ended-call")
    differs = make_spoken_call(
        smoke_test=True, said=SAID, called=CALLED[1:], ended_reason="assistant-ended-call"
    )
    ToolCall.objects.filter(call_id=differs.pk).update(outcome="[1]", status=ToolCall.Status.TIMED_OUT)
    for call in (same, differs):
        pair = pair_take(run.pk)
        assert pair is not None
        SmokePair.objects.filter(pk=pair.pk).update(call=call)
        pair_judge(pair, call)
    broken = pair_take(run.pk)
    assert broken is not None
    pair_broke(broken, "The line was busy.", final=True)
    return run


def schema(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.schema.json").read_text())


def test_every_line_is_a_simulation_of_tau2_bench() -> None:
    lines = [json.loads(line) for line in tau2_lines(played()).splitlines()]

    for line in lines:
        jsonschema.validate(line, schema("tau2_simulation"))
    assert [line["trial"] for line in lines] == [0, 1, 2, 3]
    rewards = [line["reward_info"]["reward"] if line["reward_info"] else None for line in lines]
    assert rewards == [1.0, 0.0, None, None]
    assert [line["termination_reason"] for line in lines] == [
        "user_stop",
        "agent_stop",
        "infrastructure_error",
        "infrastructure_error",
    ]
    roles = [message["role"] for message in lines[0]["messages"]]
    assert roles == ["assistant", "user", "assistant", "tool", "assistant", "assistant", "tool"]
    assert [check["action_match"] for check in lines[1]["reward_info"]["action_checks"]] == [False, True]


def test_every_conversation_is_an_audit_log_of_eva() -> None:
    archive = zipfile.ZipFile(io.BytesIO(eva_archive(played())))

    logs = [name for name in archive.namelist() if name.endswith("audit_log.json")]
    assert logs == [f"Is_it_ready/trial_{n}/audit_log.json" for n in range(4)]
    for name in logs:
        jsonschema.validate(json.loads(archive.read(name)), schema("eva_audit_log"))
    first = json.loads(archive.read(logs[0]))["transcript"]
    assert [entry["message_type"] for entry in first].count("tool_call") == 2
    assert [int(entry["timestamp"]) for entry in first] == sorted(int(entry["timestamp"]) for entry in first)
    told = archive.read("Is_it_ready/trial_0/transcript.jsonl").decode().splitlines()
    assert [json.loads(line)["content"] for line in told] == [text for _, text in SAID]


def test_rows_that_no_release_ever_wrote_are_exported_all_the_same() -> None:
    run = played()
    SmokePair.objects.filter(run=run).update(expected="odd", edits=[{"op": "odd"}], causes=[1])

    assert len(tau2_lines(run).splitlines()) == 4
    assert eva_archive(run)
