"""Through the shell: what the Realtime socket reports of an answer reaches the workers, also when the caller is gone."""

import pytest
from pytest_django import Settings

from calls.bridge import ending
from calls.tests.costs.test_usage import EXAMPLE
from calls.tests.stage import Stage, playing, stage, until

__all__ = ["stage"]


async def test_an_answer_that_was_cancelled_by_hanging_up_is_reported_before_the_end(
    stage: Stage,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "USAGE_WITHIN_S", 600.0)  # however long a busy machine takes to bring it
    async with playing(stage, settings):
        await stage.talk()
        stage.speak(response="resp_7")
        await until(lambda: "media" in stage.events())
        stage.hang_up()
        await until(lambda: any(event["type"] == "response.cancel" for event in stage.realtime.sent))
        done = {"id": "resp_7", "status": "cancelled", "output": [], "usage": EXAMPLE}
        stage.realtime.say(type="response.done", response=done)
        await until(lambda: stage.outbox.of("call_finish"))

    (report,) = stage.outbox.of("usage_write")
    assert (report["item"], report["session"], report["status"]) == ("resp_7", "0", "cancelled")
    assert report["usage"] == EXAMPLE
    names = [name for name, _ in stage.outbox.entries]
    assert names.index("usage_write") < names.index("call_finish")
