"""From what the conversation says to what the workers are told."""

import inspect
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from calls import recorder
from calls import tasks as call_tasks
from calls.bridge import commands as do
from calls.recorder import Recorder
from calls.resumptions import Resumption
from calls.tests.stage import CALL, CALL_ID, LOOKUP, FakeOutbox
from calls.transfers import SummaryPlan
from tools import tasks as tool_tasks
from tools.auth.credentials import ServerAuth
from tools.encryption import decrypt
from tools.envelope import transfer_destination_body, webhook_body
from tools.jsontext import json_text
from tools.orders import ToolOrder, ToolRefusal
from tools.tests.vapi_schema import complaints
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
    assert order.auth == ServerAuth()


def test_the_webhook_of_an_order_fits_vapis_own_schema(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)
    one.note(do.UtteranceEnded(spoken()))
    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "ready", orphaned=False))
    one.tool_forward(do.RunTool("call_2", LOOKUP.name, {"ticket": "1"}, 20.0), reply_channel="c")

    order = ToolOrder.from_json(outbox.of("tool_call_forward")[-1]["order"])
    message = json.loads(json_text(webhook_body(order, now_ms=1)))["message"]

    # Numbers are printed without Twilio's account, on purpose.
    found = [
        one for one in complaints("ServerMessageToolCalls", message) if not one.startswith("phoneNumber: ")
    ]
    assert found == []
    assert uuid.UUID(message["call"]["orgId"]) == uuid.UUID(message["phoneNumber"]["orgId"])


def test_the_question_where_to_transfer_fits_vapis_own_schema(outbox: FakeOutbox) -> None:
    asks = replace(LOOKUP, kind="transferCall")
    one = Recorder(replace(CALL, snapshot=replace(CALL.snapshot, tools=(asks,))))
    one.tool_forward(RUN, reply_channel="c")

    (entry,) = outbox.of("tool_call_forward")
    body = transfer_destination_body(ToolOrder.from_json(entry["order"]), now_ms=1)
    sent = json.loads(json_text(body))["message"]
    found = complaints("ServerMessageTransferDestinationRequest", sent)
    assert [one for one in found if not one.startswith("phoneNumber: ")] == []
    assert one.asks_destination("call_1")
    assert not one.asks_destination("call_2")


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


OURS, MINE = ServerAuth(secret_token="gOURS"), ServerAuth(secret_token="gMINE")


@pytest.mark.parametrize(
    ("tool_auths", "server_from", "auth"),
    [
        ({LOOKUP.id: MINE}, "tool", MINE),
        ({LOOKUP.id: ServerAuth()}, "tool", ServerAuth()),  # a server of its own that wants nothing
        ({}, "assistant", OURS),
    ],
)
def test_whose_server_is_asked(
    outbox: FakeOutbox, tool_auths: dict[str, ServerAuth], server_from: str, auth: ServerAuth
) -> None:
    Recorder(replace(CALL, tool_auths=tool_auths, assistant_auth=OURS)).tool_forward(RUN, reply_channel="c")

    order = ToolOrder.from_json(outbox.of("tool_call_forward")[0]["order"])
    assert (order.server_from, order.auth) == (server_from, auth)


@pytest.mark.parametrize("url", ["https://organisation.example/vapi", ""])
def test_without_any_other_server_the_organisations_is_asked(
    outbox: FakeOutbox, settings: Settings, url: str
) -> None:
    settings.ORGANISATION_SERVER_URL, settings.ORGANISATION_SERVER_SECRET = url, "0urs"
    homeless = replace(LOOKUP, server_url="")
    call = replace(
        CALL, snapshot=replace(CALL.snapshot, tools=(homeless,)), tool_auths={}, assistant_auth=OURS
    )

    Recorder(call).tool_forward(RUN, reply_channel="c")

    order = ToolOrder.from_json(outbox.of("tool_call_forward")[0]["order"])
    assert (order.server_from, order.tool.server_url) == ("organisation" if url else "", url)
    assert (decrypt(order.auth.secret_token) if order.auth.secret_token else "") == ("0urs" if url else "")
    assert "0urs" not in str(outbox.entries)


def test_an_assistants_own_notes_go_along_in_a_webhook(outbox: FakeOutbox) -> None:
    noted = replace(CALL, snapshot=replace(CALL.snapshot, metadata={"branch": "north"}))

    for call in (noted, CALL):
        Recorder(call).tool_forward(RUN, reply_channel="c")

    first, second = (one["order"]["context"]["assistant"] for one in outbox.of("tool_call_forward"))
    assert first["metadata"] == {"branch": "north"}
    assert "metadata" not in second


GUARDED = replace(
    LOOKUP,
    parameters={"type": "object", "properties": {"ssn": {"type": "string"}}},
    encrypted_paths=["ssn"],
    rejection_plan={
        "conditions": [{"type": "regex", "regex": "wait", "target": {"role": "user", "position": -1}}]
    },
)
GUARDED_CALL = replace(CALL, snapshot=replace(CALL.snapshot, tools=(GUARDED,)))
SECRET = do.RunTool("call_1", GUARDED.name, {"ssn": "123-45-6789"}, 20.0)


def test_what_only_a_server_may_read_stands_in_no_history(outbox: FakeOutbox) -> None:
    one = Recorder(GUARDED_CALL)

    one.tool_forward(SECRET, reply_channel="c")
    one.tool_forward(replace(SECRET, call_id="call_2"), reply_channel="c")

    order = outbox.of("tool_call_forward")[-1]["order"]
    assert order["arguments"] == {"ssn": "123-45-6789"}
    assert "123-45" not in str(order["context"])
    assert "[encrypted]" in str(order["context"]["messages"])


def test_conditions_are_held_against_what_was_said_so_far(outbox: FakeOutbox) -> None:
    one = Recorder(GUARDED_CALL)
    check = do.CheckTool("call_1", GUARDED.name, {"ssn": "123-45-6789"})
    assert not one.tool_check(check)().refused

    one.note(do.UtteranceEnded(spoken(speaker=do.Speaker.CALLER, text="No, wait.", heard_text="No, wait.")))

    assert one.tool_check(check)().refused
    one.note(do.ToolRefused("call_1", GUARDED.name, "Not sent.", "{}"))
    (refusal,) = outbox.of("tool_call_refuse")
    assert refusal["order"]["arguments"] == {"ssn": "[encrypted]"}
    assert ToolRefusal.from_json(refusal["order"]).name == GUARDED.name


def test_what_the_call_has_learnt_goes_into_the_next_order(outbox: FakeOutbox) -> None:
    one = Recorder(replace(CALL, variables={"site": "north", "slot": ""}))

    one.variables_learnt({"slot": "nine"})
    one.tool_forward(RUN, reply_channel="c")

    context = outbox.of("tool_call_forward")[0]["order"]["context"]
    assert context["variableValues"] == {"site": "north", "slot": "nine"}


def test_the_history_calls_a_tool_what_its_server_calls_it(outbox: FakeOutbox) -> None:
    long = replace(LOOKUP, wire_name="Repair status (old)")
    one = Recorder(replace(CALL, snapshot=replace(CALL.snapshot, tools=(long,))))

    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "ready", orphaned=False))
    one.tool_forward(do.RunTool("call_2", LOOKUP.name, {}, 20.0), reply_channel="c")

    asked, told, _ = outbox.of("tool_call_forward")[-1]["order"]["context"]["messages"]
    assert asked["toolCalls"][0]["function"]["name"] == told["name"] == "Repair status (old)"


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_ledger_hears_whether_anybody_waits_for_the_answer(
    outbox: FakeOutbox, *, asynchronous: bool
) -> None:
    tool = replace(LOOKUP, asynchronous=asynchronous)
    one = Recorder(replace(CALL, snapshot=replace(CALL.snapshot, tools=(tool,))))

    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "accepted", orphaned=False))

    assert outbox.of("tool_call_told")[0]["awaited"] is not asynchronous


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


def test_what_a_handover_taught_is_written_down_once_it_is_done(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.handover_taught("call_1", {"invoice": "4711"})
    assert outbox.of("tool_call_done") == []
    one.note(do.ToolDone("call_1", "hand_over", "Success."))
    one.note(do.ToolDone("call_2", "hand_over", "Success."))

    assert [done.get("variables") for done in outbox.of("tool_call_done")] == [{"invoice": "4711"}, None]
    assert one.learnt == {"invoice": "4711"}


def test_an_orphaned_outcome_says_so_and_is_not_in_the_history(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.note(do.ToolSettled("call_1", "", orphaned=True))

    (told,) = outbox.of("tool_call_told")
    assert told["orphaned"] is True


def test_a_call_that_was_never_sent_is_orphaned_too(outbox: FakeOutbox) -> None:
    one = Recorder(CALL)

    one.note(do.ToolRefused("call_1", "get_repair_status", "caller_gone", "", orphaned=True))

    assert [refused["reason"] for refused in outbox.of("tool_call_refuse")] == ["caller_gone"]
    assert [told["orphaned"] for told in outbox.of("tool_call_told")] == [True]


def test_a_late_answer_is_in_the_history_and_leaves_what_was_told_first_in_the_ledger(
    outbox: FakeOutbox,
) -> None:
    one = Recorder(CALL)
    one.tool_forward(RUN, reply_channel="c")
    one.note(do.ToolSettled("call_1", "timeout", orphaned=False))
    one.note(do.ToolLate("call_1", "ready"))

    one.tool_forward(do.RunTool("call_2", "get_repair_status", {}, 20.0), reply_channel="c")

    messages = outbox.of("tool_call_forward")[-1]["order"]["context"]["messages"]
    results = [message["result"] for message in messages if message["role"] == "tool_call_result"]
    assert results == ["timeout", "ready"]
    assert [told["output"] for told in outbox.of("tool_call_told")] == ["timeout"]


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
    one = Recorder(replace(CALL, resumption=BACK, undefined=("name",)))
    one.started()
    one.trouble("odd", "Odd.")
    one.note(do.UtteranceEnded(spoken()))
    one.tool_forward(RUN, reply_channel="c")
    one.ended(ended(), frames_dropped=3)

    away_ms = round((datetime.now(UTC) - BACK.began_at).total_seconds() * 1000)
    first = outbox.of("utterances_write")[0]
    assert first["started_at"] == BACK.began_at.isoformat()
    (utterance,) = first["utterances"]
    assert abs(utterance["began_ms"] - 100 - away_ms) < 5000
    assert utterance["ended_ms"] - utterance["began_ms"] == 800
    assert utterance["heard_ms"] == 800
    (order,) = outbox.of("tool_call_forward")
    before, now, _ = order["order"]["context"]["messages"]
    assert before == BACK.messages[0]
    assert abs(now["secondsFromStart"] - away_ms / 1000) < 5
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
