"""How another assistant takes a call over: ready before it is needed, in a silence, with what it may know of the talk."""

from dataclasses import replace

import orjson
import pytest

from calls.bridge import realtime, twilio
from calls.bridge.commands import (
    Apologise,
    CloseRealtime,
    Forward,
    HangUp,
    MemberTookOver,
    OpenRealtime,
    PrepareMember,
    RunTool,
    ToolDone,
    ToolRefused,
    ToolSettled,
)
from calls.bridge.limits import (
    HANDOVER_WITHIN_S,
    LAST_WORDS_WITHIN_S,
    MOST_HANDOVERS,
    TAKEOVER_WITHIN_S,
    WORDS_KNOWN_WITHIN_S,
)
from calls.bridge.line import Phase
from calls.bridge.plan import FirstMessageMode, Keeps, Place, Plan, Remark, Taker, ToolSpec, session_payload
from calls.bridge.toolmessages import Moment, ToolMessage
from calls.tests.bridge.call import WAITING, sound
from calls.tests.bridge.handing import (
    BACK,
    BILLING,
    HELLO,
    SILENT,
    TWIN,
    WORDS,
    Squad,
    to_billing,
    triage,
)

QUIETLY = triage(to_billing(""))


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


# When -----------------------------------------------------------------------------------------------------------------


def test_what_is_being_said_is_heard_to_its_end_before() -> None:
    squad = Squad(QUIETLY)
    squad.asks(said_ms=2000)
    squad.ready()
    squad.wait(1.5)
    assert squad.took_over() == []

    squad.wait(0.7)
    assert squad.took_over() == ["billing"]


@pytest.mark.parametrize(
    ("message", "said_ms", "sentences"),
    [(None, 0, ["Transferring the call now."]), (None, 500, []), ("", 0, []), (WORDS, 500, [WORDS])],
    ids=["stock", "the model's own", "silent", "its own besides"],
)
def test_it_is_announced_once(message: str | None, said_ms: int, sentences: list[str]) -> None:
    squad = Squad(triage(to_billing(message)))
    squad.asks(said_ms=said_ms)
    squad.wait(0.7)

    assert squad.sentences == sentences


def test_a_caller_who_interrupts_the_announcement_is_listened_to_first_and_answered_by_the_next_one() -> None:
    squad = Squad()
    squad.asks()
    squad.ready()
    squad.created("w1", ours=True)
    squad.audio("w1", 3000)
    squad.wait(0.5)
    squad.caller_speaks("u2")
    squad.done("w1", "cancelled", reason="turn_detected")
    squad.wait(1)
    assert squad.took_over() == []
    assert squad.clears == 1
    squad.caller_stops("u2")
    squad.hear(realtime.CallerText("u2", "It is invoice four one two."))

    assert squad.took_over() == ["billing"]
    assert ("user", "It is invoice four one two.") in squad.read_in(1)
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.accept_floor()
    squad.wait(1)
    assert squad.asked_in(1) == ["greeting", "answer"]
    assert squad.asked_in(0) == ["handoff"]


def test_voice_detection_s_answer_by_the_one_who_leaves_is_never_heard() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_says("u2", "Are you there?")
    squad.created("r9")
    squad.audio("r9", 500)

    assert {
        "type": "response.cancel",
        "event_id": squad.sent("response.cancel")[0]["event_id"],
        "response_id": "r9",
    } in squad.to_realtime
    assert [message["event"] for message in squad.to_twilio] == []
    squad.done("r9", "cancelled")
    squad.ready()
    assert squad.took_over() == ["billing"]


def test_a_silent_taker_answers_at_once_and_may_begin_with_a_tool() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.ready(SILENT)
    squad.session = 1
    assert "tool_choice" not in squad.sent("response.create")[-1]["response"]
    squad.created("g1", ours=True)
    fc = squad.calls_tool("g1", "i1", "get_invoice", "{}")
    squad.done("g1", calls=(fc,))
    squad.result("i1", '{"due":12}')

    assert squad.asked_in(1) == ["greeting", "tool_result"]
    assert squad.problems == []


def test_one_that_waits_for_the_caller_says_nothing_until_they_have_spoken() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1
    squad.wait(2)
    assert squad.asked_in(1) == []

    squad.caller_says("u2", "Hello?")
    squad.answers("r5")
    squad.wait(2)
    assert squad.clears == 0


def test_words_said_to_the_one_who_leaves_are_answered_by_one_that_waits() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_says("u2", "It is invoice four one two.")
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))

    assert squad.asked_in(1) == ["answer"]


def test_keys_that_were_pressed_meanwhile_are_answered_by_the_next_one() -> None:
    squad = Squad(triage(to_billing(""), keypad_enabled=True))
    squad.asks()
    squad.caller_presses("12")
    squad.ready(replace(BILLING, keypad_enabled=True, first_message_interruptible=True))
    assert squad.took_over() == []
    squad.caller_presses("#")

    assert squad.took_over() == ["billing"]
    squad.session = 1
    assert ("user", "The caller pressed these keys: 1 2 #") in squad.read_in(1)
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.caller_presses("3#")
    assert squad.asked_in(1)[:2] == ["greeting", "answer"]
    items = [one["item"]["id"] for one in squad.sent("conversation.item.create") if "id" in one["item"]]
    assert items == ["keys_1", "keys_2"]


def test_the_beginning_of_a_word_is_heard_by_both_and_no_frame_is_lost() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.frames = False
    for _ in range(20):
        squad.speak(sound(20))
    squad.ready()
    before = squad.frames_in(0)
    assert squad.took_over() == ["billing"]
    assert squad.frames_in(1) == 15
    squad.session = 1
    for _ in range(5):
        squad.speak(sound(20))

    assert squad.frames_in(0) == before
    assert squad.frames_in(1) == 20


def test_the_clock_of_the_new_session_begins_with_its_first_frame() -> None:
    squad = Squad(QUIETLY)
    squad.wait(5)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1
    heard_from = squad.call_ms
    squad.wait(2)
    squad.hear(realtime.SpeechStarted("u2", 1500), realtime.SpeechStopped("u2", 2500))
    squad.hear(realtime.CallerText("u2", "Hello?"))
    squad.stop()

    assert abs(squad.spoken("u2").began_ms - (heard_from + 1500)) < 1000


def test_silence_while_it_is_being_prepared_is_nobody_s_fault() -> None:
    squad = Squad(
        triage(to_billing(""), silence_timeout_s=3.0, idle_messages=("Are you there?",), idle_timeout_s=1.0)
    )
    squad.asks()
    squad.wait(5)

    assert squad.asked == []
    assert squad.conversation.phase is Phase.TALKING


def test_the_time_that_a_call_may_last_does_not_begin_anew() -> None:
    squad = Squad(triage(to_billing(""), max_duration_s=20.0, silence_timeout_s=100.0))
    squad.wait(10)
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS, max_duration_s=500.0))
    squad.session = 1
    squad.wait(9.5)

    assert squad.asked_in(1) == ["farewell"]


def test_reminders_and_phrases_are_those_of_whoever_has_the_call() -> None:
    waiting = replace(
        BILLING,
        first_message_mode=FirstMessageMode.WAITS,
        idle_messages=("Still billing.",),
        idle_timeout_s=2.0,
    )
    squad = Squad(triage(to_billing(""), idle_messages=("Still triage.",), idle_timeout_s=4.0))
    squad.asks()
    squad.ready(replace(waiting, end_call_phrases=("adieu",)))
    squad.session = 1
    squad.wait(2.1)
    assert squad.sentences == ["Still billing."]

    squad.answers("r7", "Still billing.", ms=200, ours=True)
    squad.wait(0.3)
    squad.caller_says("u5", "Yes.")
    squad.answers("r8", "Adieu!", ms=200)
    squad.wait(0.5)
    assert squad.all(HangUp) == [HangUp()]


# The caller's last words ----------------------------------------------------------------------------------------------


def unheard_words() -> Squad:
    """Everything is ready, and the caller's words are not written down yet."""
    squad = Squad(QUIETLY)
    squad.caller_speaks("u1")
    squad.wait(1)
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready()
    assert squad.took_over() == []
    return squad


def test_the_caller_s_last_words_are_waited_for() -> None:
    squad = unheard_words()
    squad.wait(0.5)
    squad.hear(realtime.CallerText("u1", "It is about my bill."))
    squad.wait(WORDS_KNOWN_WITHIN_S)

    assert squad.took_over() == ["billing"]
    assert squad.read_in(1)[0] == ("user", "It is about my bill.")
    assert squad.all(CloseRealtime) == [CloseRealtime(0)]


def test_words_that_take_too_long_are_passed_on_when_they_come() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    assert squad.took_over() == ["billing"]
    assert squad.all(CloseRealtime) == []
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))
    squad.wait(2)
    squad.stop()

    assert ("user", "It is about my bill.") in squad.read_in(1)
    assert squad.all(CloseRealtime)[0] == CloseRealtime(0)
    assert squad.spoken("u1").text == "It is about my bill."


def test_words_that_come_when_the_caller_is_gone_are_written_down() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.session = 1
    squad.take(squad.conversation.receive_twilio(twilio.Stop(), now=squad.now))
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))

    assert squad.spoken("u1").text == "It is about my bill."
    assert squad.all(CloseRealtime)[-1] == CloseRealtime()


@pytest.mark.parametrize("how", ["failed", "empty", "never", "closed"])
def test_words_that_do_not_come_keep_nobody(how: str) -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.session = 1
    match how:
        case "failed":
            squad.hear_in(0, realtime.CallerTextFailed("u1", "no"))
        case "empty":
            squad.hear_in(0, realtime.CallerText("u1", " "))
        case "closed":
            squad.take(squad.conversation.realtime_gone(code="closed_1000", now=squad.now, session=0))
        case _:
            squad.wait(LAST_WORDS_WITHIN_S)

    closed = [CloseRealtime(0)] if how != "closed" else []
    assert squad.all(CloseRealtime) == closed
    assert [role for role, _ in squad.read_in(1)] == ["call", "output"]
    assert squad.conversation.phase is Phase.TALKING


def test_one_that_may_read_nothing_is_not_told_late_words_either() -> None:
    squad = Squad(triage(to_billing("", keeps=Keeps.NONE)))
    squad.caller_speaks("u1")
    squad.caller_stops("u1")
    squad.asks_at_once()
    squad.ready()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    squad.hear_in(0, realtime.CallerText("u1", "It is about my bill."))

    assert squad.took_over() == ["billing"]
    assert squad.read_in(1) == []


def test_nothing_else_of_the_session_before_counts_any_more() -> None:
    squad = unheard_words()
    squad.wait(WORDS_KNOWN_WITHIN_S)
    sent = len(squad.to_realtime)
    squad.hear_in(0, realtime.SpeechStarted("u9", 0), realtime.ResponseCreated("r99", ""))
    squad.hear_in(0, realtime.AudioDelta("r99", "r99-i", sound(100), 800), realtime.Error("odd", "", ""))

    assert len(squad.to_realtime) == sent
    assert squad.problems == []
    assert [message["event"] for message in squad.to_twilio] == []


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


# What does not come about ---------------------------------------------------------------------------------------------


def failed(squad: Squad) -> None:
    """The first one keeps the call, and its model is told so, once."""
    assert squad.took_over() == []
    assert "could not be handed over" in squad.outputs["h1"]
    assert [one.reason for one in squad.all(ToolRefused)] == ["handoff_failed"]
    squad.created("r5", ours=True)
    squad.audio("r5", 300)
    squad.done("r5")
    squad.wait(HANDOVER_WITHIN_S * 2)
    assert squad.asked[-1] in ("tool_result", "farewell")
    assert len(squad.all(ToolRefused)) == 1


def test_no_such_member_is_told_to_the_model() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.take(squad.conversation.member_refused("other", "x", "y", now=squad.now))
    assert squad.outputs == {}
    squad.take(
        squad.conversation.member_refused("h1", "never_published", "it was never published", now=squad.now)
    )

    assert "it was never published" in squad.outputs["h1"]
    assert "never_published" in squad.problems
    failed(squad)


def test_a_plan_that_never_comes_is_given_up() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.wait(HANDOVER_WITHIN_S + 0.1)
    squad.prepared()

    assert squad.all(OpenRealtime) == []
    assert "handoff_timed_out" in squad.problems
    failed(squad)


def test_a_session_that_is_not_ready_in_time_is_closed() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated())
    squad.wait(HANDOVER_WITHIN_S + 0.1)

    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    squad.take(squad.conversation.realtime_gone(code="closed_1000", now=squad.now, session=1))
    failed(squad)


def test_a_session_that_is_refused_leaves_the_call_where_it_was() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.take(squad.conversation.realtime_gone(code="http_429", now=squad.now, session=1))

    assert "http_429" in squad.problems
    assert squad.all(CloseRealtime) == []
    failed(squad)


def test_a_session_that_is_lost_while_the_caller_speaks_leaves_the_call_where_it_was() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.caller_speaks("u2")
    squad.ready()
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=1))
    squad.caller_stops("u2")
    squad.answers("r5", "I could not reach them.")
    squad.wait(3)

    assert squad.took_over() == []
    assert "could not be handed over" in squad.outputs["h1"]
    assert squad.asked == []  # voice detection has asked for the answer, which sees it all


@pytest.mark.parametrize("how", ["refused", "fatal", "different"])
def test_settings_that_another_session_does_not_take_leave_the_call_where_it_was(how: str) -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated(), realtime.SessionCreated(), realtime.Ignored("x"))
    match how:
        case "refused":
            event_id = squad.sent_in(1)[0]["event_id"]
            squad.hear_in(1, realtime.Error("invalid_value", "", event_id))
        case "fatal":
            squad.hear_in(1, realtime.Error("insufficient_quota", "", ""))
        case _:
            squad.hear_in(1, realtime.SessionUpdated({"tools": []}))

    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    failed(squad)


def test_a_small_error_of_the_other_session_is_reported_and_changes_nothing() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.hear_in(1, realtime.SessionCreated(), realtime.Error("odd", "", "evt_9"), realtime.Committed("u"))
    squad.accepts()

    assert squad.problems == ["odd"]
    assert squad.took_over() == ["billing"]


def test_a_first_session_that_is_lost_is_replaced_by_the_one_that_is_ready() -> None:
    squad = Squad()
    squad.asks()
    squad.ready()
    squad.created("w1", ours=True)
    squad.audio("w1", 2000)
    squad.wait(0.5)
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))

    assert squad.took_over() == ["billing"]
    assert squad.all(CloseRealtime) == []
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(5)
    assert squad.conversation.phase is Phase.TALKING


def test_what_the_lost_session_was_asked_for_is_waited_for_no_more() -> None:
    squad = Squad()
    squad.asks()
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    assert squad.asked_in(0) == ["handoff"]
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))
    squad.session = 1
    squad.wait(20)

    assert squad.took_over() == ["billing"]
    assert squad.asked_in(1) == []
    assert squad.problems == ["closed_1006"]


def test_a_first_session_that_is_lost_before_the_other_is_ready_ends_the_call() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.prepared()
    squad.take(squad.conversation.realtime_gone(code="closed_1006", now=squad.now, session=0))

    assert len(squad.all(Apologise)) == 1
    assert squad.all(CloseRealtime) == [CloseRealtime(1)]
    assert squad.took_over() == []


# The end of the call --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["asked", "opening", "ready"])
def test_a_caller_who_hangs_up_meanwhile_ends_the_call_once(stage: str) -> None:
    squad = Squad()
    squad.asks()
    if stage != "asked":
        squad.prepared()
    if stage == "ready":
        squad.accepts()
    squad.stop()
    squad.prepared()
    squad.accepts()

    assert squad.took_over() == []
    assert squad.ended.reason == "customer-ended-call"
    assert squad.all(ToolRefused) == [ToolRefused("h1", "transferCall", "caller_gone", "", orphaned=True)]
    assert squad.all(CloseRealtime) == [*([] if stage == "asked" else [CloseRealtime(1)]), CloseRealtime()]


def test_a_call_that_has_lasted_too_long_is_not_handed_over_any_more() -> None:
    squad = Squad(triage(to_billing(""), max_duration_s=10.0, silence_timeout_s=100.0))
    squad.wait(6)
    squad.asks()
    squad.wait(4)

    assert squad.asked == ["farewell"]
    assert squad.all(ToolRefused)[0].orphaned
    squad.prepared()
    assert squad.all(OpenRealtime) == []


def test_an_order_to_hang_up_outdoes_it() -> None:
    squad = Squad(QUIETLY)
    squad.asks()
    squad.take(squad.conversation.hang_up("manually-canceled", now=squad.now))

    assert squad.all(HangUp) == [HangUp()]
    assert squad.all(ToolRefused)[0].orphaned


def test_a_goodbye_gives_way_and_one_that_follows_does_not_count() -> None:
    squad = Squad(QUIETLY)
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "e1", "end_call", "{}"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
        squad.calls_tool("r1", "e2", "end_call", "{}"),
    ]
    squad.done("r1", calls=tuple(calls))
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert "handed over already" in squad.outputs_in(0)["e2"]
    assert squad.asked == ["greeting"]


def test_a_call_that_is_over_is_not_handed_over() -> None:
    squad = Squad(triage(to_billing(""), Place("+13125550142", "I connect you.")))
    squad.asks("+13125550142")
    squad.asks_at_once(call_id="h2")

    assert squad.preparing == []
    assert "already being transferred" in squad.outputs["h2"]


def test_a_telephone_that_a_server_names_too_late_is_not_dialled() -> None:
    squad = Squad(replace(QUIETLY, tools=(*QUIETLY.tools, ToolSpec("anywhere", "Ask", {}, transfers=True))))
    squad.caller_says("u1", "It is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "t1", "anywhere", "{}"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
    ]
    squad.done("r1", calls=tuple(calls))
    squad.take(squad.conversation.transfer_to("t1", Place("+13125550142", ""), now=squad.now))
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert squad.all(Forward) == []
    assert "already being transferred" in squad.outputs_in(0)["t1"]


def test_a_phrase_that_ends_calls_does_not_end_one_that_is_handed_over() -> None:
    squad = Squad(triage(to_billing(), end_call_phrases=("bring in",)))
    squad.asks()
    squad.announces()
    squad.ready()

    assert squad.took_over() == ["billing"]
    assert squad.all(HangUp) == []


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


# Tools ----------------------------------------------------------------------------------------------------------------


def with_tool(plan: Plan = QUIETLY) -> Squad:
    """A webhook is at work when the call is to be handed over."""
    squad = Squad(plan)
    squad.caller_says("u1", "Book Monday, and it is about my bill.")
    squad.created("r1")
    calls = [
        squad.calls_tool("r1", "c1"),
        squad.calls_tool("r1", "h1", "transferCall", '{"destination":"Billing"}'),
    ]
    squad.done("r1", calls=tuple(calls))
    return squad


def test_an_answer_that_comes_after_is_told_to_the_one_who_has_the_call() -> None:
    squad = with_tool()
    squad.ready()
    assert squad.took_over() == ["billing"]
    squad.session = 1
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.result()

    assert "c1" not in squad.outputs_in(1)
    told = [text for role, text in squad.read_in(1) if role == "system"]
    assert told == ['book was asked before you took the call over. Its answer: {"booked":true}']
    assert squad.asked_in(1) == ["greeting", "tool_result"]
    assert squad.all(ToolSettled) == [ToolSettled("c1", '{"booked":true}', orphaned=False)]


def test_an_answer_that_comes_before_is_read_and_spoken_of_by_the_next_one() -> None:
    squad = with_tool()
    squad.result()
    assert squad.asked == []
    squad.ready()

    squad.session = 1
    assert ("output", '{"booked":true}') in squad.read_in(1)
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    assert squad.asked_in(1) == ["greeting", "tool_result"]


def test_an_answer_in_a_session_that_was_taken_over_is_an_ordinary_one() -> None:
    squad = with_tool()
    squad.prepared(TWIN)
    squad.hear(realtime.SessionUpdated(session_payload(TWIN, floor_open=False)))
    assert squad.took_over() == ["billing"]
    squad.result()

    assert squad.outputs == {"h1": "Success.", "c1": '{"booked":true}'}


def test_a_tool_that_waits_for_a_silence_is_sent_when_the_next_one_takes_over() -> None:
    start = ToolMessage(Moment.START, "One moment.", blocking=True)
    plan = triage(to_billing(""))
    book = replace(plan.tools[0], messages=(start, ToolMessage(Moment.DELAYED, "Still at it.", after_ms=500)))
    squad = with_tool(replace(plan, tools=(book, *plan.tools[1:])))
    assert squad.all(RunTool) == []
    squad.ready(replace(BILLING, first_message_mode=FirstMessageMode.WAITS))
    squad.session = 1

    assert [one.call_id for one in squad.all(RunTool)] == ["c1"]
    assert "One moment." not in squad.sentences
    squad.wait(4)
    assert squad.sentences == ["Still at it."]


def test_tools_are_those_of_whoever_has_the_call() -> None:
    squad = Squad()
    squad.hands_over(replace(BILLING, first_message_interruptible=True))
    squad.answers("g1", HELLO, ms=500, ours=True)
    squad.wait(1)
    squad.caller_says("u2", "Book Monday.")
    squad.created("r3")
    calls = [squad.calls_tool("r3", "c7", "book"), squad.calls_tool("r3", "c8", "get_invoice", "{}")]
    squad.done("r3", calls=tuple(calls))

    assert "There is no tool named book" in squad.outputs_in(1)["c7"]
    assert [one.name for one in squad.all(RunTool)] == ["get_invoice"]


def test_a_tool_that_waits_for_its_own_conditions_is_not_used_any_more() -> None:
    plan = triage(to_billing(""))
    squad = with_tool(replace(plan, tools=(replace(plan.tools[0], checked=True), *plan.tools[1:])))
    squad.ready()
    squad.take(squad.conversation.tool_checked("c1", "", now=squad.now))

    assert squad.took_over() == ["billing"]
    assert squad.all(RunTool) == []
    assert [(one.call_id, one.reason) for one in squad.all(ToolRefused)] == [("c1", "handed_over")]


def test_the_same_words_may_be_said_anew_after_a_change_of_the_tools_words() -> None:
    squad = with_tool()
    squad.ready()
    squad.conversation.reword(BILLING.tools)
    squad.session = 1
    squad.result()

    assert [one.call_id for one in squad.all(ToolSettled)] == ["c1"]


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
