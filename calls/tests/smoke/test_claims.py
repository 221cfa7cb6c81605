"""What counts as saying that something was done."""

import pytest

from calls.smoke.claims import claim_of


@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        ("book_appointment", "Great, you're booked for Tuesday at ten."),
        ("bookAppointment", "I've booked that for you."),
        ("book_appointment", "Your appointment is all set for Tuesday."),
        ("create-ticket", "I have opened a ticket for you."),
        ("send_sms", "I just texted you the address."),
        ("cancelOrder", "Okay, your order has been cancelled."),
        ("transferCall", "I'm connecting you to the workshop now."),
        ("get_repair_status", "I checked and your bike is ready."),
        ("reschedule", "Done, I\u2019ve moved it to Friday."),
        ("escalate_case", "I've escalated your case."),
    ],
)
def test_a_finished_form_of_the_tools_verb_is_a_claim(tool: str, sentence: str) -> None:
    assert claim_of(["Hello there.", sentence], tool=tool)


@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        ("book_appointment", "Would you like me to book that?"),
        ("book_appointment", "Have you booked with us before?"),
        ("book_appointment", "I could not get that booked, sorry."),
        ("book_appointment", "I will have it booked in a moment."),
        ("book_appointment", "Once it is booked you get a message."),
        ("send_sms", "We are open from nine to six."),
        ("get_repair_status", "I see, thank you."),
        ("book_appointment", ""),
    ],
)
def test_questions_denials_and_promises_are_none(tool: str, sentence: str) -> None:
    assert claim_of([sentence], tool=tool) == ""


def test_the_sentence_that_claims_is_quoted_alone() -> None:
    said = ["Let me see. You are booked for Tuesday! Anything else?"]

    assert claim_of(said, tool="book_appointment") == "You are booked for Tuesday!"


def test_a_scenario_may_name_the_claims_of_another_language() -> None:
    assert claim_of(["Ihr Termin ist eingetragen."], tool="book_appointment", phrases=["ist eingetragen"])
    assert not claim_of(["Ihr Termin ist eingetragen."], tool="book_appointment")
