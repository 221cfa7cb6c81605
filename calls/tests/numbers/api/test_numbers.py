"""Phone numbers as programs read and write them: through Django's client, against the real database."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.module_loading import import_string

from assistants.imports.runs import import_write
from assistants.models import ImportFinding, Squad, VapiImport, VapiObject
from assistants.tests.factories import make_assistant
from assistants.vapi.exports import export_read
from calls.models import Call, CutoverEvent, NumberServer, PhoneNumber, TwilioAccount
from calls.tests.factories import make_call, make_phone_number
from tools.tests.access.program import Program
from tools.tests.vapi_schema import complaints

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[4]
OTHER_ACCOUNT = "AC" + "1" * 32
URL = "https://hooks.example.com/x"
NUMBER = {
    "provider": "twilio",
    "number": "+13125550111",
    "twilioAccountSid": OTHER_ACCOUNT,
    "twilioAuthToken": "s3cret-token-of-theirs",
}


@pytest.fixture
def program() -> Program:
    return Program()


def imported(*numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """Objects as an import from Vapi brings them."""
    content = json.dumps(list(numbers)).encode()
    run = VapiImport.objects.create(source="file", status=VapiImport.Status.DONE, finished_at=timezone.now())
    import_write(export_read(content, name="numbers.json"), run=run)
    return list(numbers)


def fixtures() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (ROOT / "simulator" / "vapi_data" / "phone-numbers.json").read_text()
    )
    return found


def answered_at_vapi(vapi_id: str = "their-assistant") -> Any:
    """An assistant that was imported with this id."""
    assistant = make_assistant(name=vapi_id)
    run = VapiImport.objects.create(source="file")
    VapiObject.objects.create(
        kind="assistant",
        key=vapi_id,
        assistant=assistant,
        imported_at=timezone.now(),
        raw={},
        last_import=run,
    )
    return assistant


def test_what_was_imported_is_given_back_field_by_field(program: Program) -> None:
    answered_at_vapi("b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11")
    bare = {"id": "sip-1", "orgId": "o", "createdAt": "2025-01-01T00:00:00.000Z", "updatedAt": "2025-01-01T00:00:00.000Z",
            "provider": "vapi", "sipUri": "sip:desk@sip.vapi.ai", "name": "Desk"}  # fmt: skip
    originals = imported(*fixtures(), bare)

    listed = program.ask("GET", "/phone-number")

    assert listed == sorted(originals, key=lambda one: one["createdAt"], reverse=True)
    for original in originals:
        assert program.ask("GET", f"/phone-number/{original['id']}") == original
    refused = program.ask("PATCH", "/phone-number/sip-1", {"name": "Other"}, status=400)
    assert "no telephone number at Twilio" in refused["message"]


def test_an_edit_made_here_is_laid_over_what_was_imported(program: Program) -> None:
    theirs = answered_at_vapi("b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11")
    original = imported(*fixtures())[0]
    number = PhoneNumber.objects.get(vapi_id=original["id"])
    assert number.assistant == theirs
    ours = make_assistant(name="Ours")
    PhoneNumber.objects.filter(pk=number.pk).update(label="Edited here", assistant=ours)
    NumberServer.objects.filter(pk=number.pk).update(server_url="https://new.example/x")

    read = program.ask("GET", f"/phone-number/{original['id']}")

    expected = {
        **original,
        "name": "Edited here",
        "assistantId": str(ours.pk),
        "server": {"url": "https://new.example/x"},
    }
    assert read == expected
    NumberServer.objects.all().delete()
    PhoneNumber.objects.filter(pk=number.pk).update(assistant=None, enabled=False)
    read = program.ask("GET", f"/phone-number/{original['id']}")
    assert "assistantId" not in read
    assert "server" not in read
    assert read["status"] == "blocked"


def test_a_number_that_people_entered_has_vapis_shape(program: Program) -> None:
    number = make_phone_number(
        label="Main", account_sid=OTHER_ACCOUNT, squad=Squad.objects.create(name="Desk")
    )

    read = program.ask("GET", f"/phone-number/{number.pk}")

    assert complaints("TwilioPhoneNumber", read) == []
    assert (read["number"], read["name"], read["squadId"], read["status"]) == (
        number.did, "Main", str(number.squad_id), "active",
    )  # fmt: skip


def test_a_registered_number_is_here_and_stays_where_it_is(program: Program) -> None:
    assistant = make_assistant()
    body = {**NUMBER, "name": "Booking", "assistantId": str(assistant.pk), "smsEnabled": False,
            "server": {"url": "https://hooks.example.com/x", "secret": "s3cret", "headers": {"X-Site": "north"}},
            "fallbackDestination": {"type": "number", "number": "+13125550142"}}  # fmt: skip

    made = program.ask("POST", "/phone-number", body, 201)

    assert complaints("TwilioPhoneNumber", made) == []
    kept = {
        "name",
        "assistantId",
        "smsEnabled",
        "fallbackDestination",
        "number",
        "twilioAccountSid",
        "provider",
    }
    assert {name: made[name] for name in kept} == {name: body[name] for name in kept}
    assert made["server"] == {"url": "https://hooks.example.com/x", "headers": {"X-Site": "north"}}
    assert "s3cret" not in json.dumps([made, program.ask("GET", "/phone-number")])
    number = PhoneNumber.objects.get(pk=made["id"])
    assert (number.assistant, number.label, number.state) == (assistant, "Booking", PhoneNumber.State.UNKNOWN)
    assert number.server.server_secret == "s3cret"
    assert TwilioAccount.objects.get().auth_token == NUMBER["twilioAuthToken"]
    event = CutoverEvent.objects.get(number=number)
    assert (event.kind, event.to_state, event.actor_label) == (
        "assigned",
        "unknown",
        f"API key {program.key}",
    )
    # What an import would say of it stands in the admin.
    assert ImportFinding.objects.filter(
        vapi_object__key=made["id"], path="fallbackDestination.number"
    ).exists()


def test_who_answers_is_changed_with_an_event_and_nothing_moves(program: Program) -> None:
    first, squad = make_assistant(), Squad.objects.create(name="Desk")
    number = make_phone_number(assistant=first, state=PhoneNumber.State.ON_VAPI)
    path = f"/phone-number/{number.pk}"

    changed = program.ask("PATCH", path, {"provider": "twilio", "squadId": str(squad.pk)})

    assert (changed["squadId"], "assistantId" in changed) == (str(squad.pk), False)
    number.refresh_from_db()
    assert (number.assistant, number.squad, number.state) == (None, squad, "on_vapi")
    event = CutoverEvent.objects.get(number=number)
    assert (event.before["assistant"], event.after["squad"]) == (first.name, "Desk")
    assert "API key" in event.reason
    nobody = program.ask("PATCH", path, {"squadId": None})
    assert "squadId" not in nobody
    assert CutoverEvent.objects.filter(number=number).count() == 2
    # The same once more is no change.
    assert program.ask("PATCH", path, {**nobody, "latestVersion": "v1"}) == nobody
    assert CutoverEvent.objects.filter(number=number).count() == 2


def test_an_assistant_is_named_by_vapis_id_or_ours(program: Program) -> None:
    assistant = answered_at_vapi("known-at-vapi")
    number = make_phone_number()

    for given in ("known-at-vapi", str(assistant.pk)):
        changed = program.ask("PATCH", f"/phone-number/{number.pk}", {"assistantId": given})
        assert changed["assistantId"] == "known-at-vapi"
        number.refresh_from_db()
        assert number.assistant == assistant
    assert CutoverEvent.objects.filter(number=number).count() == 1


def test_a_secret_that_is_never_given_back_survives_a_change_of_the_server(program: Program) -> None:
    made = program.ask("POST", "/phone-number", {**NUMBER, "server": {
        "url": "https://hooks.example.com/x", "secret": "s3cret", "headers": {"Authorization": "Bearer s3cret", "X-A": "1"},
        "timeoutSeconds": 45,
    }}, 201)  # fmt: skip
    assert (made["server"]["timeoutSeconds"], NumberServer.objects.get().timeout_s) == (45, 45.0)

    program.ask("PATCH", f"/phone-number/{made['id']}", {"server": {"url": "https://hooks.example.com/y"}})

    server = NumberServer.objects.get()
    assert server.timeout_s is None
    assert (server.server_url, server.server_secret) == ("https://hooks.example.com/y", "s3cret")
    assert json.loads(server.server_headers) == {"Authorization": "Bearer s3cret"}
    assert "server" not in program.ask("PATCH", f"/phone-number/{made['id']}", {"server": None})
    assert not NumberServer.objects.exists()


def test_the_upgrade_waits_for_servers_that_are_here_as_long_as_was_said_of_them(program: Program) -> None:
    imported(
        {
            "id": "n-1",
            "provider": "twilio",
            "number": "+13125550111",
            "server": {"url": URL, "timeoutSeconds": 7},
        }
    )
    made = program.ask(
        "POST", "/phone-number", {**NUMBER, "number": "+13125550112", "server": {"url": URL}}, 201
    )
    program.ask("PATCH", f"/phone-number/{made['id']}", {"server": {"url": URL, "timeoutSeconds": 8.5}})
    for n, odd in enumerate((0, 900)):
        server = {"url": URL, "timeoutSeconds": odd}
        program.ask("POST", "/phone-number", {**NUMBER, "number": f"+1312555012{n}", "server": server}, 201)
    told = {one.pk: one.timeout_s for one in NumberServer.objects.all()}
    assert set(told.values()) == {7, 8.5, 0, 900}
    NumberServer.objects.update(timeout_s=None)

    import_string("calls.migrations.0037_number_server_timeout.fill")(apps, None)

    assert {one.pk: one.timeout_s for one in NumberServer.objects.all()} == told


def test_an_imported_number_that_a_program_changed_is_compared_with_what_was_imported(
    program: Program,
) -> None:
    original = imported(*fixtures())[0]
    before = VapiObject.objects.get(key=original["id"])

    changed = program.ask(
        "PATCH", f"/phone-number/{original['id']}", {"name": "Renamed", "fallbackDestination": None}
    )

    assert (changed["name"], "fallbackDestination" in changed) == ("Renamed", False)
    assert changed["createdAt"] == original["createdAt"]
    assert changed["updatedAt"] > original["updatedAt"]
    assert VapiObject.objects.get(key=original["id"]).raw == before.raw
    assert PhoneNumber.objects.get(vapi_id=original["id"]).label == "Renamed"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**NUMBER, "provider": "vapi"}, "provider vapi: Tandem sells no numbers. Buy one at Twilio, and register it with the provider twilio"),
        ({"number": "+13125550111"}, "provider must be one of the following values: twilio"),
        ({**NUMBER, "provider": ["twilio"]}, "provider must be a string"),
        ({**NUMBER, "number": "555"}, "number must be a valid phone number in the E.164 format"),
        ({**NUMBER, "number": None}, "number should not be empty"),
        ({**NUMBER, "twilioAccountSid": "AC1"}, "twilioAccountSid must be AC and 32 hexadecimal digits"),
        ({**NUMBER, "twilioAuthToken": "a\r\nb: cdefgh"}, "twilioAuthToken must be an auth token of Twilio"),
        ({**NUMBER, "twilioApiKey": "SK" + "0" * 32}, "twilioApiKey and twilioApiSecret must be given together"),
        ({**NUMBER, "twilioAuthToken": None}, f"twilioAuthToken should not be empty, nor twilioApiKey with twilioApiSecret: the Twilio account {OTHER_ACCOUNT} is not known here yet"),
        ({**NUMBER, "assistantId": "nobody"}, "Couldn't Get Assistant. `assistantId` nobody Does Not Exist."),
        ({**NUMBER, "assistantId": "a", "squadId": "b"}, "assistantId and squadId: one of them answers, not both"),
        ({**NUMBER, "workflowId": "w"}, "workflowId: Tandem runs no workflows. Choose an assistant or a squad"),
        ({**NUMBER, "name": "x" * 41}, "phone-number.name must be shorter than or equal to 40 characters"),
        ({**NUMBER, "state": "ours"}, "property state should not exist"),
        ({**NUMBER, "server": {"url": "ftp://x"}}, "server.url must be a URL address"),
        ({**NUMBER, "server": {"url": "https://x.example.com", "secret": "a\r\nX-B: 1"}}, "server.secret must be printable ASCII: it is sent in a header"),
        ({**NUMBER, "fallbackDestination": {"type": "number", "number": "no"}}, "fallbackDestination must be a destination of the type number or sip that can be dialled"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_name_and_nothing_is_stored(
    program: Program, body: dict[str, Any], message: str
) -> None:
    refused = program.ask("POST", "/phone-number", body, 400)

    told = refused["message"]
    assert message in (told if isinstance(told, list) else [told])
    assert not PhoneNumber.objects.exists()
    assert not TwilioAccount.objects.exists()
    assert not VapiObject.objects.exists()


def test_the_account_of_the_environment_needs_no_credentials_and_takes_no_others(
    program: Program, settings: Any
) -> None:
    own = {**NUMBER, "twilioAccountSid": settings.TWILIO_ACCOUNT_SID}
    refused = program.ask("POST", "/phone-number", own, 400)
    assert "other credentials" in refused["message"]

    program.ask("POST", "/phone-number", {**own, "twilioAuthToken": settings.TWILIO_AUTH_TOKEN}, 201)
    program.ask("POST", "/phone-number", {**own, "number": "+13125550112", "twilioAuthToken": None}, 201)
    assert not TwilioAccount.objects.exists()


def test_a_program_cannot_change_the_credentials_of_an_account(program: Program) -> None:
    made = program.ask("POST", "/phone-number", NUMBER, 201)
    again = {**NUMBER, "number": "+13125550112", "twilioAuthToken": "an-other-token"}

    assert "other credentials" in program.ask("POST", "/phone-number", again, 400)["message"]
    program.ask("PATCH", f"/phone-number/{made['id']}", {"twilioAuthToken": "an-other-token"}, status=400)
    program.ask("PATCH", f"/phone-number/{made['id']}", {"twilioAuthToken": NUMBER["twilioAuthToken"]})

    assert TwilioAccount.objects.get().auth_token == NUMBER["twilioAuthToken"]
    TwilioAccount.objects.update(enabled=False)
    off = {**NUMBER, "number": "+13125550113"}
    assert "switched off" in program.ask("POST", "/phone-number", off, 400)["message"]


def test_what_belongs_to_the_number_for_good_cannot_be_changed(program: Program) -> None:
    number = make_phone_number()

    refused = program.ask(
        "PATCH", f"/phone-number/{number.pk}", {"number": "+13125550100", "provider": "vapi"}, status=400
    )

    assert refused["message"] == [
        f"{name} cannot be changed: register another number instead" for name in ("provider", "number")
    ]
    program.ask("PATCH", "/phone-number/nothing", {}, status=404)


def test_a_number_that_is_here_is_not_registered_twice(program: Program) -> None:
    number = make_phone_number(did=NUMBER["number"], assistant=make_assistant())

    refused = program.ask("POST", "/phone-number", NUMBER, 400)

    assert f"Existing Phone Number {number.pk} Has Identical `number`" in refused["message"]
    number.refresh_from_db()
    assert number.assistant is not None


def test_a_deleted_number_is_given_back_once_and_can_be_registered_again(program: Program) -> None:
    made = program.ask("POST", "/phone-number", NUMBER, 201)

    assert program.ask("DELETE", f"/phone-number/{made['id']}") == made
    assert not PhoneNumber.objects.exists()
    program.ask("DELETE", f"/phone-number/{made['id']}", status=404)
    again = program.ask("POST", "/phone-number", {**NUMBER, "assistantId": str(make_assistant().pk)}, 201)
    make_call(phone_number_id=again["id"])
    program.ask("DELETE", f"/phone-number/{again['id']}")

    # What has a history stays for it, and answers nobody.
    number = PhoneNumber.objects.get()
    assert (number.enabled, number.assistant) == (False, None)
    assert Call.objects.get().phone_number == number
    assert program.ask("GET", "/phone-number") == []
    program.ask("GET", f"/phone-number/{again['id']}", status=404)
    third = program.ask("POST", "/phone-number", {**NUMBER, "name": "Third"}, 201)
    assert (third["id"], third["name"], third["status"]) == (again["id"], "Third", "active")
    assert [one["id"] for one in program.ask("GET", "/phone-number")] == [again["id"]]


@pytest.mark.parametrize("fields", [{"state": "ours"}, {"state": "canary"}, {"answered_by": "tandem"}])
def test_a_number_whose_calls_come_here_is_not_deleted(program: Program, fields: dict[str, Any]) -> None:
    number = make_phone_number(assistant=make_assistant(), **fields)

    refused = program.ask("DELETE", f"/phone-number/{number.pk}", status=409)

    assert "roll it back first" in refused["message"]
    number.refresh_from_db()
    assert number.assistant is not None


@pytest.mark.parametrize("fields", [{"state": "ours"}, {"state": "canary"}, {"answered_by": "tandem"}])
def test_callers_who_come_here_are_left_to_nobody_who_could_not_answer(
    program: Program, settings: Any, fields: dict[str, Any]
) -> None:
    settings.ORGANISATION_SERVER_URL = ""
    able, off = make_assistant(published=True), make_assistant(published=True, enabled=False)
    number = make_phone_number(assistant=able, **fields)
    path = f"/phone-number/{number.pk}"
    ways = {
        "never published": {"assistantId": str(make_assistant().pk)},
        "switched off": {"assistantId": str(off.pk)},
        "no members": {"squadId": str(Squad.objects.create(name="Empty").pk)},
        "name an assistant": {"assistantId": None},
    }

    for words, patch in ways.items():
        refused = program.ask("PATCH", path, patch, status=409)
        assert words in refused["message"]
    number.refresh_from_db()
    assert (number.assistant, CutoverEvent.objects.count()) == (able, 0)

    server = {"url": "https://hooks.example.com/who"}
    program.ask("PATCH", path, {"assistantId": None, "server": server})
    assert "a server that is asked" in program.ask("PATCH", path, {"server": None}, status=409)["message"]
    program.ask("PATCH", path, {"name": "Still here"})
    program.ask("PATCH", path, {"assistantId": str(able.pk), "server": None})
    number.refresh_from_db()
    assert number.assistant == able


def test_a_number_stays_in_the_account_in_which_twilio_has_it(program: Program, settings: Any) -> None:
    found = make_phone_number(state="ours", twilio_sid="PN" + "0" * 32)
    entered = make_phone_number()
    theirs = {name: NUMBER[name] for name in ("twilioAccountSid", "twilioAuthToken")}

    refused = program.ask("PATCH", f"/phone-number/{found.pk}", theirs, status=400)

    assert settings.TWILIO_ACCOUNT_SID in refused["message"][0]
    assert not TwilioAccount.objects.exists()
    program.ask(
        "PATCH", f"/phone-number/{found.pk}", {"twilioAccountSid": settings.TWILIO_ACCOUNT_SID, "name": "n"}
    )
    program.ask("PATCH", f"/phone-number/{entered.pk}", theirs)
    entered.refresh_from_db()
    assert entered.account_sid == OTHER_ACCOUNT


def test_an_imported_number_that_was_deleted_stays_away(program: Program) -> None:
    original = imported(*fixtures())[0]

    program.ask("DELETE", f"/phone-number/{original['id']}")

    assert original["id"] not in {one["id"] for one in program.ask("GET", "/phone-number")}
    program.ask("GET", f"/phone-number/{original['id']}", status=404)


def test_a_list_is_bounded_by_dates_and_cut(program: Program) -> None:
    originals = sorted(imported(*fixtures()), key=lambda one: one["createdAt"], reverse=True)
    middle = originals[1]["createdAt"]

    assert [one["id"] for one in program.ask("GET", "/phone-number?limit=2")] == [
        one["id"] for one in originals[:2]
    ]
    assert [one["id"] for one in program.ask("GET", f"/phone-number?createdAtLt={middle}")] == [
        originals[2]["id"]
    ]
    assert len(program.ask("GET", f"/phone-number?createdAtGe={middle}")) == 2
    program.ask("GET", "/phone-number?number=1", status=400)


def test_a_longer_list_takes_no_more_queries(program: Program) -> None:
    def more(n: int) -> None:
        for _ in range(n):
            number = make_phone_number(assistant=answered_at_vapi(f"a{PhoneNumber.objects.count()}"))
            NumberServer.objects.create(number=number, server_url="https://hooks.example.com/x")

    more(2)
    program.ask("GET", "/phone-number")
    with CaptureQueriesContext(connection) as few:
        program.ask("GET", "/phone-number")
    more(4)
    with CaptureQueriesContext(connection) as many:
        assert len(program.ask("GET", "/phone-number")) == 6
    assert len(many) == len(few)


def test_a_key_needs_the_scope_for_numbers() -> None:
    reader = Program(scopes=["phone-number:read"])
    reader.ask("GET", "/phone-number")
    reader.ask("POST", "/phone-number", NUMBER, status=403)
    Program(scopes=["call:write", "assistant:write"]).ask("GET", "/phone-number", status=403)


def test_a_server_that_no_key_opens_breaks_neither_a_list_nor_a_change(program: Program) -> None:
    number = make_phone_number()
    NumberServer.objects.create(number=number, server_url="https://hooks.example.com/x", server_headers="{}")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE calls_numberserver SET server_headers = 'broken', server_secret = 'broken'")

    assert program.ask("GET", "/phone-number")[0]["server"]["url"] == "https://hooks.example.com/x"
    program.ask("PATCH", f"/phone-number/{number.pk}", {"server": {"url": "https://hooks.example.com/y"}})
    assert NumberServer.objects.values_list("server_url", flat=True).get() == "https://hooks.example.com/y"
