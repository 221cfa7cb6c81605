"""What is said once a tool has answered or failed, instead of the model's own words."""

from dataclasses import replace

from calls.bridge.commands import HangUp
from calls.bridge.toolmessages import Moment
from calls.tests.bridge.call import Call
from calls.tests.bridge.toolwords import COMPLETE, FAILED, asked, plan, says


def test_a_complete_message_is_said_instead_of_the_reply() -> None:
    call = asked(COMPLETE, FAILED)

    call.result()
    says(call, "r2")
    call.wait(5)

    assert call.outputs == {"c1": '{"booked":true}'}
    assert call.asked == ["tool_result"]
    assert call.sentences == ["It is booked."]


def test_a_failed_message_is_said_of_an_error_and_of_a_timeout() -> None:
    call = asked(COMPLETE, FAILED)
    call.result(moment=Moment.FAILED)
    assert call.sentences == ["I could not book it."]

    slow = asked(COMPLETE, FAILED)
    slow.wait(23.1)
    assert slow.sentences == ["I could not book it."]


def test_what_was_never_sent_is_for_the_model_to_explain() -> None:
    call = asked(COMPLETE, FAILED)

    call.result(moment=None)

    assert call.asked == ["tool_result"]
    assert call.sentences == []


def test_the_servers_own_message_beats_the_tools() -> None:
    call = asked(COMPLETE, FAILED)

    call.result(message=replace(COMPLETE, text="Monday at nine it is."))

    assert call.sentences == ["Monday at nine it is."]


def test_a_hint_is_told_to_the_model_which_speaks_itself() -> None:
    call = asked(replace(COMPLETE, text="Ask for the name next.", hint=True))

    call.result()

    assert call.told == [("system", "Ask for the name next.")]
    assert call.asked == ["tool_result"]
    assert call.sentences == []


def test_an_empty_hint_is_none() -> None:
    call = asked(replace(COMPLETE, text="", hint=True))
    call.result()

    assert call.told == []
    assert call.asked == ["tool_result"]


def test_an_empty_complete_message_is_silence_and_the_caller_is_waited_for() -> None:
    call = asked(replace(COMPLETE, text=""), silence_timeout_s=10)
    call.result()
    assert call.asked == []

    call.wait(10.1)

    assert call.asked == ["farewell"]


def test_several_messages_are_said_in_one_go_and_equal_ones_once() -> None:
    call = Call(plan(COMPLETE))
    call.created("r1")
    for n in range(3):
        call.calls_tool("r1", f"c{n}", arguments=f'{{"day":"{n}"}}')
    call.done("r1")
    call.result("c0")
    call.result("c1", message=replace(COMPLETE, text="That too."))
    call.result("c2")

    assert call.sentences == ["It is booked. That too."]


def test_where_only_one_of_two_has_a_message_the_model_speaks_of_both_after_it() -> None:
    call = Call(plan(COMPLETE))
    call.created("r1")
    call.calls_tool("r1", "c1")
    call.calls_tool("r1", "c2", "list_slots", "{}")
    call.done("r1")
    call.result("c1")
    call.result("c2")
    call.answers("r2", ours=True)

    assert call.asked == ["tool_result", "tool_result"]
    assert call.sentences == ["It is booked."]


def test_a_call_ends_after_a_message_that_ends_it_was_heard() -> None:
    call = asked(replace(COMPLETE, ends_call=True), end_call_message="Goodbye.")
    call.result()
    call.answers("r2", "It is booked.", 1500, ours=True)
    call.wait(1.4)
    assert not call.all(HangUp)

    call.wait(0.2)
    call.stop()

    assert call.all(HangUp) == [HangUp()]
    assert call.asked == ["tool_result"]
    assert call.ended.reason == "assistant-ended-call-after-message-spoken"


def test_a_hint_may_end_the_call_after_the_models_own_words() -> None:
    call = asked(replace(COMPLETE, text="Say that it is booked.", hint=True, ends_call=True))
    call.result()
    call.answers("r2", "Booked.", 500, ours=True)
    call.wait(0.6)

    assert call.all(HangUp) == [HangUp()]


def test_a_caller_who_speaks_into_the_last_message_is_listened_to() -> None:
    call = asked(replace(COMPLETE, ends_call=True))
    call.result()
    call.answers("r2", "It is booked.", 1500, ours=True)
    call.wait(1)
    call.caller_says("u2", "And Tuesday?")
    call.answers("r3")
    call.wait(5)

    assert not call.all(HangUp)


def test_a_last_message_that_nobody_heard_ends_nothing() -> None:
    call = asked(replace(COMPLETE, ends_call=True))
    call.result()
    call.caller_speaks("u2")
    call.created("r2", ours=True)
    call.done("r2", "cancelled")
    call.caller_stops("u2")
    call.answers("r3")
    call.wait(5)

    assert not call.all(HangUp)
