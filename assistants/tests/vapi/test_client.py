"""What is read from Vapi's API, and the key that it is asked with."""

import asyncio
import logging
from pathlib import Path

import pytest

from assistants.tests.vapi.reading import CLINIC, KEY, NOWHERE, RESTAURANT, SQUAD, Reading, add, ids_of
from assistants.vapi import client as client_module
from assistants.vapi.client import Progress, VapiClient, item_fetch
from assistants.vapi.exports import Item, Missing, export_missing
from simulator import vapi_rules
from simulator.harness import Simulator, VapiFailure


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
    monkeypatch.setitem(vapi_rules.REASONS, 400, f"Bad key {KEY}")
    sim.vapi.failures.append(VapiFailure(status=400))

    assert str(await Reading(sim).refusal()) == "GET /assistant: Vapi refused (400): Bad key [key]."


async def test_an_entry_in_netrc_does_not_take_the_keys_place(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert len((await Reading(sim).fetch()).assistants) == 2
