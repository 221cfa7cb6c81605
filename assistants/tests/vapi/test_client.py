import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistants.vapi import client as client_module
from assistants.vapi import rest
from assistants.vapi.client import Progress, VapiClient, VapiError, export_fetch, item_fetch
from assistants.vapi.documents import Document, ExportError
from assistants.vapi.exports import Export, Item, Missing, export_missing
from simulator.harness import Simulator, VapiFailure

KEY = "b7d0c1e2-private-4f1a"
CLINIC = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"
RESTAURANT = "4e8d2f10-7b0c-4b57-9d7e-90c3b8a5d222"
SQUAD = "0f6b9c1e-52d4-4d8a-8f43-7be2a1d0c444"
NOWHERE = "c9a03e55-1f7d-4f6c-b7a1-5d1e0c6b7333"  # a handoff in the data leads there, and nothing is there


@pytest.fixture
async def sim(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with Simulator(account_sid="AC0", auth_token="x") as simulator:
        yield simulator


class Reading:
    """One fetch from the simulator: what came, what was told, how long it slept."""

    def __init__(self, sim: Simulator, *, url: str = "", key: str = KEY) -> None:
        self.told: list[Progress] = []
        self.slept: list[float] = []
        self._url = url or sim.vapi_url
        self._key = key

    async def fetch(self, *ids: str) -> Export:
        """All assistants, or those of the ids."""
        return await asyncio.to_thread(self._fetch, list(ids) or None)

    async def refusal(self, *ids: str) -> VapiError:
        """The error that a fetch ends with."""
        with pytest.raises(VapiError) as caught:
            await self.fetch(*ids)
        assert KEY not in str(caught.value)
        return caught.value

    def _fetch(self, ids: list[str] | None) -> Export:
        with VapiClient(url=self._url, key=self._key, sleep=self.slept.append) as client:
            return export_fetch(client, assistant_ids=ids, progress=self.told.append)


def ids_of(items: tuple[Item, ...]) -> list[str | None]:
    return [item.id for item in items]


# --- What comes ----------------------------------------------------------------------------------------------


async def test_everything_is_read_as_it_stands_there(sim: Simulator) -> None:
    reading = Reading(sim)

    export = await reading.fetch()

    assert {item.id: item.raw for item in export.assistants} == sim.vapi.objects["assistant"]
    assert {item.id: item.raw for item in export.squads} == sim.vapi.objects["squad"]
    assert {item.id: item.raw for item in export.phone_numbers} == sim.vapi.objects["phone-number"]
    assert [str(item.id)[-2:] for item in export.tools] == ["01", "02", "03", "07", "09", "04"]
    assert all(item.raw == sim.vapi.objects["tool"][str(item.id)] for item in export.tools)
    assert export.assistants[0].where == f"GET /assistant/{CLINIC}"
    assert export_missing(export) == Missing()
    assert {request["method"] for request in sim.vapi.requests} == {"GET"}
    assert reading.slept == []


async def test_progress_says_how_far_it_is(sim: Simulator) -> None:
    reading = Reading(sim)

    await reading.fetch()

    assert reading.told[0] == Progress(0, None, "Assistants: 0 read")
    assert reading.told[1] == Progress(2, 2, "Assistants: 2 read")
    assert reading.told[-2] == Progress(5, 6, "Tools: 5 of 6")
    assert reading.told[-1] == Progress(6, 6, "Tools: 6 read")


async def test_by_id_what_belongs_to_it_comes_along(sim: Simulator) -> None:
    export = await Reading(sim).fetch(CLINIC, f" {CLINIC} ")

    assert ids_of(export.assistants) == [CLINIC]
    assert ids_of(export.squads) == [SQUAD]
    assert [str(item.id)[-1] for item in export.phone_numbers] == ["6", "5"]
    assert len(export.tools) == 6


async def test_by_id_what_belongs_to_others_stays_away(sim: Simulator) -> None:
    export = await Reading(sim).fetch(RESTAURANT)

    assert ids_of(export.assistants) == [RESTAURANT]
    assert (export.squads, export.tools, export.notes) == ((), (), ())
    assert [str(item.id)[-1] for item in export.phone_numbers] == ["7"]


async def test_by_id_a_squad_that_needs_others_is_left_out_and_told(sim: Simulator) -> None:
    sim.vapi.objects["squad"][SQUAD]["members"].append({"assistantId": RESTAURANT})

    export = await Reading(sim).fetch(CLINIC)

    assert export.squads == ()
    assert export.notes == (f"GET /squad/{SQUAD}: left out, because it needs more assistants: {RESTAURANT}.",)


async def test_ids_that_vapi_does_not_know_are_no_error(sim: Simulator) -> None:
    gone = "11111111-aaaa-4aaa-8aaa-000000000002"
    del sim.vapi.objects["tool"][gone]

    export = await Reading(sim).fetch(CLINIC, NOWHERE, "../tool")

    assert ids_of(export.assistants) == [CLINIC]
    assert export.unresolved == Missing(tools=(gone,), assistants=(NOWHERE, "../tool"))
    assert export_missing(export) == export.unresolved
    assert not any(".." in request["path"] for request in sim.vapi.requests)


async def test_tools_that_tools_mention_are_read_too_also_in_a_circle(sim: Simulator) -> None:
    down, up = ({"assistant": {"model": {"toolIds": [one]}}} for one in ("deep", "outer"))
    add(sim, "tool", "outer", type="handoff", destinations=[down, {"assistantId": NOWHERE}])
    add(sim, "tool", "deep", type="handoff", destinations=[up])
    add(sim, "assistant", "a1", model={"toolIds": ["outer"]})

    export = await Reading(sim).fetch("a1")

    assert ids_of(export.tools) == ["outer", "deep"]
    assert export_missing(export) == Missing(assistants=(NOWHERE,))


@pytest.mark.parametrize(("count", "lists"), [(client_module.FEW, 0), (client_module.FEW + 1, 1)])
async def test_many_tools_are_read_as_a_list(sim: Simulator, count: int, lists: int) -> None:
    wanted = [f"many{number}" for number in range(count)]
    for one in wanted[1:]:
        add(sim, "tool", one, type="endCall")
    add(sim, "assistant", "a1", model={"toolIds": wanted})

    export = await Reading(sim).fetch("a1")

    paths = [request["path"] for request in sim.vapi.requests]
    assert sorted(map(str, ids_of(export.tools))) == sorted(wanted[1:])
    assert export.unresolved == Missing(tools=(wanted[0],))
    assert paths.count("/tool") == lists
    assert len([path for path in paths if path.startswith("/tool/")]) == (1 if lists else count)


async def test_nul_is_taken_out_and_noted(sim: Simulator) -> None:
    add(sim, "assistant", "a1", firstMessage="a\x00b")

    listed, alone = await Reading(sim).fetch(), await Reading(sim).fetch("a1")

    assert alone.assistants[0].raw["firstMessage"] == "ab"
    assert [note.partition(": ")[0] for note in (*listed.notes, *alone.notes)] == [
        "The answer to GET /assistant, item 1, firstMessage",
        "The answer to GET /assistant/a1, firstMessage",
    ]


async def test_one_object_can_be_read_again(sim: Simulator) -> None:
    sim.vapi.edit("assistant", CLINIC, {"firstMessage": "Changed."})

    def read() -> tuple[Item | None, Item | None]:
        with VapiClient(url=f"{sim.vapi_url}/", key=f" {KEY}\n") as client:
            return (
                item_fetch(client, kind="assistant", vapi_id=CLINIC),
                item_fetch(client, kind="assistant", vapi_id=NOWHERE),
            )

    found, missing = await asyncio.to_thread(read)

    assert found is not None
    assert found.raw["firstMessage"] == "Changed."
    assert missing is None


def add(
    sim: Simulator, kind: str, object_id: str, *, created: str = "2026-11-01T00:00:00.000Z", **own: Any
) -> None:
    sim.vapi.objects[kind][object_id] = {
        "id": object_id,
        "orgId": "o",
        "createdAt": created,
        "updatedAt": created,
        **own,
    }


# --- Paging --------------------------------------------------------------------------------------------------


async def test_a_long_list_is_read_to_its_end_though_most_share_a_moment(sim: Simulator) -> None:
    for number in range(250):
        add(sim, "assistant", f"a{number}", created=f"2026-10-0{1 + number % 7 // 6}T00:00:00.000Z")

    export = await Reading(sim).fetch()

    assert {item.id: item.raw for item in export.assistants} == sim.vapi.objects["assistant"]
    asked = [request["query"] for request in sim.vapi.requests if request["path"] == "/assistant"]
    assert [query["limit"] for query in asked[:4]] == ["100", "100", "100", "1000"]
    assert asked[1]["createdAtLt"].endswith("T00:00:00.001Z")


class Shelf(VapiClient):
    """A list at Vapi, kept to the microsecond and shown to the millisecond."""

    def __init__(self, made: list[datetime], *, deaf: bool = False) -> None:
        super().__init__(url="https://vapi.invalid", key="k")
        self._made = sorted(enumerate(made), key=lambda pair: pair[1], reverse=True)
        self._deaf = deaf
        self.asked = 0

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        tell: Callable[[str], None],
    ) -> Document | None:
        self.asked += 1
        if path != "/assistant":
            return Document(path, [])
        assert params is not None
        before = datetime.fromisoformat(str(params.get("createdAtLt", "9999-01-01T00:00:00Z")))
        fitting = [(number, moment) for number, moment in self._made if moment < before or self._deaf]
        shown = fitting[: int(params["limit"])]
        return Document(
            path,
            [
                {"id": str(number), "createdAt": moment.isoformat(timespec="milliseconds")}
                for number, moment in shown
            ],
        )


@given(
    st.lists(st.integers(0, 6000), max_size=30),
    st.integers(1, 5),
)
def test_nothing_is_lost_or_doubled_whatever_the_moments(microseconds: list[int], page: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    shelf = Shelf([start + timedelta(microseconds=one) for one in microseconds])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client_module, "PAGE", page)
        export = export_fetch(shelf, assistant_ids=None)

    assert sorted(map(str, ids_of(export.assistants)), key=int) == [
        str(one) for one in range(len(microseconds))
    ]


def test_a_server_that_repeats_itself_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 2)
    monkeypatch.setattr(client_module, "MAX_PAGE", 3)
    shelf = Shelf([datetime(2026, 1, 1, tzinfo=UTC)] * 9, deaf=True)

    with pytest.raises(
        VapiError, match="GET /assistant answers the same 3 objects again and again"
    ) as caught:
        export_fetch(shelf, assistant_ids=None)

    assert caught.value.permanent
    assert "Import by assistant ids" in str(caught.value)
    assert shelf.asked == 5


class Oracle(VapiClient):
    """Answers everything with the same value."""

    def __init__(self, value: Any) -> None:
        super().__init__(url="https://vapi.invalid", key="k")
        self._value = value

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        tell: Callable[[str], None],
    ) -> Document | None:
        return None if self._value is None else Document(path, self._value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"hello": 1},
            "GET /assistant: an object came where an array is due, so this is not Vapi's API. Check",
        ),
        (None, "GET /assistant: there is nothing there (404). Check VAPI_API_URL"),
        ([7], "GET /assistant, item 1: a number where an object is due"),
        ([{"name": "x"}], "GET /assistant, item 1: the object has no id, so this is not Vapi's API. Check"),
        ([{"id": "c", "type": "webCall"}], "GET /assistant, item 1: this is a call"),
        ([{"id": "a", "model": []}], "GET /assistant, item 1, model: an array where an object is due"),
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_is_told(value: Any, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        export_fetch(Oracle(value), assistant_ids=None)

    assert str(caught.value).startswith(message)


def test_a_list_without_moments_cannot_be_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 1)

    with pytest.raises(ExportError, match="GET /assistant/a, createdAt: no moment"):
        export_fetch(Oracle([{"id": "a", "name": "x"}]), assistant_ids=None)


# --- Trouble that passes -------------------------------------------------------------------------------------


async def test_a_limited_rate_is_waited_for_and_told(sim: Simulator) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    for retry_after in ("3", "", "", at, "soon", "9999"):
        sim.vapi.failures.append(VapiFailure(status=429, retry_after=retry_after))
    reading = Reading(sim)

    export = await reading.fetch()

    assert len(export.assistants) == 2
    # The moment is given in whole seconds, and some have passed until it is read.
    until_then = reading.slept.pop(3)
    assert 20 < until_then <= 30
    assert reading.slept == [3, 2, 4, 16, 120]
    assert reading.told[1] == Progress(0, None, "Vapi limits the rate; trying again in 3 s")


async def test_a_rate_that_stays_limited_is_given_up_after_a_quarter_of_an_hour(sim: Simulator) -> None:
    sim.vapi.failures.extend([VapiFailure(status=429, retry_after="60")] * 20)
    reading = Reading(sim)

    error = await reading.refusal()

    assert sum(reading.slept) == 900
    assert (error.permanent, error.http_status) == (False, 429)
    assert str(error) == (
        "GET /assistant: Vapi limits the rate, still after waiting 15 minutes. Try again later."
    )


@pytest.mark.parametrize(
    "failure",
    [
        VapiFailure(status=500),
        VapiFailure(status=503, body="html"),
        VapiFailure(body="half"),
        VapiFailure(body="truncated"),
        VapiFailure(body="drop"),
        VapiFailure(after_ms=400),
    ],
    ids=["500", "html and 503", "half", "truncated", "dropped", "slow"],
)
async def test_trouble_that_passes_is_outlived(
    sim: Simulator, failure: VapiFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "READ_TIMEOUT_S", 0.15)
    sim.vapi.failures.extend([failure] * 2)
    reading = Reading(sim)

    export = await reading.fetch(RESTAURANT)

    assert ids_of(export.assistants) == [RESTAURANT]
    assert reading.slept == [1, 2]
    assert [progress.text for progress in reading.told if "trying again" in progress.text] == [
        text for text in (told.text for told in reading.told) if text.endswith(("in 1 s", "in 2 s"))
    ]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (VapiFailure(status=500), "answered 500, 4 times. Check VAPI_API_URL"),
        (VapiFailure(body="half"), "the file ends in the middle"),
        (VapiFailure(body="truncated"), "ended in the middle, 4 times"),
        (VapiFailure(body="drop"), "no connection to 127.0.0.1"),
        (VapiFailure(after_ms=300), "did not answer in time, 4 times"),
    ],
    ids=["500", "half", "truncated", "dropped", "slow"],
)
async def test_trouble_that_stays_is_given_up_in_bounds(
    sim: Simulator, failure: VapiFailure, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "READ_TIMEOUT_S", 0.1)
    sim.vapi.failures.extend([failure] * 9)
    reading = Reading(sim)

    error = await reading.refusal()

    assert str(error).startswith("GET /assistant: ")
    assert why in str(error)
    assert str(error).endswith("Try again later.")
    assert not error.permanent
    assert reading.slept == [1, 2, 4]
    assert len(sim.vapi.requests) == 4


async def test_an_answer_that_drips_is_given_up(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ANSWER_TIMEOUT_S", -1.0)

    assert "took too long, 4 times" in str(await Reading(sim).refusal())


async def test_no_connection_names_the_address(sim: Simulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        reading = Reading(sim, url=url)

        error = await reading.refusal()

    assert f"no connection to {url.removeprefix('http://')}, 4 times. Check VAPI_API_URL ({url})" in str(
        error
    )
    assert not error.permanent
    assert len(reading.slept) == 3


# --- Trouble that stays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["simulator-public", "invalid"])
async def test_a_wrong_key_is_told_once_and_where_to_find_the_right_one(sim: Simulator, key: str) -> None:
    error = await Reading(sim, key=key).refusal()

    assert str(error).startswith("Vapi does not accept the key (401).")
    assert "private key of the organisation, not the public one" in str(error)
    assert key not in str(error)
    assert (error.permanent, error.http_status) == (True, 401)
    assert len(sim.vapi.requests) == 1


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (VapiFailure(status=403), "GET /assistant: the key may not read this (403). Use a private key"),
        (VapiFailure(status=400), "GET /assistant: Vapi refused (400): Bad Request."),
        (VapiFailure(status=418), "GET /assistant: Vapi refused (418): Simulated."),
        (VapiFailure(body="html"), "GET /assistant: 127.0.0.1"),
        (VapiFailure(status=404, body="html"), "GET /assistant: 127.0.0.1"),
        (VapiFailure(body="gzip"), "GET /assistant: the answer cannot be decoded."),
        (VapiFailure(body="redirect"), "GET /assistant: 127.0.0.1"),
    ],
    ids=["403", "400", "418", "html", "html and 404", "gzip", "redirect"],
)
async def test_what_waiting_does_not_help_is_told_at_once(
    sim: Simulator, failure: VapiFailure, message: str
) -> None:
    sim.vapi.failures.append(failure)
    reading = Reading(sim)

    error = await reading.refusal()

    assert str(error).startswith(message)
    assert error.permanent
    assert reading.slept == []
    assert len(sim.vapi.requests) == 1
    if failure.body in {"html", "redirect"}:
        assert f"Check VAPI_API_URL ({sim.vapi_url})" in str(error)


@pytest.mark.parametrize("ids", [[], [CLINIC]], ids=["all", "by id"])
async def test_a_wrong_path_is_no_missing_assistant(sim: Simulator, ids: list[str]) -> None:
    error = await Reading(sim, url=f"{sim.vapi_url}/v1").refusal(*ids)

    assert "there is no such path at 127.0.0.1" in str(error)
    assert f"Check VAPI_API_URL ({sim.vapi_url}/v1)" in str(error)


async def test_a_server_without_a_valid_certificate_is_not_talked_to(sim: Simulator) -> None:
    error = await Reading(sim, url=sim.vapi_url.replace("http:", "https:")).refusal()

    assert "the certificate of 127.0.0.1" in str(error)
    assert sim.vapi.requests == type(sim.vapi.requests)()


async def test_more_than_the_limit_is_not_read(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MAX_BYTES", 5_000)

    error = await Reading(sim).refusal()

    assert str(error).startswith("The answer to GET /assistant is larger than 20 MiB")
    assert error.permanent


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "VAPI_API_KEY is not set."),
        (" \n", "VAPI_API_KEY is not set."),
        ("two words", "VAPI_API_KEY holds a blank"),
        ("line\nbreak", "VAPI_API_KEY holds a blank"),
        ("schlüssel", "VAPI_API_KEY holds a blank"),
    ],
)
def test_a_key_that_cannot_be_one_is_not_sent(key: str, message: str) -> None:
    with pytest.raises(VapiError) as caught:
        VapiClient(url="https://api.vapi.ai", key=key)

    assert str(caught.value).startswith(message)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "VAPI_API_URL is not an address"),
        ("api.vapi.ai", "VAPI_API_URL is not an address"),
        ("ftp://api.vapi.ai", "VAPI_API_URL is not an address"),
        ("https://", "VAPI_API_URL is not an address"),
        ("https://me:secret@api.vapi.ai", "VAPI_API_URL is not an address"),
        ("https://api.vapi.ai?x=1", "VAPI_API_URL is not an address"),
        ("https://[api", "VAPI_API_URL is not an address"),
        ("https://api.vapi.ai:port", "VAPI_API_URL is not an address"),
        ("http://api.vapi.ai", "VAPI_API_URL begins with http:, so the key could be read"),
    ],
)
def test_an_address_that_cannot_be_right_is_told(url: str, message: str) -> None:
    with pytest.raises(VapiError) as caught:
        VapiClient(url=url, key="k")

    assert str(caught.value).startswith(message)


# --- The key -------------------------------------------------------------------------------------------------


async def test_the_key_stands_in_no_log_message_or_repr(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sim.vapi.failures.extend([VapiFailure(status=429), VapiFailure(status=500)])

    await Reading(sim).fetch()

    assert "vapi asked again" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in "".join(str(vars(record)) for record in caplog.records)
    assert KEY not in repr(VapiClient(url=sim.vapi_url, key=KEY))


async def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_message(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(simulator_reasons(), 400, f"Bad key {KEY}")
    sim.vapi.failures.append(VapiFailure(status=400))

    assert str(await Reading(sim).refusal()) == "GET /assistant: Vapi refused (400): Bad key [key]."


def simulator_reasons() -> dict[int, str]:
    from simulator import vapi_rules  # noqa: PLC0415 - only here

    return vapi_rules.REASONS


async def test_an_entry_in_netrc_does_not_take_the_keys_place(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert len((await Reading(sim).fetch()).assistants) == 2
