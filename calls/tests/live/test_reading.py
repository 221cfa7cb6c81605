"""Reading along with a real Redis: everything once, from any place, also when Redis has lost what it had."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from calls.bridge import commands as do
from calls.live import feed as feeds
from calls.live import messages, reading
from calls.live.feed import CallFeed, Feed, stream_key
from calls.live.reading import BEGINNING, BadPlaceError, SlowReaderError, follow, place_read
from calls.live.selectors import Standing

CLOCK = datetime(2020, 11, 22, 12, tzinfo=UTC)  # places are times of Redis, behind which everything was said
ZERO_MS = round(CLOCK.timestamp() * 1000)


class Stage:
    """One call: what its process tells, and what its rows say."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client
        self.call_id = uuid.uuid4()
        self.feed = Feed(client)
        self.standing: Standing | None = Standing(over=False, ended_reason="", ended_ms=ZERO_MS, said=())
        self.call = CallFeed(self.call_id)
        self.call._feed = self.feed

    def says(self, item_id: str, text: str, *, at_ms: int = 1000, caller: bool = True, **more: Any) -> None:
        speaker = do.Speaker.CALLER if caller else do.Speaker.ASSISTANT
        spoken = do.Spoken(item_id, speaker, text, text, at_ms, at_ms + 500, **more)
        self.call.spoken(spoken, clock=CLOCK, away=timedelta())
        self.feed.flush()

    def is_saying(self, item_id: str, text: str) -> None:
        self.call.happened(do.PartialText(item_id, do.Speaker.CALLER, text))
        self.feed.flush()

    def is_written(self, *said: tuple[str, str], over: bool = False) -> None:
        rows = tuple(
            messages.transcript_final(
                item_id=item, speaker="caller", text=text, at_ms=ZERO_MS + n * 1000, from_start_s=n
            )
            for n, (item, text) in enumerate(said)
        )
        self.standing = Standing(over, "customer-ended-call" if over else "", ZERO_MS + 60_000, rows)

    def ends(self) -> None:
        self.call.over("customer-ended-call")
        self.feed.flush()


@pytest.fixture
def stage(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage(redis_client)

    async def directly(work: Callable[[], Any]) -> Any:
        return work()

    monkeypatch.setattr(reading, "standing_of", lambda _: made.standing)
    monkeypatch.setattr(reading, "in_database_thread", directly)
    monkeypatch.setattr(feeds, "_PARTIAL_EVERY_S", 0.0)
    monkeypatch.setattr(feeds, "_PAUSE_S", 0.0)
    return made


async def taken(messages_: AsyncIterator[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """The next so many messages."""
    async with asyncio.timeout(60):
        return [await anext(messages_) for _ in range(n)]


async def everything(messages_: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        return [one async for one in messages_]


def words(found: list[dict[str, Any]]) -> list[str]:
    return [one.get("transcript") or one.get("status", one["type"]) for one in found]


async def test_a_reader_gets_what_was_said_and_then_what_is_being_said(stage: Stage) -> None:
    stage.call.begun()
    stage.says("u1", "Hello?")
    reader = follow(stage.call_id)

    assert words(await taken(reader, 2)) == ["in-progress", "Hello?"]
    stage.is_saying("u2", "My bi")
    stage.is_saying("u2", "My bicycle")
    stage.says("u2", "My bicycle.")
    stage.ends()
    rest = await everything(reader)

    assert words(rest) == ["My bi", "My bicycle", "My bicycle.", "ended"]
    assert [one.get("transcriptType") for one in rest] == ["partial", "partial", "final", None]
    assert rest[-1]["endedReason"] == "customer-ended-call"
    places = [place_read(one["seq"]) for one in rest]
    assert places == sorted(set(places))


async def test_many_readers_come_at_any_time_and_leave_and_come_again(stage: Stage) -> None:
    for n in range(5):
        stage.says(f"u{n}", f"Words {n}.", at_ms=n * 1000)
    first = follow(stage.call_id)
    seen = await taken(first, 3)
    await first.aclose()  # type: ignore[attr-defined]
    readers = [follow(stage.call_id), follow(stage.call_id, place_read(seen[-1]["seq"]))]
    late = [await taken(readers[0], 5), await taken(readers[1], 2)]

    stage.says("u5", "Words 5.", at_ms=5000)
    stage.ends()

    for reader, before in zip(readers, late, strict=True):
        found = words([*before, *await everything(reader)])
        assert found == [f"Words {n}." for n in range(6 - len(found) + 1, 6)] + ["ended"]


async def test_of_what_is_over_the_partial_texts_are_left_out(stage: Stage) -> None:
    stage.is_saying("u1", "Hel")
    stage.says("u1", "Hello.")
    stage.is_saying("u2", "My")
    stage.is_saying("u2", "My bicycle")
    reader = follow(stage.call_id)

    assert words(await taken(reader, 2)) == ["Hello.", "My bicycle"]
    await reader.aclose()  # type: ignore[attr-defined]


async def test_of_a_finished_call_the_rows_are_told_and_that_is_all(stage: Stage) -> None:
    stage.is_written(("u1", "Hello?"), ("u2", "Goodbye."), over=True)

    found = await everything(follow(stage.call_id))
    again = await everything(follow(stage.call_id, place_read(found[0]["seq"])))

    assert words(found) == ["Hello?", "Goodbye.", "ended"]
    assert words(again)[-2:] == ["Goodbye.", "ended"]


async def test_what_redis_has_lost_is_filled_in_from_the_rows(stage: Stage) -> None:
    stage.says("u1", "Hello?", at_ms=0)
    reader = follow(stage.call_id)
    await taken(reader, 1)

    stage.client.flushdb()
    stage.is_written(("u1", "Hello?"), ("u2", "Lost."))
    stage.feed._gaps.add(stage.call_id)
    stage.says("u3", "New.", at_ms=2000)

    assert words(await taken(reader, 2)) == ["Lost.", "New."]
    await reader.aclose()  # type: ignore[attr-defined]
    other = follow(stage.call_id)
    assert sorted(words(await taken(other, 3))) == ["Hello?", "Lost.", "New."]
    await other.aclose()  # type: ignore[attr-defined]


async def test_a_process_that_died_leaves_nobody_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOOK_AFTER_S", 0.05)
    stage.says("u1", "Hello?", at_ms=0)
    reader = follow(stage.call_id)
    await taken(reader, 1)

    stage.is_written(("u1", "Hello?"), ("u2", "Its last words."), over=True)

    assert words(await everything(reader)) == ["Its last words.", "ended"]


async def test_a_reader_for_whom_too_much_waits_is_dropped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOST_WAITING", 3)
    slow, really = asyncio.Event(), reading._Reader.tell

    def tell(self: reading._Reader, place: reading.Place, message: dict[str, Any]) -> None:
        really(self, place, message)
        if self.slow:
            slow.set()

    monkeypatch.setattr(reading._Reader, "tell", tell)
    reader = follow(stage.call_id)
    stage.says("u0", "Hello?")
    await taken(reader, 1)
    for n in range(20):
        stage.says(f"u{n}", f"Words {n}.")
    await asyncio.wait_for(slow.wait(), 60)

    with pytest.raises(SlowReaderError):
        await everything(reader)


def test_a_feed_without_redis_drops_and_says_so_afterwards(
    stage: Stage, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = redis.Redis(host="127.0.0.1", port=9, retry=Retry(NoBackoff(), 0))
    stage.feed._client = broken
    stage.says("u1", "Lost.")

    stage.feed._client = redis_client
    stage.says("u2", "There again.")

    entries: Any = redis_client.xrange(stream_key(stage.call_id))
    told = [feeds.entry_message(fields) for _, fields in entries]
    assert [one["type"] for one in told] == ["gap", "transcript"]


def test_a_stream_does_not_grow_or_last_for_ever(
    stage: Stage, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_ENTRIES", 100)
    for n in range(400):
        stage.call.spoken(
            do.Spoken(f"u{n}", do.Speaker.CALLER, "x", "x", 0, 0), clock=CLOCK, away=timedelta()
        )
    stage.feed.flush()
    key = stream_key(stage.call_id)

    assert 100 <= int(redis_client.xlen(key)) < 300
    assert int(redis_client.ttl(key)) > feeds.AFTERWARDS_S
    stage.ends()
    assert int(redis_client.ttl(key)) <= feeds.AFTERWARDS_S


def test_an_utterance_that_is_told_twice_is_news_only_where_it_reads_differently(
    stage: Stage, redis_client: "redis.Redis"
) -> None:
    stage.says("u1", "My number is [number].")
    stage.says("u1", "My number is [number].")
    stage.says("u1", "My number is [card].")

    assert redis_client.xlen(stream_key(stage.call_id)) == 2


@pytest.mark.parametrize("text", ["x", "1", "1-", "-1", "1-2-3", "1-2\n", "٣-1", "9" * 30 + "-0"])
def test_what_is_no_place_is_refused(text: str) -> None:
    assert place_read("") == BEGINNING
    with pytest.raises(BadPlaceError):
        place_read(text)
