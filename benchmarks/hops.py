"""Where a tool call's time goes: the moments at which it passes each place on its way, in all processes, as a table."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

FORWARD = "tools.tasks.tool_call_forward"
# Each place with what it means to have come there. A hop is the time since the place before it.
PLACES = (
    ("asked", "the live call hears of the tool call"),
    ("put", "order made and put into the outbox (event loop)"),
    ("kept", "in the journal (thread of the disk)"),
    ("sending", "thread of the broker has it"),
    ("sent", "with Redis: Celery's message made and pushed"),
    ("readable", "worker's main loop wakes up for it"),
    ("parsed", "message read and parsed"),
    ("booked", "noted as unacknowledged in Redis"),
    ("received", "Celery's request made"),
    ("thread", "thread of the pool has it"),
    ("began", "arguments decoded, task begins"),
    ("take", "order read"),
    ("row", "row written and committed"),
    ("body", "body made"),
    ("permit", "host's state asked of Redis"),
    ("exchange", "thread of the exchange runs"),
    ("out", "address looked at, connection had, request let out"),
    ("first", "first byte at the tool server"),
    ("left", "the server answers (its own time)"),
    ("exchanged", "answer read"),
    ("answered", "pool's thread has the answer"),
    ("reply", "outcome made, answer on its way to the live call"),
    ("arrived", "the live call has the answer"),
)
# What is no part of the way to the caller's ear, or is one only in some designs.
BESIDE = (
    ("settle", "settled", "the row's outcome written and committed"),
    ("reply", "replied", "the answer handed to the channel layer, as the worker sees it"),
    ("thread", "through", "the pool's thread taken, from first to last"),
)
Stamps = dict[str, int]


class Hops:
    """The stamps of tool calls that came back, from our own process and from the worker's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ours: dict[str, Stamps] = {}

    def watch(self) -> None:
        """Stamp in this process, which is the live calls' one."""
        from calls.lasting.outbox import Outbox  # noqa: PLC0415 - Django is set up by now
        from calls.lasting.receipts import Workers  # noqa: PLC0415

        outbox_type: Any = Outbox
        broker_type: Any = Workers
        accept, send = outbox_type._accept, broker_type.send

        def accepting(outbox: Any, news: Any, **options: Any) -> None:
            accept(outbox, news, **options)
            at = time.monotonic_ns()
            for one in news:
                if getattr(one, "task", "") == FORWARD:
                    self.stamp(orjson.loads(one.line)["kwargs"]["order"]["tool_call_id"], "kept", at)

        def sending(broker: Any, task: str, kwargs: dict[str, Any], **options: Any) -> None:
            if task == FORWARD:
                self.stamp(kwargs["order"]["tool_call_id"], "sending")
            send(broker, task, kwargs, **options)

        outbox_type._accept, broker_type.send = accepting, sending
        self._watch_celery()

    def _watch_celery(self) -> None:
        from celery import signals  # noqa: PLC0415

        @signals.after_task_publish.connect(weak=False)
        def published(sender: Any = None, body: Any = None, **_: Any) -> None:
            if sender == FORWARD:
                self.stamp(body[1]["order"]["tool_call_id"], "sent")

    def stamp(self, tool_call_id: str, name: str, at: int | None = None) -> None:
        """Note that a tool call is there."""
        self._ours.setdefault(tool_call_id, {})[name] = time.monotonic_ns() if at is None else at

    def clear(self) -> None:
        """Forget those before now."""
        self._ours.clear()

    def complete(self) -> list[Stamps]:
        """The stamps of each tool call that came back and that the worker has written down."""
        found = []
        for line in self.path.read_bytes().splitlines():
            theirs: dict[str, Any] = orjson.loads(line)
            ours = self._ours.get(theirs.pop("tool_call_id"), {})
            if "arrived" in ours:
                found.append({**theirs, **ours})
        return found


def figures(
    found: list[Stamps], points: Callable[[list[float]], list[float]]
) -> list[tuple[str, list[float]]]:
    """Of each hop its name, and its milliseconds: p50, p95, p99 and the least; the last is the whole way but the server's."""
    rows = []
    names = [name for name, _ in PLACES]
    for before, (name, text) in zip(names, PLACES[1:], strict=False):
        took = [(one[name] - one[before]) / 1e6 for one in found if name in one and before in one]
        if len(took) > 1:
            rows.append((text, [*points(took), min(took)]))
    for begin, end, text in BESIDE:
        took = [(one[end] - one[begin]) / 1e6 for one in found if begin in one and end in one]
        if len(took) > 1:
            rows.append((f"*beside:* {text}", [*points(took), min(took)]))
    whole = [
        (one["arrived"] - one["asked"] - (one["left"] - one["first"])) / 1e6
        for one in found
        if {"arrived", "asked", "left", "first"} <= one.keys()
    ]
    if len(whole) > 1:
        rows.append(("**in all, without the server's own time**", [*points(whole), min(whole)]))
    return rows


def table(rows: list[tuple[str, list[float]]]) -> list[str]:
    """The figures as lines of Markdown."""
    return [
        "| since the place before | p50 / p95 / p99 ms | least |",
        "| --- | --- | --- |",
        *(
            f"| {text} | {p50:.1f} / {p95:.1f} / {p99:.1f} | {least:.2f} |"
            for text, (p50, p95, p99, least) in rows
        ),
    ]
