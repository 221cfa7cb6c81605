"""From the tool calls of a conversation to the orders and rows that the workers make of them."""

import json
import uuid
from dataclasses import replace

import pytest
from pytest_django import Settings

from calls.bridge import commands as do
from calls.recorder import Recorder
from calls.tests.stage import CALL, CALL_ID, LOOKUP, RUN, FakeOutbox, spoken
from tools import rejection
from tools.auth.credentials import ServerAuth
from tools.encryption import decrypt
from tools.envelope import transfer_destination_body, webhook_body
from tools.jsontext import json_text
from tools.orders import ToolOrder, ToolRefusal
from tools.tests.vapi_schema import complaints


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
    settings.ORGANISATION_SERVER_URL, settings.ORGANISATION_SERVER_SECRET = url, "our secret"
    homeless = replace(LOOKUP, server_url="")
    call = replace(
        CALL, snapshot=replace(CALL.snapshot, tools=(homeless,)), tool_auths={}, assistant_auth=OURS
    )

    Recorder(call).tool_forward(RUN, reply_channel="c")

    order = ToolOrder.from_json(outbox.of("tool_call_forward")[0]["order"])
    assert (order.server_from, order.tool.server_url) == ("organisation" if url else "", url)
    assert (decrypt(order.auth.secret_token) if order.auth.secret_token else "") == (
        "our secret" if url else ""
    )
    assert "our secret" not in str(outbox.entries)


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
SECRET = do.RunTool("call_1", GUARDED.name, {"ssn": "123-45-s6789"}, 20.0)


def test_what_only_a_server_may_read_stands_in_no_history(outbox: FakeOutbox) -> None:
    one = Recorder(GUARDED_CALL)

    one.tool_forward(SECRET, reply_channel="c")
    one.tool_forward(replace(SECRET, call_id="call_2"), reply_channel="c")

    order = outbox.of("tool_call_forward")[-1]["order"]
    assert order["arguments"] == {"ssn": "123-45-s6789"}
    assert "123-45-s" not in str(order["context"])
    assert "[encrypted]" in str(order["context"]["messages"])


def test_conditions_are_held_against_what_was_said_so_far(
    outbox: FakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        rejection, "PATTERNS_WITHIN_S", 60.0
    )  # a machine may pause for longer than a pattern may
    one = Recorder(GUARDED_CALL)
    check = do.CheckTool("call_1", GUARDED.name, {"ssn": "123-45-s6789"})
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
