"""What leaves a live call for disk, broker and rows: never more than its assistant lets be kept."""

import json
import re
from dataclasses import replace
from typing import Any

import orjson
import pytest

from calls import recorder
from calls.bridge import commands as do
from calls.privacy.keeping import CallKeeping, history_opened
from calls.recorder import Recorder
from calls.tests.stage import CALL, FakeOutbox
from tools.orders import ToolOrder
from tools.redaction.keeping import NOT_KEPT, Keeping
from tools.redaction.redact import KINDS

CARD = "4111 1111 1111 1111"
ALL = Keeping.from_json({"redact": KINDS})
REDACTING = replace(CALL, snapshot=replace(CALL.snapshot, redact=KINDS))
HIPAA = replace(CALL, snapshot=replace(CALL.snapshot, hipaa=True))


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> FakeOutbox:
    """Where everything is put."""
    made = FakeOutbox()
    monkeypatch.setattr(recorder, "process_outbox", lambda: made)
    return made


def spoken(text: str = f"It is {CARD}", **fields: Any) -> do.Spoken:
    usual: dict[str, Any] = {
        "item_id": "item_1", "speaker": do.Speaker.CALLER, "text": text, "heard_text": text, "began_ms": 1, "ended_ms": 2,
    }  # fmt: skip
    return do.Spoken(**{**usual, **fields})


def everything(one: Recorder) -> None:
    """A call in which a card number is said, sent to a tool, answered, and told of in a problem."""
    one.note(do.UtteranceEnded(spoken()))
    one.tool_forward(do.RunTool("call_1", "get_repair_status", {"ticket": CARD}, 20.0), reply_channel="x")
    one.note(do.ToolSettled("call_1", f"Charged {CARD}", orphaned=False))
    one.note(do.ToolRefused("call_2", "get_repair_status", f"Wrong: {CARD}", f"No {CARD}", orphaned=False))
    one.trouble("odd", f"It said {CARD}")
    one.ended(
        do.Ended("customer-ended-call", (spoken(),), barge_ins=0, frames_in=1, first_sound_ms=1),
        frames_dropped=0,
    )


@pytest.mark.parametrize("call", [REDACTING, HIPAA], ids=["redacting", "hipaa"])
def test_nothing_that_goes_to_the_disk_or_the_broker_shows_the_number(call: Any, outbox: FakeOutbox) -> None:
    everything(Recorder(call))

    everywhere = orjson.dumps(outbox.entries).decode()
    assert CARD not in everywhere
    # A word of its own, or two groups together: the microseconds of a moment and what is sealed may hold any four digits.
    assert not re.search(r"\b4111(?:\b|1111)", everywhere)


def test_without_any_setting_everything_is_kept(outbox: FakeOutbox) -> None:
    everything(Recorder(CALL))

    assert orjson.dumps(outbox.entries).decode().count(CARD) >= 5


def test_the_tools_server_still_gets_all_of_it(outbox: FakeOutbox) -> None:
    everything(Recorder(REDACTING))

    (forwarded,) = outbox.of("tool_call_forward")
    assert forwarded["order"]["call_id"] == str(CALL.call_id)
    order = ToolOrder.from_json(forwarded["order"])
    assert order.arguments == {"ticket": CARD}
    assert CARD in json.dumps(order.context)
    assert order.keeping.redact == KINDS


def test_under_the_hipaa_switch_no_word_is_kept_but_when_it_was_said(outbox: FakeOutbox) -> None:
    everything(Recorder(HIPAA))

    for write in outbox.of("utterances_write"):
        (utterance,) = write["utterances"]
        assert (utterance["text"], utterance["heard_text"], utterance["ended_ms"]) == (NOT_KEPT, NOT_KEPT, 2)
    (refused,) = outbox.of("tool_call_refuse")
    assert refused["output"] == NOT_KEPT


def test_those_who_read_along_see_no_words_before_the_turn_is_over() -> None:
    partial = do.PartialText("item_1", do.Speaker.CALLER, "It is 4111 11")

    assert CallKeeping(REDACTING.snapshot).shown(partial) is None
    assert CallKeeping(HIPAA.snapshot).shown(partial) is None
    assert CallKeeping(CALL.snapshot).shown(partial) == partial
    noted = CallKeeping(REDACTING.snapshot).shown(do.Noted("system", CARD))
    assert noted == do.Noted("system", "[card]")


def test_a_session_that_goes_on_gets_its_memory_without_what_may_not_be_written() -> None:
    messages = [{"role": "user", "message": CARD}]

    assert CallKeeping(REDACTING.snapshot).history(messages) == [{"role": "user", "message": "[card]"}]
    sealed = CallKeeping(HIPAA.snapshot).history(messages)
    assert CARD not in json.dumps(sealed)
    assert history_opened(sealed) == messages
    assert history_opened(messages) == messages


def test_where_assistants_share_a_call_the_strictest_decides() -> None:
    keeping = CallKeeping(CALL.snapshot)
    assert keeping.spoken(spoken(), settled=False).text == f"It is {CARD}"

    keeping.also(replace(CALL.snapshot, redact=("card",)))
    assert keeping.spoken(spoken(item_id="2"), settled=False).text == "It is [card]"

    keeping.also(HIPAA.snapshot)
    keeping.also(CALL.snapshot)
    assert keeping.spoken(spoken(item_id="3"), settled=True).text == NOT_KEPT


def test_rules_that_no_release_ever_wrote_count_as_none() -> None:
    odd: list[Any] = [None, [], {"redact": "card", "hipaa": "yes"}, {"redact": ["birthday"]}]
    for stored in odd:
        assert Keeping.from_json(stored).everything
    assert Keeping.from_json(ALL.to_json()) == ALL
