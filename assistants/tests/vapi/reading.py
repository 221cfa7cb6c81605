"""A reading of all that Vapi has."""

import asyncio
from typing import Any

import pytest

from assistants.vapi.client import Progress, VapiClient, VapiError, export_fetch
from assistants.vapi.exports import Export, Item
from simulator.harness import Simulator

KEY = "b7d0c1e2-private-4f1a"
CLINIC = "b2d7a6d4-6a53-4b0f-8a60-1c7f6f1a9e11"
RESTAURANT = "4e8d2f10-7b0c-4b57-9d7e-90c3b8a5d222"
SQUAD = "0f6b9c1e-52d4-4d8a-8f43-7be2a1d0c444"
NOWHERE = "c9a03e55-1f7d-4f6c-b7a1-5d1e0c6b7333"  # a handoff in the data leads there, and nothing is there


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
