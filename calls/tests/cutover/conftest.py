"""What the tests of cutovers share: a fake Twilio, and numbers that stand both there and here."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.cutover.intention import answering
from calls.cutover.looking import seen_move
from calls.cutover.states import next_state
from calls.models import PhoneNumber
from calls.tests.cutover.sharing import CALLER, DID, SID, Post
from calls.tests.cutover.twilio import ACCOUNT, FakeTwilio
from simulator.signature import sign

MakeNumber = Callable[..., PhoneNumber]


@pytest.fixture
def twilio() -> FakeTwilio:
    """Twilio without HTTP."""
    return FakeTwilio()


@pytest.fixture(autouse=True)
def in_this_thread(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Have many numbers given back one after the other, where other threads could not see what a test has written."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or not marker.kwargs.get("transaction"):
        monkeypatch.setattr("calls.cutover.crowd.AT_ONCE", 1)
        monkeypatch.setattr("calls.cutover.services.AT_ONCE", 1)


@pytest.fixture
def desk(db: None) -> Assistant:
    """A published assistant."""
    return make_assistant(published=True)


@pytest.fixture
def make_number(twilio: FakeTwilio, desk: Assistant, settings: Settings) -> MakeNumber:
    """A maker of numbers that are at Twilio, and known here as a sync would have them."""
    settings.TWILIO_ACCOUNT_SID = ACCOUNT

    def make(**fields: Any) -> PhoneNumber:
        return known(twilio, desk, twilio.numbers.add(f"+1202555{len(twilio.numbers.held):04}", **fields))

    return make


def known(twilio: FakeTwilio, desk: Assistant, resource: dict[str, Any]) -> PhoneNumber:
    """The number of that resource, as a sync would have made it, with an assistant."""
    return PhoneNumber.objects.create(
        did=resource["phone_number"],
        assistant=desk,
        account_sid=resource["account_sid"],
        twilio_sid=resource["sid"],
        config=dict(resource),
        config_seen_at=timezone.now(),
        answered_by=answering(resource),
        state=next_state(PhoneNumber.State.UNKNOWN, seen_move(resource)),
    )


class Nowhere:
    """An outbox for what nobody looks at: the process's own would hand it over in the middle of another test."""

    def put(self, _task: str, _kwargs: dict[str, Any]) -> None:
        pass


@pytest.fixture
def post(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Twilio's POST about a call of a shared number, signed."""
    monkeypatch.setattr("calls.views.process_outbox", Nowhere)

    def send(path: str, **form: str) -> Any:
        fields = {"CallSid": SID, "AccountSid": settings.TWILIO_ACCOUNT_SID, "To": DID, "From": CALLER} | form
        url = f"{settings.PUBLIC_ORIGIN}{path}"
        signature = sign(url, list(fields.items()), auth_token=settings.TWILIO_AUTH_TOKEN)
        return Client().post(path, fields, headers={"X-Twilio-Signature": signature})

    return send
