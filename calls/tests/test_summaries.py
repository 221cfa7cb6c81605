"""What an operator is told of a call: the request, and the short conversation in which it is answered."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from calls import tasks
from calls.summaries import SummaryError, summary_request, summary_write
from simulator.harness import Faults, Simulator
from simulator.scenario import Rule, load

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HISTORY = [
    {"role": "bot", "message": "Front desk."},
    {"role": "user", "message": "Is my bike ready?"},
    {"role": "tool_calls", "message": ""},
    {"role": "tool_call_result", "result": "481"},
]
SAID = "AI: Front desk.\nUser: Is my bike ready?\n"
NOTE = "A customer asks for a bike."


def request(*messages: dict[str, str], **variables: Any) -> Any:
    return summary_request(messages, HISTORY, variables=variables, now=NOW)


def test_the_usual_request_holds_what_was_said() -> None:
    usual = request()

    assert "two or three short sentences" in usual.instructions
    assert usual.texts == (f"Here is the transcript:\n\n{SAID}",)


def test_the_plans_own_messages_take_its_place() -> None:
    own = request(
        {"role": "system", "content": "Write for {{ name }}."},
        {"role": "user", "content": "Said: {{transcript}}"},
        name="the nurse",
    )

    assert own.instructions == "Write for the nurse."
    assert own.texts == (f"Said: {SAID}",)


def test_what_was_said_is_there_even_if_the_plan_forgets_it() -> None:
    assert request({"role": "user", "content": "Be brief."}).texts == (
        "Be brief.",
        f"Here is the transcript:\n\n{SAID}",
    )


@pytest.fixture
async def outside(settings: Settings) -> AsyncIterator[Simulator]:
    """The simulator, with a model that can sum up."""
    async with Simulator(account_sid="AC1", auth_token="secret") as simulator:
        story = load("one_tool")
        rule = Rule(instructions="two or three short sentences", say=(NOTE,))
        simulator.realtime.default_scenario = story.but(assistant=(rule, *story.assistant))
        settings.OPENAI_REALTIME_URL = simulator.realtime_url
        settings.OPENAI_API_KEY = "sk-simulated"
        yield simulator


async def write(*, within_s: float = 60.0) -> str:
    work = sync_to_async(summary_write, thread_sensitive=False)
    return await work(request(), model="gpt-realtime-2.1", within_s=within_s)


async def test_a_summary_is_text_that_nobody_hears(outside: Simulator) -> None:
    assert await write() == NOTE

    (report,) = outside.realtime.unbound
    assert report.realtime_errors == []
    assert report.realtime_warnings == []
    (asked,) = [event for event in report.realtime_events if event["type"] == "response.create"]
    assert asked["response"]["conversation"] == "none"
    assert asked["response"]["output_modalities"] == ["text"]


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(refuse_status=401), "401"),
        (Faults(mute="after_created"), "no summary within"),
        (Faults(close_4000_code="insufficient_quota"), "insufficient_quota"),
        (Faults(fail_responses=3), "wrote nothing"),
    ],
)
async def test_without_a_summary_it_says_why(outside: Simulator, faults: Faults, why: str) -> None:
    outside.realtime.faults = faults

    with pytest.raises(SummaryError, match=why):
        await write(within_s=1.0 if faults.mute else 60.0)


async def test_a_server_that_is_not_there(settings: Settings) -> None:
    settings.OPENAI_REALTIME_URL = "ws://127.0.0.1:9/v1/realtime"

    with pytest.raises(SummaryError, match="connection was lost"):
        await write()


def order(*, expires_at: datetime) -> dict[str, Any]:
    return {
        "transfer_id": str(uuid.UUID(int=1)),
        "model": "gpt-realtime-2.1",
        "request": {"instructions": "Sum up.", "texts": [SAID]},
        "expires_at": expires_at.isoformat(),
    }


def test_a_summary_that_would_come_too_late_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(tasks, "summary_write", lambda *args, **_: asked.append(args))

    tasks.transfer_summarise(**order(expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    assert asked == []


def test_a_summary_that_fails_leaves_nothing_of_the_call_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise SummaryError("The model wrote nothing.")

    monkeypatch.setattr(tasks, "summary_write", fail)

    tasks.transfer_summarise(**order(expires_at=datetime.now(UTC) + timedelta(seconds=5)))

    (record,) = caplog.records
    assert record.message == "no summary for an operator"
    assert "bike" not in str(record.__dict__)
