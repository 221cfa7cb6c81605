"""From what the conversation says to what the workers are told."""

import inspect
from dataclasses import replace
from typing import Any

import pytest

from calls import recorder
from calls import tasks as call_tasks
from calls.bridge import commands as do
from calls.recorder import Recorder
from calls.tests.test_consumers import CALL, CALL_ID, LOOKUP, FakeOutbox
from tools import tasks as tool_tasks
from tools.encryption import decrypt, encrypt
from tools.orders import ToolOrder, ToolRefusal
from transcripts import tasks as transcript_tasks


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> FakeOutbox:
    """Where everything is put."""
    made = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: made)
    return made


def spoken(**fields: Any) -> do.Spoken:
    """Something that was said."""
    usual: dict[str, Any] = {
        "item_id": "item_1",
        "speaker": do.Speaker.ASSISTANT,
        "text": "Good morning.",
        "heard_text": "Good",
        "began_ms": 100,
        "ended_ms": 900,
        "generated_ms": 1000,
        "heard_ms": 800,
    }
    return do.Spoken(**{**usual, **fields})


def ended(**fields: Any) -> do.Ended:
    """The last word of a conversation."""
    usual: dict[str, Any] = {
        "reason": "customer-ended-call",
        "spoken": (spoken(),),
        "barge_ins": 1,
        "frames_in": 50,
        "first_sound_ms": 300,
    }
    return do.Ended(**{**usual, **fields})


RUN = do.RunTool("call_1", "get_repair_status", {"ticket": "481"}, 20.0)


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
    assert finish["facts"] == {"barge_ins": 1, "frames_in": 50, "frames_dropped": 3, "first_sound_ms": 300}


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


def test_an_order_is_one_that_the_worker_can_read(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.note(do.UtteranceEnded(spoken(speaker=do.Speaker.CALLER, text="Ready?", heard_text="Ready?")))

    one.tool_forward(RUN, reply_channel="specific!1")

    (forward,) = outbox.of("tool_call_forward")
    order = ToolOrder.from_json(forward["order"])
    assert forward["reply_channel"] == "specific!1"
    assert (order.call_id, order.tool_call_id, order.tool.name) == (CALL_ID, "call_1", LOOKUP.name)
    assert order.arguments == {"ticket": "481"}
    assert order.expires_at > order.requested_at
    assert order.context["call"]["id"] == str(CALL_ID)
    assert [message["role"] for message in order.context["messages"]] == ["user", "tool_calls"]
    assert order.server_secret_token == ""


def test_the_history_in_an_order_holds_what_was_heard_and_told(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.note(do.UtteranceEnded(spoken()))
    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "ready", orphaned=False))

    one.tool_forward(do.RunTool("call_2", "get_repair_status", {}, 20.0), reply_channel="c")

    messages = outbox.of("tool_call_forward")[-1]["order"]["context"]["messages"]
    assert [message["role"] for message in messages] == [
        "bot",
        "tool_calls",
        "tool_call_result",
        "tool_calls",
    ]
    assert messages[0]["message"] == "Good"  # what was heard, not what was generated


@pytest.mark.parametrize(
    ("tool_secrets", "assistant_secret", "secret_from", "secret"),
    [
        ({LOOKUP.id: "mine"}, "ours", "tool", "mine"),
        ({LOOKUP.id: ""}, "ours", "", ""),  # a server of its own, and no secret: none is sent
        ({}, "ours", "assistant", "ours"),
        ({}, "", "", ""),
    ],
)
def test_whose_secret_goes_with_a_request(
    outbox: FakeOutbox, tool_secrets: dict[str, str], assistant_secret: str, secret_from: str, secret: str
) -> None:
    call = replace(
        CALL,
        tool_secrets={key: encrypt(value) if value else "" for key, value in tool_secrets.items()},
        assistant_secret=encrypt(assistant_secret) if assistant_secret else "",
    )

    Recorder(call).tool_forward(RUN, reply_channel="c")

    order = ToolOrder.from_json(outbox.of("tool_call_forward")[0]["order"])
    assert order.secret_from == secret_from
    assert (decrypt(order.server_secret_token) if order.server_secret_token else "") == secret
    assert secret == "" or secret not in str(outbox.entries)


def test_a_tool_call_that_is_refused_or_done_by_ourselves_is_one_that_the_worker_can_read(
    outbox: FakeOutbox,
) -> None:
    one = Recorder(CALL)

    one.note(do.ToolRefused("call_1", "crystal_ball", "unknown_tool", '{"error":"unknown_tool"}'))
    one.note(do.ToolDone("call_2", "get_repair_status", '{"ok":true}'))

    (refused,) = outbox.of("tool_call_refuse")
    (done,) = outbox.of("tool_call_done")
    assert ToolRefusal.from_json(refused["order"]).name == "crystal_ball"
    assert ToolRefusal.from_json(done["order"]).tool_id == LOOKUP.id
    assert [told["tool_call_id"] for told in outbox.of("tool_call_told")] == ["call_1"]


def test_an_orphaned_outcome_says_so_and_is_not_in_the_history(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.note(do.ToolSettled("call_1", "", orphaned=True))

    (told,) = outbox.of("tool_call_told")
    assert told["orphaned"] is True


def test_a_shutdown_is_the_reason_whatever_the_conversation_says(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.interrupted_by_shutdown()

    one.ended(ended(reason="phone-call-provider-closed-websocket"), frames_dropped=0)

    assert outbox.of("call_finish")[0]["ended_reason"] == "worker-shutdown"


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
