"""Sending in passing: at once and in order, or not at all; a slow server costs nobody else anything."""

import itertools
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from calls import services
from calls.erasing.erasing import call_erase
from calls.messages import passing_sending
from calls.messages.outbox import Result
from calls.messages.passing_sending import Senders, call_serve, known, rest_after
from calls.messages.sending import lane_send
from calls.messages.services import messages_notice
from calls.models import Call
from calls.passing import lane, telling
from calls.passing.telling import Passing, hush
from calls.tests.messages.factories import URL, Hooks, make_desk, make_parts, make_told_call
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.observing import metrics
from tools.tests.vapi_schema import complaints

pytestmark = pytest.mark.django_db

TIMEOUT = ToolError(code="timeout", why="no complete answer came within 2 seconds", sent=True, late=True)


STALE_S = 600.0


@pytest.fixture(autouse=True)
def empty(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has left anything, and on a machine that is busy nothing becomes stale in a test, nor does a lock end."""
    telling._process_writer().flush()  # what a test before this one has left
    redis_client.flushdb()
    known.forget()
    monkeypatch.setattr(passing_sending, "STALE_S", STALE_S)
    monkeypatch.setattr(lane, "LOCK_S", 600)


def now_ms() -> int:
    return round(time.time() * 1000)


def long_ago_ms() -> int:
    """Too old to be told."""
    return now_ms() - round(STALE_S * 1000) - 1000


def speaks(status: str = "started", role: str = "user", **fields: Any) -> Passing:
    facts = {"status": status, "role": role, "turn": fields.get("turn", 0)}
    return Passing("speech-update", fields.get("at_ms", now_ms()), fields.get("part", 0), facts)


def says(text: str, item: str = "item9", role: str = "user", **fields: Any) -> Passing:
    return Passing("transcript", fields.pop("at_ms", now_ms()), 0, {"role": role, "transcript": text}, item)


def leave(call: Call, *found: Passing) -> None:
    lane.put((call.pk, one.to_json()) for one in found)


def live(**desk: Any) -> Call:
    return make_told_call(assistant=make_desk(**desk), over=False)


def counted(kind: str, state: str) -> float:
    return float(metrics.SERVER_MESSAGES.labels(kind, state)._value.get())


def test_what_is_told_is_as_vapis_schemas_have_it_with_the_call_around_it() -> None:
    call, hooks = live(name="Front desk"), Hooks()
    leave(call, speaks(), says("Is it"), says("Good", "item8", "assistant"))

    assert call_serve(call.pk, send=hooks) == 3

    speech, words, ours = hooks.messages
    assert (speech["status"], speech["role"], speech["turn"]) == ("started", "user", 0)
    assert (words["transcriptType"], words["transcript"], words["role"]) == ("partial", "Is it", "user")
    assert ours["assistantName"] == "Front desk"
    assert "assistantName" not in words
    for message, schema in ((speech, "SpeechUpdate"), (words, "Transcript"), (ours, "Transcript")):
        found = complaints(f"ServerMessage{schema}", message)
        assert [one for one in found if not one.startswith("phoneNumber: ")] == []
        assert message["call"]["id"] == str(call.pk)
        assert message["assistant"]["name"] == "Front desk"
    assert {one.url for one in hooks.requests} == {URL}
    assert len(set(hooks.keys())) == 3


def test_of_what_waits_only_the_newest_text_of_an_utterance_goes_and_all_of_who_speaks() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks(), says("Is"), says("Is it"), speaks("stopped"), says("Is it ready"))
    before = counted("transcript", "dropped")

    call_serve(call.pk, send=hooks)

    assert hooks.kinds == ["speech-update started", "speech-update stopped", "transcript"]
    assert hooks.messages[-1]["transcript"] == "Is it ready"
    assert counted("transcript", "dropped") == before + 2


def test_a_beginning_whose_end_was_lost_is_ended_by_the_next_one() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks(turn=3), speaks(role="assistant", turn=4))
    leave(call, speaks("stopped", turn=3, at_ms=long_ago_ms()))

    call_serve(call.pk, send=hooks)
    leave(call, speaks(turn=5))
    call_serve(call.pk, send=hooks)

    assert hooks.speech == [
        ("started", "user", 3),
        ("started", "assistant", 4),
        ("stopped", "user", 3),
        ("started", "user", 5),
    ]


def test_where_a_process_died_in_the_middle_of_a_word_the_end_of_the_call_ends_it() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks(turn=3), speaks(role="assistant", turn=4), speaks("stopped", turn=3))

    services.call_over(call_sid=call.call_sid, ended_reason="customer-ended-call")
    telling._process_writer().flush()
    call_serve(call.pk, send=hooks)
    leave(call, hush())
    call_serve(call.pk, send=hooks)

    assert hooks.speech[-1] == ("stopped", "assistant", 4)
    assert len(hooks.speech) == 4, "and once"


def test_where_twilio_tells_of_the_end_first_its_process_does_not_tell_a_second_time_who_stopped() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks(role="assistant", turn=4))
    services.call_over(call_sid=call.call_sid, ended_reason="customer-ended-call")
    telling._process_writer().flush()
    call_serve(call.pk, send=hooks)

    leave(call, speaks("stopped", role="assistant", turn=4))  # it has waited for the caller's last words
    call_serve(call.pk, send=hooks)

    assert hooks.speech == [("started", "assistant", 4), ("stopped", "assistant", 4)]


@hypothesis_settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["started", "stopped", "hush"]),
            st.sampled_from(["user", "assistant"]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_whatever_is_lost_each_beginning_is_told_with_its_end(
    told: list[tuple[str, str, bool]],
) -> None:
    call_id, out, turn = uuid.uuid4(), list[Passing](), itertools.count()
    last = dict.fromkeys(("user", "assistant"), 0)
    for status, role, arrives in [*told, ("hush", "", True)]:
        if status == "started":
            last[role] = next(turn)
        one = hush() if status == "hush" else speaks(status, role, turn=last[role])
        for each in passing_sending._paired(call_id, [one] if arrives else []):
            out.append(each)
            begun = each.to_json() if each.facts["status"] == "started" else None
            lane.speaks(call_id, each.facts["role"], begun)

    for role in ("user", "assistant"):
        of_role = [(one.facts["status"], one.facts["turn"]) for one in out if one.facts["role"] == role]
        beginnings = [turn for status, turn in of_role if status == "started"]
        assert of_role == [(status, n) for n in beginnings for status in ("started", "stopped")]
    assert lane.speaking(call_id) == {}


def test_what_is_stale_is_dropped() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks(at_ms=long_ago_ms()), says("Is", at_ms=long_ago_ms()))

    assert call_serve(call.pk, send=hooks) == 0
    assert hooks.requests == []


def test_however_long_it_takes_one_sends_for_a_call(redis_client: "redis.Redis") -> None:
    call = live()
    leave(call, *(speaks(status) for status in ("started", "stopped", "started")))
    lives: list[int] = []

    def behave(_: int) -> int:
        (lock,) = redis_client.scan_iter("*:lock")
        lives.append(redis_client.ttl(lock))
        redis_client.expire(lock, 120)  # as minutes later
        return 200

    assert call_serve(call.pk, send=Hooks(behave)) == 3
    assert min(lives) > 120


def test_a_call_that_cannot_be_described_is_left_to_the_messages_that_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing: dict[uuid.UUID, Any] = {}
    call = live()
    monkeypatch.setattr(passing_sending, "subject_read", nothing.__getitem__)
    leave(call, speaks())

    assert call_serve(call.pk, send=Hooks()) == 0


def test_one_sends_for_a_call_at_a_time() -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks())
    lane.lock(call.pk, "somebody")

    assert call_serve(call.pk, send=hooks) == 0

    lane.unlock(call.pk, "somebody")
    assert call_serve(call.pk, send=hooks) == 1


@pytest.mark.parametrize("failure", [503, 429, TIMEOUT], ids=str)
def test_a_server_that_fails_is_left_alone_and_nothing_is_kept_for_it(
    failure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_sending, "RESTS_S", passing_sending.LONGEST_REST_S)
    call, hooks = live(), Hooks(lambda _: failure)
    leave(call, speaks(), speaks("stopped"))

    call_serve(call.pk, send=hooks)
    leave(call, speaks())
    call_serve(call.pk, send=hooks)

    assert hooks.kinds == ["speech-update started"]
    assert lane.taken(call.pk) == []
    elsewhere = live(server_url="https://other.example/hook")
    leave(elsewhere, speaks())
    assert call_serve(elsewhere.pk, send=Hooks()) == 1


@pytest.mark.parametrize(
    ("result", "seconds"),
    [
        (Result(), 0),
        (Result("http_error", "", 404, 100), 0),
        (Result("http_error", "", 500, 100), 15),
        (Result("timeout", "", None, 2000), 15),
        (Result("http_error", "", 429, 10, retry_after_s=30), 30),
        (Result("http_error", "", 503, 10, retry_after_s=3600), 60),
        (Result(elapsed_ms=1500), 4.5),
    ],
)
def test_a_server_rests_for_as_long_as_it_needs(result: Result, seconds: float) -> None:
    assert rest_after(result) == seconds


def test_after_a_handover_the_other_assistants_server_is_told_once_its_row_is_there() -> None:
    desk, other = make_desk(), make_desk(server_url="https://other.example/hook")
    call, hooks = make_told_call(assistant=desk, over=False), Hooks()
    make_parts(call, desk)
    leave(call, speaks(part=1))
    assert call_serve(call.pk, send=hooks) == 0  # not sent to a server that it is not for
    known.forget()
    call.parts.all().delete()
    make_parts(call, desk, other)

    leave(call, speaks(part=1))
    call_serve(call.pk, send=hooks)

    assert [one.url for one in hooks.requests] == ["https://other.example/hook"]


def test_nobody_is_told_of_a_call_that_was_erased() -> None:
    call, hooks = make_told_call(), Hooks()
    call_erase(call.pk, by="test")
    leave(call, speaks())

    assert call_serve(call.pk, send=hooks) == 0


def test_the_same_is_not_read_again_for_each_message(django_assert_num_queries: Any) -> None:
    call, hooks = live(), Hooks()
    leave(call, speaks())
    call_serve(call.pk, send=hooks)
    leave(call, speaks("stopped"), says("Is"))

    with django_assert_num_queries(0):
        call_serve(call.pk, send=hooks)

    assert len(hooks.requests) == 3


def test_no_partial_text_arrives_behind_the_final_one() -> None:
    call, hooks = make_told_call(assistant=make_desk(server_messages=["transcript"])), Hooks()
    messages_notice([call.pk], now=timezone.now())
    lane_send(call.pk, send=hooks)
    leave(call, says("Is it", "item1"), says("And", "item7"))

    call_serve(call.pk, send=hooks)

    assert [(one["transcriptType"], one["transcript"]) for one in hooks.messages[-2:]] == [
        ("final", "It is ready"),
        ("partial", "And"),
    ]


def test_final_texts_go_out_where_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(lane, "finish", away)
    call, hooks = make_told_call(assistant=make_desk(server_messages=["transcript"])), Hooks()
    messages_notice([call.pk], now=timezone.now())

    assert lane_send(call.pk, send=hooks) == 3


# --- The threads ----------------------------------------------------------------------------------------------------


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that end at once when there is nothing to do."""
    monkeypatch.setattr(passing_sending, "LINGERS_S", 0.2)
    monkeypatch.setattr(passing_sending, "_LOOK_EVERY_S", 0.05)


def test_threads_send_for_all_calls_that_wait_and_end_when_none_does(brief: None) -> None:
    calls = [uuid.uuid4() for _ in range(6)]
    served: list[uuid.UUID] = []
    done, together = threading.Event(), threading.Barrier(2, timeout=60)

    def serve(call_id: uuid.UUID) -> int:
        if len(served) < 2:
            served.append(call_id)
            together.wait()  # two at a time
        else:
            served.append(call_id)
        if len(served) == len(calls):
            done.set()
        return 1

    senders = Senders(2, serve)
    lane.put((one, speaks().to_json()) for one in calls)

    assert senders.begin()
    assert done.wait(60)
    while senders._running:
        time.sleep(0.01)

    assert sorted(served) == sorted(calls)
    assert lane.put([(calls[0], {})])  # whoever comes now has to ask for somebody


def test_what_is_left_just_before_the_last_thread_ends_is_sent(
    brief: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, alive = uuid.uuid4(), lane.alive
    served: list[uuid.UUID] = []

    def ends(sender: str, *, yes: bool = True) -> None:
        if not yes and not served:
            assert not lane.put([(call, speaks().to_json())])  # who leaves it takes it that somebody sends
        alive(sender, yes=yes)

    monkeypatch.setattr(lane, "alive", ends)

    def serve(call_id: uuid.UUID) -> int:
        served.append(call_id)
        return 1

    senders = Senders(1, serve)
    senders.begin()
    while senders._running:
        time.sleep(0.01)

    assert served == [call]


def test_there_are_no_more_threads_than_may_be() -> None:
    assert not Senders(0).begin()


def test_a_message_that_no_release_has_written_stops_nobody(
    brief: None, caplog: pytest.LogCaptureFixture
) -> None:
    call, good = uuid.uuid4(), uuid.uuid4()
    lane.put([(call, {"nonsense": 1})])
    lane.put([(good, {})])
    served: list[uuid.UUID] = []

    def serve(call_id: uuid.UUID) -> int:
        served.append(call_id)
        return call_serve(call_id)

    senders = Senders(1, serve)
    senders.begin()
    while senders._running:
        time.sleep(0.01)

    assert served == [call, good]
    assert "what was to be told in passing is dropped" in caplog.text
    assert not lane.taken(call)


def send_slowly(request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
    assert timeout_s <= 2.0
    return HttpAnswer(200, "", b"", 10)


def test_a_message_in_passing_has_two_seconds_whatever_the_servers_timeout_is() -> None:
    call = live(plans={"server": {"timeoutSeconds": 60}})
    leave(call, speaks())

    assert call_serve(call.pk, send=send_slowly) == 1


def test_a_call_that_ended_meanwhile_is_told_all_the_same() -> None:
    call = make_told_call(ended_at=timezone.now() - timedelta(seconds=1))
    leave(call, speaks(), speaks("stopped"))

    assert call_serve(call.pk, send=Hooks()) == 2
