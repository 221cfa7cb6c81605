"""The list of orders in the admin, and the page of one."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assistants.tests.factories import make_assistant
from calls.erasing.stripping import calls_strip
from calls.models import Call, CallOpened, CallStripped, LiveOrder
from calls.orders.rows import ENDED_FIRST
from calls.reporting.odd_seeding import odd_calls_seed
from calls.tests.factories import make_call
from tools.models import ApiKey

pytestmark = pytest.mark.django_db
LIST = "admin:calls_liveorder_changelist"
WORDS = "A colleague will call you back."


def ordered(call: Call, n: int, **fields: Any) -> LiveOrder:
    now = timezone.now()
    usual: dict[str, Any] = {
        "kind": "say", "words": WORDS, "by": "user", "by_label": "maria", "asked_at": now, "result": "taken", "taken_at": now,
    }  # fmt: skip
    return LiveOrder.objects.create(call=call, order_id=f"o{n}", **{**usual, **fields})


def shown(client: Client, **query: Any) -> str:
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return response.content.decode()


def labels(html: str) -> set[str]:
    return {one for one in ("maria", "jo", "desk", "curl", "Tandem", "late") if f">{one}<" in html}


@pytest.fixture
def orders(db: None) -> dict[str, LiveOrder]:
    over, live = make_call(), make_call(status="in-progress", ended_at=None, ended_reason="")
    now = timezone.now()
    return {
        "maria": ordered(live, 1),
        "jo": ordered(over, 2, by_label="jo", done_at=now),
        "desk": ordered(over, 3, by="key", by_label="desk", kind="end-call", result="refused", why="It is over."),
        "curl": ordered(over, 4, by="address", by_label="curl", failed_at=now, why=ENDED_FIRST),
        "Tandem": ordered(over, 5, by="tandem", by_label="Tandem", result="unknown", taken_at=None),
        "late": ordered(over, 6, by_label="late", kind="transfer", result="nobody", destination="+13125550100"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"maria", "jo", "desk", "curl", "Tandem", "late"}),
        ({"state": "open"}, {"maria"}),
        ({"state": "done"}, {"jo"}),
        ({"state": "not-done"}, {"curl"}),
        ({"state": "refused"}, {"desk"}),
        ({"state": "nobody"}, {"late"}),
        ({"state": "unknown"}, {"Tandem"}),
        ({"kind__exact": "transfer"}, {"late"}),
        ({"by__exact": "key"}, {"desk"}),
        ({"since": "hour"}, {"maria", "jo", "desk", "curl", "Tandem", "late"}),
        ({"q": "jo"}, {"jo"}),
        ({"q": "o3"}, {"desk"}),
    ],
    ids=str,
)
def test_the_list_is_narrowed_by_state_kind_and_who(
    admin_client: Client, orders: dict[str, LiveOrder], query: dict[str, str], expected: set[str]
) -> None:
    html = shown(admin_client, **query)

    assert labels(html) == expected
    assert WORDS not in html, "who reads words has opened the call"


def test_the_orders_of_one_call_of_one_key_and_of_one_user(
    admin_client: Client, orders: dict[str, LiveOrder], admin_user: User
) -> None:
    key = ApiKey.objects.create(name="desk", prefix="t", key_hash="h")
    LiveOrder.objects.filter(pk=orders["desk"].pk).update(key=key)
    LiveOrder.objects.filter(pk=orders["jo"].pk).update(actor=admin_user)
    call_id = orders["maria"].call_id

    assert labels(shown(admin_client, call__id__exact=str(call_id))) == {"maria"}
    assert labels(shown(admin_client, q=str(call_id))) == {"maria"}
    assert labels(shown(admin_client, key__id__exact=str(key.pk))) == {"desk"}
    assert labels(shown(admin_client, actor__id__exact=str(admin_user.pk))) == {"jo"}


def test_its_page_tells_all_of_it_and_that_it_was_read_is_written_down(
    admin_client: Client, orders: dict[str, LiveOrder]
) -> None:
    page = admin_client.get(reverse("admin:calls_liveorder_change", args=[orders["jo"].pk])).content.decode()

    for words in ("Order: Say", WORDS, "jo", "Done", str(orders["jo"].call_id), "All that was ordered of it"):
        assert words in page, words
    assert CallOpened.objects.filter(call_id=orders["jo"].call_id).count() == 1
    admin_client.get(reverse("admin:calls_liveorder_change", args=[orders["late"].pk]))


def test_words_that_may_not_be_kept_or_are_erased_are_not_there_and_the_page_says_so(
    admin_client: Client,
) -> None:
    assistant = make_assistant(hipaa=True, published=True)
    private = make_call(assistant=assistant, version=assistant.live_version)
    erased = make_call()
    quiet, gone = ordered(private, 1, words=""), ordered(erased, 2)
    calls_strip([erased.pk], why=CallStripped.Why.ERASED)

    def page(row: LiveOrder) -> str:
        return admin_client.get(reverse("admin:calls_liveorder_change", args=[row.pk])).content.decode()

    assert "switched to HIPAA" in page(quiet)
    assert "Not there (any more)" in page(gone)
    assert WORDS not in page(gone)
    assert not CallOpened.objects.filter(what="page").exists(), "nothing was shown that anybody said"


def test_whoever_may_not_see_orders_sees_none_and_nobody_changes_any(
    client: Client, admin_client: Client, orders: dict[str, LiveOrder]
) -> None:
    url = reverse("admin:calls_liveorder_change", args=[orders["jo"].pk])
    assert admin_client.post(url, {"words": "x"}).status_code == 403
    assert admin_client.get(reverse("admin:calls_liveorder_changelist") + "add/").status_code in (302, 403)
    client.force_login(User.objects.create_user("ann", is_staff=True))

    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("may_view_calls", [True, False])
def test_words_are_for_those_who_may_view_calls(
    client: Client, orders: dict[str, LiveOrder], *, may_view_calls: bool
) -> None:
    rights = ["view_liveorder", *(["view_call"] if may_view_calls else [])]
    ann = User.objects.create_user("ann", is_staff=True)
    ann.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(ann)

    page = client.get(reverse("admin:calls_liveorder_change", args=[orders["jo"].pk])).content.decode()

    assert "All that was ordered of it" in page
    assert (WORDS in page) is may_view_calls
    assert ("Only for people who may view calls" in page) is not may_view_calls
    assert CallOpened.objects.exists() is may_view_calls, "only who has read words has opened the call"


def test_long_and_broken_ones_are_listed_in_few_queries(admin_client: Client) -> None:
    odd_calls_seed()
    shown(admin_client)
    with CaptureQueriesContext(
        connection,
    ) as few:
        html = shown(admin_client)
    for n in range(30):
        ordered(make_call(), n, why="y" * 500, by_label="z" * 150, destination="sip:" + "d" * 900)
    with CaptureQueriesContext(connection) as many:
        shown(admin_client)

    assert "&lt;b&gt;" in html
    assert len(many) <= len(few) + 1, "the pages"
