"""Revoking a key says how many calls it has ordered, and calls them off where that is wanted, whatever the dialler does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.concurrency.locks import locked
from calls.models import Call, Placing
from calls.placing import revoking, services
from calls.placing.cancelling import call_cancel
from calls.placing.progress import answer_told
from calls.placing.revoking import calls_ordered, keys_revoke_for_good
from calls.placing.turns import placing_take
from calls.tests.placing.desk import ACCOUNT, Desk
from tools.access.keys import key_create, keys_revoke
from tools.models import ApiKey


def page() -> str:
    return reverse("admin:calls_placing_revoke_keys")


def scheduled(desk: Desk, n: int = 1) -> list[Call]:
    later = {"earliestAt": (timezone.now() + timedelta(hours=2)).isoformat()}
    return [desk.call(desk.place(name=f"call {one}", schedulePlan=later)) for one in range(n)]


def states(*calls: Call) -> list[str]:
    return list(Call.objects.filter(pk__in=[one.pk for one in calls]).values_list("status", flat=True))


def revoke(client: Client, desk: Desk, **data: Any) -> str:
    response = client.post(page(), {"keys": str(desk.key.pk), **data}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_asks_before_anything_is_done(admin_client: Client, desk: Desk) -> None:
    calls = scheduled(desk, 2)
    chosen = {"action": "revoke", "_selected_action": [str(desk.key.pk)]}

    asked = admin_client.post(reverse("admin:tools_apikey_changelist"), chosen, follow=True).content.decode()

    assert "call off 2 calls" in asked
    assert ApiKey.objects.get().revoked_at is None
    assert states(*calls) == ["scheduled"] * 2


def test_the_calls_go_off_with_the_key_and_others_stay(
    admin_client: Client, admin_user: User, desk: Desk, kicked: list[str]
) -> None:
    mine = scheduled(desk, 2)
    other = Desk(desk.assistant, desk.number)
    theirs = scheduled(other)

    told = revoke(admin_client, desk, call_off="1")

    assert "1 key revoked" in told
    assert "2 calls are off" in told
    assert states(*mine) == ["ended"] * 2
    assert states(*theirs) == ["scheduled"]
    desk.place(401)
    assert other.place(name="goes on")
    noted = list(LogEntry.objects.filter(user=admin_user).values_list("change_message", flat=True))
    assert "Revoked for good." in noted
    assert "Called off 2 of the calls that it had ordered." in noted
    assert noted.count("Called off with its key.") == 2
    assert "calls_hang_up" in kicked


def test_calls_may_be_let_go_on(admin_client: Client, desk: Desk) -> None:
    (call,) = scheduled(desk)

    revoke(admin_client, desk, call_off="")

    assert ApiKey.objects.get().revoked_at is not None
    assert states(call) == ["scheduled"]
    # They can still be called off later.
    assert calls_ordered([desk.key.pk]) == {desk.key.pk: 1}
    assert "revoked already" in admin_client.get(f"{page()}?keys={desk.key.pk}").content.decode()
    assert "1 call is off" in revoke(admin_client, desk, call_off="1")
    assert states(call) == ["ended"]


def test_who_may_not_place_calls_may_revoke_and_call_nothing_off(client: Client, desk: Desk) -> None:
    user = User.objects.create_user("keys", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_apikey", "view_apikey"]))
    client.force_login(user)
    scheduled(desk)

    assert (
        "call off"
        not in client.get(f"{page()}?keys={desk.key.pk}")
        .content.decode()
        .split("t-buttons")[1]
        .split("</form>")[0]
    )
    assert client.post(page(), {"keys": str(desk.key.pk), "call_off": "1"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None
    user.user_permissions.clear()
    client.force_login(User.objects.get(pk=user.pk))
    assert client.post(page(), {"keys": str(desk.key.pk)}).status_code == 403


@pytest.mark.parametrize("keys", ["", "no-id", "00000000-0000-0000-0000-000000000000"])
def test_keys_that_are_not_there_revoke_nothing(admin_client: Client, desk: Desk, keys: str) -> None:
    told = admin_client.get(f"{page()}?keys={keys}", follow=True).content.decode()

    assert "no such keys" in told
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("when", ["waiting", "taken", "ordered", "answered"])
def test_wherever_the_dialler_is_a_call_is_off_or_was_answered(
    desk: Desk, admin_user: User, when: str
) -> None:
    call = desk.call(desk.place())
    if when == "taken":
        assert placing_take(now=timezone.now()) is not None
    elif when != "waiting":
        desk.dial()
    sid = Call.objects.get(pk=call.pk).call_sid
    if when == "answered":
        answer_told(call.pk, call_sid=sid, account_sid=ACCOUNT, at=timezone.now())

    done = keys_revoke_for_good(key_ids=[desk.key.pk], by=admin_user, call_off=True, now=timezone.now())

    placing = Placing.objects.get(pk=call.pk)
    assert desk.dial() == []
    if when == "answered":
        # It is no call that nobody has answered, so it is neither off nor counted.
        assert (done.off, states(call)) == ((), ["ringing"])
        return
    assert (done.off, states(call)) == ((call.pk,), ["ended"])
    # One that rings, or may ring, is hung up by whoever learns of it.
    assert placing.hang_up == (when != "waiting")


def test_a_call_that_is_answered_while_keys_are_revoked_goes_on_and_is_told_of(
    desk: Desk, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (desk.call(desk.place(name=name)) for name in "ab")
    desk.dial()
    really = call_cancel

    def late(call_id: Any, *, now: Any) -> bool:
        if call_id == second.pk:
            sid = Call.objects.get(pk=second.pk).call_sid
            answer_told(second.pk, call_sid=sid, account_sid=ACCOUNT, at=now)
        return really(call_id, now=now)

    monkeypatch.setattr(revoking, "call_cancel", late)

    done = keys_revoke_for_good(key_ids=[desk.key.pk], by=admin_user, call_off=True, now=timezone.now())

    assert (done.off, done.answered_n) == ((first.pk,), 1)
    assert states(second) == ["ringing"]


def test_an_order_that_was_let_in_before_is_not_written_after(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = locked

    def revoked_meanwhile(what: int) -> None:
        keys_revoke(ApiKey.objects.all())
        really(what)

    monkeypatch.setattr(services, "locked", revoked_meanwhile)

    desk.place(401)

    assert not Placing.objects.exists()


def test_a_key_without_orders_is_revoked_by_one_button(admin_client: Client) -> None:
    key, _ = key_create(name="reader", scopes=["call:read"])

    assert "Revoke for good</button>" in admin_client.get(f"{page()}?keys={key.pk}").content.decode()
    admin_client.post(page(), {"keys": str(key.pk)})

    assert ApiKey.objects.get().revoked_at is not None
