"""Calls that are not ours to dial: ordered by programs, opened once by their token, and closed where nobody came."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from assistants.models import Assistant
from assistants.services import assistant_publish
from assistants.tests.factories import make_assistant
from calls.bridge.audio import MULAW, PCM
from calls.concurrency.room import room, sockets_on_line
from calls.models import Call, CallProblem, CallRequest, Placing, SocketCall, TwilioAccount
from calls.placing.turns import placing_take
from calls.recordings.taking.services import CUT_SHORT
from calls.selectors import call_for_stream
from calls.services import problem_write, stream_claim, token_mint
from calls.tests.factories import make_call, make_phone_number
from calls.websocket_calls.formats import ClientFormat, format_read
from calls.websocket_calls.services import (
    BYPASS_TOKEN_LIVES,
    NEVER_CONNECTED,
    NO_CALL_RECEIVED,
    bypass_awaited,
    bypass_claim,
    socket_awaited,
    socket_calls_close,
    websocket_call_create,
)
from tools.access.errors import ApiError
from tools.models import ApiKey
from tools.tests.access.program import Program

pytestmark = pytest.mark.django_db

SOCKET = {
    "provider": "vapi.websocket",
    "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 24000},
}
SID, ACCOUNT = "CA" + "7" * 32, "AC" + "7" * 32


@pytest.fixture
def program(settings: Settings) -> Program:
    settings.OPENAI_API_KEY = "sk-test"
    settings.MEDIA_ORIGIN = "wss://media.test"
    return Program()


@pytest.fixture
def assistant() -> Assistant:
    made = make_assistant()
    assistant_publish(assistant=made)
    return made


def token_of(answer: dict[str, Any]) -> str:
    return str(answer["transport"]["websocketCallUrl"].partition("?token=")[2])


def test_a_program_gets_the_address_of_a_socket_once(program: Program, assistant: Assistant) -> None:
    asked = {
        "assistantId": str(assistant.pk),
        "transport": SOCKET,
        "name": "from the shop",
        "metadata": {"order": 7},
        "customer": {"name": "Marta"},
        "assistantOverrides": {"variableValues": {"clinic": "Riverbend"}},
    }

    answer = program.ask("POST", "/call", asked, status=201)
    again = program.ask("GET", f"/call/{answer['id']}")

    assert answer["type"] == "vapi.websocketCall"
    assert answer["status"] == "queued"
    assert (answer["name"], answer["metadata"], answer["customer"]) == (
        "from the shop",
        {"order": 7},
        {"name": "Marta"},
    )
    url = answer["transport"].pop("websocketCallUrl")
    assert re.fullmatch(rf"wss://media\.test/media/{answer['id']}/transport\?token=[0-9a-f]{{64}}", url)
    assert answer["transport"] == {**SOCKET, "conversationType": "voice"} == again["transport"]
    call = call_for_stream(answer["id"])
    assert call is not None
    assert call.given["clinic"] == "Riverbend"


def test_its_token_opens_it_once_and_no_other(program: Program, assistant: Assistant) -> None:
    asked = {"assistantId": str(assistant.pk), "transport": SOCKET}
    answer = program.ask("POST", "/call", asked, status=201)
    other = program.ask("POST", "/call", asked, status=201)
    token = token_of(answer)

    row = socket_awaited(answer["id"], token)
    assert row is not None
    assert (row.encoding, row.sample_rate) == ("pcm_s16le", 24000)
    assert socket_awaited(other["id"], token) is None
    assert socket_awaited(answer["id"], "") is None
    assert stream_claim(call_id=row.pk, call_sid="", account_sid="", stream_sid="WS1", token=token)
    assert socket_awaited(answer["id"], token) is None
    assert Call.objects.get(pk=row.pk).status == Call.Status.IN_PROGRESS


def test_a_token_that_is_a_minute_old_opens_nothing(program: Program, assistant: Assistant) -> None:
    answer = program.ask("POST", "/call", {"assistantId": str(assistant.pk), "transport": SOCKET}, status=201)
    old = timezone.now() - timedelta(seconds=61)
    call = Call.objects.get(pk=answer["id"])
    Call.objects.filter(pk=call.pk).update(token_minted_at=old)
    call.refresh_from_db()

    assert socket_awaited(call.pk, token_mint(Call.objects.get(pk=call.pk))) is not None
    Call.objects.filter(pk=call.pk).update(token_minted_at=old)
    assert socket_awaited(call.pk, token_of(answer)) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"phoneNumberId": "x"}, "property phoneNumberId is not permitted with transport vapi.websocket"),
        ({"customers": []}, "property customers is not permitted with transport vapi.websocket"),
        ({"colour": "red"}, "property colour should not exist"),
        ({"transport": {**SOCKET, "colour": 1}}, "transport.property colour should not exist"),
        (
            {"transport": {**SOCKET, "audioFormat": {"format": "opus", "sampleRate": 16000}}},
            "transport.audioFormat.format must be one of the following values: pcm_s16le, mulaw",
        ),
        (
            {"transport": {**SOCKET, "audioFormat": {"format": "mulaw", "sampleRate": 16000}}},
            "transport.audioFormat.sampleRate must be one of the following values: 8000",
        ),
        ({"name": "x" * 41}, "name must be shorter than or equal to 40 characters"),
        ({"customer": {"number": 7}}, "customer.number must be a string"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata must be smaller than 16384 bytes"),
    ],
)
def test_what_is_wrong_is_said_by_name_and_nothing_is_made(
    change: dict[str, Any], sentence: str, program: Program, assistant: Assistant
) -> None:
    body = {"assistantId": str(assistant.pk), "transport": SOCKET, **change}

    answer = program.ask("POST", "/call", body, status=400)

    assert sentence in answer["message"]
    assert not Call.objects.exists()


def test_the_forms_of_sound_are_vapis() -> None:
    assert format_read(None) == ClientFormat("pcm_s16le", 16000)
    assert format_read({"format": "mulaw", "sampleRate": 8000}) == ClientFormat("mulaw", 8000)
    assert format_read({"format": "pcm_s16le", "sampleRate": 44100.0}) == ClientFormat("pcm_s16le", 44100)
    assert isinstance(format_read({"format": "pcm_s16le", "sampleRate": True}), list)
    assert isinstance(format_read("pcm"), list)
    assert ClientFormat("mulaw", 8000).at_model is MULAW
    assert ClientFormat("pcm_s16le", 8000).at_model is PCM


def test_a_call_in_a_flow_of_somebody_elses_gets_a_document_to_embed(
    program: Program, assistant: Assistant
) -> None:
    number = make_phone_number()
    asked = {
        "assistantId": str(assistant.pk),
        "phoneCallProviderBypassEnabled": True,
        "phoneNumberId": str(number.pk),
        "customer": {"number": "+13125550177"},
    }

    answer = program.ask("POST", "/call", asked, status=201)

    assert (answer["type"], answer["status"]) == ("inboundPhoneCall", "queued")
    assert answer["phoneCallProvider"] == "twilio"
    assert answer["phoneNumberId"] == str(number.pk)
    stream = ET.fromstring(answer["phoneCallProviderDetails"]["twiml"]).find("./Connect/Stream")
    assert stream is not None
    assert stream.get("url") == f"wss://media.test/media/{answer['id']}/bypass"
    (token,) = [one.get("value", "") for one in stream.findall("Parameter")]
    assert bypass_awaited(answer["id"])
    claim = {
        "call_id": answer["id"],
        "call_sid": SID,
        "account_sid": ACCOUNT,
        "stream_sid": "MZ1",
        "signed": False,
    }
    assert not bypass_claim(**claim, token="wrong")
    assert Call.objects.get(pk=answer["id"]).call_sid == ""
    assert bypass_claim(**claim, token=token)
    assert not bypass_claim(**claim, token=token)
    told = program.ask("GET", f"/call/{answer['id']}")
    assert (told["status"], told["phoneCallProviderId"]) == ("in-progress", SID)


def test_one_telephone_call_may_come_to_us_twice(program: Program, assistant: Assistant) -> None:
    make_call(call_sid=SID)
    body = {"assistantId": str(assistant.pk), "phoneCallProviderBypassEnabled": True}
    answer = program.ask("POST", "/call", body, status=201)
    call = Call.objects.get(pk=answer["id"])

    claimed = bypass_claim(
        call_id=call.pk,
        call_sid=SID,
        account_sid=ACCOUNT,
        stream_sid="MZ1",
        token=token_mint(call),
        signed=False,
    )

    call.refresh_from_db()
    assert claimed
    assert (call.status, call.call_sid, call.account_sid) == (Call.Status.IN_PROGRESS, "", ACCOUNT)


@pytest.mark.parametrize("known", ["environment", "told-of", "switched-off"])
def test_nobody_says_without_twilios_signature_that_a_call_is_of_an_account_that_is_known_here(
    known: str, program: Program, assistant: Assistant, settings: Settings
) -> None:
    if known == "environment":
        settings.TWILIO_ACCOUNT_SID = ACCOUNT
    else:
        TwilioAccount.objects.create(sid=ACCOUNT, label="shop", enabled=known == "told-of")
    body = {"assistantId": str(assistant.pk), "phoneCallProviderBypassEnabled": True}
    call = Call.objects.get(pk=program.ask("POST", "/call", body, status=201)["id"])
    claim: dict[str, Any] = {
        "call_id": call.pk,
        "call_sid": SID,
        "account_sid": ACCOUNT,
        "stream_sid": "MZ1",
        "token": token_mint(call),
    }

    forged = bypass_claim(**claim, signed=False)

    assert forged is (known == "switched-off")
    assert bypass_claim(**claim, signed=True) is not forged


def test_calls_that_nobody_came_to_are_closed_and_say_so(program: Program, assistant: Assistant) -> None:
    made = [
        program.ask("POST", "/call", {"assistantId": str(assistant.pk), **how}, status=201)["id"]
        for how in ({"transport": SOCKET}, {"phoneCallProviderBypassEnabled": True})
    ]
    now = timezone.now()

    assert socket_calls_close(now=now + timedelta(seconds=30)) == []
    first = socket_calls_close(now=now + timedelta(minutes=2))
    second = socket_calls_close(now=now + BYPASS_TOKEN_LIVES + timedelta(minutes=1))

    assert [(str(pk), why) for pk, why in first + second] == [
        (made[0], NEVER_CONNECTED),
        (made[1], NO_CALL_RECEIVED),
    ]
    assert [program.ask("GET", f"/call/{one}")["status"] for one in made] == ["ended", "ended"]


def test_a_call_whose_process_died_is_closed_when_it_can_go_on_no_longer(assistant: Assistant) -> None:
    now = timezone.now()
    call = make_call(
        status=Call.Status.IN_PROGRESS, call_sid="", version=assistant.live_version, ended_at=None,
        started_at=now - timedelta(minutes=5), ended_reason="",
    )  # fmt: skip
    SocketCall.objects.create(call=call, kind=SocketCall.Kind.WEBSOCKET, encoding="mulaw", sample_rate=8000)

    assert socket_calls_close(now=now) == []
    assert socket_calls_close(now=now + timedelta(hours=2))[0][0] == call.pk
    assert CallProblem.objects.get(call=call).code == "end_not_reported"


def test_a_call_whose_sound_was_found_without_its_process_is_closed_at_once(assistant: Assistant) -> None:
    now = timezone.now()
    talks, alone = (
        make_call(
            status=Call.Status.IN_PROGRESS, call_sid="", version=assistant.live_version, ended_at=None,
            started_at=now - timedelta(minutes=1), ended_reason="",
        )
        for _ in range(2)
    )  # fmt: skip
    for one in (talks, alone):
        SocketCall.objects.create(call=one, kind=SocketCall.Kind.WEBSOCKET)
    problem_write(
        call_id=alone.pk,
        key=CUT_SHORT,
        source="tandem",
        code=CUT_SHORT,
        message="It died.",
        benign=True,
        at=now,
    )

    assert socket_calls_close(now=now) == [(alone.pk, "call.in-progress.error-vapifault-worker-died")]


@pytest.mark.parametrize("kind", ["private", "public"])
def test_a_web_call_is_refused_with_what_to_do_instead(kind: str, program: Program) -> None:
    asking = program if kind == "private" else Program(kind="public")

    answer = asking.ask("POST", "/call/web", {"assistantId": "a"}, status=400)

    assert "vapi.websocket" in answer["message"][0]
    assert Client().post("/call/web").status_code == 401
    assert asking.ask("GET", "/call/web", status=405)["statusCode"] == 405


def test_a_key_makes_no_more_calls_in_a_minute_than_it_may(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CALLS_PER_MINUTE = 1
    body = {"assistantId": str(assistant.pk), "transport": SOCKET}

    program.ask("POST", "/call", body, status=201)

    assert "OUTBOUND_CALLS_PER_MINUTE" in program.ask("POST", "/call", body, status=429)["message"]


def test_calls_on_sockets_take_places_on_the_line_and_beyond_the_last_one_there_is_none(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CONCURRENCY = 2
    body = {"assistantId": str(assistant.pk), "transport": SOCKET}

    first = program.ask("POST", "/call", body, status=201)
    second = program.ask("POST", "/call", body, status=201)
    refused = program.ask("POST", "/call", body, status=400)

    assert [one["subscriptionLimits"]["remainingConcurrentCalls"] for one in (first, second)] == [1, 0]
    assert [one["subscriptionLimits"]["concurrencyBlocked"] for one in (first, second)] == [False, True]
    assert refused["message"][0] == "Over Concurrency Limit"
    assert "2 of 2 calls are on the line or about to be (OUTBOUND_CONCURRENCY)" in refused["message"][1]
    assert Call.objects.count() == 2
    assert placing_take(now=timezone.now()) is None  # nor is anybody dialled meanwhile

    Call.objects.filter(pk=first["id"]).update(status=Call.Status.ENDED, ended_at=timezone.now())
    program.ask("POST", "/call", body, status=201)


def test_an_address_that_nobody_came_to_in_its_time_keeps_no_place_and_a_call_that_goes_on_does(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    body = {"assistantId": str(assistant.pk), "transport": SOCKET}
    waits, talks = (program.ask("POST", "/call", body, status=201) for _ in range(2))
    program.ask(
        "POST",
        "/call",
        {"assistantId": str(assistant.pk), "phoneCallProviderBypassEnabled": True},
        status=201,
    )
    assert stream_claim(
        call_id=talks["id"], call_sid="", account_sid="", stream_sid="WS1", token=token_of(talks)
    )
    now = timezone.now()

    assert room(now=now).taken == 2
    assert room(now=now + timedelta(seconds=61)).taken == 1
    assert {str(one.pk) for one in sockets_on_line(now=now)} == {waits["id"], talks["id"]}


def test_a_call_that_waits_to_be_placed_finds_no_room_while_sockets_have_it(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CONCURRENCY = 1
    settings.TWILIO_ACCOUNT_SID = ACCOUNT
    now = timezone.now()
    waiting = make_call(
        status=Call.Status.QUEUED,
        call_sid="",
        ended_at=None,
        started_at=None,
        phone_number=make_phone_number(),
    )
    request = CallRequest.objects.create(digest="d", by_label="test")
    Placing.objects.create(
        call=waiting,
        request=request,
        position=0,
        due_at=now,
        give_up_at=now + timedelta(hours=1),
        customer={},
    )
    answer = program.ask("POST", "/call", {"assistantId": str(assistant.pk), "transport": SOCKET}, status=201)

    assert placing_take(now=now) is None
    Call.objects.filter(pk=answer["id"]).update(status=Call.Status.ENDED, ended_at=now)
    taken = placing_take(now=now)

    assert taken is not None
    assert taken.pk == waiting.pk
    assert (
        program.ask("POST", "/call", {"assistantId": str(assistant.pk), "transport": SOCKET}, status=400)[
            "message"
        ][0]
        == "Over Concurrency Limit"
    )


def test_a_place_is_taken_while_nobody_else_takes_one(program: Program, assistant: Assistant) -> None:
    body = {"assistantId": str(assistant.pk), "transport": SOCKET}

    with CaptureQueriesContext(connection) as queries:
        program.ask("POST", "/call", body, status=201)

    texts = [one["sql"] for one in queries.captured_queries]
    (held,) = [at for at, text in enumerate(texts) if "pg_advisory_xact_lock" in text]
    (counted,) = [
        at
        for at, text in enumerate(texts[: held + 3])
        if "COUNT(*)" in text and "calls_socketcall" in text and at > held
    ]
    written = next(at for at, text in enumerate(texts) if text.startswith('INSERT INTO "calls_socketcall"'))
    assert held < counted < written


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_do_not_both_get_the_last_place(
    program: Program, assistant: Assistant, settings: Settings
) -> None:
    settings.OUTBOUND_CONCURRENCY = 1
    body = {"assistantId": str(assistant.pk), "transport": SOCKET}
    key = ApiKey.objects.get()

    def ask() -> int:
        try:
            websocket_call_create(body, key)
        except ApiError as exc:
            return exc.status
        finally:
            connection.close()
        return 201

    with ThreadPoolExecutor(4) as pool:
        answers = [one.result() for one in [pool.submit(ask) for _ in range(4)]]

    assert sorted(answers) == [201, 400, 400, 400]


def test_the_page_of_a_call_says_how_it_came(
    program: Program, assistant: Assistant, admin_client: Client
) -> None:
    answer = program.ask("POST", "/call", {"assistantId": str(assistant.pk), "transport": SOCKET}, status=201)

    page = admin_client.get(f"/admin/calls/call/{answer['id']}/change/").content.decode()

    assert "A program&#x27;s WebSocket, pcm_s16le at 24000 Hz; asked for by API key" in page
