"""The end of a call that was handed over, and the pages that tell of it."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from calls.models import BudgetRule, BudgetTrip, Call, CallHandover, DoctorRun, FallbackCall, PhoneNumber
from calls.tests.cutover.sharing import CONFIG, DID, SID, Post, make_shared
from calls.tests.factories import make_call, make_phone_number


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
