"""Long lists of Vapi's, read to their end whatever the moments of their items."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistants.tests.vapi.reading import Reading, add, ids_of
from assistants.vapi import client as client_module
from assistants.vapi.client import VapiClient, VapiError, export_fetch
from assistants.vapi.documents import Document, ExportError
from simulator.harness import Simulator


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

    def get(self, path: str, params: Mapping[str, str | int] | None = None, **_: Any) -> Document | None:
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

    def get(self, path: str, params: Mapping[str, str | int] | None = None, **_: Any) -> Document | None:
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
