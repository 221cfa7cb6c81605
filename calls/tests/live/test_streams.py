"""The sockets: who may open them, what they close with, and that the slow and the loud are dropped."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import DatabaseError
from redis import Redis

from assistants.tests.factories import make_assistant
from calls.groups import call_group
from calls.live import control, reading, streams
from calls.live.entering import Entrant, monitor_token
from calls.live.sound import START, stereo
from calls.live.tap import LISTEN, listeners_group
from calls.tests.factories import make_call
from calls.tests.stage import until
from tools.access.errors import ApiError

CALL_ID = uuid.uuid4()


class Browser:
    """The other end of a socket."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.stuck = False
        self.lets_go = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        if self.stuck and message["type"] == "websocket.send":
            await self.lets_go.wait()
        self.got.append(message)

    @property
    def closed_with(self) -> int | None:
        return next((one["code"] for one in self.got if one["type"] == "websocket.close"), None)

    @property
    def kinds(self) -> list[str]:
        return [one["type"].removeprefix("websocket.") for one in self.got]


def scope_of(**more: Any) -> dict[str, Any]:
    return {"type": "websocket", "url_route": {"kwargs": {"call_id": CALL_ID}}, "headers": [], **more}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The call as the rows have it, which the test changes; and who has opened it."""
    facts: dict[str, Any] = {"live": True, "monitor_plan": {}, "private": False, "opened": []}

    async def directly(work: Callable[[], Any]) -> Any:
        return work()

    def call_known(_call_id: uuid.UUID) -> Any:
        fields = {name: facts[name] for name in ("live", "monitor_plan", "private")}
        return streams._Known(**fields) if facts["live"] is not None else None

    monkeypatch.setattr(streams, "in_database_thread", directly)
    monkeypatch.setattr(streams, "_call_known", call_known)
    monkeypatch.setattr(streams, "_reader", lambda _scope: Entrant())
    monkeypatch.setattr(streams, "call_opened_by", lambda _id, _who, what: facts["opened"].append(what))
    monkeypatch.setattr(streams, "_say", _nothing)
    return facts


async def _nothing(*_: Any) -> None:
    pass


async def said(*lines: str) -> AsyncIterator[dict[str, Any]]:
    for line in lines:
        yield {"type": "transcript", "transcript": line, "seq": "1-0"}


async def read_along(browser: Browser, **scope: Any) -> None:
    async with asyncio.timeout(60):
        await streams.transcript_stream(scope_of(**scope), browser.incoming.get, browser.send)


async def test_a_transcript_is_sent_and_the_socket_closed_in_good_order(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    monkeypatch.setattr(reading, "follow", lambda *_: said("Hello.", "Goodbye."))

    await read_along(browser)

    assert browser.kinds == ["accept", "send", "send", "close"]
    assert orjson.loads(browser.got[1]["text"])["transcript"] == "Hello."
    assert browser.closed_with == 1000
    assert known["opened"] == ["transcript"]


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN])
async def test_nobody_gets_a_socket_without_being_let_in(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    browser = Browser()

    def refuse(_scope: Any) -> Entrant:
        raise ApiError(status, "No.")

    monkeypatch.setattr(streams, "_reader", refuse)

    await read_along(browser)

    assert browser.kinds == ["close"], "it is never accepted"
    assert known["opened"] == []


async def test_an_unknown_call_and_a_place_that_is_none_have_close_codes_of_their_own(
    known: dict[str, Any],
) -> None:
    unknown, bad = Browser(), Browser()
    known["live"] = None

    await read_along(unknown)
    await read_along(bad, query_string=b"after=yesterday")

    assert (unknown.closed_with, bad.closed_with) == (4404, 4400)
    assert known["opened"] == []


async def test_who_does_not_take_what_is_sent_is_dropped(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.stuck = True
    monkeypatch.setattr(streams, "_SENT_WITHIN_S", 0.05)
    monkeypatch.setattr(reading, "follow", lambda *_: said("Hello."))

    await read_along(browser)

    assert browser.closed_with == 4408


async def _for_ever(*_: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"type": "transcript", "transcript": "Hello."}
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("sends", "code"),
    [
        ([{"type": "websocket.receive", "text": "x" * 5000}], 1009),
        ([{"type": "websocket.receive", "bytes": b"x" * 5000, "text": None}], 1009),
        ([{"type": "websocket.receive", "text": "ping"}] * 200, 1008),
    ],
    ids=["a big text", "big bytes", "too much"],
)
async def test_readers_who_talk_are_shown_out(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch, sends: list[dict[str, Any]], code: int
) -> None:
    browser = Browser()
    monkeypatch.setattr(reading, "follow", _for_ever)
    for one in sends:
        browser.incoming.put_nowait(one)

    await read_along(browser)

    assert browser.closed_with == code


async def test_who_may_not_be_there_any_more_is_shown_out(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    looks: Iterator[bool | DatabaseError] = iter([True, DatabaseError("away"), True, False])

    def may_stay(*_: Any) -> bool:
        found = next(looks)
        if isinstance(found, DatabaseError):
            raise found
        return found

    monkeypatch.setattr(reading, "follow", _for_ever)
    monkeypatch.setattr(streams, "_LOOK_S", 0.001)
    monkeypatch.setattr(streams, "may_stay", may_stay)

    await read_along(browser)

    assert browser.closed_with == 4403
    assert next(looks, None) is None


async def test_a_reader_who_leaves_leaves_nothing_behind(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    closed = asyncio.Event()

    async def follow(*_: Any) -> AsyncIterator[dict[str, Any]]:
        try:
            async for one in _for_ever():
                yield one
        finally:
            closed.set()

    monkeypatch.setattr(reading, "follow", follow)
    browser.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    await read_along(browser)

    async with asyncio.timeout(60):
        await closed.wait()


# Listening ----------------------------------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Listeners who wait for each piece of sound, and only behind it take the silence for one; calling this has them wait again.

    Whoever gives up waiting in the moment in which a piece comes may lose it.
    """

    def heard(caller: bytes, assistant: bytes) -> bytes:
        monkeypatch.setattr(streams, "_SILENT_S", 0.05)
        return stereo(caller, assistant)

    def wait() -> None:
        monkeypatch.setattr(streams, "_SILENT_S", 60.0)

    monkeypatch.setattr(streams, "stereo", heard)
    wait()
    return wait


async def listen(browser: Browser, token: str | None = None) -> None:
    query = f"token={monitor_token(CALL_ID) if token is None else token}".encode()
    async with asyncio.timeout(60):
        await streams.listen_stream(scope_of(query_string=query), browser.incoming.get, browser.send)


@pytest.mark.parametrize(
    ("facts", "token", "code", "accepted"),
    [
        ({}, "", 1008, False),
        ({}, "guessed", 1008, False),
        ({"monitor_plan": {"listenAuthenticationEnabled": True}}, None, 1008, False),
        ({"live": None}, None, 4404, True),
        ({"live": False}, None, 4410, True),
        ({"monitor_plan": {"listenEnabled": False}}, None, 4403, True),
        ({"private": True}, None, 4403, True),
    ],
    ids=["no token", "guess", "wants a key", "unknown", "over", "switched off", "hipaa"],
)
async def test_nobody_listens_who_may_not(
    known: dict[str, Any], facts: dict[str, Any], token: str | None, code: int, *, accepted: bool
) -> None:
    browser = Browser()
    known |= facts

    await listen(browser, token)

    assert browser.closed_with == code
    assert ("accept" in browser.kinds) is accepted
    assert "send" not in browser.kinds


async def test_whoever_knows_the_address_hears_both_sides_until_the_call_is_over(
    known: dict[str, Any],
    redis_client: "Redis",
    patient: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Browser()
    monkeypatch.setattr(control, "order_give", partial(control.order_give, within_s=60))
    monkeypatch.setattr(streams, "_goes_on", lambda _: not any("bytes" in one for one in browser.got))
    layer = get_channel_layer()
    assert layer is not None
    channel = await layer.new_channel()
    await layer.group_add(call_group(CALL_ID), channel)

    async def the_call() -> None:
        asked = await layer.receive(channel)
        assert asked["type"] == LISTEN
        await layer.send(asked["reply_to"], {"type": "call.answered", "refusal": ""})
        await layer.group_send(
            listeners_group(CALL_ID), {"type": "call.audio", "caller": b"\xff" * 8, "assistant": b"\x00" * 8}
        )

    await asyncio.gather(listen(browser), the_call())

    assert browser.kinds == ["accept", "send", "send", "close"]
    assert orjson.loads(browser.got[1]["text"]) == START
    assert len(browser.got[2]["bytes"]) == 8 * 2 * 2 * 2  # twice the samples, two bytes each, two sides
    assert browser.closed_with == 1000
    assert known["opened"] == ["recording"]


async def test_a_call_that_nobody_has_is_not_listened_to(
    known: dict[str, Any], redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()

    async def nobody(*_: Any, **__: Any) -> control.Outcome:
        return control.Outcome(control.Result.NOBODY, "")

    monkeypatch.setattr(control, "order_give", nobody)

    await listen(browser)

    assert browser.closed_with == 4410


async def test_a_listener_stays_while_the_call_goes_from_one_process_to_another(
    known: dict[str, Any],
    redis_client: "Redis",
    patient: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser = Browser()
    asked_again = asyncio.Event()
    layer = get_channel_layer()
    assert layer is not None

    async def say(_call_id: uuid.UUID, kind: str) -> None:
        heard = any("bytes" in one for one in browser.got)
        if kind == LISTEN and heard and not asked_again.is_set():
            patient()
            asked_again.set()

    async def taken(*_: Any, **__: Any) -> control.Outcome:
        return control.Outcome(control.Result.TAKEN)

    async def piece() -> None:
        sound = {"type": "call.audio", "caller": b"\xff" * 8, "assistant": b"\xff" * 8}
        await layer.group_send(listeners_group(CALL_ID), sound)

    async def the_call() -> None:
        await until(lambda: "send" in browser.kinds)
        await piece()
        await asked_again.wait()
        await piece()

    monkeypatch.setattr(streams, "_say", say)
    monkeypatch.setattr(streams, "_goes_on", lambda _: sum("bytes" in one for one in browser.got) < 2)
    monkeypatch.setattr(streams, "_LOOK_EVERY", 1)
    monkeypatch.setattr(control, "order_give", taken)
    await asyncio.gather(listen(browser), the_call())

    assert browser.kinds == ["accept", "send", "send", "send", "close"]
    assert browser.closed_with == 1000


async def test_nobody_listens_for_ever_to_a_call_that_was_given_away(
    known: dict[str, Any], redis_client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()

    async def taken(*_: Any, **__: Any) -> control.Outcome:
        return control.Outcome(control.Result.TAKEN)

    monkeypatch.setattr(streams, "_SILENT_S", 0.01)
    monkeypatch.setattr(streams, "_SILENT_MOST", 2)
    monkeypatch.setattr(control, "order_give", taken)
    await listen(browser)

    assert browser.closed_with == 4410


@pytest.mark.parametrize("stream", [streams.listen_stream, streams.transcript_stream])
async def test_while_the_database_is_away_a_client_is_told_to_come_back(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch, stream: Any
) -> None:
    browser = Browser()

    def away(*_: Any) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(streams, "_call_known", away)
    async with asyncio.timeout(60):
        query = f"token={monitor_token(CALL_ID)}".encode()
        await stream(scope_of(query_string=query), browser.incoming.get, browser.send)

    assert (browser.kinds, browser.closed_with) == (["accept", "close"], 1013)


@pytest.mark.parametrize(
    ("settings", "plan", "private"),
    [
        ({}, (True, False), False),
        ({"monitor_plan": {"listenEnabled": False}}, (False, False), False),
        ({"monitor_plan": {"listenAuthenticationEnabled": True}}, (True, True), False),
        ({"hipaa": True, "monitor_plan": None}, (True, False), True),
    ],
)
@pytest.mark.django_db
def test_the_strictest_of_those_who_may_have_the_call_decides_who_listens(
    settings: dict[str, Any], plan: tuple[bool, bool], *, private: bool
) -> None:
    first, second = make_assistant(), make_assistant()
    version = first.versions.create(number=9, snapshot={"monitor_plan": {}})
    call = make_call(assistant=first, version=version, status="in-progress", ended_at=None, ended_reason="")
    call.members.create(
        assistant=second, version=second.versions.create(number=9, snapshot=settings), position=1
    )

    known = streams._call_known(call.pk)

    assert known is not None
    enabled, wants_key = plan
    assert known.monitor_plan == {"listenEnabled": enabled, "listenAuthenticationEnabled": wants_key}
    assert (known.private, known.live) == (private, True)


async def test_who_has_ordered_something_is_told_by_name_to_staff_only(
    known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def follow(*_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"type": "order", "order": "say", "by": "user", "byName": "maria", "seq": "1-0"}

    monkeypatch.setattr(reading, "follow", follow)
    program, staff = Browser(), Browser()
    await read_along(program)
    monkeypatch.setattr(streams, "_reader", lambda _scope: Entrant(user=User(username="u")))
    await read_along(staff)

    assert "maria" not in program.got[1]["text"]
    assert orjson.loads(staff.got[1]["text"])["byName"] == "maria"
