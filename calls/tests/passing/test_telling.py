"""What a call tells in passing: who speaks, and words before they are final; to whom that asks for it."""

import time
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from calls.bridge import commands as do
from calls.passing import lane, telling
from calls.passing.telling import CallPassing, Passing, newest
from calls.resumptions import Resumption
from calls.selectors import SmokeCall
from calls.tests.stage import CALL, SNAPSHOT

CALLER, OURS = do.Speaker.CALLER, do.Speaker.ASSISTANT
URL = "https://hooks.harbour.example/vapi"


class Writer:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.found: list[Passing] = []

    def put(self, one: tuple[uuid.UUID, Passing]) -> None:
        self.found.append(one[1])

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return [(one.kind, *one.facts.values(), *([one.item] if one.item else [])) for one in self.found]


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    made = Writer()
    monkeypatch.setattr(telling, "_process_writer", lambda: made)
    return made


def passing(listed: list[str] | None = None, **fields: Any) -> CallPassing:
    snapshot = replace(SNAPSHOT, server_url=URL, server_messages=listed)
    return CallPassing(replace(CALL, snapshot=snapshot, **fields))


def partial(text: str, item: str = "i1", *, whole: bool = False, who: do.Speaker = CALLER) -> do.PartialText:
    return do.PartialText(item, who, text, whole=whole)


def ended(item: str) -> do.UtteranceEnded:
    return do.UtteranceEnded(do.Spoken(item, CALLER, "Is it ready?", "Is it ready?", 0, 900))


def test_whoever_speaks_is_told_when_they_begin_and_when_they_stop_each_once(writer: Writer) -> None:
    one = passing()

    for who, on in (
        (OURS, True),
        (OURS, True),
        (CALLER, True),
        (OURS, False),
        (OURS, False),
        (CALLER, False),
    ):
        one.happened(do.Speaking(who, on))

    assert writer.told == [
        ("speech-update", "started", "assistant", 0),
        ("speech-update", "started", "user", 1),
        ("speech-update", "stopped", "assistant", 0),
        ("speech-update", "stopped", "user", 1),
    ]


def test_whoever_speaks_when_the_call_ends_has_stopped(writer: Writer) -> None:
    one = passing()
    one.happened(do.Speaking(CALLER, True))

    one.over()
    one.over()

    assert writer.told[1:] == [("speech-update", "stopped", "user", 0)]


def test_partial_texts_are_told_a_few_times_a_second_and_whole_ones_always(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(telling, "time", SimpleNamespace(time=time.time, monotonic=lambda: now[0]))
    one = passing(["transcript"])

    one.happened(partial("Is"))
    one.happened(partial("Is it"))
    now[0] += telling.PARTIAL_EVERY_S
    one.happened(partial("Is it ready"))
    one.happened(partial("Is it ready?", whole=True))
    one.happened(ended("i1"))
    one.happened(ended("i2"))  # nothing was told of it before

    assert writer.told == [
        ("transcript", "user", "Is", "i1"),
        ("transcript", "user", "Is it ready", "i1"),
        ("transcript", "user", "Is it ready?", "i1"),
        ("", "i1"),
    ]


@pytest.mark.parametrize(
    ("listed", "speech", "words"),
    [
        (None, True, False),
        ([], False, False),
        (["speech-update"], True, False),
        (["transcript"], False, True),
        (['transcript[transcriptType="final"]'], False, False),
    ],
)
def test_only_what_the_assistant_lists_is_told(
    writer: Writer, listed: list[str] | None, speech: bool, words: bool
) -> None:
    one = passing(listed)
    assert (one.tells_speech, one.tells_words) == (speech, words)

    one.happened(do.Speaking(CALLER, True))
    one.happened(partial("Is"))

    assert {told.kind for told in writer.found} == {
        *(["speech-update"] if speech else []),
        *(["transcript"] if words else []),
    }


def test_smoke_tests_and_calls_without_a_server_tell_nothing(settings: Settings) -> None:
    assert not passing(smoke=SmokeCall([], off_network=True)).tells_speech
    assert not CallPassing(CALL).tells_speech
    settings.ORGANISATION_SERVER_URL = URL
    assert CallPassing(CALL).tells_speech


def test_after_a_handover_the_other_assistants_list_counts_and_turns_go_on(writer: Writer) -> None:
    one = passing()
    one.happened(do.Speaking(CALLER, True))
    one.happened(do.Speaking(CALLER, False))
    other = replace(SNAPSHOT, server_url=URL, server_messages=["speech-update", "transcript"])

    one.handed_over(replace(CALL, snapshot=other, part=1))
    one.happened(do.Speaking(OURS, True))

    assert one.tells_words
    assert [(told.part, told.facts["turn"]) for told in writer.found] == [(0, 0), (0, 0), (1, 1)]


def test_whoever_speaks_when_another_assistant_takes_over_has_stopped_for_the_server_that_was_told(
    writer: Writer,
) -> None:
    one = passing()
    one.happened(do.Speaking(CALLER, True))

    one.handed_over(replace(CALL, snapshot=replace(SNAPSHOT, server_url=URL, server_messages=[]), part=1))
    one.happened(do.Speaking(CALLER, False))

    assert [(told.part, told.facts["status"]) for told in writer.found] == [(0, "started"), (0, "stopped")]


def test_in_a_call_that_comes_back_nobody_speaks_who_did_before(writer: Writer) -> None:
    passing().began()
    assert writer.found == []

    passing(resumption=Resumption(CALL.created_at, 1, "")).began()

    assert [(told.kind, told.facts) for told in writer.found] == [("speech-update", {"status": "stopped"})]


def test_a_call_that_comes_back_goes_on_counting_turns(writer: Writer) -> None:
    messages = [{"role": "bot"}, {"role": "tool_calls"}, {"role": "user"}]
    back = Resumption(CALL.created_at, 1, "", messages=messages)

    passing(resumption=back).happened(do.Speaking(OURS, True))

    assert writer.found[0].facts["turn"] == 2


@st.composite
def told(draw: st.DrawFn) -> Passing:
    kind = draw(st.sampled_from(["speech-update", "transcript", ""]))
    item = "" if kind == "speech-update" else draw(st.sampled_from("abc"))
    return Passing(kind, draw(st.integers(0, 9)), 0, {}, item)


@hypothesis_settings(max_examples=40)
@given(st.lists(told(), max_size=12))
def test_of_each_utterance_the_newest_partial_text_is_left_and_none_of_one_that_is_final(
    found: list[Passing],
) -> None:
    left = newest(found)

    places = [next(n for n, each in enumerate(found) if each is one) for one in left]
    assert places == sorted(places)
    assert [one for one in left if not one.item] == [one for one in found if not one.item]
    for item in "abc":
        about = [one for one in found if one.item == item]
        assert [one for one in left if one.item == item] == (about[-1:] if about and about[-1].kind else [])


def test_what_is_passed_on_is_read_again() -> None:
    one = Passing("transcript", 12, 1, {"role": "user", "transcript": "Is"}, "i1")

    assert Passing.from_json(one.to_json()) == one


def test_where_nobody_sends_somebody_is_asked_to_once_a_second(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(name: str, **_: Any) -> None:
        if name == telling.BEGIN:  # the outbox of other tests may still send
            asked.append(name)

    monkeypatch.setattr("calls.passing.telling.current_app.send_task", ask)
    # All of it within a second, and nobody has waited for long.
    clock = SimpleNamespace(time=lambda: 1_000_000.0, monotonic=lambda: 1000.0)
    for module in (telling, lane):
        monkeypatch.setattr(module, "time", clock)
    writer = telling._Writer()

    for n in range(3):
        writer.put((CALL.call_id, Passing("speech-update", n, 0)))
        writer.flush()
    assert asked == [telling.BEGIN]
    assert len(lane.taken(CALL.call_id)) == 3

    lane.alive("somebody")
    writer = telling._Writer()
    writer.put((CALL.call_id, Passing("speech-update", 3, 0)))
    writer.flush()
    assert asked == [telling.BEGIN]


def test_without_redis_it_is_dropped_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Any) -> bool:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(lane, "put", away)
    writer = telling._Writer()

    for _ in range(3):
        writer.put((CALL.call_id, Passing("speech-update", round(time.time()), 0)))
        writer.flush()

    told = [one.message for one in caplog.records if one.name == telling.__name__]
    assert told == ["nothing is told in passing for now"]
