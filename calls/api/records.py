"""What a call's document is made of: its rows as plain values, as calls.api.rows reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

# The amounts of `Used` are whole numbers of these.
AMOUNTS_PER_USD: Final = 10**10


class Head(NamedTuple):
    """The columns of `Call` that are told; ``updated_at`` is its latest moment, ``line_label`` the label of our number."""

    id: str
    stack: str
    direction: str
    status: str
    call_sid: str
    account_sid: str
    did: str
    caller: str
    name: str
    ended_reason: str
    refused_because: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    barge_ins: int
    line_label: str | None

    @property
    def duration_s(self) -> int | None:
        """Whole seconds of conversation, as `Call.duration_s`."""
        if self.started_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.started_at).total_seconds())


class AtVapi(NamedTuple):
    """What Vapi told of a call; the columns of `VapiCall`."""

    vapi_id: str
    org_id: str
    call_type: str
    name: str
    assistant_id: str
    squad_id: str
    phone_number_id: str
    ended_message: str
    cost: float | None
    cost_breakdown: Any
    costs: Any
    analysis: Any


class Analysed(NamedTuple):
    """What was found out about a call; the columns of `CallAnalysis`."""

    summary: str
    structured_data: Any
    structured_data_multi: Any
    success_evaluation: str


class Ordered(NamedTuple):
    """What was given with a call that we place; the columns of `Placing`."""

    earliest_at: datetime | None
    latest_at: datetime | None
    customer: Any
    metadata: Any


class OnSocket(NamedTuple):
    """How a call is carried that is not ours to dial; the columns of `SocketCall`."""

    kind: str
    encoding: str
    sample_rate: int | None
    customer: Any
    metadata: Any


class Named(NamedTuple):
    """An assistant or a squad: the id that programs know it by, or what it was made of where it came with a call."""

    known_id: str | None
    name: str
    made_of: str
    document: Mapping[str, Any] | None


class Part(NamedTuple):
    """The part of a call that one assistant had, and on which of its versions."""

    assistant: Named
    version: int


class Transferred(NamedTuple):
    """One transfer; the columns of `CallTransfer`."""

    id: str
    destination: Any
    mode: str
    dial_status: str
    error: str
    dialled: bool
    resumed: bool


class Kept(NamedTuple):
    """The sound that is kept of a call; the columns of `Recording`."""

    channels: int | None
    content_type: str


class Spoken(NamedTuple):
    """What was said and heard in a call, as the database writes it: a line of JSON for each turn, in their order.

    ``messages`` and ``formatted`` are those lines as Vapi and as a chat model has them, ``transcript`` is one JSON text of all words.
    ``latencies_ms`` are those of all turns.
    """

    messages: bytes = b""
    formatted: bytes = b""
    transcript: bytes = b'""'
    began_ms: Sequence[int] = ()
    latencies_ms: Sequence[int] = ()


class Asked(NamedTuple):
    """One tool call; the columns of `ToolCall`."""

    item_id: str
    name: str
    arguments: Any
    outcome: str
    requested_at: datetime
    answered_at: datetime | None
    told_at: datetime | None
    variables: Any


class Added(NamedTuple):
    """A message that was put into the call; the columns of `LiveOrder`."""

    role: str
    words: str
    at: datetime


class Used(NamedTuple):
    """How much of one thing was used for one purpose, and what it cost; the sums of `CostLine`. Numbers are whole.

    Of a model: the tokens that went in ``fresh``, those from its cache, and those that came out.
    """

    kind: str
    item: str
    amount: int
    fresh: int
    cached: int
    out: int


@dataclass(frozen=True, slots=True)
class Record:
    """A call with all that is told of it. ``talked_from`` is zero of the clock of what was said, where something was."""

    call: Head
    version: int | None = None
    ran_on: Named | None = None
    assistant: Named | None = None
    squad: Named | None = None
    phone_number_id: str | None = None
    monitor_plan: Any = None
    talked_from: datetime | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    vapi: AtVapi | None = field(default=None, repr=False)
    analysis: Analysed | None = field(default=None, repr=False)
    ordered: Ordered | None = field(default=None, repr=False)
    socket: OnSocket | None = field(default=None, repr=False)
    parts: tuple[Part, ...] = ()
    transfers: tuple[Transferred, ...] = field(default=(), repr=False)
    recording: Kept | None = None
    spoken: Spoken = field(default=Spoken(), repr=False)
    tool_calls: tuple[Asked, ...] = field(default=(), repr=False)
    added: tuple[Added, ...] = field(default=(), repr=False)
    used: tuple[Used, ...] = field(default=(), repr=False)

    @property
    def zero(self) -> datetime:
        """When the clock of what was said began."""
        return self.talked_from or self.call.started_at or self.call.created_at
