"""Callers who dial a number: what answers them, after how long, and who is told."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulator.harness import CallReport, Simulator
from simulator.old_provider import SENTENCE
from simulator.signature import sign
from simulator.tests.bridge import ACCOUNT, TOKEN, Bridge

DID = "+12025550100"
OLD = "https://api.vapi.ai/twilio/inbound_call"
ORIGIN = "https://voice.example.com"
OURS = f"{ORIGIN}/twilio/voice"
SAYS = (200, b"<Response><Say>Hello there.</Say></Response>", "text/xml")


@pytest.fixture(autouse=True)
def _origin(sim: Simulator, bridge: Bridge) -> None:
    sim.add_origins({ORIGIN: f"http://127.0.0.1:{bridge.port}"})


@pytest.fixture
def refusing() -> Iterator[str]:
    """An origin of this machine that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An origin that takes connections and never answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(8)
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


async def dial(sim: Simulator, number: str = DID, **changes: Any) -> CallReport:
    if changes:
        sim.numbers.change(number, **changes)
    return await sim.place_call("greeting", dial=number, speed=3)


async def test_a_number_on_the_old_provider_is_answered_there(sim: Simulator) -> None:
    report = await dial(sim)

    assert (report.answered, report.answered_by) == (True, OLD)
    assert report.spoken_by_twilio == [SENTENCE]
    assert [call["CallSid"] for call in sim.old_provider.calls] == [report.call_sid]
    assert [form["CallStatus"] for form in sim.old_provider.statuses] == ["completed"]
    assert (report.violations, sim.old_provider.refused) == ({}, {})
    assert report.waited_ms is not None
    assert report.waited_ms > 0


async def test_a_number_of_ours_is_answered_by_us_and_we_hear_of_its_end(
    sim: Simulator, bridge: Bridge
) -> None:
    report = await dial(sim, voice_url=f"{OURS}#rt=4000", status_callback=f"{ORIGIN}/twilio/status#rc=2")

    assert report.answered_by == OURS
    assert report.heard[0].complete
    assert report.violations == {}
    assert bridge.bad_signatures == []  # the fragment is neither sent nor signed
    assert [form["CallStatus"] for form in bridge.webhooks] == ["ringing", "completed"]
    assert sim.old_provider.calls == sim.old_provider.statuses == type(sim.old_provider.calls)([])


async def test_a_trunk_comes_before_an_application_and_that_before_the_urls(
    sim: Simulator, bridge: Bridge
) -> None:
    bridge.answer = SAYS
    sim.numbers.add_application("AP" + "a" * 32, voice_url=OURS, status_callback=f"{ORIGIN}/twilio/status")
    trunk = await dial(sim, trunk_sid="TK" + "1" * 32, voice_application_sid="AP" + "a" * 32)
    application = await dial(sim, trunk_sid=None)
    own = await dial(sim, voice_application_sid="")

    assert trunk.answered_by == "trunk TK" + "1" * 32
    assert trunk.fetched == []
    assert application.answered_by == OURS
    assert [form["CallStatus"] for form in bridge.webhooks] == ["ringing", "completed"]
    assert own.answered_by == OLD


@pytest.mark.parametrize(
    "changes",
    [{"voice_url": ""}, {"voice_receive_mode": "fax"}, {"capabilities": {"voice": False}}],
    ids=["no URL", "fax", "no voice"],
)
async def test_a_number_that_takes_no_calls(sim: Simulator, changes: dict[str, Any]) -> None:
    report = await dial(sim, **changes)

    assert (report.answered, report.answered_by, report.fetched) == (False, "", [])
    assert report.reason.startswith("nobody answers")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, b"", "text/plain"), "11200"),
        ((503, b"", "text/plain"), "11200"),
        ((200, b"\n<Response/>", "text/xml"), "12100"),
        ((200, b"<Response/>", "text/html"), "12300"),
        ((200, b"<Response><Sing/></Response>", "text/xml"), "12200"),
    ],
    ids=["403", "503", "a leading newline", "html", "an unknown verb"],
)
async def test_the_fallback_is_told_what_went_wrong_where(
    sim: Simulator, bridge: Bridge, answer: tuple[int, bytes, str], code: str
) -> None:
    bridge.answer = answer

    report = await dial(sim, voice_url=f"{OURS}#rc=0", voice_fallback_url=OLD)

    assert report.answered_by == OLD
    assert [(error["code"], error["url"]) for error in report.errors] == [(code, OURS)]
    (call,) = sim.old_provider.calls
    assert (call["ErrorCode"], call["ErrorUrl"], call["CallStatus"]) == (code, OURS, "ringing")
    assert report.violations == {code: 1}


async def test_a_server_that_is_gone_is_tried_twice_before_the_fallback(
    sim: Simulator, refusing: str
) -> None:
    sim.add_origins({"https://gone.example.com": refusing})

    report = await dial(sim, voice_url="https://gone.example.com/x", voice_fallback_url=OLD)

    assert report.answered_by == OLD
    assert [(fetched["what"], fetched["tries"]) for fetched in report.fetched] == [
        ("webhook", 2),
        ("fallback", 1),
    ]
    assert sim.old_provider.calls[0]["ErrorCode"] == "11202"


async def test_overrides_shorten_the_wait_for_a_server_that_hangs(sim: Simulator, silent: str) -> None:
    sim.add_origins({"https://slow.example.com": silent})

    once = await dial(sim, voice_url="https://slow.example.com/x#rt=400", voice_fallback_url=OLD)
    twice = await dial(sim, voice_url="https://slow.example.com/x#rt=400&rc=1&rp=rt")
    bounded = await dial(sim, voice_url="https://slow.example.com/x#rt=5000&tt=600&rc=5&rp=all")

    for report, least_ms, tries in ((once, 400, 1), (twice, 800, 2), (bounded, 600, 1)):
        assert report.answered_by == OLD
        assert report.waited_ms is not None
        assert least_ms <= report.waited_ms < 15_000  # Twilio's own limit
        assert report.fetched[0]["tries"] == tries
        assert report.errors[0]["code"] == "11203"


async def test_an_error_is_not_tried_again_unless_the_policy_says_so(sim: Simulator, bridge: Bridge) -> None:
    bridge.answer = (500, b"", "text/plain")

    plain = await dial(sim, voice_url=OURS, voice_fallback_url=OLD)
    told = await dial(sim, voice_url=f"{OURS}#rc=3&rp=5xx")

    assert [report.fetched[0]["tries"] for report in (plain, told)] == [1, 4]


async def test_bad_overrides_are_reported_and_not_obeyed(sim: Simulator) -> None:
    report = await dial(sim, voice_url=f"{OLD}#rt=1")

    assert (report.answered_by, report.violations) == (OLD, {"11240": 1})


async def test_a_document_that_redirects_to_the_old_provider_while_it_rings(
    sim: Simulator, bridge: Bridge
) -> None:
    bridge.answer = (200, f"<Response><Redirect>{OLD}</Redirect></Response>".encode(), "text/xml")

    report = await dial(sim, voice_url=OURS, status_callback=f"{ORIGIN}/twilio/status")

    assert (report.answered_by, report.redirects) == (OLD, [OLD])
    assert report.violations == {}
    assert list(sim.old_provider.statuses) == []  # the number's callback is ours


async def test_the_old_provider_takes_no_call_that_is_answered_already(
    sim: Simulator, bridge: Bridge
) -> None:
    document = f"<Response><Say>One moment.</Say><Redirect>{OLD}</Redirect></Response>"
    bridge.answer = (200, document.encode(), "text/xml")

    report = await dial(sim, voice_url=OURS)

    assert report.reason.startswith("TwiML refused: 11200")
    assert sim.old_provider.refused == {"inbound_call status": 1}


async def test_a_failing_redirect_falls_back_too_and_only_once(sim: Simulator, bridge: Bridge) -> None:
    away = f"<Response><Redirect>{ORIGIN}x/nowhere</Redirect></Response>".replace(
        f"{ORIGIN}x", "https://no.invalid"
    )
    bridge.answer = (200, away.encode(), "text/xml")

    rescued = await dial(sim, voice_url=OURS, voice_fallback_url=OLD)
    lost = await dial(sim, voice_fallback_url=OURS)

    assert (rescued.answered_by, rescued.errors[0]["code"]) == (OLD, "11210")
    assert (lost.answered, lost.violations) == (False, {"11210": 2})


@pytest.mark.parametrize(("status", "fields"), [(301, 0), (302, 0), (307, 27)])
async def test_a_redirect_by_http_may_lose_the_form(
    sim: Simulator, bridge: Bridge, status: int, fields: int
) -> None:
    bridge.appends_slash, bridge.answer = status, SAYS

    report = await dial(sim, voice_url=OURS, status_callback="")

    assert report.answered_by == f"{OURS}/"
    assert [len(form) for form in bridge.webhooks] == [fields]
    assert bridge.bad_signatures == []
    assert (report.fetched[0]["url"], report.fetched[0]["ended_at"]) == (OURS, f"{OURS}/")


async def test_get_is_used_where_the_number_says_so(sim: Simulator) -> None:
    report = await dial(sim, voice_method="GET", status_callback_method="GET")

    assert (report.answered_by, report.violations) == (OLD, {})
    assert sim.old_provider.calls[0]["To"] == DID
    assert sim.old_provider.statuses[0]["CallStatus"] == "completed"


async def test_a_subaccount_s_number_is_signed_with_its_own_token(sim: Simulator, bridge: Bridge) -> None:
    branch = sim.accounts.add_subaccount("Branch", auth_token="b" * 32)
    bridge.answer = SAYS
    sim.numbers.add("+12025550190", account_sid=branch.sid, voice_url=OURS, status_callback="")
    sim.numbers.add("+12025550191", account_sid=branch.sid)

    report = await dial(sim, "+12025550190")
    old = await dial(sim, "+12025550191")

    assert bridge.webhooks[0]["AccountSid"] == branch.sid
    assert len(bridge.bad_signatures) == 1  # the bridge knows the main account's token only
    assert (report.violations, old.violations, old.answered_by) == ({}, {}, OLD)


async def test_a_call_is_dialled_over_http(sim: Simulator) -> None:
    url = f"{sim.http_url}/simulator/calls"
    order = {"dial": DID, "from": "+12025550147", "scenario": "greeting"}

    def place(body: dict[str, Any]) -> requests.Response:
        return requests.post(url, json=body, timeout=60)

    answer = await asyncio.to_thread(place, order)
    unknown = await asyncio.to_thread(place, {**order, "dial": "+1999"})

    assert f'"answered_by":"{OLD}"' in answer.text.splitlines()[-1]
    assert (unknown.status_code, unknown.json()["error"]) == (400, "there is no number +1999")


# The old provider by itself


async def forwarded(
    sim: Simulator, path: str, url: str, token: str = TOKEN, **form: str
) -> requests.Response:
    form = {"AccountSid": ACCOUNT, "CallSid": "CA1", "CallStatus": "completed", **form}
    headers = {"X-Twilio-Signature": sign(url, form.items(), auth_token=token)}
    target = f"{sim.http_url}/vapi-telephony{path}"
    return await asyncio.to_thread(requests.post, target, data=form, headers=headers, timeout=60)


async def test_the_old_provider_wants_signatures_for_its_own_url(sim: Simulator) -> None:
    status = "https://api.vapi.ai/twilio/status"

    assert (await forwarded(sim, "/status", status)).status_code == 200
    assert (await forwarded(sim, "/status", f"{ORIGIN}/twilio/status")).status_code == 400
    assert (await forwarded(sim, "/status", status, token="wrong")).status_code == 400
    assert (await forwarded(sim, "/status", status, AccountSid="AC2")).status_code == 400
    refused = await forwarded(sim, "/inbound_call", OLD, CallStatus="in-progress")
    assert (refused.status_code, refused.json()["message"]) == (400, "CallStatus must be one of: ringing")
    assert sim.old_provider.refused == {"status signature": 3, "inbound_call status": 1}


async def test_the_old_provider_writes_its_urls_back(sim: Simulator) -> None:
    sim.numbers.change(DID, voice_url=OURS, status_callback="", sms_url="https://mine.example.com/")

    saved = await asyncio.to_thread(
        requests.post,
        f"{sim.http_url}/simulator/old-provider/save",
        json={"number": DID, "sms": False},
        timeout=60,
    )

    assert saved.json()["voice_url"] == OLD
    assert sim.numbers.find(DID)["sms_url"] == "https://mine.example.com/"
    assert [change.by for change in sim.numbers.history] == ["console", "vapi"]


async def test_the_old_provider_may_be_down(sim: Simulator) -> None:
    control = f"{sim.http_url}/simulator/old-provider"
    await asyncio.to_thread(requests.patch, control, json={"status": 503}, timeout=60)

    report = await dial(sim)

    assert (report.answered, report.violations) == (False, {"11200": 1, "15003": 1})
    told = (await asyncio.to_thread(requests.delete, control, timeout=60)).json()
    assert (told["status"], told["calls"]) == (200, [])
