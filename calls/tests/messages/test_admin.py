"""Server messages in the admin: the list, a message's page, sending again, deleting, and the call's own page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from calls.messages.outbox import claim
from calls.messages.services import messages_notice
from calls.models import Call, ServerMessage
from calls.tests.messages.factories import make_desk, make_told_call

pytestmark = pytest.mark.django_db

LIST = "admin:calls_servermessage_changelist"


def told(**fields: object) -> Call:
    listed = ["status-update", "end-of-call-report"]
    call = make_told_call(assistant=make_desk(server_messages=listed))
    messages_notice([call.pk], now=timezone.now())
    call.server_messages.update(**{"host": "hooks.harbour.example", **fields})
    return call


def dead() -> Call:
    return told(state="dead", error="The server answered 500.", http_status=500, attempts_n=10, due_at=None)


def action(client: Client, name: str, *pks: int) -> str:
    response = client.post(reverse(LIST), {"action": name, "_selected_action": list(pks)}, follow=True)
    return str(response.content.decode())


def test_the_list_tells_what_was_given_up_and_why(admin_client: Client) -> None:
    call, fine = dead(), told(state="sent", attempts_n=1)

    page = admin_client.get(reverse(LIST), {"trouble": "given_up"}).content.decode()

    assert "The server answered 500." in page
    assert "status-update, ended" in page
    assert str(call.pk)[:8] in page
    assert str(fine.pk)[:8] not in page
    for trouble in ("again", "late", "nonsense"):
        assert admin_client.get(reverse(LIST), {"trouble": trouble}).status_code == 200
    assert admin_client.get(reverse(LIST), {"q": str(fine.pk)}).content.decode().count(str(fine.pk)[:8]) >= 3


def test_the_list_takes_as_many_queries_however_long_it_is(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(4):
        dead()
    admin_client.get(reverse(LIST))

    with django_assert_max_num_queries(14):
        admin_client.get(reverse(LIST))


def test_an_empty_list_opens(admin_client: Client) -> None:
    assert admin_client.get(reverse(LIST)).status_code == 200


def test_many_are_sent_again_at_once(admin_client: Client) -> None:
    call = dead()

    page = action(admin_client, "send_again", *call.server_messages.values_list("pk", flat=True))

    assert "3 messages will be sent within seconds" in page
    assert set(call.server_messages.values_list("state", "attempts_n", "resent_n", "error")) == {
        ("waiting", 0, 1, "")
    }


def test_one_is_sent_again_from_its_page(admin_client: Client) -> None:
    row = dead().server_messages.get(kind="end-of-call-report")
    page = admin_client.get(reverse("admin:calls_servermessage_change", args=[row.pk])).content.decode()
    assert "Send again" in page
    assert str(row.public_id) in page
    url = reverse("admin:calls_servermessage_again", args=[row.pk])

    assert admin_client.get(url).status_code == 405
    admin_client.post(url)

    row.refresh_from_db()
    assert (row.state, row.resent_n) == ("waiting", 1)


def test_one_that_is_on_its_way_is_not_sent_beside_itself(admin_client: Client) -> None:
    call = told()
    one = claim(call.pk, now=timezone.now())
    assert one is not None

    page = action(admin_client, "send_again", one.row.pk)

    assert "Nothing to send" in page


def test_deleted_messages_are_not_noticed_anew_and_old_ones_are_gone(admin_client: Client) -> None:
    young, old = dead(), dead()
    old.server_messages.update(created_at=timezone.now() - timedelta(days=3))

    page = action(admin_client, "delete_chosen", *ServerMessage.objects.values_list("pk", flat=True))

    assert "6 messages deleted" in page
    assert not old.server_messages.exists()
    messages_notice([young.pk], now=timezone.now())
    assert set(young.server_messages.values_list("state", "error")) == {
        ("skipped", "It was deleted by people.")
    }


def test_whoever_may_only_look_can_neither_send_nor_delete(client: Client) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_servermessage"))
    client.force_login(user)
    row = dead().server_messages.order_by("id")[0]

    page = client.get(reverse("admin:calls_servermessage_change", args=[row.pk])).content.decode()

    assert "Send again" not in page
    assert client.post(reverse("admin:calls_servermessage_again", args=[row.pk])).status_code == 404
    action(client, "send_again", row.pk)
    action(client, "delete_chosen", row.pk)
    row.refresh_from_db()
    assert row.state == "dead"


def test_the_calls_page_says_how_many_arrived(admin_client: Client) -> None:
    call = dead()
    call.server_messages.filter(kind="end-of-call-report").update(state="sent")

    page = admin_client.get(reverse("admin:calls_call_change", args=[call.pk])).content.decode()

    assert "1 arrived, 2 were given up." in page
    assert f"{reverse(LIST)}?q={call.pk}" in page
    silent = make_told_call(assistant=make_desk(server_messages=[]))
    page = admin_client.get(reverse("admin:calls_call_change", args=[silent.pk])).content.decode()
    assert "Told to the customer" not in page
