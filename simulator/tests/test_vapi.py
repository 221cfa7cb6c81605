import asyncio
import operator
from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator.harness import Simulator, VapiFailure
from simulator.vapi import Vapi
from simulator.vapi_rules import PUBLIC_KEY

KEY = "simulator"
COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "createdAtLt": operator.lt,
    "createdAtLe": operator.le,
    "createdAtGt": operator.gt,
    "createdAtGe": operator.ge,
}
CLINIC = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"


async def ask(
    sim: Simulator, method: str, path: str, body: Any = None, *, key: str | None = KEY
) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    return await asyncio.to_thread(
        requests.request,
        method,
        f"{sim.vapi_url}{path}",
        json=body,
        headers=headers,
        timeout=60,
        allow_redirects=False,
    )


async def control(sim: Simulator, method: str, path: str, body: Any = None) -> requests.Response:
    return await asyncio.to_thread(
        requests.request, method, f"{sim.http_url}/simulator/vapi{path}", json=body, timeout=60
    )


@pytest.mark.parametrize("kind", ["assistant", "tool", "squad", "phone-number"])
async def test_lists_are_bare_arrays_newest_first_and_every_entry_can_be_read(
    sim: Simulator, kind: str
) -> None:
    listed = (await ask(sim, "GET", f"/{kind}")).json()

    moments = [item["createdAt"] for item in listed]
    assert listed
    assert moments == sorted(moments, reverse=True)
    for item in listed:
        assert (await ask(sim, "GET", f"/{kind}/{item['id']}")).json() == item


async def test_a_list_is_cut_and_bounded(sim: Simulator) -> None:
    everything = (await ask(sim, "GET", "/tool")).json()
    border = everything[4]["createdAt"]

    async def ids(query: str) -> list[str]:
        return [item["id"] for item in (await ask(sim, "GET", f"/tool?{query}")).json()]

    assert await ids("limit=3.0") == [item["id"] for item in everything[:3]]
    assert await ids("limit=0") == []
    for name, fits in COMPARISONS.items():
        assert await ids(f"{name}={border}") == [
            item["id"] for item in everything if fits(item["createdAt"], border)
        ]


async def test_of_one_moment_what_was_added_last_comes_first(sim: Simulator) -> None:
    moment = "2026-11-01T00:00:00.000Z"
    for number in (1, 2):
        sim.vapi.objects["tool"][f"t{number}"] = {
            "id": f"t{number}",
            "createdAt": moment,
            "updatedAt": moment,
        }

    assert [item["id"] for item in (await ask(sim, "GET", "/tool?limit=2")).json()] == ["t2", "t1"]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/tool?limit=1001", "limit must not be greater than 1000"),
        ("/tool?limit=many", "limit must be a number conforming to the specified constraints"),
        ("/tool?limit=-1", "limit must not be less than 0"),
        ("/tool?page=2", "property page should not exist"),
        ("/tool?createdAtLt=yesterday", "createdAtLt must be a valid ISO 8601 date string"),
    ],
)
async def test_wrong_parameters_are_refused(sim: Simulator, path: str, complaint: str) -> None:
    answer = await ask(sim, "GET", path)

    assert answer.status_code == 400
    assert answer.json() == {"message": [complaint], "error": "Bad Request", "statusCode": 400}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "Unauthorized"),
        ("", "Unauthorized"),
        ("invalid-1", "Invalid Key. Hot tip"),
        (PUBLIC_KEY, "Invalid Key. Hot tip"),
    ],
)
async def test_a_wrong_key_is_refused(sim: Simulator, key: str | None, message: str) -> None:
    answer = await ask(sim, "GET", "/assistant", key=key)

    assert answer.status_code == 401
    assert answer.json()["message"].startswith(message)
    assert answer.json()["statusCode"] == 401


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/assistant/", "Cannot GET /assistant/"),
        ("GET", "/nothing", "Cannot GET /nothing"),
        ("PATCH", "/tool", "Cannot PATCH /tool"),
        ("GET", "/tool/none", "Couldn't Get Tool. `toolId` none Does Not Exist."),
    ],
)
async def test_what_is_not_there_is_404_in_vapis_shape(
    sim: Simulator, method: str, path: str, message: str
) -> None:
    answer = await ask(sim, method, path, {} if method != "GET" else None)

    assert answer.status_code == 404
    assert answer.json() == {"message": message, "error": "Not Found", "statusCode": 404}


async def test_a_patch_replaces_whole_keys_and_refuses_what_is_read_only(sim: Simulator) -> None:
    path = f"/assistant/{CLINIC}"
    before = (await ask(sim, "GET", path)).json()

    patched = (await ask(sim, "PATCH", path, {"model": {"temperature": 0.2}, "endCallMessage": None})).json()
    refused = await ask(sim, "PATCH", path, {"id": "x", "name": "n" * 41})

    assert patched["model"] == {"temperature": 0.2}
    assert "endCallMessage" not in patched
    assert patched["updatedAt"] > before["updatedAt"]
    assert (before["latestVersion"], patched["latestVersion"]) == ("v7", "v8")
    assert (await ask(sim, "GET", path)).json() == patched
    assert refused.status_code == 400
    assert refused.json()["message"] == [
        "property id should not exist",
        "name must be shorter than or equal to 40 characters",
    ]


async def test_creating_answers_201_and_deleting_answers_with_the_object(sim: Simulator) -> None:
    created = await ask(sim, "POST", "/assistant", {"name": "New"})
    deleted = await ask(sim, "DELETE", f"/assistant/{created.json()['id']}")

    assert (created.status_code, deleted.status_code) == (201, 200)
    assert created.json()["name"] == "New"
    assert deleted.json() == created.json()
    assert (await ask(sim, "GET", f"/assistant/{created.json()['id']}")).status_code == 404


async def test_control_plays_somebody_who_edits_and_deletes_at_vapi(sim: Simulator) -> None:
    path = f"/assistant/{CLINIC}"

    edited = await control(sim, "PATCH", path, {"firstMessage": "Hello."})
    await control(sim, "PUT", "/tool/t1", {"type": "endCall"})
    await control(sim, "DELETE", "/squad/0f6b9c1e-52d4-4d8a-8f43-7be2a1d0c444")

    assert edited.json()["firstMessage"] == "Hello."
    assert (await ask(sim, "GET", path)).json()["firstMessage"] == "Hello."
    assert (await ask(sim, "GET", "/tool/t1")).json() == {"type": "endCall", "id": "t1"}
    assert (await ask(sim, "GET", "/squad")).json() == []
    assert (await control(sim, "DELETE", "")).json()["squad"] == 1
    assert (await ask(sim, "GET", path)).json() == Vapi().objects["assistant"][CLINIC]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/tool/none", {}, 400),
        ("POST", f"/assistant/{CLINIC}", {}, 400),
        ("POST", "/failures", {"status": 500}, 400),
        ("POST", "/failures", [{"nonsense": 1}], 400),
        ("GET", "/nothing", None, 404),
    ],
)
async def test_nonsense_to_the_control_is_told(
    sim: Simulator, method: str, path: str, body: Any, status: int
) -> None:
    answer = await control(sim, method, path, body)

    assert answer.status_code == status
    assert answer.json()["error"]


async def test_failures_are_used_up_in_order(sim: Simulator) -> None:
    await control(
        sim, "POST", "/failures", [{"status": 429, "retry_after": "2"}, {"status": 502, "body": "html"}]
    )
    sim.vapi.failures.extend([VapiFailure(body="html"), VapiFailure(body="half"), VapiFailure(after_ms=200)])

    limited, bad, page, half, slow, well = [await ask(sim, "GET", "/assistant") for _ in range(6)]

    assert (limited.status_code, limited.headers["retry-after"], limited.json()["statusCode"]) == (
        429,
        "2",
        429,
    )
    assert (bad.status_code, bad.headers["content-type"]) == (502, "text/html")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
    assert half.text == well.text[: len(half.text)]
    assert len(half.text) < len(well.text)
    assert slow.elapsed.total_seconds() >= 0.2
    assert len(sim.vapi.requests) == 6


@pytest.mark.parametrize("how", ["truncated", "drop"])
async def test_a_connection_may_break(sim: Simulator, how: str) -> None:
    sim.vapi.failures.append(VapiFailure(body=how))

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        await ask(sim, "GET", "/assistant")
