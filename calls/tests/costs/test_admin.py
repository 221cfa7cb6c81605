"""The pages about money: read, filled, empty, odd."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.costs.overview import costs_overview
from calls.costs.reckoning import call_reckon
from calls.models import CallCost, CostLine, Price, SpendingAlert, SpendingLimit
from calls.tests.costs.factories import make_limit, make_price, make_usage
from calls.tests.factories import make_call

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("midday")]

BY_DAY = "admin:calls_callcost_by_day"


def made(**fields: Any) -> Any:
    call = make_call(**fields)
    make_usage(call)
    make_usage(call, model="gpt-<b>9</b>", usage={})
    call_reckon(call_id=call.pk, now=timezone.now())
    return call


def shown(client: Client, name: str, **query: Any) -> str:
    answer = client.get(reverse(name), query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", ["callcost", "price", "spendinglimit", "spendingalert"])
def test_every_list_opens_empty_and_full(admin_client: Client, name: str) -> None:
    page = f"admin:calls_{name}_changelist"
    shown(admin_client, page)
    call = made(assistant=make_assistant(name="Long " * 15))
    limit = make_limit(day_usd=Decimal(1))
    for level, of in (("near", None), ("spent", call)):
        SpendingAlert.objects.create(
            limit=limit, level=level, call=of, day=timezone.now().date(), spent_usd=1, allowed_usd=1,
            at=timezone.now(),
        )  # fmt: skip

    shown(admin_client, page)


def test_a_price_is_entered_and_never_changed(admin_client: Client) -> None:
    price = Price.objects.get(item="gpt-realtime-2.1", part="audio_out")
    page = shown(admin_client, "admin:calls_price_changelist", q="2.1")
    assert "provider=openai&amp;item=gpt-realtime-2.1&amp;part=audio_out&amp;per=1000000" in page

    form = admin_client.get(
        reverse("admin:calls_price_add"), {"item": "gpt-realtime-2.1", "part": "audio_out"}
    )
    assert 'value="gpt-realtime-2.1"' in form.content.decode()
    soon = timezone.now() + timedelta(days=10)
    answer = admin_client.post(
        reverse("admin:calls_price_add"),
        {
            "provider": "openai", "item": "gpt-realtime-2.1", "part": "audio_out", "usd": "48", "per": "1000000",
            "valid_from_0": f"{soon:%Y-%m-%d}", "valid_from_1": "00:00:00", "source": "Our contract.",
        },
    )  # fmt: skip

    assert answer.status_code == 302
    assert Price.objects.filter(item="gpt-realtime-2.1", part="audio_out").count() == 2
    change = admin_client.post(reverse("admin:calls_price_change", args=[price.pk]), {"usd": "1"})
    assert change.status_code == 403
    assert "Later" in shown(admin_client, "admin:calls_price_changelist", q="2.1")


def test_a_price_that_was_used_cannot_be_deleted_and_another_can(admin_client: Client) -> None:
    made()
    used = CostLine.objects.filter(price__isnull=False).first()
    assert used is not None
    unused = make_price("1", since=timezone.now(), item="typo")

    assert admin_client.post(reverse("admin:calls_price_delete", args=[used.price_id])).status_code == 403
    answer = admin_client.post(reverse("admin:calls_price_delete", args=[unused.pk]), {"post": "yes"})

    assert answer.status_code == 302
    assert not Price.objects.filter(pk=unused.pk).exists()


def test_prices_in_force_are_told_from_those_before_and_later(admin_client: Client) -> None:
    now = timezone.now()
    for days in (-20, -10, 10):
        make_price("1", since=now + timedelta(days=days), item="mine")

    page = "admin:calls_price_changelist"
    assert shown(admin_client, page, q="mine", in_force="yes").count(">New price<") == 1
    assert shown(admin_client, page, q="mine", in_force="no").count(">New price<") == 2


def test_calls_are_reckoned_again_on_request_and_the_history_is_kept(admin_client: Client) -> None:
    call = made()
    make_price("9", since=call.created_at - timedelta(days=1), item="gpt-realtime-2.1", part="text_out")

    answer = admin_client.post(
        reverse("admin:calls_callcost_changelist"),
        {"action": "reckon_again", "_selected_action": [str(call.pk)]},
        follow=True,
    )

    assert "1 reckoned again" in answer.content.decode()
    old, new = CostLine.objects.filter(call=call, part="text_out").order_by("id")
    assert (old.superseded_at is None, new.superseded_at) == (False, None)
    assert CallCost.objects.get(call=call).total_usd == sum(
        line.amount_usd or 0 for line in CostLine.objects.filter(call=call, superseded_at=None)
    )


def test_whoever_may_only_look_cannot_have_anything_reckoned(client: Client, django_user_model: Any) -> None:
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    user = django_user_model.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_callcost", "view_price"]))
    client.force_login(user)
    made()

    assert "reckon_again" not in shown(client, "admin:calls_callcost_changelist")
    assert "By assistant" in shown(client, BY_DAY)
    assert client.get(reverse("admin:calls_price_add")).status_code == 403


def test_the_overview_is_for_those_who_may_see_costs(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))

    assert client.get(reverse(BY_DAY)).status_code == 403


def test_the_overview_says_when_there_is_nothing(admin_client: Client) -> None:
    assert "No call of this period has been reckoned yet" in shown(admin_client, BY_DAY)


@pytest.mark.parametrize("days", ["", "1", "30", "99", "-1", "x", "²"])
def test_the_overview_shows_whatever_period_is_asked_for(admin_client: Client, days: str) -> None:
    made()

    page = shown(admin_client, BY_DAY, days=days)

    assert "gpt-&lt;b&gt;9&lt;/b&gt;" in page
    assert "1 line without an amount" in page


def test_the_overview_sums_up_days_and_assistants() -> None:
    assistant = make_assistant()
    made(assistant=assistant)
    made(assistant=assistant)
    made()

    overview = costs_overview(today=timezone.now().date(), days=7)

    assert (overview.total.calls_n, len(overview.days)) == (3, 1)
    assert [row.sums.calls_n for row in overview.assistants] == [2, 1]
    assert overview.total.usd == sum(row.usd for row in overview.items)
    assert overview.vapi_usd == overview.total.minutes * Decimal("0.12")


def test_a_limit_that_lacks_something_says_where(admin_client: Client) -> None:
    fields = {
        "warn_percent": "80", "when_call": "warn", "closing_sentence": "Goodbye.", "when_day": "forward",
        "refusal_sentence": "Sorry.", "day_usd": "5", "forward_to": "",
    }  # fmt: skip

    answer = admin_client.post(reverse("admin:calls_spendinglimit_add"), fields)
    assert "Enter the number to which new calls are connected." in answer.content.decode()
    answer = admin_client.post(reverse("admin:calls_spendinglimit_add"), {**fields, "day_usd": ""})
    assert "Enter how much a call may cost" in answer.content.decode()

    admin_client.post(reverse("admin:calls_spendinglimit_add"), {**fields, "forward_to": "+13125550142"})
    assert SpendingLimit.objects.get().forward_to == "+13125550142"
