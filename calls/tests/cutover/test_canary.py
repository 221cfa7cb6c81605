"""Who takes a call of a shared number: stable, monotone, written down before it is said."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from assistants.tests.factories import make_assistant
from calls.cutover import canary
from calls.cutover.bypass import BypassError, Order, Reply
from calls.models import (
    BudgetRule,
    BudgetTrip,
    Call,
    CallHandover,
    DoctorRun,
    FallbackCall,
    NumberSnapshot,
    PhoneNumber,
)
from calls.tests.factories import make_call, make_phone_number
from simulator.signature import sign

DID = "+14155550123"
SID = "CA" + "7" * 32
CALLER = "+13125550177"
OLD_URL = "https://api.vapi.ai/twilio/inbound_call?org=a&line=b#rt=9000"
CONFIG = {
    "voice_url": OLD_URL,
    "voice_method": "POST",
    "status_callback": "https://api.vapi.ai/twilio/status",
    "status_callback_method": "POST",
    "trunk_sid": None,
    "voice_application_sid": "",
}
TWIML = '<?xml version="1.0"?><Response><Connect><Stream url="wss://api.vapi.ai/1/transport"/></Connect></Response>'
Post = Callable[..., Any]

numbers = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)
shares = st.integers(0, 100)


def make_shared(*, percent: int = 0, config: dict[str, Any] | None = None, **fields: Any) -> PhoneNumber:
    """A number of which our assistant takes so many percent."""
    number = make_phone_number(
        did=DID,
        assistant=make_assistant(published=True),
        canary_percent=percent,
        state=PhoneNumber.State.CANARY,
        **fields,
    )
    number.snapshot = NumberSnapshot.objects.create(
        number=number,
        taken_at=timezone.now(),
        config=CONFIG if config is None else config,
        origin="https://x",
    )
    number.save(update_fields=["snapshot"])
    return number


@pytest.fixture
def post(settings: Settings) -> Post:
    """Twilio's POST, signed."""

    def send(path: str, **form: str) -> Any:
        fields = {"CallSid": SID, "AccountSid": settings.TWILIO_ACCOUNT_SID, "To": DID, "From": CALLER} | form
        url = f"{settings.PUBLIC_ORIGIN}{path}"
        signature = sign(url, list(fields.items()), auth_token=settings.TWILIO_AUTH_TOKEN)
        return Client().post(path, fields, headers={"X-Twilio-Signature": signature})

    return send


def redirect_of(answer: Any) -> tuple[str, str]:
    """Where a document redirects to, and how; two empty texts when it is another one."""
    assert answer.status_code == 200
    verbs = list(ET.fromstring(answer.content))
    if [verb.tag for verb in verbs] != ["Redirect"]:
        return "", ""
    return verbs[0].text or "", verbs[0].attrib["method"]


# --- The choice -----------------------------------------------------------------------------------------------


@given(did=numbers, caller=numbers, first=st.text(), second=st.text(), percent=shares)
def test_a_repeat_caller_never_flips_while_the_share_stays(
    did: str, caller: str, first: str, second: str, percent: int
) -> None:
    if canary.withheld(caller):
        return
    one = canary.stack_for(did=did, caller=caller, call_sid=first, percent=percent)
    another = canary.stack_for(did=did, caller=f" {caller} ", call_sid=second, percent=percent)

    assert one == another


@given(did=numbers, caller=st.text(max_size=20), call_sid=st.text(max_size=34), low=shares, high=shares)
def test_raising_the_share_only_moves_callers_to_us(
    did: str, caller: str, call_sid: str, low: int, high: int
) -> None:
    low, high = min(low, high), max(low, high)
    before = canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=low)
    after = canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=high)

    assert (before, after) != ("direct", "vapi")


@given(did=numbers, caller=st.text(max_size=20), call_sid=st.text(max_size=34))
def test_none_and_all_are_none_and_all(did: str, caller: str, call_sid: str) -> None:
    assert canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=0) == "vapi"
    assert canary.stack_for(did=did, caller=caller, call_sid=call_sid, percent=100) == "direct"


@pytest.mark.parametrize("percent", [5, 50, 90])
def test_the_share_of_callers_is_about_what_was_asked_for(percent: int) -> None:
    ours = sum(
        canary.stack_for(did=DID, caller=f"+1312{number:07}", call_sid="", percent=percent) == "direct"
        for number in range(4000)
    )

    assert abs(ours / 40 - percent) < 3


def test_the_choice_is_the_same_in_every_process_and_release() -> None:
    stacks = [
        canary.stack_for(did=DID, caller=f"+1312555{number:04}", call_sid="", percent=50)
        for number in range(8)
    ]

    assert stacks == ["vapi", "direct", "direct", "direct", "direct", "direct", "direct", "vapi"]


@pytest.mark.parametrize(
    "caller",
    ["", " ", "anonymous", "Anonymous", "+266696687", "sip:anonymous@anonymous.invalid", "unavailable"],
)
def test_a_withheld_caller_is_drawn_anew_for_each_call(caller: str) -> None:
    stacks = {
        canary.stack_for(did=DID, caller=caller, call_sid=f"CA{number}", percent=50) for number in range(64)
    }

    assert canary.withheld(caller)
    assert stacks == {"direct", "vapi"}


@pytest.mark.parametrize("caller", [CALLER, "sip:alice@example.com", "client:alice"])
def test_a_caller_with_a_name_is_the_same_one_again(caller: str) -> None:
    stacks = {
        canary.stack_for(did=DID, caller=caller, call_sid=f"CA{number}", percent=50) for number in range(64)
    }

    assert not canary.withheld(caller)
    assert len(stacks) == 1


# --- The old provider -----------------------------------------------------------------------------------------


def test_a_trunk_cannot_be_shared_and_the_reason_says_so() -> None:
    config = {**CONFIG, "trunk_sid": "TK1"}

    assert canary.route_from(config) is None
    assert "SIP trunk" in canary.obstacle(config)


def test_an_application_is_shared_by_its_own_url_and_not_by_the_numbers_stale_one() -> None:
    config = {**CONFIG, "voice_application_sid": "AP1"}
    application = {"voice_url": "https://old.example.com/app", "voice_method": "GET", "status_callback": None}

    route = canary.route_from(config, application)

    assert route == canary.OldRoute("https://old.example.com/app", "GET", "", "POST")
    assert canary.obstacle(config, application) == ""
    assert "could not be read" in canary.obstacle(config)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "Nobody answers"),
        ("ftp://old", "no web address"),
        ("https://tandem.test/twilio/voice", "by Tandem"),
    ],
)
def test_an_address_that_can_take_no_call_is_refused(url: str, word: str) -> None:
    assert word in canary.obstacle({**CONFIG, "voice_url": url})


# --- One call -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_call_of_the_other_share_is_redirected_to_the_snapshots_own_url(post: Post) -> None:
    number = make_shared()

    answer = post("/twilio/voice")

    assert redirect_of(answer) == (OLD_URL, "POST")
    assert b"?org=a&amp;line=b#rt=9000" in answer.content
    call = Call.objects.get(call_sid=SID)
    assert (call.stack, call.phone_number, call.version, call.assistant) == (
        "vapi", number, None, number.assistant,
    )  # fmt: skip
    assert call.handover.status_callback == CONFIG["status_callback"]


@pytest.mark.django_db
def test_the_snapshots_method_is_kept(post: Post) -> None:
    make_shared(config={**CONFIG, "voice_method": "GET"})

    assert redirect_of(post("/twilio/voice")) == (OLD_URL, "GET")


@pytest.mark.django_db
@pytest.mark.parametrize("percent", [0, 40, 100])
def test_a_repeated_webhook_gets_the_same_document_whatever_the_share_is_then(
    post: Post, percent: int
) -> None:
    number = make_shared()
    first = post("/twilio/voice")
    PhoneNumber.objects.filter(pk=number.pk).update(canary_percent=percent)

    again = post("/twilio/voice")

    assert again.content == first.content
    assert Call.objects.filter(call_sid=SID).count() == 1


@pytest.mark.django_db
def test_a_call_that_we_took_stays_ours_when_the_share_falls(post: Post) -> None:
    number = make_shared(percent=100)
    first = post("/twilio/voice")
    PhoneNumber.objects.filter(pk=number.pk).update(canary_percent=0)

    again = post("/twilio/voice")

    assert again.content == first.content
    assert b"<Stream" in again.content


@pytest.mark.django_db
def test_a_call_that_comes_back_with_an_error_is_answered_by_us(post: Post) -> None:
    make_shared()
    post("/twilio/voice")

    back = post("/twilio/voice", ErrorCode="11200", ErrorUrl="https://user:pass@api.vapi.ai/in?key=secret")

    assert b"<Stream" in back.content
    call = Call.objects.get(call_sid=SID)
    assert call.stack == "direct"
    assert call.version is not None
    (seen,) = FallbackCall.objects.all()
    assert (seen.kind, seen.error_code, seen.error_url) == ("error", "11200", "https://api.vapi.ai/in")


@pytest.mark.django_db
def test_an_old_provider_that_sends_calls_back_to_us_does_not_make_them_go_round_for_ever(post: Post) -> None:
    make_shared()

    answers = [post("/twilio/voice") for _ in range(canary.MOST_ANSWERS + 1)]

    assert [redirect_of(one)[0] == OLD_URL for one in answers] == [True] * canary.MOST_ANSWERS + [False]
    assert b"<Stream" in answers[-1].content
    assert "again and again" in CallHandover.objects.get().problem


@pytest.mark.django_db
def test_a_number_without_anybody_to_hand_calls_to_is_answered_by_us(post: Post) -> None:
    make_shared(config={**CONFIG, "trunk_sid": "TK1"})

    assert b"<Stream" in post("/twilio/voice").content


@pytest.mark.django_db
def test_our_own_address_in_a_snapshot_is_never_redirected_to(post: Post) -> None:
    make_shared(config={**CONFIG, "voice_url": "https://tandem.test/twilio/voice#rt=1000"})

    assert b"<Stream" in post("/twilio/voice").content


@pytest.mark.django_db
def test_calls_of_an_application_go_to_the_url_that_was_kept(post: Post) -> None:
    number = make_shared(config={**CONFIG, "voice_application_sid": "AP1"})
    assert number.snapshot is not None
    assert b"<Stream" in post("/twilio/voice", CallSid="CA" + "1" * 32).content

    canary.route_keep(number.snapshot, {"voice_url": "https://app.example.com/v"}, now=timezone.now())

    assert redirect_of(post("/twilio/voice")) == ("https://app.example.com/v", "POST")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("percent", [0, 100])
def test_two_webhooks_at_once_write_one_call_and_say_the_same(post: Post, percent: int) -> None:
    make_shared(percent=percent)
    together, answers = threading.Barrier(4), []

    def ring() -> None:
        try:
            together.wait(20)
            answers.append(post("/twilio/voice").content)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert Call.objects.count() == 1
    assert CallHandover.objects.count() == (0 if percent else 1)


# --- Provider bypass ------------------------------------------------------------------------------------------


def hand_over(asks: Callable[[Order], Reply]) -> canary.Handed | None:
    return canary.call_hand_over(call_sid=SID, account_sid="AC1", did=DID, caller=CALLER, asks=asks)


@pytest.fixture
def bypassed(settings: Settings, db: None) -> PhoneNumber:
    settings.VAPI_API_KEY = "vapi-key"
    return make_shared(hand_over_by=PhoneNumber.HandOverBy.BYPASS, vapi_id="pn-1")


def test_vapis_own_document_is_given_and_vapi_is_asked_once(bypassed: PhoneNumber) -> None:
    orders: list[Order] = []

    def asks(order: Order) -> Reply:
        orders.append(order)
        return Reply(TWIML, "vapi-call-1")

    first, again = hand_over(asks), hand_over(asks)

    assert first is not None
    assert again is not None
    assert first.document == again.document == TWIML
    assert len(orders) == 1
    assert (orders[0].phone_number_id, orders[0].caller) == ("pn-1", CALLER)
    assert orders[0].within_s < 2.5
    assert CallHandover.objects.get().provider_call_id == "vapi-call-1"


def test_a_call_that_vapi_gives_no_document_for_is_redirected(bypassed: PhoneNumber) -> None:
    def fails(order: Order) -> Reply:
        raise BypassError("Vapi answered 500.")

    first, again = hand_over(fails), hand_over(lambda _: Reply(TWIML, ""))

    assert first is not None
    assert again is not None
    assert "<Redirect" in first.document
    assert again.document == first.document
    handover = CallHandover.objects.get()
    assert handover.how == "redirect"
    assert "Vapi answered 500" in handover.problem


def test_a_second_webhook_waits_for_the_first_ones_document(
    bypassed: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[canary.Handed | None] = []

    def answers_meanwhile(_: float) -> None:
        CallHandover.objects.update(document=TWIML)

    def asks(order: Order) -> Reply:
        monkeypatch.setattr("calls.cutover.canary.time.sleep", answers_meanwhile)
        inner.append(hand_over(lambda _: pytest.fail("Vapi was asked twice")))
        return Reply("<Response><Hangup/></Response>", "late")

    outer = hand_over(asks)

    assert inner[0] is not None
    assert outer is not None
    assert inner[0].document == outer.document == TWIML


def test_a_second_webhook_that_waits_in_vain_redirects_and_so_does_the_first(
    bypassed: PhoneNumber, settings: Settings
) -> None:
    settings.VOICE_ANSWER_WITHIN_MS = 1
    inner: list[canary.Handed | None] = []

    def asks(order: Order) -> Reply:
        inner.append(hand_over(lambda _: pytest.fail("Vapi was asked twice")))
        return Reply(TWIML, "late")

    outer = hand_over(asks)

    assert inner[0] is not None
    assert outer is not None
    assert "<Redirect" in outer.document
    assert inner[0].document == outer.document


@pytest.mark.parametrize(
    ("setting", "fields", "caller", "word"),
    [
        ("", {"vapi_id": "pn-1"}, CALLER, "VAPI_API_KEY"),
        ("key", {"vapi_id": ""}, CALLER, "id of the number"),
        ("key", {"vapi_id": "pn-1"}, "anonymous", "caller's number"),
        ("key", {"vapi_id": "pn-1"}, "sip:alice@example.com", "caller's number"),
    ],
)
@pytest.mark.django_db
def test_bypass_that_cannot_be_is_a_redirect_that_says_why(
    settings: Settings, setting: str, fields: dict[str, Any], caller: str, word: str
) -> None:
    settings.VAPI_API_KEY = setting
    make_shared(hand_over_by=PhoneNumber.HandOverBy.BYPASS, **fields)

    handed = canary.call_hand_over(
        call_sid=SID, account_sid="AC1", did=DID, caller=caller, asks=lambda _: pytest.fail("asked")
    )

    assert handed is not None
    assert "<Redirect" in handed.document
    assert word in CallHandover.objects.get().problem


# --- Its end --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_end_of_a_handed_over_call_is_written_by_twilios_count_and_passed_on(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    class Outbox:
        def put(self, task: str, kwargs: dict[str, Any]) -> None:
            sent.append((task, kwargs))

    monkeypatch.setattr("calls.views.process_outbox", Outbox)
    make_shared()
    post("/twilio/voice")

    post("/twilio/status", CallStatus="completed", CallDuration="42")
    post("/twilio/status", CallStatus="completed", CallDuration="42")

    call = Call.objects.get(call_sid=SID)
    assert (call.status, call.duration_s, call.stack) == ("ended", 42, "vapi")
    passed_on = [told for task, told in sent if task == "calls.tasks.status_forward"]
    assert passed_on[0]["call_id"] == str(call.id)
    assert ["CallDuration", "42"] in passed_on[0]["pairs"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "seconds"), [("no-answer", "0"), ("completed", "0"), ("busy", "nonsense")]
)
def test_a_handed_over_call_that_nobody_talked_in_counts_as_not_answered(
    post: Post, status: str, seconds: str
) -> None:
    make_shared(config={**CONFIG, "status_callback": ""})
    post("/twilio/voice")

    post("/twilio/status", CallStatus=status, CallDuration=seconds)

    call = Call.objects.get(call_sid=SID)
    assert (call.status, call.started_at) == ("ended", None)


@pytest.mark.django_db
def test_the_end_of_a_call_that_we_never_saw_is_counted_once(post: Post) -> None:
    number = make_shared()

    for _ in range(2):
        post("/twilio/status", CallStatus="completed", CallDuration="9", Direction="inbound")

    (seen,) = FallbackCall.objects.all()
    assert (seen.kind, seen.number, seen.call_sid) == ("unseen", number, SID)


@pytest.mark.django_db
def test_ends_of_calls_that_are_none_of_our_numbers_business_are_not_counted(post: Post) -> None:
    make_phone_number(did=DID)
    make_call(call_sid=SID)

    post("/twilio/status", CallStatus="completed")
    post("/twilio/status", CallStatus="completed", CallSid="CA" + "2" * 32)
    post("/twilio/status", CallStatus="completed", CallSid="CA" + "3" * 32, To="+19995550100")

    assert not FallbackCall.objects.exists()


@pytest.mark.django_db
def test_the_page_of_a_handed_over_call_tells_its_way(post: Post, admin_client: Client) -> None:
    make_shared()
    post("/twilio/voice")
    CallHandover.objects.update(problem="Vapi answered 500.", forward_error="It answered 400.")

    html = admin_client.get(f"/admin/calls/call/{Call.objects.get().pk}/change/").content.decode()

    assert "Redirected to its voice URL (api.vapi.ai)" in html
    assert "Vapi answered 500." in html
    assert "Not taken: It answered 400." in html


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["budgetrule", "budgettrip", "fallbackcall", "doctorrun"])
def test_every_page_opens_empty_and_with_rows(admin_client: Client, page: str) -> None:
    assert admin_client.get(f"/admin/calls/{page}/").status_code == 200
    number = make_phone_number(did="+14155550177", label="x" * 80)
    BudgetRule.objects.create(number=number)
    BudgetRule.objects.create()
    BudgetTrip.objects.create(number=number, cut_over_at=timezone.now(), at=timezone.now(), words="w" * 5000)
    FallbackCall.objects.create(kind="error", call_sid="CA1", at=timezone.now(), error_url="u" * 500)
    DoctorRun.objects.create(at=timezone.now(), healthy=True)

    assert admin_client.get(f"/admin/calls/{page}/").status_code == 200


@pytest.mark.django_db
def test_a_burnt_budget_is_noted_as_seen_by_whoever_may_cut_over(admin_client: Client) -> None:
    trip = BudgetTrip.objects.create(
        number=make_phone_number(), cut_over_at=timezone.now(), at=timezone.now(), words="Burnt."
    )

    admin_client.post("/admin/calls/budgettrip/", {"action": "note_seen", "_selected_action": [trip.pk]})

    trip.refresh_from_db()
    assert trip.seen_at is not None
    assert str(trip.seen_by) == "admin"


@pytest.mark.django_db
def test_how_calls_are_handed_over_is_chosen_on_the_number(admin_client: Client) -> None:
    number = make_shared(twilio_sid="PN1")
    page = f"/admin/calls/phonenumber/{number.pk}/change/"
    found = {field.name: field.value() for field in admin_client.get(page).context["adminform"].form}
    inlines = admin_client.get(page).context["inline_admin_formsets"]
    form = {name: value for name, value in found.items() if value not in (None, False)}
    for inline in inlines:
        prefix = inline.formset.prefix
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}

    answer = admin_client.post(page, form | {"hand_over_by": "bypass"})

    assert answer.status_code == 302, answer.context["errors"]
    number.refresh_from_db()
    assert number.hand_over_by == PhoneNumber.HandOverBy.BYPASS
    other = make_phone_number(did="+14155550188")
    assert (
        "hand_over_by"
        not in admin_client.get(f"/admin/calls/phonenumber/{other.pk}/change/").content.decode()
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("talked_s", "counts"),
    [("300", False), ("0", True), ("40", True), ("55", False), ("", True), ("x", True)],
)
def test_a_call_that_began_before_the_number_came_to_us_is_the_old_providers(
    post: Post,
    talked_s: str,
    counts: bool,
) -> None:
    make_shared(percent=100, cut_over_at=timezone.now() - timedelta(seconds=60))

    post("/twilio/status", CallStatus="completed", CallDuration=talked_s)

    assert FallbackCall.objects.exists() is counts


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "https://[old/voice",
        "https://old\u2100.example.com/",
        "https://old.example.com/\x0b",
        "ftp://x/y",
        "https:",
    ],
)
def test_an_old_address_that_is_none_keeps_the_call_with_us(post: Post, url: str) -> None:
    make_shared(percent=0, config={**CONFIG, "voice_url": url})

    assert "no web address" in canary.obstacle({"voice_url": url})
    assert b"<Stream" in post("/twilio/voice").content
