"""How a session begins that goes on with a call, and what it is told of the conversation so far."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from calls.models import Call
from calls.resuming import SHORTEST_S, resumed
from calls.resumptions import Resumption, history_stored, resumption_of
from calls.selectors import StreamCall
from calls.tests.factories import make_call, make_transfer
from calls.tests.stage import CALL, LOOKUP, SNAPSHOT
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

NOW = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
BEGAN = NOW - timedelta(seconds=100)
ASKED = {"tool_call_id": "call_k", "name": "dtmf", "arguments": {"keys": "1"}}
SAID: list[dict[str, Any]] = [
    {"role": "user", "message": "Press one."},
    {"role": "tool_calls", "toolCalls": []},
]


def back(kind: str, *messages: dict[str, Any], **changes: Any) -> StreamCall:
    """A call that comes back, whose tool has these messages."""
    tool = replace(LOOKUP, name="dtmf", kind="dtmf", messages=list(messages))
    resumption = Resumption(BEGAN, 1, "", messages=SAID, kind=kind, **changes)
    return replace(CALL, snapshot=replace(SNAPSHOT, tools=(tool,)), resumption=resumption)


def complete(content: str, **parts: Any) -> dict[str, Any]:
    return {"type": "request-complete", "content": content, **parts}


GENERATED = "assistant-speaks-first-with-model-generated-message"


@pytest.mark.parametrize(
    ("messages", "mode", "says"),
    [
        ([], GENERATED, ""),
        ([complete("Pressed.")], "assistant-speaks-first", "Pressed."),
        ([complete("")], "assistant-waits-for-user", ""),
        ([complete("Be brief.", role="system")], GENERATED, ""),
        ([{"type": "request-start", "content": "I will press it."}], GENERATED, ""),
        (
            [
                complete(
                    "Two.",
                    conditions=[{"param": "keys", "operator": "eq", "value": "2"}],
                ),
                complete("One.", conditions=[{"param": "keys", "operator": "eq", "value": "1"}]),
            ],
            "assistant-speaks-first",
            "One.",
        ),
    ],
    ids=["nothing", "said", "silence", "hint", "start only", "conditions"],
)
def test_after_keys_the_tool_says_how_the_conversation_goes_on(
    messages: list[dict[str, Any]], mode: str, says: str
) -> None:
    snapshot = resumed(back("keys", *messages, asked=ASKED), now=NOW).snapshot

    assert (snapshot.first_message_mode, snapshot.first_message) == (mode, says)
    note = snapshot.history[-1]["content"]
    assert note.startswith("dtmf has answered: Success.")
    assert ("Be brief." in note) is (messages[:1] == [complete("Be brief.", role="system")])
    assert snapshot.history[0] == SAID[0]
    assert snapshot.max_duration_s == SNAPSHOT.max_duration_s - 100


def test_a_tool_that_is_gone_meanwhile_has_nothing_to_say() -> None:
    gone = back("keys", complete("Pressed."), asked={**ASKED, "name": "gone", "arguments": None})

    assert resumed(gone, now=NOW).snapshot.first_message_mode == GENERATED


def test_after_a_lost_stream_the_caller_is_not_greeted_but_told() -> None:
    snapshot = resumed(back("lost"), now=NOW + timedelta(hours=1)).snapshot

    assert snapshot.first_message_mode == GENERATED
    assert "The connection was lost" in snapshot.history[-1]["content"]
    assert snapshot.max_duration_s == SHORTEST_S


def test_a_call_that_was_never_away_stays_as_it_is() -> None:
    assert resumed(CALL, now=NOW) is CALL


# What is written down of a call -----------------------------------------------------------------------------------------


def spoken(call: Call) -> None:
    transcript = Transcript.objects.create(call_id=call.id, started_at=call.started_at or NOW)
    for item_id, speaker, began_ms, text, heard in (
        ("i2", "caller", 3000, "Is it ready?", "Is it ready?"),
        ("i1", "assistant", 0, "Hello, bike shop.", "Hello, bike"),
        ("i3", "assistant", 9000, "Let me see.", ""),
    ):
        Utterance.objects.create(
            transcript=transcript,
            item_id=item_id,
            speaker=speaker,
            began_ms=began_ms,
            ended_ms=began_ms + 500,
            text=text,
            heard_text=heard,
        )


@pytest.mark.django_db
def test_what_was_heard_and_what_tools_have_answered_is_remembered_in_its_order() -> None:
    call = make_call(started_at=BEGAN, ended_at=None)
    spoken(call)
    at = BEGAN + timedelta(seconds=4)
    common = {"call_id": call.id, "name": "lookup", "requested_at": at}
    ToolCall.objects.create(item_id="c1", outcome="Tuesday", told_at=at + timedelta(seconds=1), **common)
    ToolCall.objects.create(item_id="c2", status=ToolCall.Status.SENT, sent_at=at, **common)

    told = history_stored(call)

    assert [(one["role"], one.get("message", one.get("result"))) for one in told] == [
        ("bot", "Hello, bike"),
        ("user", "Is it ready?"),
        (
            "tool_call_result",
            "No answer has come so far. Whether it took effect is not known; do not say that it did or did not.",
        ),
        ("tool_call_result", "Tuesday"),
    ]
    assert told[1]["secondsFromStart"] == 3.0
    assert told[1]["duration"] == 500


@pytest.mark.django_db
def test_a_call_of_which_nothing_is_written_down_remembers_nothing() -> None:
    assert history_stored(make_call()) == []


@pytest.mark.django_db
def test_what_happened_last_is_what_a_call_comes_back_from() -> None:
    call = make_call(started_at=BEGAN, ended_at=None)
    assert resumption_of(call, language="en") is None
    assert resumption_of(make_call(started_at=None, ended_at=None), language="en") is None

    make_transfer(call=call, dial_status="busy", resumed_at=NOW, history=SAID)
    call.breaks.create(kind="keys", asked=ASKED, began_at=NOW - timedelta(seconds=5))
    call.breaks.create(kind="keys", asked=ASKED, began_at=NOW + timedelta(seconds=9), refused=True)
    first = resumption_of(call, language="en")
    call.breaks.create(kind="lost", began_at=NOW + timedelta(seconds=5))
    second = resumption_of(call, language="en")

    assert first is not None
    assert second is not None
    assert (first.kind, first.session, first.dial_status, first.messages) == ("transfer", 2, "busy", SAID)
    assert (second.kind, second.session, second.messages) == ("lost", 3, [])
