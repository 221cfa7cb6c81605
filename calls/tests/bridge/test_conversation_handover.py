"""How another assistant takes a call over: in its own session or the running one, with what it may know of the talk."""

from dataclasses import replace

import orjson
import pytest

from calls.bridge import realtime
from calls.bridge.commands import (
    CloseRealtime,
    MemberTookOver,
    OpenRealtime,
    PrepareMember,
    ToolDone,
    ToolRefused,
)
from calls.bridge.limits import MOST_HANDOVERS, TAKEOVER_WITHIN_S
from calls.bridge.plan import FirstMessageMode, Keeps, Place, Remark, Taker, ToolSpec, session_payload
from calls.tests.bridge.call import WAITING
from calls.tests.bridge.handing import BACK, BILLING, HELLO, QUIETLY, TWIN, WORDS, Squad, to_billing, triage

# A session of its own -------------------------------------------------------------------------------------------------


def test_the_shell_is_asked_for_the_plan_of_whoever_is_to_take_over() -> None:
    squad = Squad()
    squad.asks(reason="a bill")

    arguments = {"destination": "Billing", "reason": "a bill"}
    assert squad.preparing == [PrepareMember("h1", "transferCall", "Billing", "billing", arguments)]


def test_another_voice_has_a_session_that_is_ready_before_the_first_one_leaves() -> None:
    squad = Squad()
    squad.asks()
    assert squad.sentences == [WORDS]
    squad.ready()

    assert squad.took_over() == []
    types = [event["type"] for event in squad.sent_in(1)]
    assert types[0] == "session.update"
    assert "conversation.item.create" in types
    assert "response.create" not in types

    squad.announces()
    assert squad.took_over() == ["billing"]
    assert squad.asked_in(1) == ["greeting"]
    assert squad.all(ToolDone) == [ToolDone("h1", "transferCall", "Success.")]
    assert squad.all(CloseRealtime) == [CloseRealtime(0)]


def test_it_speaks_its_first_message_in_its_own_voice_and_its_words_bear_its_name() -> None:
    squad = Squad()
    squad.hands_over()
    squad.answers("g1", HELLO, ms=1000, ours=True)
    squad.wait(2)
    squad.stop()

    assert squad.sent_in(1)[0]["session"]["audio"]["output"]["voice"] == "shimmer"
    said = [(one.assistant, one.text) for one in squad.ended.spoken if one.text]
    assert said == [("", "It is about my bill."), ("Triage", WORDS), ("Billing", HELLO)]


def test_it_reads_what_was_said_and_done_and_its_own_remarks_come_first() -> None:
    squad = Squad()
    squad.caller_says("u1", "A slot on Monday, please.")
    squad.created("r1")
    fc = squad.calls_tool("r1")
    squad.done("r1", calls=(fc,))
    squad.result()
    squad.answers("r2", "It is booked.", ms=500, ours=True)
    squad.wait(1)
    squad.asks()
    squad.ready(replace(BILLING, history=(Remark("user", "Once before."),)))
    squad.announces()

    assert squad.read_in(1) == [
        ("user", "Once before."),
        ("user", "A slot on Monday, please."),
        ("call", "book"),
        ("output", '{"booked":true}'),
        ("assistant", "It is booked."),
        ("user", "It is about my bill."),
        ("assistant", WORDS),
        ("call", "transferCall"),
        ("output", "Success."),
    ]


def longer(**taker: object) -> Squad:
    """Two turns, a tool call, and then the handing over."""
    squad = Squad(
        triage(
            to_billing("", **taker), history=(Remark("user", "Before the call."), Remark("system", "Note."))
        )
    )
    squad.caller_says("u1", "A slot on Monday, please.")
    squad.created("r1")
    fc = squad.calls_tool("r1")
    squad.done("r1", calls=(fc,))
    squad.result()
    squad.answers("r2", "It is booked.", ms=500, ours=True)
    squad.wait(1)
    squad.asks()
    squad.ready()
    assert squad.took_over() == ["billing"]
    return squad


BEFORE, FIRST, CALL, OUTPUT = (
    ("user", "Before the call."),
    ("user", "A slot on Monday, please."),
    ("call", "book"),
    ("output", '{"booked":true}'),
)
REPLY, WISH, LEAVES, LEFT = (
    ("assistant", "It is booked."),
    ("user", "It is about my bill."),
    ("call", "transferCall"),
    ("output", "Success."),
)


@pytest.mark.parametrize(
    ("taker", "reads"),
    [
        ({}, [BEFORE, FIRST, CALL, OUTPUT, REPLY, WISH, LEAVES, LEFT]),
        ({"keeps_handoff": False}, [BEFORE, FIRST, CALL, OUTPUT, REPLY, WISH]),
        ({"keeps": Keeps.MESSAGES}, [BEFORE, FIRST, REPLY, WISH]),
        ({"keeps": Keeps.PREVIOUS}, [BEFORE, FIRST, REPLY, WISH]),
        ({"keeps": Keeps.LAST, "last": 2}, [WISH, LEAVES, LEFT]),
        ({"keeps": Keeps.LAST, "last": 0}, []),
        ({"keeps": Keeps.NONE}, []),
        (
            {"result": "Billing has the call."},
            [BEFORE, FIRST, CALL, OUTPUT, REPLY, WISH, LEAVES, ("output", "Billing has the call.")],
        ),
    ],
    ids=["all", "without the handoff", "messages", "previous", "last two", "last none", "none", "own result"],
)
def test_it_reads_only_what_it_may(taker: dict[str, object], reads: list[tuple[str, str]]) -> None:
    assert longer(**taker).read_in(1) == reads


def test_what_the_previous_one_said_is_what_was_said_since_it_had_the_call() -> None:
    only_previous = ToolSpec(
        "handoff_to_triage", "Back", {}, transfers=True,
        places=(Place("Triage", "", Taker("triage", Keeps.PREVIOUS)),),
    )  # fmt: skip
    squad = Squad()
    squad.hands_over(replace(BILLING, tools=(only_previous,), first_message_interruptible=True))
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.asks_at_once("Triage", call_id="h2", name="handoff_to_triage")
    squad.ready(replace(WAITING, voice="cedar", assistant="Triage"), session=2, call_id="h2")

    assert squad.took_over() == ["billing", "triage"]
    assert squad.read_in(2) == [("assistant", HELLO)]


def test_only_what_was_heard_of_an_interrupted_sentence_is_read() -> None:
    squad = Squad()
    squad.created("r1")
    squad.audio("r1", 2000)
    squad.hear(realtime.TextDone("r1", "r1-i", "one two three four"), realtime.AudioDone("r1", "r1-i"))
    squad.done("r1")
    squad.wait(1)
    squad.caller_says("u1", "Stop.")
    squad.answers("r2", "Yes?", ms=200)
    squad.wait(1)
    squad.asks()
    squad.ready()
    squad.announces()

    assert ("assistant", "one two") in squad.read_in(1)


# The running session becomes the next one's ---------------------------------------------------------------------------


def test_the_same_voice_takes_the_running_session_over() -> None:
    squad = Squad()
    squad.asks()
    squad.prepared(TWIN)
    assert squad.all(OpenRealtime) == []
    squad.announces()
    update = squad.sent("session.update")[-1]["session"]
    assert update["instructions"] == "You explain invoices."
    assert [tool["name"] for tool in update["tools"]] == ["get_invoice", "handoff_to_triage"]
    assert "voice" not in update["audio"]["output"]
    assert squad.took_over() == []

    squad.hear(realtime.SessionUpdated(session_payload(TWIN, floor_open=False)))
    assert squad.took_over() == ["billing"]
    assert squad.outputs == {"h1": "Success."}
    assert squad.asked == ["handoff", "greeting"]
    assert squad.all(CloseRealtime) == []


def test_the_tool_call_that_hands_over_may_be_taken_out_of_the_conversation() -> None:
    squad = Squad(triage(to_billing("", keeps_handoff=False)))
    squad.asks()
    squad.prepared(TWIN)
    squad.hear(realtime.SessionUpdated(session_payload(TWIN, floor_open=False)))

    assert squad.took_over() == ["billing"]
    assert [event["item_id"] for event in squad.sent("conversation.item.delete")] == ["fc-h1"]
    assert squad.outputs == {}
    assert squad.all(ToolDone) == [ToolDone("h1", "transferCall", "Success.")]


def test_one_that_may_not_read_everything_gets_a_session_of_its_own() -> None:
    squad = Squad(triage(to_billing(keeps=Keeps.MESSAGES)))
    squad.asks()
    squad.prepared(TWIN)

    assert squad.all(OpenRealtime) == [OpenRealtime(1, "realtime")]


def test_an_older_word_of_the_server_is_not_taken_for_the_new_settings() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared(TWIN)
    squad.hear(realtime.SessionUpdated(session_payload(squad.plan, floor_open=True)))

    assert squad.took_over() == []


def test_a_caller_who_speaks_while_the_settings_change_is_listened_to_first() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared(TWIN)
    squad.caller_speaks("u2")
    squad.hear(realtime.SessionUpdated(session_payload(TWIN, floor_open=False)))
    assert squad.took_over() == []
    squad.caller_stops("u2")

    assert squad.took_over() == ["billing"]
    assert squad.sent("session.update")[-1]["session"]["instructions"] == "You explain invoices."


@pytest.mark.parametrize("how", ["refused", "different", "late"])
def test_settings_that_are_not_taken_leave_the_call_where_it_was(how: str) -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared(TWIN)
    updates = len(squad.sent("session.update"))
    match how:
        case "refused":
            squad.error("unrelated", event_id="evt_9999")
            squad.error("invalid_value", event_id=squad.sent("session.update")[-1]["event_id"])
        case "different":
            squad.hear(realtime.SessionUpdated({"instructions": "You explain invoices.", "tools": []}))
        case _:
            squad.wait(TAKEOVER_WITHIN_S + 0.1)

    assert squad.took_over() == []
    assert "could not be handed over" in squad.outputs["h1"]
    assert squad.asked == ["tool_result"]
    back = [one["session"]["instructions"] for one in squad.sent("session.update")[updates:]]
    assert back == ([] if how == "refused" else ["Be brief."])


# Several in a row -----------------------------------------------------------------------------------------------------


def test_a_second_one_at_once_is_turned_down_without_words() -> None:
    squad = Squad(triage(to_billing(""), Place("Desk", "", Taker("desk"))))
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
        squad.calls_tool("r1", "h2", "transferCall", '{"destination":"Desk"}'),
    ]
    squad.done("r1", calls=tuple(calls))
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert [one.call_id for one in squad.all(ToolRefused)] == ["h2"]
    assert squad.asked == ["greeting"]


def test_the_call_goes_there_and_back() -> None:
    squad = Squad()
    squad.hands_over(replace(BILLING, first_message_interruptible=True))
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.caller_says("u2", "No, a repair.")
    squad.asks_at_once("Triage", call_id="h2", name="handoff_to_triage")
    back = replace(
        triage(to_billing()), first_message_mode=FirstMessageMode.SPEAKS_FIRST, first_message="Triage again."
    )
    squad.ready(back, session=2, call_id="h2")
    squad.session = 2

    assert squad.took_over() == ["billing", "triage"]
    assert squad.read_in(2) == [
        ("user", "It is about my bill."),
        ("assistant", WORDS),
        ("call", "transferCall"),
        ("output", "Success."),
        ("assistant", HELLO),
        ("user", "No, a repair."),
        ("call", "handoff_to_triage"),
        ("output", "Success."),
    ]
    assert squad.sentences[-1] == "Triage again."
    assert squad.all(CloseRealtime) == [CloseRealtime(0), CloseRealtime(1)]


def test_two_that_send_the_caller_to_and_fro_are_stopped() -> None:
    to_and_fro = replace(BILLING, tools=(BACK,), first_message_mode=FirstMessageMode.WAITS)
    squad = Squad(triage(Place("Triage", "", Taker("triage"))))
    squad.asks("Triage")
    for number in range(1, MOST_HANDOVERS + 1):
        squad.ready(replace(to_and_fro, voice=f"v{number}"), session=number, call_id=f"h{number}")
        squad.session = number
        squad.asks_at_once("Triage", call_id=f"h{number + 1}", name="handoff_to_triage")

    assert squad.took_over() == ["triage"] * MOST_HANDOVERS
    assert len(squad.preparing) == MOST_HANDOVERS
    assert "several times" in squad.outputs_in(MOST_HANDOVERS)[f"h{MOST_HANDOVERS + 1}"]

    squad.caller_says("u7", "Hello?")
    squad.answers("r40")
    squad.wait(2)
    squad.asks_at_once("Triage", call_id="h9", name="handoff_to_triage")
    assert len(squad.preparing) == MOST_HANDOVERS + 1


# Sound ----------------------------------------------------------------------------------------------------------------


def test_what_the_first_one_said_is_not_cut_in_a_session_that_does_not_know_it() -> None:
    squad = Squad()
    squad.asks()
    squad.ready(replace(BILLING, first_message_interruptible=True))
    squad.created("w1", ours=True)
    squad.audio("w1", 3000)
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))
    squad.session = 1
    squad.wait(0.5)
    squad.caller_speaks("u2")
    assert squad.clears == 1
    squad.stop()

    assert squad.truncated == {}
    assert [one.assistant for one in squad.ended.spoken if one.generated_ms] == ["Triage"]


def test_a_caller_can_interrupt_the_next_one_too() -> None:
    squad = Squad()
    squad.hands_over(replace(BILLING, first_message_interruptible=True))
    squad.created("g1", ours=True)
    squad.audio("g1", 2000)
    squad.wait(1)
    squad.caller_speaks("u2")

    assert squad.clears == 1
    assert squad.truncated == {"g1-i": 1000}


def test_every_mark_is_unique_across_sessions() -> None:
    squad = Squad()
    squad.hands_over()
    squad.answers("g1", HELLO, ms=1000, ours=True)
    squad.wait(2)

    names = [message["mark"]["name"] for message in squad.to_twilio if message["event"] == "mark"]
    assert len(names) == len(set(names))
    assert orjson.dumps(names)
    assert [one.key for one in squad.all(MemberTookOver)] == ["billing"]
