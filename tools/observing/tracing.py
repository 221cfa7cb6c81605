"""The trace of a call, written by every process that has a part in it.

All ids follow from the call's own id and a key within the call. So whoever knows which tool call it forwards knows the
span that its own hangs below, whatever lay between: a journal on disk, a broker, a second delivery, another machine.
Nothing has to be carried along, and nothing that customers or Twilio see changes.

A span is written once, when what it tells of is over. Where no traces are wanted there is no sink, and nothing is done.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

Value = str | int | float | bool
ROOT = "call"


class Kind(StrEnum):
    """What a span stands for, in OpenTelemetry's words."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that is over. ``key`` is its own in the call, ``parent`` that of what it was part of.

    Attributes never hold speech, numbers, arguments, or addresses with a query. ``error`` is a code, empty where all went
    well.
    """

    call_id: str
    key: str
    parent: str
    name: str
    kind: Kind
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str = ""


Sink = Callable[[Span], None]
_sinks: list[Sink] = []  # none or one


def sink_set(sink: Sink | None) -> None:
    """Have spans written here from now on; None: nowhere. A sink must neither wait nor raise."""
    _sinks[:] = [] if sink is None else [sink]


def on() -> bool:
    """Whether traces are wanted."""
    return bool(_sinks)


def span_write(
    call_id: UUID | str,
    *,
    key: str,
    name: str,
    began: int | datetime,
    ended: int | datetime | None = None,
    parent: str = ROOT,
    kind: Kind = Kind.INTERNAL,
    error: str = "",
    facts: Mapping[str, Value | None] = MappingProxyType({}),
) -> None:
    """Write down something that is over, by now unless ``ended`` says when. Moments are ns since 1970, or datetimes.

    Of ``facts``, those that are None are left out; a name without a dot is one of ours.
    """
    if not _sinks:
        return
    began_ns = _ns(began)
    ended_ns = time.time_ns() if ended is None else _ns(ended)
    known = {
        name if "." in name else f"tandem.{name}": value for name, value in facts.items() if value is not None
    }
    # Clocks can step back.
    span = Span(str(call_id), key, parent, name, kind, began_ns, max(began_ns, ended_ns), known, error)
    _sinks[0](span)


def trace_id(call_id: UUID | str) -> int:
    """The trace of a call. Not the call's id itself: a UUID has fixed bits where samplers look for chance."""
    return int.from_bytes(_digest(str(call_id))[:16], "big") or 1


def span_id(call_id: UUID | str, key: str) -> int:
    """The span of this key in a call."""
    return int.from_bytes(_digest(f"{call_id}/{key}")[:8], "big") or 1


def traceparent(call_id: UUID | str, key: str, *, sampled: bool = True) -> str:
    """W3C's header for a request that is part of this span."""
    return f"00-{trace_id(call_id):032x}-{span_id(call_id, key):016x}-{'01' if sampled else '00'}"


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"tandem-trace").digest()


def _ns(moment: int | datetime) -> int:
    return moment if isinstance(moment, int) else round(moment.timestamp() * 1_000_000) * 1000
