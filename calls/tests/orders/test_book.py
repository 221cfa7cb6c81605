"""Orders of one call on their way to the rows."""

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest

from calls.live.orders import KINDS
from calls.models import LiveOrder
from calls.orders.book import OrderBook, kind_of, mute_message, unanswered
from calls.orders.by import ADDRESS, TANDEM, By
from calls.privacy.keeping import CallKeeping
from calls.tests.stage import SNAPSHOT
from tools.encryption import decrypt

WORDS = "Your card 4242 4242 4242 4242 was declined."
SAY = {"type": "call.say", "content": WORDS, "interrupt": True, "end_after": True, "order_id": "o1"}
NOTE = {"type": "call.add_message", "message": {"role": "system", "content": "A regular."}, "order_id": "o2"}


class Outbox:
    """Keeps what is put; nothing that is not JSON may be."""

    def __init__(self, **settings: Any) -> None:
        self.put: list[dict[str, Any]] = []
        keeping = CallKeeping(replace(SNAPSHOT, **settings))
        self.book = OrderBook(uuid.UUID(int=1), keeping, self._put)

    def _put(self, task: str, kwargs: dict[str, Any]) -> None:
        assert task == "calls.orders.tasks.order_write"
        self.put.append(json.loads(json.dumps(kwargs))["order"])


def test_an_order_is_put_when_it_is_answered_and_again_when_it_is_done() -> None:
    box = Outbox()
    box.book.begun()

    assert box.book.received({**SAY, "by": ADDRESS.to_json(), "reply_to": "c"})
    assert box.put == []
    box.book.answered("o1", "")
    box.book.settled("o1", "")

    first, last = box.put
    assert (first["kind"], first["words"], first["result"]) == ("say", WORDS, "taken")
    assert (first["at_once"], first["ends_call"], first["by"]["kind"]) == (True, True, "address")
    assert json.loads(decrypt(first["order"])) == {**SAY, "by": ADDRESS.to_json()}
    assert "done_at" not in first
    assert (last["order"], bool(last["done_at"]), bool(last["taken_at"])) == ("", True, True)


@pytest.mark.parametrize("end", ["done", "failed", "refused"])
def test_words_are_forgotten_as_soon_as_nothing_more_becomes_of_them(end: str) -> None:
    box = Outbox()
    box.book.received(SAY)
    if end == "refused":
        told = box.book.answered("o1", "The call is over.")
        box.book.begun()
    else:
        box.book.begun()
        box.book.answered("o1", "")
        assert WORDS in repr(box.book.rows()), "the session that goes on may have to say them"
        told = box.book.settled("o1", "" if end == "done" else "It was cut short.")

    assert [one["words"] for one in box.put] == [WORDS] * len(box.put)
    assert told["words"] == WORDS
    (kept,) = box.book.rows()
    assert (kept["words"], kept["order"], kept["why"]) == ("", "", box.put[-1]["why"])
    assert not box.book.received(SAY), "what came before is known all the same"


def test_what_is_refused_or_could_not_be_done_says_why() -> None:
    box = Outbox()
    box.book.begun()
    for order_id in ("o1", "o3"):
        box.book.received({**SAY, "order_id": order_id})

    box.book.answered("o1", "The call is over.")
    box.book.answered("o3", "")
    box.book.settled("o3", "It was cut short.")

    refused, _, failed = box.put
    assert (refused["result"], refused["why"], refused["taken_at"]) == ("refused", "The call is over.", "")
    assert refused["order"] == "", "nobody will do it"
    assert (failed["result"], failed["why"], bool(failed["failed_at"])) == (
        "taken",
        "It was cut short.",
        True,
    )


def test_nothing_counts_before_the_stream_has_proved_itself() -> None:
    box = Outbox()
    box.book.received(SAY)
    box.book.answered("o1", "")
    assert (box.put, box.book.rows()) == ([], [])

    box.book.begun()

    assert [one["order_id"] for one in box.put] == ["o1"]
    assert [one["order_id"] for one in box.book.rows()] == ["o1"]


def test_what_a_stream_was_given_that_never_became_the_call_s_is_not_lost_silently() -> None:
    box = Outbox()
    for order_id in ("o1", "o2"):
        box.book.received({**SAY, "order_id": order_id})
    box.book.answered("o1", "")
    box.book.answered("o2", "Too many.")

    box.book.never_begun()

    (row,) = box.put
    assert (row["order_id"], row["result"], row["order"]) == ("o1", "refused", "")
    assert "never became" in row["why"]


def test_an_order_that_comes_twice_is_one() -> None:
    box = Outbox()

    assert box.book.received(SAY)
    assert not box.book.received({**SAY, "reply_to": "elsewhere"})


def test_what_has_no_id_is_done_and_leaves_no_row() -> None:
    box = Outbox()
    box.book.begun()

    assert box.book.received({"type": "call.say", "content": "Hello."})
    assert box.book.answered("", "") == {}
    assert box.put == []


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({"redact": ("card",)}, " 4242"), ({"hipaa": True}, " card")],  # a moment's microseconds have no space
    ids=["redacted", "hipaa"],
)
def test_what_is_not_to_be_kept_stands_in_no_row(settings: dict[str, Any], kept: str) -> None:
    box = Outbox(**settings)
    box.book.begun()
    box.book.received(SAY)

    box.book.answered("o1", "")

    assert kept not in json.dumps({**box.put[0], "order": ""})
    assert kept not in box.put[0]["order"], "what the next session needs is sealed"


def test_every_kind_of_order_has_a_word_of_vapis() -> None:
    mutes = [kind for kind in LiveOrder.Kind if "mute" in kind]

    assert all(kind_of(mute_message(kind)) is kind for kind in mutes)
    others = {kind_of({"type": kind}) for kind in KINDS} - {None}
    assert others | set(mutes) == set(LiveOrder.Kind)
    assert kind_of({"type": ["call.say"]}) is None


def test_what_nobody_took_is_told_without_its_words() -> None:
    told = unanswered({**NOTE, "asked_at": "2026-11-22T12:00:00+00:00"}, LiveOrder.Result.NOBODY)

    assert told is not None
    assert (told["kind"], told["words"], told["role"], told["result"]) == (
        "add-message",
        "",
        "system",
        "nobody",
    )
    assert unanswered({"type": "call.listen"}, LiveOrder.Result.NOBODY) is None


@pytest.mark.parametrize(
    "given", [None, "x", {}, {"kind": "nobody"}, {"kind": "user", "user_id": "x", "label": None}]
)
def test_who_it_was_is_read_from_whatever_comes(given: object) -> None:
    by = By.from_json(given)

    assert by == TANDEM or (by.kind, by.label, by.user_id) == (LiveOrder.By.USER, "", None)
