"""How long a message that did not arrive waits for its next attempt, and when it is given up. Pure."""

from typing import Any

import pytest

from calls.messages.outbox import Result, pause_after
from calls.models import ServerMessage
from tools.backoff import backoff_read

REPORT = ("end-of-call-report", "report")
ENDED = ("status-update", "status:ended")
FORWARDING = ("status-update", "status:forwarding:1")
PASSING = ("user-interrupted", "interrupted:1")
AWAY = Result("connection_failed", "It was not taken.")


def answered(status: int) -> Result:
    return Result("http_error", f"The server answered {status}.", status)


def pauses(what: tuple[str, str], result: Result, plan: dict[str, Any] | None = None) -> list[float]:
    """The pauses after one attempt after the other, until it is given up."""
    found: list[float] = []
    while len(found) < 40:
        row = ServerMessage(kind=what[0], key=what[1], attempts_n=len(found) + 1)
        pause = pause_after(row, result, plan=backoff_read(plan or {}))
        if pause is None:
            return found
        found.append(pause)
    raise AssertionError("it is never given up")


@pytest.mark.parametrize("result", [answered(500), answered(503), answered(429), AWAY, Result("timeout", "")])
def test_the_end_of_a_call_is_told_for_hours_though_vapi_tries_once(result: Result) -> None:
    assert (
        pauses(REPORT, result) == pauses(ENDED, result) == [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800]
    )


@pytest.mark.parametrize("result", [answered(400), answered(404), answered(410), answered(301)])
def test_a_server_that_refuses_a_message_is_not_asked_again(result: Result) -> None:
    assert pauses(REPORT, result) == []


@pytest.mark.parametrize("code", ["forbidden_address", "url_invalid", "redirected", "not_sendable"])
def test_what_can_never_go_out_is_given_up_at_once(code: str) -> None:
    assert pauses(REPORT, Result(code, "")) == []


def test_what_passes_is_told_once_and_a_change_for_less_than_a_minute() -> None:
    assert pauses(PASSING, AWAY) == []
    assert pauses(FORWARDING, AWAY) == [2, 8, 30]


def test_the_servers_own_plan_comes_first_and_what_the_message_is_worth_after_it() -> None:
    plan = {"type": "exponential", "maxRetries": 3, "baseDelaySeconds": 1}

    assert pauses(PASSING, AWAY, plan) == [1, 2, 4]
    assert pauses(REPORT, AWAY, plan)[:5] == [1, 2, 4, 5, 30]
    # A plan repeats whatever it does not exclude.
    assert pauses(REPORT, answered(400), plan) == [1, 2, 4]


def test_a_status_that_the_plan_excludes_ends_it() -> None:
    assert pauses(REPORT, answered(500), {"maxRetries": 3, "excludedStatusCodes": [500]}) == []
