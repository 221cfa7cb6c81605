"""Orders for calls as programs give them: known again, refused by name, in batches, and no more than may be."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from calls.models import Call, CallRequest, CallVariables, Placing, SpendingLimit
from calls.placing.guards import why_not_called
from calls.tests.factories import make_phone_number
from calls.tests.placing.desk import ACCOUNT, CALLEE, DID, Desk
from tools.access.keys import key_create
from tools.models import ApiWrite

OTHER = "+13125550178"


# Known again ---------------------------------------------------------------------------------------------------


def test_a_repeated_request_is_given_the_call_of_the_first(desk: Desk) -> None:
    first = desk.place()
    again = desk.place()

    assert again["id"] == first["id"]
    assert Placing.objects.count() == 1


def test_a_request_is_new_when_it_says_something_else_or_comes_from_another_key(desk: Desk) -> None:
    first = desk.place()
    other = desk.place(name="once more")
    key = Desk(desk.assistant, desk.number)

    assert len({first["id"], other["id"], key.place()["id"]}) == 3


@pytest.mark.parametrize(
    ("seconds", "over", "known"), [(9, True, True), (30, False, True), (30, True, False), (130, False, False)]
)
def test_for_how_long_the_same_body_is_the_same_request(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, seconds: int, over: object, known: object
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    first = desk.place()
    CallRequest.objects.update(created_at=now - timedelta(seconds=seconds))
    if over:
        Call.objects.update(status=Call.Status.ENDED, ended_at=timezone.now())

    assert (desk.place()["id"] == first["id"]) is known


def test_an_idempotency_key_is_good_for_one_body_for_ever(desk: Desk) -> None:
    headers = {"Idempotency-Key": "order-7"}
    first = desk.place(headers=headers)
    CallRequest.objects.update(created_at=timezone.now() - timedelta(days=3))
    Call.objects.update(status=Call.Status.ENDED, ended_at=timezone.now())

    assert desk.place(headers=headers)["id"] == first["id"]
    assert "another body" in desk.place(headers=headers, name="else", status=422)["message"]
    assert desk.place(headers={"Idempotency-Key": "order-8"})["id"] != first["id"]
    assert desk.place(headers={"Idempotency-Key": "x" * 300}, status=400)["statusCode"] == 400


def test_a_refused_request_leaves_nothing_behind_and_may_be_mended(desk: Desk) -> None:
    headers = {"Idempotency-Key": "order-7"}
    desk.place(headers=headers, customer={"number": "555"}, status=400)

    assert not CallRequest.objects.exists()
    desk.place(headers=headers)


# Read strictly --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, "property colour should not exist"),
        ({"name": "x" * 41}, "name must be shorter than or equal to 40 characters"),
        ({"name": 7}, "name must be a string"),
        ({"metadata": "x" * 20_000}, "metadata must not be larger than 16384 bytes"),
        ({"customer": None}, "Need Either `customer` Or `customers`."),
        ({"customer": "Ann"}, "customer must be an object"),
        ({"customer": {"number": "3125550177"}}, "E.164 format"),
        ({"customer": {"number": "+1 312 555 0177"}}, "E.164 format"),
        ({"customer": {"number": ["+13125550177"]}}, "customer.number must be a string"),
        ({"customer": {"number": CALLEE, "age": 7}}, "customer.property age should not exist"),
        ({"customer": {"number": CALLEE, "extension": "12a"}}, "customer.extension must hold digits"),
        ({"customer": {"number": CALLEE, "extension": "1" * 11}}, "shorter than or equal to 10"),
        ({"customer": {"number": CALLEE, "numberE164CheckEnabled": "no"}}, "must be a boolean value"),
        ({"customer": {"sipUri": "sip:a@example.com"}}, "customer.sipUri cannot be called"),
        ({"customer": {"number": "+19005550123"}}, "premium-rate"),
        ({"customer": {"number": "+18765550123"}}, "outside of what may be called"),
        ({"customer": {"number": "+4915112345678"}}, "OUTBOUND_PREFIXES"),
        ({"customer": {"number": DID}}, "the number that the call would come from"),
        ({"customers": [], "customer": None}, "at least one customer"),
        ({"customers": [{"number": CALLEE}]}, "Need Only One Of `customer`, `customers`."),
        ({"customerId": "c1"}, "customerId names a customer that is stored at Vapi"),
        ({"phoneNumberId": None}, "Need Either `phoneNumberId` Or `phoneNumber`."),
        ({"phoneNumberId": "nobody"}, "`phoneNumberId` nobody Does Not Exist."),
        ({"phoneNumberId": "a\x00b"}, "null character"),
        ({"assistantId": None}, "Need Either `assistantId`"),
        ({"assistantId": "nobody"}, "`assistantId` nobody Does Not Exist."),
        ({"transport": {"provider": "vonage"}}, "transport.provider must be one of"),
        ({"transport": "twilio"}, "transport must be an object"),
        ({"schedulePlan": {}}, "schedulePlan.earliestAt must be a valid ISO 8601 date string"),
        ({"schedulePlan": {"earliestAt": "tomorrow"}}, "schedulePlan.earliestAt must be a valid ISO 8601"),
        ({"schedulePlan": {"earliestAt": "2026-13-45T00:00:00Z"}}, "schedulePlan.earliestAt must be a valid"),
        ({"schedulePlan": {"earliestAt": "2099-01-01T00:00:00Z"}}, "within 366 days"),
        (
            {"schedulePlan": {"earliestAt": "2020-01-02T00:00:00Z", "latestAt": "2020-01-01T00:00:00Z"}},
            "latestAt must not be before",
        ),
        ({"schedulePlan": {"earliestAt": "2020-01-02T00:00:00Z", "soon": 1}}, "schedulePlan.property soon"),
        ({"phoneCallProviderBypassEnabled": "yes"}, "phoneCallProviderBypassEnabled must be a boolean value"),
    ],
    ids=lambda value: json.dumps(value)[:160] if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_refused_by_name(desk: Desk, changes: dict[str, Any], words: str) -> None:
    told = desk.place(status=400, **changes)

    assert words in json.dumps(told["message"], ensure_ascii=False)
    assert not Call.objects.exists()


def test_everything_that_is_wrong_is_said_at_once(desk: Desk) -> None:
    told = desk.place(status=400, colour="red", customer={"number": "x1x"}, assistantId="nobody")

    assert len(told["message"]) == 3


def test_what_was_read_may_be_sent_again(desk: Desk) -> None:
    read = {"id": "x", "orgId": "y", "createdAt": "z", "updatedAt": "z", "type": "outboundPhoneCall"}

    desk.ask("POST", "/call", {**desk.body(), **read, "status": "queued"}, status=201)


def test_a_number_as_people_write_it_is_dialled_where_the_check_is_off(desk: Desk) -> None:
    told = desk.place(customer={"number": "+1 (312) 555-0177", "numberE164CheckEnabled": False})

    assert desk.call(told).caller == CALLEE


@pytest.mark.parametrize("prefixes", [["+49", "+1"], ["*"]])
def test_whoever_runs_this_says_what_may_be_called(
    desk: Desk, settings: Settings, prefixes: list[str]
) -> None:
    settings.OUTBOUND_PREFIXES = prefixes

    desk.place(customer={"number": "+4915112345678"})


# The number -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "switched off"),
        ({"provider": "vapi"}, "bought at Vapi"),
        ({"missing_at": timezone.now()}, "does not have it any more"),
        ({"state": "rolled_back"}, "rolled back"),
    ],
)
def test_numbers_that_nobody_calls_from(desk: Desk, fields: dict[str, Any], words: str) -> None:
    type(desk.number).objects.filter(pk=desk.number.pk).update(**fields)

    assert words in desk.place(status=400)["message"][0]


def test_a_number_that_vapi_still_answers_may_call_out_and_vapis_id_names_it(desk: Desk) -> None:
    number = make_phone_number(
        did="+14155550124", vapi_id="de51c7f8-91a4-4c3f-a6d0-3f2b7c8e5a55", state="on_vapi"
    )

    told = desk.place(phoneNumberId=number.vapi_id)

    assert told["phoneNumberId"] == number.vapi_id


@pytest.mark.parametrize(
    ("inline", "status"),
    [
        ({"twilioPhoneNumber": DID, "twilioAccountSid": ACCOUNT, "twilioAuthToken": "t"}, 201),
        ({"twilioPhoneNumber": DID, "twilioAccountSid": "AC" + "2" * 32}, 400),
        ({"twilioPhoneNumber": "+14155550999", "twilioAccountSid": ACCOUNT, "twilioAuthToken": "t"}, 400),
        ({"twilioPhoneNumber": "a\x00b"}, 400),
        ({}, 400),
    ],
)
def test_an_inline_number_must_be_one_that_is_registered(
    desk: Desk, inline: dict[str, Any], status: int
) -> None:
    desk.place(phoneNumberId=None, phoneNumber=inline, status=status)


# How many -------------------------------------------------------------------------------------------------------


def test_a_key_has_no_more_calls_placed_in_a_minute_than_it_may(desk: Desk, settings: Settings) -> None:
    settings.OUTBOUND_CALLS_PER_MINUTE = 2
    desk.place(name="1")
    desk.place(name="2")

    desk.place(name="3", status=429)
    Desk(desk.assistant, desk.number).place(name="3")
    Call.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    desk.place(name="3")
    customers = [{"number": f"+131255501{n:02}"} for n in range(3)]
    desk.place(customer=None, customers=customers, status=400)


def test_no_more_calls_are_placed_in_a_day_than_may_be_whoever_asks(desk: Desk, settings: Settings) -> None:
    settings.OUTBOUND_CALLS_PER_DAY = 1
    desk.place()

    told = Desk(desk.assistant, desk.number).place(name="another", status=400)

    assert "OUTBOUND_CALLS_PER_DAY" in told["message"][0]


def test_no_call_is_placed_when_the_days_money_is_spent(desk: Desk) -> None:
    SpendingLimit.objects.create(day_usd=0, when_day=SpendingLimit.WhenDay.REFUSE)

    assert "may be spent in a day" in desk.place(status=400)["message"][0]


def test_a_key_needs_the_right_to_write_calls(desk: Desk) -> None:
    reader = Desk(desk.assistant, desk.number, scopes=["call:read"])

    assert "call:write" in reader.place(status=403)["message"]


# Batches --------------------------------------------------------------------------------------------------------


def test_a_batch_tells_of_each_customer_and_is_known_again(desk: Desk) -> None:
    customers = [
        {"number": CALLEE, "name": "Ann", "assistantOverrides": {"variableValues": {"day": "Monday"}}},
        {"number": "nobody"},
        {"number": OTHER, "assistantOverrides": {"firstMessage": "Hello again."}},
        {"number": "+4915112345678"},
    ]
    overrides = {"variableValues": {"day": "Sunday", "clinic": "Riverbend"}}

    told = desk.place(customer=None, customers=customers, assistantOverrides=overrides)
    again = desk.place(customer=None, customers=customers, assistantOverrides=overrides)

    assert [one["customer"]["number"] for one in told["results"]] == [CALLEE, OTHER]
    assert set(ApiWrite.objects.values_list("about", flat=True)) == {one["id"] for one in told["results"]}
    assert [one["customer"] for one in told["errors"]] == [customers[1], customers[3]]
    assert "E.164" in told["errors"][0]["error"]
    assert told["subscriptionLimits"]["concurrencyLimit"] == 10
    assert [one["id"] for one in again["results"]] == [one["id"] for one in told["results"]]
    assert again["errors"] == told["errors"]
    first, second = (desk.call(one) for one in told["results"])
    values = CallVariables.objects.get(pk=first.pk).values
    assert values == {"day": "Monday", "clinic": "Riverbend", "customer": {"number": CALLEE, "name": "Ann"}}
    assert first.version_id == desk.assistant.live_version_id != second.version_id
    assert second.version is not None
    assert second.version.snapshot["first_message"] == "Hello again."


def test_whoever_stands_twice_in_a_batch_is_called_once_and_the_other_lines_are_theirs(desk: Desk) -> None:
    ann, bob = {"number": CALLEE, "name": "Ann"}, {"number": CALLEE, "name": "Bob"}
    customers = [ann, bob, ann, "Ann", "Ann", {"number": "1"}, {"number": "1"}]

    told = desk.place(customer=None, customers=customers)

    assert [one["customer"]["name"] for one in told["results"]] == ["Ann", "Bob"]
    assert [one["customer"] for one in told["errors"]] == [ann, *customers[3:]]
    words = [one["error"] for one in told["errors"]]
    assert "stands in this batch already" in words[0]
    assert ["must be an object" in one for one in words[1:]] == [True, True, False, False]


def test_a_batch_is_written_in_a_few_statements_and_lists_page_through_it(desk: Desk) -> None:
    def batch(n: int) -> list[dict[str, Any]]:
        return [{"number": f"+1312555{1000 + number}", "name": f"{n} and {number}"} for number in range(n)]

    told: dict[str, Any] = {}
    counted = []
    for n in (2, 12):
        with CaptureQueriesContext(connection) as queries:
            told = desk.place(customer=None, customers=batch(n))
        counted.append(len(queries))
    assert counted[1] <= counted[0]
    ids = [one["id"] for one in told["results"]]
    first = desk.ask("GET", "/call?limit=5")
    second = desk.ask("GET", f"/call?limit=7&createdAtLt={first[-1]['createdAt']}")
    assert [one["id"] for one in (*first, *second)] == ids[::-1]


@pytest.mark.parametrize("days", [0, 3])
def test_what_is_answered_is_what_is_read_afterwards(desk: Desk, days: int) -> None:
    plan = {"earliestAt": (timezone.now() + timedelta(days=days)).isoformat()} if days else None
    told = desk.place(
        name="one",
        metadata={"order": [1, None]},
        customer={"number": CALLEE, "name": "Ann", "extension": "12"},
        assistantOverrides={"variableValues": {"day": "Monday"}},
        schedulePlan=plan,
    )
    told.pop("subscriptionLimits")

    assert desk.ask("GET", f"/call/{told['id']}") == told
    assert desk.ask("GET", "/call") == [told]


def test_personal_numbers_are_dear_in_their_own_country(desk: Desk) -> None:
    assert "personal number" in why_not_called("+447012345678", caller="+442071838750")
    assert why_not_called("+447400123456", caller="+442071838750") == ""


def test_a_batch_in_which_nobody_can_be_called_says_so(desk: Desk) -> None:
    told = desk.place(customer=None, customers=[{"number": "1"}])

    assert (told["results"], len(told["errors"])) == ([], 1)


def test_an_extension_is_dialled_after_the_answer_and_no_machine_is_looked_for(desk: Desk) -> None:
    desk.assistant.plans = {"voicemailDetection": {"provider": "twilio"}}
    desk.place(customer={"number": CALLEE, "extension": "w204#"})

    desk.dial()

    (order,) = desk.telephone.orders
    assert (order.digits, order.machine) == ("www204#", {})


def test_the_log_tells_who_asked_and_no_number(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    key, _ = key_create(name="unused")
    desk.place(customer={"number": CALLEE, "name": "Marta Ilves"})
    desk.dial()

    text = " ".join(
        f"{one.getMessage()} {vars(one)}" for one in caplog.records if one.name.startswith(("calls", "tools"))
    )
    assert desk.key.prefix in text
    assert CALLEE not in text
    assert "Ilves" not in text
    assert key.prefix not in text
