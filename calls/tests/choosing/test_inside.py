"""Assistants inside destinations of what a call brings along: made with it, handed over to, and gone with it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from assistants.models import Assistant, AssistantVersion, Squad, Transient
from assistants.tests.factories import make_assistant
from calls.choosing.keeping import transients_expire
from calls.choosing.services import choose
from calls.erasing.stripping import calls_strip
from calls.models import Call, CallStripped
from calls.tests.choosing.test_services import BOOK, INLINE, PROMPT, catalogue, desk, placed, refusal
from calls.tests.squads.team import asks, prepared
from tools.models import Tool

__all__ = ["catalogue"]
pytestmark = pytest.mark.django_db

MARTA: dict[str, Any] = {
    "name": "Marta",
    "firstMessage": "Marta speaking.",
    "model": {**PROMPT, "tools": [BOOK]},
}


def inline(assistant: dict[str, Any] = MARTA, **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistant": assistant, "assistantName": assistant["name"], **more}


def handing(*destinations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An assistant with a tool that leads to these destinations."""
    tools = [{"type": "handoff", "function": {"name": "hand_over"}, "destinations": list(destinations)}]
    return {**INLINE, "model": {**PROMPT, "tools": tools}, **fields}


def handed(body: dict[str, Any], to: str = "Marta") -> Any:
    """The call of this body, as the assistant runs it that its tool leads to under this name."""
    call = placed(body)
    return prepared(call, asks(to, key=call.ways["hand_over"][to]))


def test_an_assistant_inside_a_destination_takes_the_call_over() -> None:
    back = {"type": "handoff", "destinations": [{"type": "assistant", "assistantName": "Mary"}]}
    marta = {**MARTA, "model": {**PROMPT, "tools": [BOOK, back]}}

    ready = handed({"assistant": handing(inline(marta))})

    assert ready.plan.first_message == "Marta speaking."
    assert [tool.name for tool in ready.plan.tools] == ["book", "handoff_to_Mary"]
    assert ready.call.ways["handoff_to_Mary"] == {
        "Mary": str(Assistant.every.get(name__startswith="Mary").pk)
    }
    # Its tools are rows that tool calls can point to, with their secrets.
    assert Tool.every.get(name="book").server_secret == "s3same"
    assert (Assistant.objects.count(), Tool.objects.count()) == (0, 0)


def test_what_overrides_bring_along_leads_to_those_inside() -> None:
    assistant = desk()
    over = {"model": {"tools": handing(inline())["model"]["tools"]}}

    ready = handed({"assistantId": str(assistant.pk), "assistantOverrides": over})

    assert ready.plan.first_message == "Marta speaking."
    assert list(Assistant.objects.all()) == [assistant]


def test_members_of_a_squad_lead_to_those_inside_and_to_squads_there() -> None:
    team = {"name": "Team", "members": [{"assistant": MARTA}, {"assistantId": str(desk(name="Desk").pk)}]}
    members = [
        {"assistant": handing({"type": "squad", "squad": team})},
        {"assistant": {**INLINE, "name": "Ida"}, "assistantDestinations": [inline({**MARTA, "name": "Eve"})]},
    ]

    call = placed({"squad": {"name": "Shop", "members": members}})

    ready = prepared(call, asks("Team", key=call.ways["hand_over"]["Team"]))
    assert ready.plan.first_message == "Marta speaking."
    ways = {one.name.split(" (")[0]: one.ways for one in call.members.values()}
    assert list(ways["Ida"]) == ["handoff_to_Eve"]
    assert (Squad.every.count(), Transient.objects.filter(part_of=None).count()) == (1, 1)


def test_the_same_document_makes_nothing_new_and_another_inside_another() -> None:
    first, again = (choose({"assistant": handing(inline())}) for _ in range(2))
    other = choose({"assistant": handing(inline({**MARTA, "firstMessage": "Hello."}))})

    assert first.version == again.version != other.version
    assert Assistant.every.count() == 4


def test_an_assistant_of_ours_that_is_named_inside_is_led_to() -> None:
    billing = make_assistant(name="Billing", first_message="Billing.", published=True)
    named = {"type": "assistant", "assistantName": "Billing"}
    marta = {**MARTA, "model": {**PROMPT, "tools": handing(named)["model"]["tools"]}}

    ready = handed({"assistant": handing(inline(marta))})

    assert ready.call.ways["hand_over"] == {"Billing": str(billing.pk)}


def test_what_no_call_could_run_on_inside_is_refused_and_leaves_nothing() -> None:
    silent = {**MARTA, "model": {**PROMPT, "messages": []}}
    lost = {**MARTA, "model": {**PROMPT, "toolIds": ["t1"]}}

    assert "prompt" in " ".join(refusal({"assistant": handing(inline(silent))})).lower()
    assert "`toolId` t1 Does Not Exist" in refusal({"assistant": handing(inline(lost))})[0]
    over = {"assistantOverrides": {"model": {"toolIds": ["t2"]}}}
    assert "`toolId` t2 Does Not Exist" in refusal({"assistant": handing(inline(**over))})[0]
    assert (Transient.objects.count(), Assistant.every.count(), Tool.every.count()) == (0, 0, 0)


def test_its_words_go_with_the_calls_and_with_what_nobody_asked_for() -> None:
    call = placed({"assistant": handing(inline())})
    Call.objects.update(status=Call.Status.ENDED)

    calls_strip([call.call_id], why=CallStripped.Why.ERASED)

    kept: Any = (Transient.objects, Assistant.every, AssistantVersion.objects, Tool.every)
    assert "Marta speaking" not in str([list(rows.values()) for rows in kept])
    assert set(Transient.objects.values_list("kind", flat=True)) == {Transient.Kind.EMPTIED}
    choose({"assistant": handing(inline())})
    Transient.objects.exclude(kind=Transient.Kind.EMPTIED).update(used_at=timezone.now() - timedelta(days=31))
    assert transients_expire(now=timezone.now()) == (1, 0)
    assert Transient.objects.exclude(kind=Transient.Kind.EMPTIED).count() == 0
