"""What the tests of the cutover screen share: people with different rights, a fake Twilio, and a worker that is quick."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from calls.cutover.batches import batch_carry_out
from calls.cutover.tasks import batch_run
from calls.tests.cutover.twilio import FakeTwilio

MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def outside(twilio: FakeTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio wherever the screen asks it, and a worker that carries a batch out at once."""
    monkeypatch.setattr("calls.cutover.screen.previews.TwilioRest", lambda: twilio)
    monkeypatch.setattr("calls.cutover.services.TwilioRest", lambda: twilio)
    monkeypatch.setattr("calls.cutover.syncing.TwilioRest", lambda: twilio)
    monkeypatch.setattr(batch_run, "delay", batch_carry_out)


@pytest.fixture
def gates_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates that stop nothing."""
    for module in ("services", "screen.previews", "screen.number_page"):
        monkeypatch.setattr(f"calls.cutover.{module}.gates_for", lambda _: [])


@pytest.fixture
def somebody(db: None) -> MakeClient:
    """A maker of people of ops staff, with these rights and no other."""

    def make(*rights: str) -> Client:
        user = User.objects.create_user(f"user{User.objects.count()}", password="x", is_staff=True)
        user.user_permissions.add(
            *Permission.objects.filter(codename__in=rights, content_type__app_label="calls")
        )
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def mover(somebody: MakeClient) -> Any:
    """Somebody who may see numbers and cut them over."""
    return somebody("view_phonenumber", "cut_over_phonenumber")
