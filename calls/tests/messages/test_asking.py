"""A number to which nobody is assigned: its server says who takes the call, in any of Vapi's forms, or does not."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client as DjangoClient
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Transient, VapiImport, VapiObject
from assistants.tests.factories import make_assistant, make_squad
from calls.choosing.services import choose
from calls.costs.refusing import ENDED_REASON as SPENT
from calls.messages import asking
from calls.messages.asking import Forwarded, ToAsk, assistant_requested
from calls.messages.outbox import Result, messages_resend
from calls.models import (
    Call,
    CallCost,
    CallProblem,
    CallTransfer,
    NumberServer,
    PhoneNumber,
    ServerMessage,
    SpendingLimit,
)
from calls.services import DEFAULT_APOLOGY, Answered, Refused, call_over
from calls.tests.costs.factories import make_limit
from calls.tests.factories import make_call, make_phone_number
from simulator.signature import sign
from tools.clients import HttpAnswer
from tools.tests.vapi_schema import complaints

pytestmark = pytest.mark.django_db

URL = "https://hooks.harbour.example/who"
NUMBER = {"type": "number", "number": "+13125550142"}


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-test"
    settings.ORGANISATION_SERVER_URL = ""


@dataclass
class Server:
    """A customer's server, and what it was asked."""

    answer: Any = None
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    windows: list[float] = field(default_factory=list)

    def __call__(
        self, body: bytes, url: str, auth: object, *, timeout_s: float, **_: Any
    ) -> HttpAnswer | Result:
        assert url == URL
        self.asked.append(json.loads(body)["message"])
        self.windows.append(timeout_s)
        self.meanwhile()
        if isinstance(self.answer, Result):
            return self.answer
        raw = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return HttpAnswer(self.status, "application/json", raw, 120)


def make_asking_number(**fields: Any) -> PhoneNumber:
    number = make_phone_number(**fields)
    NumberServer.objects.create(number=number, server_url=URL)
    return number


def ask(number: PhoneNumber, server: Server, *, sid: str = "CA1", **options: Any) -> Any:
    return assistant_requested(
        call_sid=sid, account_sid="AC1", did=number.did, caller="+13125550177", asks=server, **options
    )


def test_the_assistant_that_the_server_names_takes_the_call() -> None:
    assistant, number = make_assistant(published=True), make_asking_number()
    server = Server(
        {"assistantId": str(assistant.pk), "assistantOverrides": {"variableValues": {"shop": "Harbour"}}}
    )

    decision = ask(number, server)

    assert isinstance(decision, Answered)
    call = Call.objects.get()
    assert (call.assistant, call.version, call.status) == (assistant, assistant.live_version, "ringing")
    assert call.token_minted_at is not None
    assert call.given.values == {"shop": "Harbour"}
    row = ServerMessage.objects.get()
    assert (row.kind, row.state, row.http_status, row.elapsed_ms) == ("assistant-request", "sent", 200, 120)


def test_what_is_asked_is_vapis_message_with_the_calls_own_id_and_no_assistant() -> None:
    number, server = make_asking_number(label="Main line"), Server({})

    ask(number, server)

    (message,) = server.asked
    call = Call.objects.get()
    assert (message["type"], message["call"]["id"], message["call"]["assistantId"]) == (
        "assistant-request",
        str(call.pk),
        None,
    )
    assert message["customer"] == {"number": "+13125550177"}
    assert message["phoneNumber"]["number"] == number.did
    message["call"].pop("assistantId")
    found = complaints("ServerMessageAssistantRequest", message)
    assert [one for one in found if not one.startswith("phoneNumber: ")] == []
    assert server.windows == [7.5]


def test_a_squad_takes_the_call_by_its_first_member() -> None:
    first, second = make_assistant(published=True), make_assistant(published=True)
    squad = make_squad(first, second)

    decision = ask(make_asking_number(), Server({"squadId": str(squad.pk)}))

    assert isinstance(decision, Answered)
    call = Call.objects.get()
    assert (call.assistant, call.squad) == (first, squad)


def test_an_assistant_that_the_server_describes_takes_the_call() -> None:
    described = {
        "name": "Night desk",
        "firstMessage": "Good evening.",
        "model": {
            "provider": "openai",
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "Be brief."}],
        },
    }

    decision = ask(make_asking_number(), Server({"assistant": described}))

    assert isinstance(decision, Answered)
    call = Call.objects.select_related("version").get()
    assert call.version is not None
    assert call.version.snapshot["first_message"] == "Good evening."


def test_an_assistant_whose_document_is_erased_in_that_moment_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}],
    }
    described = {"name": "Night desk", "firstMessage": "Good evening.", "model": model}
    chosen: list[object] = []

    def erased_at_first(wanted: Any, *, actor: str) -> Any:
        choice = choose(wanted, actor=actor)
        if not chosen:
            Transient.objects.update(kind=Transient.Kind.EMPTIED, document={})
        chosen.append(choice.transients())
        return choice

    monkeypatch.setattr(asking, "choose", erased_at_first)

    decision = ask(make_asking_number(), Server({"assistant": described}))

    assert isinstance(decision, Answered)
    assert len(chosen) == 2
    version = Call.objects.select_related("version").get().version
    assert version is not None
    assert version.snapshot["first_message"] == "Good evening."


def test_an_answer_in_the_envelope_of_vapis_first_documents_counts() -> None:
    assistant = make_assistant(published=True)

    assert isinstance(
        ask(make_asking_number(), Server({"messageResponse": {"assistantId": str(assistant.pk)}})), Answered
    )


def test_an_error_is_spoken_and_the_call_is_over() -> None:
    decision = ask(make_asking_number(), Server({"error": "We are closed on Sundays.", "assistantId": "x"}))

    assert isinstance(decision, Refused)
    assert decision.apology == "We are closed on Sundays."
    call = Call.objects.get()
    assert (call.status, call.ended_reason) == ("refused", "assistant-request-returned-error")
    assert CallProblem.objects.get().benign
    # What was said stands in no row in plain words.
    assert "Sundays" not in json.dumps(ServerMessage.objects.get().facts)


def test_a_destination_is_dialled_at_once_after_its_words() -> None:
    decision = ask(make_asking_number(), Server({"destination": {**NUMBER, "message": "One moment."}}))

    assert isinstance(decision, Forwarded)
    assert (decision.destination.address, decision.words) == ("+13125550142", "One moment.")
    call = Call.objects.get()
    assert call.status == "forwarding"
    assert CallTransfer.objects.get().call == call
    # Twilio's word on the end does not know why it was forwarded; that stands there already.
    call_over(call_sid="CA1", ended_reason="call.in-progress.twilio-completed-call")
    assert Call.objects.get().ended_reason == "assistant-request-returned-forwarding-phone-number"


LATE = Result("timeout", "It was not taken: no complete answer came within 7.5 seconds.", None, 7500)
BAD: dict[str, tuple[Any, int, str]] = {
    "late": (LATE, 200, "assistant-request-failed"),
    "an error status": ({"assistantId": "x"}, 500, "assistant-request-failed"),
    "no JSON": (b"<html>", 200, "assistant-request-returned-no-assistant"),
    "a list": ([], 200, "assistant-request-returned-no-assistant"),
    "nothing": ({}, 200, "assistant-request-returned-no-assistant"),
    "an unknown assistant": ({"assistantId": "nobody"}, 200, "assistant-request-returned-invalid-assistant"),
    "a workflow": ({"workflowId": "w"}, 200, "assistant-request-returned-invalid-assistant"),
    "an assistant that is no object": ({"assistant": 3}, 200, "assistant-request-returned-invalid-assistant"),
    "an error that is no text": ({"error": {"a": 1}}, 200, "assistant-request-returned-unspeakable-error"),
    "an empty error": ({"error": " "}, 200, "assistant-request-returned-unspeakable-error"),
    "nowhere to dial": (
        {"destination": {"type": "number"}},
        200,
        "assistant-request-returned-invalid-assistant",
    ),
    "odd letters": ({"assistantId": "\x00"}, 200, "assistant-request-returned-invalid-assistant"),
}


@pytest.mark.parametrize(("answer", "status", "reason"), BAD.values(), ids=BAD)
def test_a_bad_answer_is_an_apology_with_an_honest_reason(answer: Any, status: int, reason: str) -> None:
    decision = ask(make_asking_number(), Server(answer, status))

    assert isinstance(decision, Refused)
    assert decision.apology == DEFAULT_APOLOGY
    call = Call.objects.get()
    assert (call.status, call.ended_reason) == ("refused", reason)
    assert call.refused_because
    problem = CallProblem.objects.get()
    assert (problem.code, problem.benign) == (reason.replace("-", "_"), False)


def test_where_the_number_has_a_fallback_the_caller_goes_there_and_the_reason_stays() -> None:
    number = make_asking_number(vapi_id="pn-1")
    VapiObject.objects.create(
        kind=VapiObject.Kind.PHONE_NUMBER,
        key="pn-1",
        raw={"fallbackDestination": NUMBER},
        imported_at=timezone.now(),
        last_import=VapiImport.objects.create(),
    )

    decision = ask(number, Server(LATE))

    assert isinstance(decision, Forwarded)
    call = Call.objects.get()
    assert (call.status, call.ended_reason) == ("forwarding", "assistant-request-failed")
    assert "fallback destination" in CallProblem.objects.get().message


@pytest.mark.usefixtures("midday")
def test_on_a_spent_day_whoever_the_server_names_takes_no_call() -> None:
    assistant, other = make_assistant(published=True, language="de"), make_assistant(published=True)
    make_limit(
        assistant=assistant,
        call_usd=None,
        day_usd=Decimal("0.01"),
        refusal_sentence="Heute nicht.",
        when_day="refuse",
    )
    CallCost.objects.create(
        call=make_call(), assistant=assistant, day=timezone.now().date(), total_usd=Decimal("0.02")
    )
    number, server = make_asking_number(), Server({"assistantId": str(assistant.pk)})

    for _ in range(2):
        decision = ask(number, server)
        assert isinstance(decision, Refused)
        assert (decision.apology, decision.language) == ("Heute nicht.", "de")
    assert len(server.asked) == 1
    call = Call.objects.get(call_sid="CA1")
    assert (call.status, call.ended_reason, call.version) == ("refused", SPENT, None)
    assert "spent" in call.refused_because
    assert isinstance(ask(number, Server({"assistantId": str(other.pk)}), sid="CA2"), Answered)

    SpendingLimit.objects.update(when_day="forward", forward_to="+13125550142")
    decision = ask(number, server, sid="CA3")
    assert isinstance(decision, Forwarded)
    assert decision.destination.address == "+13125550142"
    assert Call.objects.get(call_sid="CA3").ended_reason == SPENT
    assert not CallProblem.objects.exists()


def test_a_webhook_that_comes_again_asks_nobody_and_hears_the_same() -> None:
    assistant = make_assistant(published=True)
    answers = [{"assistantId": str(assistant.pk)}, {"error": "Closed."}, {"destination": NUMBER}, {}]
    for n, answer in enumerate(answers):
        number, server = make_asking_number(), Server(answer)
        first = ask(number, server, sid=f"CA{n}")
        again = ask(number, server, sid=f"CA{n}")

        assert len(server.asked) == 1
        assert type(again) is type(first)
        for name in ("token", "apology", "transfer_id", "words"):
            assert getattr(again, name, None) == getattr(first, name, None)


def test_a_second_webhook_waits_for_the_first_ones_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assistant, number = make_assistant(published=True), make_asking_number()
    seen: list[str] = []
    first = Server({"assistantId": str(assistant.pk)})
    monkeypatch.setattr(asking, "_OTHERS_WITHIN", timedelta(hours=1))

    def decided(_: float) -> None:
        Call.objects.update(assistant=assistant, version=assistant.live_version)
        seen.append("waited")

    # Not in the module of time, by which threads of other tests sleep as well.
    monkeypatch.setattr(asking, "time", SimpleNamespace(sleep=decided))
    first.meanwhile = lambda: seen.append(type(ask(number, Server({}))).__name__)

    ask(number, first)

    assert seen == ["waited", "Answered"]


def test_an_asker_that_died_leaves_an_apology_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    number = make_asking_number()

    def dies() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(number, Server({}, meanwhile=dies))
    ServerMessage.objects.update(at=timezone.now() - asking._OTHERS_WITHIN)

    decision = ask(number, Server({}))

    assert isinstance(decision, Refused)
    assert Call.objects.get().ended_reason == "assistant-request-failed"


def test_a_caller_who_hung_up_meanwhile_gets_no_assistant() -> None:
    assistant, number = make_assistant(published=True), make_asking_number()
    server = Server({"assistantId": str(assistant.pk)})

    def hangs_up() -> None:
        call_over(call_sid="CA1", ended_reason="customer-ended-call")

    server.meanwhile = hangs_up

    assert isinstance(ask(number, server), Refused)

    call = Call.objects.get()
    assert (call.status, call.version) == ("ended", None)


def test_nobody_is_asked_where_somebody_is_assigned_or_there_is_no_server(settings: Settings) -> None:
    server = Server({})
    assigned = make_asking_number(assistant=make_assistant(published=True))

    assert ask(assigned, server) is None
    assert ask(make_asking_number(enabled=False), server) is None
    assert ask(make_phone_number(), server) is None
    settings.OPENAI_API_KEY = ""
    assert ask(make_asking_number(), server) is None
    assert (server.asked, Call.objects.count()) == ([], 0)


def test_the_organisations_server_is_asked_for_a_number_without_one(settings: Settings) -> None:
    settings.ORGANISATION_SERVER_URL = URL
    server = Server({"error": "Closed."})

    assert isinstance(ask(make_phone_number(), server), Refused)
    assert ServerMessage.objects.get().server_from == "organisation"


def test_who_may_not_wait_is_sent_to_an_address_where_there_is_time() -> None:
    assert isinstance(ask(make_asking_number(), Server({}), may_wait=False), ToAsk)
    assert not Call.objects.exists()


def test_a_question_is_not_sent_again_by_people() -> None:
    ask(make_asking_number(), Server(LATE))

    assert messages_resend(ServerMessage.objects.values_list("pk", flat=True)) == 0


def test_the_webhook_of_a_number_with_a_fallback_url_is_answered_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = make_asking_number()
    answer = HttpAnswer(200, "", b'{"error": "Shut."}', 1)
    monkeypatch.setattr("calls.messages.asking.http_send", lambda *_, **__: answer)
    form = {"CallSid": "CA9", "AccountSid": "AC1", "To": number.did, "From": "+13125550177"}

    def post(path: str) -> str:
        url = f"{settings.PUBLIC_ORIGIN}{path}"
        signature = sign(url, list(form.items()), auth_token=settings.TWILIO_AUTH_TOKEN)
        response = DjangoClient().post(path, form, headers={"X-Twilio-Signature": signature})
        return response.content.decode()

    assert "/twilio/voice/asked?back=1</Redirect>" in post("/twilio/voice?back=1")
    assert "Shut." in post("/twilio/voice/asked?back=1")
    assert "Shut." in post("/twilio/voice")
