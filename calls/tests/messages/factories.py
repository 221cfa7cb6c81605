"""A call with something to tell, and a customer's server that remembers what it was told."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from calls.models import Call, CallCost, CallPart
from calls.tests.factories import make_call, make_phone_number
from tools.clients import HttpAnswer, HttpRequest, ToolError
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

BEGAN = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=UTC)
URL = "https://hooks.harbour.example/vapi?secret=1"


def make_desk(**fields: Any) -> Assistant:
    """A published assistant with a server."""
    return make_assistant(**{"published": True, "server_url": URL, **fields})


def make_told_call(*, assistant: Assistant | None = None, over: bool = True, **fields: Any) -> Call:
    """A call of a minute on a desk with a server: a greeting, a question, a tool, and an answer that was cut off."""
    assistant = assistant or make_desk()
    call = make_call(
        assistant=assistant,
        version=assistant.live_version,
        **{
            "phone_number": make_phone_number(),
            "status": Call.Status.ENDED if over else Call.Status.IN_PROGRESS,
            "started_at": BEGAN,
            "ended_at": BEGAN + timedelta(seconds=60) if over else None,
            "ended_reason": "customer-ended-call" if over else "",
            **fields,
        },
    )
    Call.objects.filter(pk=call.pk).update(created_at=BEGAN - timedelta(seconds=1))
    call.refresh_from_db()
    transcript = Transcript.objects.create(
        call_id=call.pk, started_at=BEGAN, closed_at=BEGAN + timedelta(seconds=60) if over else None
    )
    say(transcript, "item0", "assistant", "Harbour Bikes, good morning.", 0, 1500)
    say(transcript, "item1", "caller", "Is it ready?", 2000, 3000)
    say(
        transcript,
        "item2",
        "assistant",
        "It is ready on Tuesday.",
        5000,
        6000,
        heard="It is ready",
        interrupted=True,
    )
    ToolCall.objects.create(
        call_id=call.pk, item_id="call_1", name="lookup", arguments={"ticket": "481"}, status="answered", outcome="Tuesday",
        requested_at=BEGAN + timedelta(seconds=3.5), told_at=BEGAN + timedelta(seconds=4.5), variables={"day": "Tuesday"},
    )  # fmt: skip
    if over:
        CallCost.objects.create(
            call=call, day=BEGAN.date(), assistant_id=assistant.pk, priced_at=BEGAN + timedelta(seconds=61)
        )
    return call


def make_parts(call: Call, *assistants: Assistant) -> None:
    """The call is handed over from one to the next, twenty seconds each."""
    for n, one in enumerate(assistants):
        assert one.live_version is not None
        CallPart.objects.create(
            call=call,
            n=n,
            assistant=one,
            version=one.live_version,
            began_at=BEGAN + timedelta(seconds=20 * n),
        )


def say(
    transcript: Transcript, item: str, speaker: str, text: str, began_ms: int, ended_ms: int, *, heard: str | None = None,
    interrupted: bool = False,
) -> None:  # fmt: skip
    """One more turn."""
    ours = speaker == "assistant"
    Utterance.objects.create(
        transcript=transcript, item_id=item, speaker=speaker, text=text, began_ms=began_ms, ended_ms=ended_ms,
        heard_text=(text if heard is None else heard) if ours else "", interrupted=interrupted,
    )  # fmt: skip


@dataclass
class Hooks:
    """A customer's server: remembers each request, answers 200, or as ``behave`` says for a request by its number."""

    behave: Callable[[int], int | ToolError] = lambda _: 200
    requests: list[HttpRequest] = field(default_factory=list)

    def __call__(self, request: HttpRequest, *, timeout_s: float, send_within_s: float) -> HttpAnswer:
        self.requests.append(request)
        answer = self.behave(len(self.requests))
        if isinstance(answer, ToolError):
            raise answer
        return HttpAnswer(answer, "application/json", b"{}", 12)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What it was told, in its order."""
        return [json.loads(one.body or b"{}")["message"] for one in self.requests]

    @property
    def kinds(self) -> list[str]:
        """The same, in words."""
        return [short(one) for one in self.messages]

    @property
    def speech(self) -> list[tuple[str, str, int]]:
        """Who began and stopped to speak, and in which turn."""
        told = [one for one in self.messages if one["type"] == "speech-update"]
        return [(one["status"], one["role"], one["turn"]) for one in told]

    def keys(self) -> list[bytes]:
        """The Idempotency-Key of each request."""
        return [one.headers["Idempotency-Key"] for one in self.requests]


def short(message: Mapping[str, Any]) -> str:
    """The type of a message, and its status."""
    return " ".join(str(message[name]) for name in ("type", "status") if name in message)


def ids(calls: list[Call]) -> list[UUID]:
    """The ids of calls."""
    return [one.pk for one in calls]
