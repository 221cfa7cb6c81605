"""What programs delete while calls are still to be placed that need it."""

from typing import Any

import pytest

from assistants.models import Assistant, AssistantTool
from assistants.tests.api.test_objects import PROMPT, program
from calls.models import Call
from calls.tests.choosing.test_services import INLINE, placed
from tools.tests.access.program import Program

__all__ = ["program"]
pytestmark = pytest.mark.django_db


def waiting(body: dict[str, Any]) -> Call:
    call_id = placed(body).call_id
    Call.objects.filter(pk=call_id).update(status=Call.Status.SCHEDULED)
    return Call.objects.get(pk=call_id)


def refused(program: Program, path: str) -> str:
    return str(program.ask("DELETE", path, status=409)["message"])


def test_what_a_call_to_come_is_to_run_on_is_not_deleted_until_that_is_called_off(program: Program) -> None:
    tool = program.ask("POST", "/tool", {"type": "endCall"}, 201)
    model = {**PROMPT, "toolIds": [tool["id"]]}
    assistant = program.ask("POST", "/assistant", {"name": "Desk", "model": model}, 201)
    squad = program.ask("POST", "/squad", {"name": "Shop", "members": [{"assistant": INLINE}]}, 201)
    bodies = {"assistant": assistant["id"], "squad": squad["id"]}
    calls = [waiting({f"{kind}Id": id_}) for kind, id_ in bodies.items()]

    for kind, id_ in bodies.items():
        assert "It Is In Use By: 1 call to come" in refused(program, f"/{kind}/{id_}")
    assert "Desk, 1 call to come" in refused(program, f"/tool/{tool['id']}")

    Call.objects.filter(pk__in=[call.pk for call in calls]).update(status=Call.Status.ENDED)
    for kind, id_ in bodies.items():
        assert program.ask("DELETE", f"/{kind}/{id_}")["id"] == id_


def test_a_tool_that_only_a_call_to_come_offers_stays(program: Program) -> None:
    tool = program.ask("POST", "/tool", {"type": "endCall"}, 201)
    waiting({"assistant": {**INLINE, "model": {**INLINE["model"], "toolIds": [tool["id"]]}}})

    assert "It Is In Use By: 1 call to come" in refused(program, f"/tool/{tool['id']}")


def test_a_tool_that_callers_are_still_offered_stays(program: Program) -> None:
    tool = program.ask("POST", "/tool", {"type": "endCall"}, 201)
    program.ask("POST", "/assistant", {"name": "Desk", "model": {**PROMPT, "toolIds": [tool["id"]]}}, 201)
    # Taken out by people, and not published yet.
    AssistantTool.objects.filter(assistant=Assistant.objects.get()).delete()

    assert "It Is In Use By: Desk" in refused(program, f"/tool/{tool['id']}")
