"""Numbers on their way from the old provider, by whole calls: a shared one, and one whose web process is gone."""

import os
import signal

import pytest
from django.utils import timezone
from pytest_django import Settings

from assistants.models import VapiImport, VapiObject
from calls.cutover.canary import stack_for
from calls.cutover.gates import TITLES
from calls.cutover.services import cutover_apply, rollback
from calls.models import Call, CallHandover, PhoneNumber
from simulator.old_provider import PREFIX as OLD_PREFIX
from simulator.old_provider import SENTENCE
from tests.integration.outside import ACCOUNT_SID, AUTH_TOKEN, PUBLIC_ORIGIN, LiveCall
from tests.integration.rows import GREETING, Desk, make_desk, written
from tests.integration.stack import Stack, eventually

OVERRIDES = [{"gate": gate, "reason": "This is about the calls."} for gate in TITLES]
LEAVES = "greeting"


@pytest.fixture
def twilio(settings: Settings, stack: Stack) -> None:
    """This process cuts over as the stack's own would."""
    settings.PUBLIC_ORIGIN = PUBLIC_ORIGIN
    settings.TWILIO_API_URL = stack.outside.http_url
    settings.TWILIO_ACCOUNT_SID = ACCOUNT_SID
    settings.TWILIO_AUTH_TOKEN = AUTH_TOKEN
    settings.TWILIO_AUTH_TOKENS = [AUTH_TOKEN]
    settings.VOICE_ANSWER_WITHIN_MS = 12_000  # a busy machine is not away


def make_number(stack: Stack) -> tuple[Desk, PhoneNumber]:
    """A number of the simulated Twilio that the old provider answers, with an assistant here."""
    desk = make_desk(stack)
    old = f"{stack.outside.http_url}{OLD_PREFIX}"
    held = stack.outside.simulator.numbers.add(
        desk.did,
        voice_url=f"{old}/inbound_call",
        voice_method="POST",
        status_callback=f"{old}/status",
        status_callback_method="POST",
    )
    number = desk.number
    number.account_sid, number.twilio_sid, number.config = held["account_sid"], held["sid"], dict(held)
    number.save()
    return desk, number


def known_at_vapi(stack: Stack, number: PhoneNumber) -> None:
    """An import has told which number it is at Vapi, and who answers there."""
    line = next(iter(stack.outside.simulator.vapi.objects["phone-number"].values()))
    VapiObject.objects.get_or_create(
        kind=VapiObject.Kind.PHONE_NUMBER,
        key=line["id"],
        defaults={
            "raw": line,
            "last_import": VapiImport.objects.create(source="a test"),
            "imported_at": timezone.now(),
        },
    )
    number.vapi_id = line["id"]
    number.save()


def move(number: PhoneNumber, kind: str, percent: int = 100) -> PhoneNumber:
    """Cut over, all gates overridden."""
    outcome = cutover_apply(
        number, kind=kind, percent=percent, reason="A test.", actor_label="a test", overrides=OVERRIDES
    )
    assert outcome.ok, outcome
    return outcome.number


def caller_for(desk: Desk, stack: str, percent: int) -> str:
    """Somebody whom this share gives to that stack."""
    callers = (f"+1202555{serial:04}" for serial in range(1000))
    return next(
        one for one in callers if stack_for(did=desk.did, caller=one, call_sid="", percent=percent) == stack
    )


def dial(stack: Stack, desk: Desk, caller: str) -> LiveCall:
    return stack.outside.dial_number(
        LEAVES, number=desk.did, caller=caller, web_port=stack.ports.web, media_port=stack.ports.media
    )


@pytest.mark.usefixtures("twilio")
def test_of_two_callers_one_lands_at_the_old_provider_and_one_here(stack: Stack) -> None:
    desk, number = make_number(stack)
    move(number, "canary", 50)
    ours, theirs = caller_for(desk, "direct", 50), caller_for(desk, "vapi", 50)

    calls = [dial(stack, desk, caller) for caller in (ours, theirs)]
    here, there = [call.report() for call in calls]

    assert [line.text for line in here.heard] == [GREETING]
    assert here.spoken_by_twilio == []
    assert written(here.call_sid).call.stack == Call.Stack.DIRECT
    assert there.spoken_by_twilio == [SENTENCE]
    assert there.heard == []
    assert there.redirects == [f"{stack.outside.http_url}{OLD_PREFIX}/inbound_call"]
    old = stack.outside.simulator.old_provider
    (taken,) = [form for form in old.calls if form["CallSid"] == there.call_sid]
    assert (taken["From"], taken["To"], taken["CallStatus"]) == (theirs, desk.did, "ringing")

    # The old provider hears of the end of its call, by way of us, and of no other.
    told = eventually(
        lambda: [form for form in old.statuses if form["To"] == desk.did], "the end is passed on"
    )
    assert [(form["CallSid"], form["CallStatus"]) for form in told] == [(there.call_sid, "completed")]
    assert not old.refused
    call = Call.objects.get(call_sid=there.call_sid)
    assert (call.stack, call.status) == (Call.Stack.VAPI, Call.Status.ENDED)
    assert eventually(lambda: CallHandover.objects.get(pk=call.pk).forward_status, "that is written") == 200


@pytest.mark.usefixtures("twilio")
def test_a_caller_reaches_the_old_provider_by_its_bypass_too(stack: Stack) -> None:
    desk, number = make_number(stack)
    known_at_vapi(stack, number)
    number.hand_over_by = PhoneNumber.HandOverBy.BYPASS
    number.save()
    move(number, "canary", 0)

    report = dial(stack, desk, "+12025550004").report()

    assert [line.text for line in report.heard] == [SENTENCE]
    assert report.redirects == []
    handover = CallHandover.objects.get(call__call_sid=report.call_sid)
    assert (handover.how, handover.problem) == (CallHandover.How.BYPASS, "")


@pytest.mark.usefixtures("twilio")
def test_callers_reach_the_old_provider_when_web_is_gone_or_hangs(alone: Stack, settings: Settings) -> None:
    settings.VOICE_ANSWER_WITHIN_MS = 2500
    desk, number = make_number(alone)
    number = move(number, "cutover")

    alone.kill("web")
    gone = dial(alone, desk, "+12025550001").report()
    alone.start("web")
    process = alone._children["web"].process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        hung = dial(alone, desk, "+12025550002").report()
    finally:
        os.kill(process.pid, signal.SIGCONT)

    for report in (gone, hung):
        assert report.spoken_by_twilio == [SENTENCE]
        assert report.answered_by == f"{alone.outside.http_url}{OLD_PREFIX}/inbound_call"
        assert report.waited_ms is not None
        # Twilio's own limits would be 15 s.
        assert report.waited_ms < 15_000
    assert gone.errors
    assert rollback(number, reason="The end of a test.", actor_label="a test").ok
    assert dial(alone, desk, "+12025550003").report().spoken_by_twilio == [SENTENCE]


@pytest.mark.usefixtures("twilio")
def test_a_caller_whose_stream_never_comes_is_given_to_the_old_provider(alone: Stack) -> None:
    desk, number = make_number(alone)
    known_at_vapi(alone, number)
    move(number, "cutover")

    alone.kill("media")
    report = dial(alone, desk, "+12025550005").report()
    alone.start("media")

    assert [line.text for line in report.heard] == [SENTENCE]
    assert report.spoken_by_twilio == []
    assert CallHandover.objects.get(call__call_sid=report.call_sid).how == CallHandover.How.BYPASS
