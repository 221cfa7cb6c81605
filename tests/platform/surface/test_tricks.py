"""What somebody who has a key may try, at every route of the API: each is refused in words, and none breaks anything."""

import hmac
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve

from assistants.models import Assistant
from assistants.tests.factories import (
    make_assistant,
    make_realtime_model,
    make_transcription_model,
    make_voice,
)
from calls.models import NumberServer, PhoneNumber
from calls.tests.factories import make_phone_number
from tests.platform.surface.routes import UNKNOWN, Route, api_routes
from tools.access.bodies import MAX_BYTES
from tools.access.keys import key_authenticate, key_create
from tools.clients import HttpRequest, ToolError, http_send
from tools.models import ApiKey, Tool

pytestmark = pytest.mark.django_db

SINGLE = [one for one in api_routes() if "<" in one.written]
# One route reads no body: it refuses whatever is asked.
WITH_BODY = [
    (one, method) for one in api_routes() for method in ("POST", "PATCH") if one.written != "call/web"
]
BROKEN: dict[str, tuple[bytes, int]] = {
    "large": (b'{"name": "' + b"x" * MAX_BYTES + b'"}', 413),
    "deep": (b'{"a":' * 60 + b"1" + b"}" * 60, 400),
    "endless": (b"[" * 50_000, 400),
    "a list": (b"[]", 400),
    "no JSON": (b"{nope", 400),
    "no text": (b"\xff\xfe", 400),
    "half a letter": (b'{"name": "\\ud800"}', 400),
    "a null character": (b'{"name": "a\\u0000b"}', 400),
    "a null character in a name": (b'{"a\\u0000": 1}', 400),
}
# Of whatever type a setting is, most of these are of another.
ODD: tuple[Any, ...] = (
    7,
    -1,
    1e308,
    True,
    "",
    "x" * 5000,
    [],
    [[]],
    [7],
    {},
    {"a": {"b": []}},
    [{"x": None}],
)
# What is ours or the database's to set.
NOT_THEIRS = (
    "pk", "state", "enabled", "live_version", "live_version_id", "transient", "twilio_sid", "is_staff", "key_hash",
    "scopes", "__class__", "assistant__name", "vapi_objects", "server_secret", "orgid",
)  # fmt: skip


def client(**key: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_create(name='program', **key)[1]}"})


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every word that an API takes as a setting, whichever it is."""
    return {
        "name", "type", "model", "voice", "server", "function", "members", "number", "provider", "assistantId", "squadId",
        "phoneNumberId", "customer", "customers", "queries", "ids", "schedulePlan", "assistantOverrides", "assistant",
        "squad", "hooks", "transport", "fallbackDestination", "twilioAccountSid", "metadata", "destinations", "message",
        "control", "content", "destination", "membersOverrides", "transcriber", "firstMessage", "parameters",
    }  # fmt: skip


@pytest.mark.parametrize(("content", "status"), BROKEN.values(), ids=BROKEN)
def test_bodies_that_are_none_are_refused_everywhere(content: bytes, status: int) -> None:
    program = client()
    for route, method in WITH_BODY:
        answer = program.generic(method, route.path, content, content_type="application/json")
        # An object that is not there may be missed before its body is read.
        assert answer.status_code in (status, 404, 405), (method, route.path, answer.status_code)
        assert answer.json()["statusCode"] == answer.status_code


def test_settings_of_another_type_break_nothing(words: set[str]) -> None:
    program = client()
    for route, method in WITH_BODY:
        if program.generic(method, route.path, "{}", content_type="application/json").status_code in (
            404,
            405,
        ):
            continue
        for odd in ODD:
            body = json.dumps(dict.fromkeys(sorted(words), odd))
            answer = program.generic(method, route.path, body, content_type="application/json")
            assert 400 <= answer.status_code < 500, (method, route.path, odd, answer.status_code)


def test_what_is_not_theirs_to_set_is_refused_by_name() -> None:
    make_realtime_model()
    make_transcription_model()
    make_voice()
    program = client()
    number = make_phone_number()
    made = make_assistant()
    told = []
    for route, method in [
        *[one for one in WITH_BODY if "<" not in one[0].written and one[1] == "POST"],
        (Route("", f"/phone-number/{number.pk}"), "PATCH"),
        (Route("", f"/assistant/{made.pk}"), "PATCH"),
    ]:
        body = json.dumps(dict.fromkeys(NOT_THEIRS, "ours"))
        answer = program.generic(method, route.path, body, content_type="application/json")
        assert answer.status_code in (400, 405), (route.path, answer.status_code, answer.content)
        message = str(answer.json()["message"])
        if all(f"property {name} should not exist" in message for name in NOT_THEIRS):
            told.append(route.path)
    assert {"/assistant", "/tool", "/phone-number", "/call", "/analytics"} <= set(told), told
    number.refresh_from_db()
    assert number.state == PhoneNumber.State.UNKNOWN
    assert Assistant.objects.count() == 1
    assert not Tool.objects.exists()


@pytest.mark.parametrize(
    "given",
    ["%00", "%2e%2e%2fadmin", "'%20OR%201=1--", "%C3%A9" * 300, "%ff", "%0d%0aSet-Cookie:%20a=b", f"urn:uuid:{UNKNOWN.upper()}"],
    ids=lambda one: str(one)[:24],
)  # fmt: skip
def test_ids_that_are_none_find_nothing(given: str) -> None:
    program = client()
    for one in SINGLE:
        path = one.named(given)
        for method in ("GET", "PATCH", "DELETE"):
            answer = program.generic(method, path, "{}", content_type="application/json")
            assert answer.status_code in (400, 404, 405), (method, path, answer.status_code)
            assert "Set-Cookie" not in answer.headers
            assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "query",
    ["limit=%00", "limit=-1", "limit=1e999", "limit=nan", "limit=99999999999999999999", "limit=", "limit[]=1",
     "createdAtGt=%00", "createdAtGt=soon", "createdAtLt=9999-99-99", "updatedAtGe=0000-01-01", "updatedAtLt=2026-13-01T00:00:00Z",
     "createdAtGt=2026-01-01T00:00:00%2B99:00", "order=id", "id__gt=1", "assistant__name=x", "%00=1", "limit=1;drop", "colour=red"],
)  # fmt: skip
def test_queries_that_make_no_sense_are_refused(query: str) -> None:
    program = client()
    lists = [
        one for one in api_routes() if "<" not in one.written and program.get(one.path).status_code == 200
    ]
    assert len(lists) >= 4
    for one in lists:
        answer = program.get(f"{one.path}?{query}")
        assert answer.status_code == 400, (one.path, query, answer.status_code)
        assert answer.json()["error"] == "Bad Request"


def test_dates_at_the_edges_of_time_are_taken() -> None:
    program = client()
    for query in (
        "createdAtGt=0001-01-01",
        "createdAtLt=9999-12-31T23:59:59.999Z",
        "updatedAtGt=9999-12-31",
        "limit=0",
    ):
        for path in ("/call", "/assistant", "/tool", "/phone-number"):
            assert program.get(f"{path}?{query}").status_code == 200, (path, query)


HEADERS = [
    {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"},
    {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "/evil.example",
    },
    {"X-Original-URL": "/admin/", "X-Rewrite-URL": "/admin/"},
    {"Accept": "text/html", "Accept-Language": "x\x0by", "Range": "bytes=0-1"},
    {"Origin": "https://evil.example", "Cookie": "sessionid=x; csrftoken=y"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda one: next(iter(one)))
def test_headers_that_lie_change_no_answer(headers: dict[str, str]) -> None:
    program, assistant = client(), make_assistant()
    plain = program.get(f"/assistant/{assistant.pk}")

    answer = program.get(f"/assistant/{assistant.pk}", headers=headers)

    assert (answer.status_code, answer.content) == (200, plain.content)
    assert "evil.example" not in str(answer.headers)
    assert "Access-Control-Allow-Origin" not in answer.headers
    posted = program.post("/call/nothing/control", "{}", content_type="application/json", headers=headers)
    assert posted.status_code in (400, 404)
    assert Assistant.objects.filter(pk=assistant.pk).exists()


@pytest.mark.parametrize("declared", ["abc", "-5", "1e3", "99999999999999999999", " "])
@pytest.mark.parametrize(
    "path", ["/assistant", "/twilio/voice", "/vapi/events/nothing", "/call/nothing/control"]
)
def test_a_length_that_is_none_breaks_nothing(path: str, declared: str) -> None:
    answer = client().post(path, "{}", content_type="application/json", CONTENT_LENGTH=declared)
    assert 400 <= answer.status_code < 500, (path, declared, answer.status_code)


@pytest.mark.parametrize("secret", ["a\r\nX-Evil: 1", "a\nb", "\u00e9\u00e9", "a\x7f"])
def test_secrets_that_would_forge_headers_are_refused(secret: str) -> None:
    program = client()
    server = {"url": "https://hooks.example.com/x", "secret": secret}
    for path, body in (
        ("/assistant", {"server": server}),
        ("/tool", {"type": "function", "function": {"name": "f"}, "server": server}),
        ("/phone-number", {"provider": "twilio", "number": "+13125550111", "server": server}),
    ):
        answer = program.post(path, json.dumps(body), content_type="application/json")
        assert "server.secret must be printable ASCII" in str(answer.json()["message"]), path


def test_headers_that_forge_others_are_refused() -> None:
    program = client()
    for headers in ({"X-A": "1\r\nX-B: 2"}, {"X-A\r\nX-B": "1"}, {"X-A\n": "1"}):
        body = {"server": {"url": "https://hooks.example.com/x", "headers": headers}}
        answer = program.post("/assistant", json.dumps(body), content_type="application/json")
        assert "server.headers must not contain line breaks" in answer.json()["message"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x.example/", "ftp://x.example/", "//x.example", "javascript:1", "http://", "https://x\r\n.example/"])  # fmt: skip
def test_addresses_of_other_kinds_are_refused(url: str) -> None:
    program = client()
    for path, more in (("/assistant", {}), ("/tool", {"type": "function"}), ("/phone-number", {})):
        body = json.dumps({**more, "server": {"url": url}})
        answer = program.post(path, body, content_type="application/json")
        assert "server.url must be a URL address" in str(answer.json()["message"]), path


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "2130706433", "[fd00::1]", "100.64.0.1"],  # noqa: S104
)  # fmt: skip
def test_an_address_inside_is_stored_and_nothing_is_ever_sent_there(host: str) -> None:
    number = make_phone_number()
    url = f"http://{host}/latest/meta-data"
    body = json.dumps({"server": {"url": url}})
    answer = client().patch(f"/phone-number/{number.pk}", body, content_type="application/json")
    if answer.status_code == 400:
        assert "server.url must be a URL address" in answer.json()["message"]
        return

    stored = NumberServer.objects.get(pk=number.pk).server_url
    with pytest.raises(ToolError) as refused:
        http_send(
            HttpRequest(method="POST", url=stored, body=b"{}", headers={}), timeout_s=2, send_within_s=2
        )

    assert refused.value.code in ("forbidden_address", "name_unknown")
    assert not refused.value.sent


def test_a_key_is_compared_as_a_digest_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    key, text = key_create(name="program")
    compared: list[tuple[str, str]] = []

    def spy(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", spy)

    assert key_authenticate(f"Bearer {text}", address="") == key
    assert compared == [(key.key_hash, key.key_hash)]
    assert ApiKey.objects.get().key_hash != text


def test_a_path_is_told_back_as_data_and_nothing_else() -> None:
    answer = Client().get("/nowhere/%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX-Evil:%201")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert "X-Evil" not in answer.headers
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert json.loads(answer.content)["statusCode"] == 404
    assert resolve("/nowhere/x").func.__name__ == "nowhere"
