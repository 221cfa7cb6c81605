"""Makers of test data: what a test does not name is filled in."""

from typing import Any

from django.contrib.auth.models import User

from assistants.models import (
    Assistant,
    AssistantTool,
    AssistantVersion,
    RealtimeModel,
    Squad,
    SquadMember,
    TranscriptionModel,
    Voice,
)
from assistants.services import assistant_publish
from tools.models import Tool


def make_realtime_model(*, name: str = "gpt-realtime-2.1", **fields: Any) -> RealtimeModel:
    """The model of that name, saved if it is not there."""
    return RealtimeModel.objects.get_or_create(name=name, defaults=fields)[0]


def make_transcription_model(*, name: str = "gpt-transcribe", **fields: Any) -> TranscriptionModel:
    """The transcription model of that name, saved if it is not there."""
    return TranscriptionModel.objects.get_or_create(name=name, defaults=fields)[0]


def make_voice(*, name: str = "marin", **fields: Any) -> Voice:
    """The voice of that name, saved if it is not there."""
    return Voice.objects.get_or_create(name=name, defaults=fields)[0]


def make_assistant(*, tools: list[Tool] | None = None, published: bool = False, **fields: Any) -> Assistant:
    """A saved assistant with these tools in this order, a draft unless ``published``."""
    # Tests that flush the database lose the catalogue, which a migration filled.
    for name, make in (
        ("model", make_realtime_model),
        ("voice", make_voice),
        ("transcription_model", make_transcription_model),
    ):
        if name not in fields and f"{name}_id" not in fields:
            fields[name] = make()
    defaults: dict[str, Any] = {
        "name": f"Front desk {Assistant.objects.count() + 1}",
        "instructions": "You answer for Harbour Bikes. Be brief.",
        "first_message": "Harbour Bikes, good morning.",
    }
    assistant = Assistant.objects.create(**{**defaults, **fields})
    for position, tool in enumerate(tools or []):
        AssistantTool.objects.create(assistant=assistant, tool=tool, position=position)
    if published:
        make_version(assistant=assistant)
    return assistant


def make_version(
    *, assistant: Assistant | None = None, author: User | None = None, note: str = "First version"
) -> AssistantVersion:
    """The next published version of the assistant, which is live then."""
    return assistant_publish(assistant=assistant or make_assistant(), author=author, note=note)


def make_squad(*members: Assistant, name: str = "Team") -> Squad:
    """A saved squad of these assistants in this order; the first takes the call."""
    squad = Squad.objects.create(name=name)
    for position, assistant in enumerate(members):
        SquadMember.objects.create(squad=squad, assistant=assistant, position=position)
    return squad


def make_odd_version(*, assistant: Assistant, snapshot: Any, number: int = 99) -> AssistantVersion:
    """A live version whose stored snapshot is whatever the test says."""
    version = AssistantVersion.objects.create(assistant=assistant, number=number, snapshot=snapshot)
    assistant.live_version = version
    assistant.save(update_fields=["live_version"])
    return version
