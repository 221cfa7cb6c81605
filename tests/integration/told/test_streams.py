"""The media socket: who is let in, and that no message of any shape ends a call or the process."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from calls import services
from calls.models import Call
from simulator.harness import new_sid
from tests.integration.line import SILENCE, Line, line, ticket
from tests.integration.outside import Connection
from tests.integration.rows import make_desk, read, written
from tests.integration.stack import Stack, eventually

POLICY_VIOLATION = 1008


@pytest.fixture
def connections(alone: Stack) -> list[Connection]:
    """The connections to the Realtime API that are made in this test."""
    return alone.outside.overhear(but=[str(one) for one in Call.objects.values_list("pk", flat=True)])


def assert_model_heard_nothing(connections: list[Connection]) -> None:
    """There was a connection at most: no audio, and nothing that costs."""
    for one in connections:
        assert one.frames_at == []
        assert set(one.said) <= {"session.update"}
        eventually(lambda one=one: not one.open, "the model's socket is closed")  # type: ignore[misc]


# Who is let in


@pytest.mark.parametrize("signature", ["", "bm9uc2Vuc2U=", "\xfc"], ids=["none", "wrong", "latin-1"])
def test_an_upgrade_that_twilio_did_not_sign_is_refused(
    alone: Stack, connections: list[Connection], signature: str
) -> None:
    good = ticket(alone, make_desk(alone).did)

    with pytest.raises(InvalidStatus) as refused, line(alone, good.url, signature=signature):
        pass

    assert refused.value.response.status_code == 403
    assert connections == []
    assert Call.objects.get(call_sid=good.call_sid).token_used_at is None


def test_a_stream_for_a_call_we_do_not_have_is_closed_before_the_model_is_asked(
    alone: Stack, connections: list[Connection]
) -> None:
    with line(alone, "wss://media.example.com/media/00000000-0000-4000-8000-000000000000") as stranger:
        assert stranger.close_code() == POLICY_VIOLATION

    assert connections == []


def test_a_path_that_is_no_call_is_refused(alone: Stack, connections: list[Connection]) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        line(alone, "wss://media.example.com/media/nonsense"),
    ):
        pass

    assert 400 <= refused.value.response.status_code < 600
    assert connections == []


@pytest.mark.parametrize(
    "wrong", ["none", "empty", "invented", "another call's", "another call", "another account"]
)
def test_a_stream_without_its_own_token_is_closed_and_the_model_hears_nothing(
    alone: Stack, connections: list[Connection], wrong: str
) -> None:
    desk = make_desk(alone)
    good, other = ticket(alone, desk.did), ticket(alone, desk.did)
    token = {"none": None, "empty": "", "invented": "0" * 64, "another call's": other.token}.get(
        wrong, good.token
    )
    account = {"account_sid": new_sid("AC")} if wrong == "another account" else {}

    with line(alone, good.url) as socket:
        socket.start(other.call_sid if wrong == "another call" else good.call_sid, token=token, **account)
        socket.frames(5)
        code = socket.close_code()

    assert code == POLICY_VIOLATION
    assert_model_heard_nothing(connections)
    call = Call.objects.get(call_sid=good.call_sid)
    assert call.token_used_at is None
    assert call.status == Call.Status.RINGING
    # The one it was made for still works.
    with line(alone, good.url) as socket:
        socket.start(good.call_sid, token=good.token)
        socket.frames(3)
        socket.expect("media")


def test_a_token_opens_one_stream_only(alone: Stack, connections: list[Connection]) -> None:
    good = ticket(alone, make_desk(alone).did)

    with line(alone, good.url) as first:
        first.start(good.call_sid, token=good.token)
        first.frames(3)
        first.expect("media")
        with line(alone, good.url) as second:
            assert second.close_code() == POLICY_VIOLATION
        first.frames(3)
        first.expect("media")
        first.stop(good.call_sid)

    assert len(connections) == 1
    with line(alone, good.url) as late:
        assert late.close_code() == POLICY_VIOLATION
    assert len(connections) == 1


def test_two_streams_that_race_for_a_token_make_one_call(alone: Stack, connections: list[Connection]) -> None:
    good = ticket(alone, make_desk(alone).did)

    with line(alone, good.url) as one, line(alone, good.url) as two:
        for socket in (one, two):
            socket.start(good.call_sid, token=good.token)
        outcomes = sorted(_opened(socket) for socket in (one, two))

    assert outcomes == ["closed 1008", "opened"]
    assert sum("response.create" in one.said for one in connections) == 1


def _opened(socket: Line) -> str:
    try:
        socket.frames(3)
        socket.expect("media", within_s=60)
    except Exception:  # noqa: BLE001 - whichever way it was closed
        return f"closed {socket.close_code()}"
    return "opened"


def test_a_token_that_is_too_old_opens_nothing(alone: Stack, connections: list[Connection]) -> None:
    good = ticket(alone, make_desk(alone).did)
    call = Call.objects.get(call_sid=good.call_sid)
    assert call.token_minted_at is not None
    minted = call.token_minted_at - services.TOKEN_LIVES - timedelta(seconds=1)
    Call.objects.filter(pk=call.pk).update(token_minted_at=minted)
    token = services._token(call.id, minted)

    with line(alone, good.url) as socket:
        socket.start(good.call_sid, token=token)
        socket.frames(3)
        assert socket.close_code() == POLICY_VIOLATION

    assert_model_heard_nothing(connections)


MALFORMED_STARTS: dict[str, dict[str, Any]] = {
    "no body": {"event": "start"},
    "body is text": {"event": "start", "start": "now", "streamSid": "MZ1"},
    "no call": {"event": "start", "start": {"streamSid": "MZ1", "accountSid": "AC1"}, "streamSid": "MZ1"},
    "parameters are a list": {
        "event": "start",
        "start": {"streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1", "customParameters": []},
        "streamSid": "MZ1",
    },
}


def test_a_malformed_start_is_closed_and_uses_no_token_up(
    alone: Stack, connections: list[Connection]
) -> None:
    desk = make_desk(alone)
    tickets = [ticket(alone, desk.did) for _ in MALFORMED_STARTS]

    with ExitStack() as ending:
        sockets = [ending.enter_context(line(alone, one.url)) for one in tickets]
        for socket, start in zip(sockets, MALFORMED_STARTS.values(), strict=True):
            socket.send(start)
            socket.frames(3)
        codes = {name: socket.close_code() for name, socket in zip(MALFORMED_STARTS, sockets, strict=True)}

    assert set(codes.values()) == {POLICY_VIOLATION}, codes
    assert_model_heard_nothing(connections)
    used = Call.objects.filter(call_sid__in=[one.call_sid for one in tickets], token_used_at__isnull=False)
    assert not used.exists()


# What comes over the line


ODD: dict[str, dict[str, Any] | str | bytes] = {
    "unknown event": {"event": "weather", "weather": {"sunny": True}},
    "no event": {"hello": 1},
    "a list": "[1,2,3]",
    "a number": "17",
    "empty": "",
    "broken JSON": '{"event":"media","media":{"payload":',
    "binary": b"\x00\x01\x02\xff",
    "media without payload": {"event": "media", "media": {"track": "inbound"}},
    "payload that is no base64": {
        "event": "media",
        "media": {"payload": "###", "timestamp": "9", "track": "inbound"},
    },
    "payload that is a number": {
        "event": "media",
        "media": {"payload": 5, "timestamp": "9", "track": "inbound"},
    },
    "timestamp that is no number": {
        "event": "media",
        "media": {"payload": SILENCE, "timestamp": "soon", "track": "inbound"},
    },
    "mark without a name": {"event": "mark", "mark": {}},
    "mark nobody sent": {"event": "mark", "mark": {"name": "somebody-else:7"}},
    "dtmf": {"event": "dtmf", "dtmf": {"digit": "5", "track": "inbound_track"}},
    "connected again": {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    "deeply nested": "[" * 20_000 + "]" * 20_000,
}


def test_odd_messages_are_skipped_and_the_call_goes_on(alone: Stack, connections: list[Connection]) -> None:
    good = ticket(alone, make_desk(alone).did)
    alone.outside.simulator.realtime.reset()

    with line(alone, good.url) as socket:
        for odd in ODD.values():
            socket.send(odd)
        socket.frames(2)  # before start: nobody's audio
        socket.start(good.call_sid, token=good.token)
        socket.frames(2)
        socket.expect("media")
        for odd in ODD.values():
            socket.send(odd)
        socket.start(good.call_sid, token=good.token)
        socket.frames(25)
        last = socket.expect("mark")
        socket.send({"event": "mark", "mark": {"name": last["mark"]["name"]}, "streamSid": socket.stream_sid})
        socket.frames(5)
        socket.stop(good.call_sid)
        socket.stop(good.call_sid)
        socket.frames(2)

    rows = written(good.call_sid)
    assert rows.call.ended_reason == "customer-ended-call"
    assert rows.codes() == []
    benign = {one.code for one in rows.problems}
    assert "malformed_message" in benign
    assert "second_start" in benign
    (report,) = alone.outside.simulator.realtime.unbound
    assert report.realtime_errors == []


def test_a_megabyte_ends_its_own_call_and_no_other(alone: Stack, connections: list[Connection]) -> None:
    desk = make_desk(alone)
    good, other = ticket(alone, desk.did), ticket(alone, desk.did)

    with line(alone, good.url) as bystander:
        bystander.start(good.call_sid, token=good.token)
        bystander.frames(2)
        with line(alone, other.url) as socket:
            socket.start(other.call_sid, token=other.token)
            socket.frames(5)
            socket.expect("media")
            socket.send('{"event":"media","media":{"payload":"' + "A" * 1_000_000 + '"}}')
            assert socket.close_code() == 1009
        bystander.frames(5)
        bystander.expect("media")
        bystander.stop(good.call_sid)

    assert written(other.call_sid).call.ended_reason == "phone-call-provider-closed-websocket"


def test_a_socket_that_vanishes_without_a_word_ends_its_call(
    alone: Stack, connections: list[Connection]
) -> None:
    good = ticket(alone, make_desk(alone).did)

    with line(alone, good.url) as socket:
        socket.start(good.call_sid, token=good.token)
        socket.frames(20)
        socket.expect("media")
        socket.vanish()

    rows = written(good.call_sid)
    assert rows.call.ended_reason == "phone-call-provider-closed-websocket"
    assert rows.utterances[0].interrupted
    eventually(lambda: not any(one.open for one in connections), "the model's socket is closed")


def test_a_socket_that_says_nothing_at_all_is_closed(alone: Stack, connections: list[Connection]) -> None:
    good = ticket(alone, make_desk(alone).did)

    with line(alone, good.url) as socket:
        assert socket.close_code(within_s=60) == POLICY_VIOLATION

    assert_model_heard_nothing(connections)
    rows = read(good.call_sid)
    assert rows is not None
    assert rows.transcript is None
    eventually(lambda: not any(one.open for one in connections), "the model's socket is closed")
