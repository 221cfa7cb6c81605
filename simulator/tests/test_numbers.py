"""Accounts and telephone numbers over Twilio's REST, asked by Twilio's own client where it can ask."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from simulator.harness import Failure, Key, Simulator
from simulator.tests.bridge import ACCOUNT, TOKEN

T = TypeVar("T")

VAPI, TRUNK, APPLICATION = (f"PN{'0' * 31}{last}" for last in "123")
OURS = "https://voice.example.com/twilio/voice"


class Loopback(TwilioHttpClient):  # type: ignore[misc]  # the library has no types
    def __init__(self, root: str) -> None:
        super().__init__(timeout=60)
        self.root = urlsplit(root)
        self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        asked = urlsplit(url)
        url = urlunsplit((self.root.scheme, self.root.netloc, asked.path, asked.query, ""))
        return super().request(method, url, *args, **kwargs)


def client(sim: Simulator, user: str = ACCOUNT, password: str = TOKEN, account: str = ACCOUNT) -> Client:
    return Client(user, password, account, http_client=Loopback(sim.http_url), environment={"_": ""})


async def run(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


async def update(sim: Simulator, sid: str = VAPI, **form: str) -> requests.Response:
    url = f"{sim.http_url}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{sid}.json"
    return await run(lambda: requests.post(url, data=form, auth=(ACCOUNT, TOKEN), timeout=60))


async def control(sim: Simulator, method: str, path: str = "", body: Any = None) -> requests.Response:
    url = f"{sim.http_url}/simulator/numbers{path}"
    return await run(lambda: requests.request(method, url, json=body, timeout=60))


# Lists


async def test_two_thousand_numbers_are_seeded_at_once_and_listed_by_twilio_s_client(sim: Simulator) -> None:
    sim.numbers.clear()
    sim.numbers.seed(2000)

    for page_size, requested in ((1000, 2), (300, 7)):
        sim.rest.requests.clear()
        listed = await run(
            lambda size=page_size: client(sim).incoming_phone_numbers.list(page_size=size)  # type: ignore[misc]
        )
        assert [number.sid for number in listed] == list(sim.numbers.held)
        assert len(sim.rest.requests) == requested


async def test_a_page_has_fifty_numbers_unless_asked_otherwise(sim: Simulator) -> None:
    sim.numbers.clear()
    sim.numbers.seed(51)
    path = f"/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json"

    async def ask(query: str) -> Any:
        url = f"{sim.http_url}{query if query.startswith('/') else path + query}"
        return (await run(lambda: requests.get(url, auth=(ACCOUNT, TOKEN), timeout=60))).json()

    first = await ask("")
    assert (len(first["incoming_phone_numbers"]), first["page"], first["start"], first["end"]) == (
        50,
        0,
        0,
        49,
    )
    assert first["next_page_uri"].startswith(f"{path}?PageSize=50&Page=1&PageToken=PA")
    second = await ask(first["next_page_uri"])
    assert (len(second["incoming_phone_numbers"]), second["next_page_uri"], second["start"]) == (1, None, 50)
    assert (await ask(second["previous_page_uri"]))["incoming_phone_numbers"] == first[
        "incoming_phone_numbers"
    ]
    assert (await ask("?PageSize=1001"))["code"] == 20001
    assert (await ask("?PageSize=0"))["code"] == 20001
    assert (await ask("?Page=1"))["code"] == 70002


async def test_a_number_is_looked_up_by_a_part_of_it(sim: Simulator) -> None:
    numbers = client(sim).incoming_phone_numbers

    async def found(**filters: str) -> list[str]:
        return [number.phone_number for number in await run(lambda: numbers.list(**filters))]

    assert await found(phone_number="+12025550101") == ["+12025550101"]
    assert await found(phone_number="+1202555010") == ["+12025550100", "+12025550101", "+12025550102"]
    assert await found(phone_number="+1202*0102") == ["+12025550102"]
    assert await found(friendly_name="Sales (SIP trunk)") == ["+12025550101"]


# Accounts


async def test_an_owner_acts_on_subaccounts_and_they_only_on_themselves(sim: Simulator) -> None:
    branch = sim.accounts.add_subaccount("Branch", auth_token="b" * 32)
    sim.numbers.add("+12025550190", account_sid=branch.sid)
    listed = await run(client(sim).api.v2010.accounts.list)
    assert [(account.sid, account.auth_token) for account in listed] == [
        (ACCOUNT, TOKEN),
        (branch.sid, "b" * 32),
    ]

    for user, password in ((ACCOUNT, TOKEN), (branch.sid, "b" * 32)):
        (number,) = await run(
            lambda u=user, p=password: client(sim, u, p, branch.sid).incoming_phone_numbers.list()  # type: ignore[misc]
        )
        assert (number.phone_number, number.account_sid) == ("+12025550190", branch.sid)
    own = client(sim, branch.sid, "b" * 32, branch.sid)
    assert [account.sid for account in await run(own.api.v2010.accounts.list)] == [branch.sid]
    with pytest.raises(TwilioException, match="Authenticate"):
        await run(client(sim, branch.sid, "b" * 32).incoming_phone_numbers.list)


async def test_a_standard_key_reads_numbers_of_its_account_but_no_accounts(sim: Simulator) -> None:
    branch = sim.accounts.add_subaccount("Branch")
    sim.accounts.add_key("SK" + "1" * 32, Key("standard secret"))
    sim.accounts.add_key("SK" + "2" * 32, Key("main secret", "main"))
    standard = client(sim, "SK" + "1" * 32, "standard secret")
    main = client(sim, "SK" + "2" * 32, "main secret")

    assert len(await run(standard.incoming_phone_numbers.list)) == 3
    assert len(await run(main.api.v2010.accounts.list)) == 2
    for refused in (
        standard.api.v2010.accounts.list,
        client(sim, "SK" + "1" * 32, "wrong").incoming_phone_numbers.list,
        client(sim, "SK" + "2" * 32, "main secret", branch.sid).incoming_phone_numbers.list,
    ):
        with pytest.raises(TwilioException, match=r"HTTP 401 .*20003"):
            await run(refused)


# Updates


async def test_a_field_that_is_not_named_stays_and_an_empty_one_is_cleared(sim: Simulator) -> None:
    before = dict(sim.numbers.find(VAPI))

    def put(**fields: str) -> Any:
        return client(sim).incoming_phone_numbers(VAPI).update(**fields)

    changed = await run(lambda: put(voice_url=OURS, status_callback=""))

    assert (changed.voice_url, changed.status_callback) == (OURS, "")
    after = sim.numbers.find(VAPI)
    assert {name for name in after if after[name] != before[name]} == {
        "voice_url",
        "status_callback",
        "date_updated",
    }
    (change,) = sim.numbers.history
    assert (change.by, change.before["voice_url"]) == ("rest", "https://api.vapi.ai/twilio/inbound_call")
    assert sim.numbers.violations == {}


async def test_a_trunk_and_an_application_take_each_other_away_and_stale_urls_stay(sim: Simulator) -> None:
    await update(sim, TRUNK, VoiceApplicationSid="AP" + "1" * 32)
    number = sim.numbers.find(TRUNK)
    assert (number["trunk_sid"], number["voice_application_sid"]) == (None, "AP" + "1" * 32)

    await update(sim, TRUNK, TrunkSid="TK" + "1" * 32)
    assert (number["trunk_sid"], number["voice_application_sid"]) == ("TK" + "1" * 32, None)
    assert number["voice_url"] == "https://api.vapi.ai/twilio/inbound_call"

    await update(sim, TRUNK, TrunkSid="", VoiceApplicationSid="")
    assert (number["trunk_sid"], number["voice_application_sid"]) == (None, "")


async def test_only_setting_the_voice_url_succeeds_and_changes_nothing_for_callers(sim: Simulator) -> None:
    answer = await update(sim, TRUNK, VoiceUrl=OURS)

    assert answer.status_code == 200
    assert answer.json()["trunk_sid"] == "TK" + "1" * 32


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"VoiceUrl": "", "VoiceFallbackUrl": OURS}, 21405),
        ({"SmsUrl": "", "SmsFallbackUrl": OURS}, 21406),
        ({"VoiceUrl": "voice.example.com/x"}, 21402),
        ({"VoiceUrl": "ftp://voice.example.com/x"}, 21402),
        ({"VoiceUrl": "https://"}, 21402),
        ({"VoiceUrl": "https://web:8000/x"}, 21402),
        ({"VoiceUrl": f"{OURS} "}, 21402),
        ({"VoiceFallbackUrl": "https://a b.example/"}, 21402),
        ({"VoiceUrl": f"{OURS}?{'x' * 4000}"}, 21402),
        ({"StatusCallback": "https://my_host.example.com/"}, 21609),
        ({"VoiceMethod": "PUT"}, 21403),
        ({"StatusCallbackMethod": "post"}, 21403),
        ({"VoiceApplicationSid": "AP" + "9" * 32}, 21420),
        ({"TrunkSid": "TK" + "9" * 32}, 20001),
        ({"VoiceReceiveMode": ""}, 20001),
        ({"VoiceCallerIdLookup": "1"}, 20001),
        ({"voice_url": OURS}, 20001),
        ({"FriendlyName": "x" * 65}, 20001),
        ({"VoiceUrl": f"{OURS}#ct=50"}, 11240),
        ({"VoiceUrl": f"{OURS}#nonsense"}, 11240),
        ({"VoiceUrl": f"{OURS}#rc=6"}, 11241),
        ({"VoiceUrl": f"{OURS}#rp=3xx"}, 11242),
        ({"VoiceFallbackUrl": f"{OURS}#e=atlantis"}, 11243),
    ],
)
async def test_what_twilio_refuses_changes_nothing(sim: Simulator, form: dict[str, str], code: int) -> None:
    before = dict(sim.numbers.find(VAPI))

    answer = await update(sim, **form)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["more_info"].endswith(str(code))
    assert sim.numbers.find(VAPI) == before
    assert not sim.numbers.history


async def test_good_connection_overrides_are_kept_as_they_are(sim: Simulator) -> None:
    url = f"{OURS}#ct=1000&rt=2000&tt=6000&rc=2&rp=5xx,ct&e=ashburn"

    assert (await update(sim, VoiceUrl=url)).json()["voice_url"] == url


async def test_what_no_cutover_should_do_is_noted(sim: Simulator) -> None:
    branch = sim.accounts.add_subaccount("Branch")
    url = f"{sim.http_url}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{VAPI}.json"
    auth = (ACCOUNT, TOKEN)

    await update(sim, SmsUrl="https://api.vapi.ai/twilio/sms")
    assert sim.numbers.sms_changes == []  # named, yet the same as before
    assert [sent["name"] for sent in sim.numbers.sms_parameters] == ["SmsUrl"]
    await update(sim, SmsUrl="https://elsewhere.example.com/sms")
    await update(sim, TrunkSid="TK" + "1" * 32, VoiceApplicationSid="AP" + "1" * 32)
    await run(lambda: requests.post(url, json={"VoiceUrl": OURS}, auth=auth, timeout=60))
    await run(lambda: requests.post(url, data=[("VoiceUrl", OURS)] * 2, auth=auth, timeout=60))
    await update(sim, AccountSid=branch.sid)
    assert sim.numbers.find(VAPI)["uri"].startswith(f"/2010-04-01/Accounts/{branch.sid}/")
    assert await run(client(sim, account=branch.sid).incoming_phone_numbers(VAPI).delete)

    assert [change.after for change in sim.numbers.sms_changes] == [
        {"sms_url": "https://elsewhere.example.com/sms"}
    ]
    assert sim.numbers.violations == {
        "sms-changed": 1,
        "trunk-and-application": 1,
        "not-a-form": 1,
        "repeated": 1,
        "account-moved": 1,
        "released": 1,
    }
    assert "+12025550100" not in sim.numbers


async def test_an_application_is_read(sim: Simulator) -> None:
    sim.numbers.add_application("AP" + "7" * 32, voice_url="https://app.example.com/voice")

    application = await run(client(sim).applications("AP" + "7" * 32).fetch)

    assert (application.voice_url, application.voice_method) == ("https://app.example.com/voice", "POST")
    assert len(await run(client(sim).applications.list)) == 2
    with pytest.raises(TwilioRestException) as caught:
        await run(client(sim).applications("AP" + "8" * 32).fetch)
    assert caught.value.code == 20404


# Trouble


@pytest.mark.parametrize(
    ("failure", "executed", "status"),
    [
        (Failure(429, 20429), False, 429),
        (Failure(429, 20429, body="none", retry_after="1"), False, 429),
        (Failure(503, 20500, body="html"), False, 503),
        (Failure(401, 20003), False, 401),
        (Failure(500, 20500, execute=True), True, 500),
        (Failure(0, body="drop"), True, None),
        (Failure(500, body="drop"), False, None),
        (Failure(0, body="half"), True, 200),
        (Failure(0, after_ms=100), True, 200),
    ],
    ids=[
        "limited",
        "limited without a body",
        "a proxy's page",
        "refused",
        "done and told otherwise",
        "done and nothing told",
        "dropped",
        "half an answer",
        "slow",
    ],
)
async def test_scripted_trouble_strikes_the_nth_fitting_request_only(
    sim: Simulator, failure: Failure, *, executed: bool, status: int | None
) -> None:
    sim.rest.failures.on(failure, method="POST", path="/IncomingPhoneNumbers/", nth=2)
    assert (await update(sim, FriendlyName="one")).status_code == 200
    assert len(await run(client(sim).incoming_phone_numbers.list)) == 3

    try:
        answered: int | None = (await update(sim, FriendlyName="two")).status_code
    except requests.ConnectionError:
        answered = None

    assert answered == status
    assert sim.numbers.find(VAPI)["friendly_name"] == ("two" if executed else "one")
    assert (await update(sim, FriendlyName="three")).status_code == 200


async def test_somebody_else_changes_a_number_between_two_requests(sim: Simulator) -> None:
    elsewhere = {"+12025550100": {"voice_url": "https://elsewhere.example.com/"}}
    sim.rest.failures.on(Failure(0, after=elsewhere), method="GET", path=VAPI)
    number = client(sim).incoming_phone_numbers(VAPI)

    assert (await run(number.fetch)).voice_url == "https://api.vapi.ai/twilio/inbound_call"
    assert (await run(number.fetch)).voice_url == "https://elsewhere.example.com/"
    assert [change.by for change in sim.numbers.history] == ["console"]


async def test_somebody_else_is_faster_by_a_moment(sim: Simulator) -> None:
    elsewhere = {VAPI: {"trunk_sid": "TK" + "1" * 32}}
    sim.rest.failures.on(Failure(0, before=elsewhere), method="POST", path=VAPI)

    assert (await update(sim, VoiceUrl=OURS)).json()["trunk_sid"] == "TK" + "1" * 32
    assert [change.by for change in sim.numbers.history] == ["console", "rest"]


async def test_a_suspended_account_and_a_rotated_token(sim: Simulator) -> None:
    branch = sim.accounts.add_subaccount("Branch", auth_token="b" * 32)
    own = client(sim, branch.sid, "b" * 32, branch.sid).incoming_phone_numbers

    sim.accounts.add(replace(branch, auth_token="c" * 32, secondary_token="b" * 32))
    assert await run(own.list) == []
    sim.accounts.add(replace(branch, status="suspended"))
    with pytest.raises(TwilioException, match="20005"):
        await run(own.list)


# Control over HTTP


async def test_the_console_is_played_over_http(sim: Simulator) -> None:
    branch = "AC" + "b" * 32
    placed = await control(
        sim,
        "PUT",
        body={
            "accounts": [{"sid": branch, "auth_token": "t"}],
            "numbers": [
                {"phone_number": "+12025550199", "account_sid": branch, "trunk_sid": "TK" + "2" * 32}
            ],
            "count": 10,
        },
    )
    changed = await control(sim, "PATCH", "/+12025550199", {"trunk_sid": None, "voice_url": OURS})

    assert placed.json() == {"accounts": 2, "numbers": 11}
    assert sim.accounts[branch].owner_sid == ACCOUNT
    assert (changed.json()["trunk_sid"], changed.json()["voice_url"]) == (None, OURS)
    told = (await control(sim, "GET")).json()
    assert [change["by"] for change in told["history"]] == ["console"]
    assert (await control(sim, "GET", "/+12025550199")).json() == sim.numbers.find("+12025550199")
    for path, body, complaint in (
        ("/+1999", {"voice_url": ""}, "no number +1999"),
        ("/+12025550199", {"voice_uri": ""}, "unknown fields ['voice_uri']"),
    ):
        refused = await control(sim, "PATCH", path, body)
        assert refused.status_code == 400
        assert complaint in refused.json()["error"]
    assert (await control(sim, "DELETE")).json() == {"numbers": 3}


async def test_trouble_is_ordered_over_http(sim: Simulator) -> None:
    order = [{"status": 429, "code": 20429, "method": "POST", "nth": 1, "times": 2}]

    assert (await control(sim, "POST", "/failures", order)).json() == {"waiting": 1}
    assert [(await update(sim)).status_code for _ in range(3)] == [429, 429, 200]
    assert (await control(sim, "POST", "/failures", [{"nonsense": 1}])).status_code == 400
