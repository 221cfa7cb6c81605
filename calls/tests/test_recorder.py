"""From what the conversation says to what the workers are told."""

import inspect
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from calls import tasks as call_tasks
from calls.bridge import commands as do
from calls.recorder import Recorder
from calls.resumptions import Resumption
from calls.tests.stage import CALL, CALL_ID, LOOKUP, RUN, FakeOutbox, ended, spoken
from calls.transfers import SummaryPlan
from tools import tasks as tool_tasks
from transcripts import tasks as transcript_tasks


def test_an_utterance_is_put_at_once_and_again_at_the_end(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.note(do.UtteranceEnded(spoken()))
    one.ended(ended(), frames_dropped=3)

    first, last = outbox.of("utterances_write")
    assert first["utterances"] == last["utterances"]
    assert (first["closed_at"], last["closed_at"] is None) == (None, False)
    (finish,) = outbox.of("call_finish")
    assert finish["call_id"] == str(CALL_ID)
    assert finish["ended_reason"] == "customer-ended-call"
    assert finish["facts"] == {
        "barge_ins": 1,
        "frames_in": 50,
        "frames_dropped": 3,
        "tool_calls_made": 0,
        "first_sound_ms": 300,
    }


def test_a_stream_that_was_refused_is_nobodys_call(outbox: FakeOutbox) -> None:
    Recorder(CALL).ended(ended(reason="call-start-error-stream-refused"), frames_dropped=0)

    assert outbox.entries == []


def test_problems_of_both_kinds_have_keys_of_their_own(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.note(do.Problem(1, do.Source.OPENAI, "response_failed", "It failed.", benign=False))
    one.trouble("hang_up_failed", "Twilio answered 500.")
    one.trouble("hang_up_failed", "Twilio answered 500.")

    keys = [problem["key"] for problem in outbox.of("problem_write")]
    assert len(set(keys)) == 3
    assert [problem["source"] for problem in outbox.of("problem_write")] == ["openai", "tandem", "tandem"]


def test_a_shutdown_is_the_reason_whatever_the_conversation_says(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.interrupted_by_shutdown()

    one.ended(ended(reason="phone-call-provider-closed-websocket"), frames_dropped=0)

    assert outbox.of("call_finish")[0]["ended_reason"] == "worker-shutdown"


BACK = Resumption(
    began_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
    session=1,
    dial_status="busy",
    messages=[{"role": "user", "message": "A nurse, please."}],
    facts={"barge_ins": 2, "frames_in": 500, "frames_dropped": 1, "tool_calls_made": 4},
)


def test_a_conversation_that_ends_in_a_transfer_leaves_the_call_open(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.ended(ended(reason="assistant-forwarded-call"), frames_dropped=3)

    assert outbox.of("call_finish") == []
    (forwarded,) = outbox.of("call_forwarded")
    assert forwarded["facts"]["frames_in"] == 50
    (last,) = outbox.of("utterances_write")
    assert last["closed_at"] is not None


def test_a_shutdown_while_twilio_dials_does_not_end_the_call(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.interrupted_by_shutdown()

    one.ended(ended(reason="assistant-forwarded-call"), frames_dropped=0)

    assert outbox.of("call_finish") == []


def test_a_call_that_comes_back_goes_on_with_its_clock_its_counts_and_its_history(outbox: FakeOutbox) -> None:
    def away_ms() -> float:
        return (datetime.now(UTC) - BACK.began_at).total_seconds() * 1000

    one = Recorder(replace(CALL, resumption=BACK, undefined=("name",)))
    at_least = away_ms() - 1  # whole milliseconds are told
    one.started()
    at_most = away_ms() + 1
    one.trouble("odd", "Odd.")
    one.note(do.UtteranceEnded(spoken()))
    one.tool_forward(RUN, reply_channel="c")
    one.ended(ended(), frames_dropped=3)

    first = outbox.of("utterances_write")[0]
    assert first["started_at"] == BACK.began_at.isoformat()
    (utterance,) = first["utterances"]
    assert at_least <= utterance["began_ms"] - 100 <= at_most
    assert utterance["ended_ms"] - utterance["began_ms"] == 800
    assert utterance["heard_ms"] == 800
    (order,) = outbox.of("tool_call_forward")
    before, now, _ = order["order"]["context"]["messages"]
    assert before == BACK.messages[0]
    assert at_least <= now["secondsFromStart"] * 1000 - 100 <= at_most
    assert [one["key"] for one in outbox.of("problem_write")] == ["1:shell:1"]
    (finish,) = outbox.of("call_finish")
    assert finish["facts"] == {
        "barge_ins": 3,
        "frames_in": 550,
        "frames_dropped": 4,
        "tool_calls_made": 5,
    }


def test_the_end_of_a_call_tells_how_many_tool_calls_the_workers_have_to_write(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "ready", orphaned=False))
    one.note(do.ToolRefused("call_2", "get_repair_status", "duplicate_call", "", orphaned=False))
    one.note(do.ToolDone("call_3", "end_call", "Success."))
    one.ended(ended(), frames_dropped=0)

    rows = {
        task["order"]["tool_call_id"]
        for kind in ("forward", "refuse", "done")
        for task in outbox.of(f"tool_call_{kind}")
    }
    (finish,) = outbox.of("call_finish")
    assert finish["facts"]["tool_calls_made"] == len(rows) == 3


def test_the_summary_for_an_operator_is_ordered_with_what_was_said(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.note(do.UtteranceEnded(spoken()))

    one.transfer_summarise(uuid.UUID(int=7), SummaryPlan(within_s=6.0))

    (order,) = outbox.of("transfer_summarise")
    assert order["transfer_id"] == str(uuid.UUID(int=7))
    assert order["model"] == CALL.snapshot.model
    assert "AI: Good\n" in order["request"]["texts"][0]
    inspect.signature(call_tasks.transfer_summarise.run).bind(**order)


def test_every_task_that_is_named_exists_and_takes_what_it_is_given(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.tool_forward(RUN, reply_channel="c")
    one.note(do.UtteranceEnded(spoken()))
    one.note(do.Problem(1, do.Source.OPENAI, "c", "m", benign=True))
    one.note(do.ToolRefused("call_1", "x", "unknown_tool", "{}"))
    one.note(do.ToolDone("call_2", "x", "{}"))
    one.note(do.ToolSettled("call_3", "{}", orphaned=False))
    one.ended(ended(), frames_dropped=0)
    tasks = {
        name: task
        for module in (call_tasks, tool_tasks, transcript_tasks)
        for name, task in vars(module).items()
        if hasattr(task, "apply_async")
    }

    for name, kwargs in outbox.entries:
        task = tasks[name]
        inspect.signature(getattr(task, "_orig_run", task.run)).bind(**kwargs)


KEYS = replace(
    BACK,
    kind="keys",
    dial_status="",
    asked={"tool_call_id": "call_k", "name": LOOKUP.name, "arguments": {"keys": "12"}},
)


def test_keys_that_were_pressed_are_written_down_by_the_session_that_comes_after(outbox: FakeOutbox) -> None:
    one = Recorder(replace(CALL, resumption=KEYS))
    assert outbox.of("tool_call_done") == []

    one.started()

    (done,) = outbox.of("tool_call_done")
    assert (done["order"]["tool_call_id"], done["order"]["name"], done["output"]) == (
        "call_k",
        LOOKUP.name,
        "Success.",
    )
    assert done["order"]["arguments"] == {"keys": "12"}
    told = one.history[-1]
    assert (told["role"], told["name"], told["result"]) == ("tool_call_result", LOOKUP.name, "Success.")


def test_keys_of_a_tool_that_is_gone_meanwhile_are_written_down_all_the_same(outbox: FakeOutbox) -> None:
    gone = replace(KEYS, asked={**KEYS.asked, "name": "gone"})

    Recorder(replace(CALL, resumption=gone)).started()

    assert outbox.of("tool_call_done")[0]["order"]["name"] == "gone"


def test_a_conversation_that_ends_for_keys_leaves_the_call_open(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.ended(ended(reason="keys-pressed"), frames_dropped=0)

    assert outbox.of("call_finish") == []
    assert len(outbox.of("call_forwarded")) == 1


def test_the_end_of_a_conversation_says_which_of_its_calls_it_was(outbox: FakeOutbox) -> None:
    for call in (CALL, replace(CALL, resumption=BACK)):
        Recorder(call).ended(ended(), frames_dropped=0)

    assert [end["session"] for end in outbox.of("call_finish")] == [0, 1]
