"""The table of voices as a new installation has it, and how it is read."""

import pytest

from assistants.models import Voice, VoiceMapping
from assistants.selectors import catalogue_read
from assistants.tests.vapi.test_rules import SCHEMAS
from assistants.vapi.voices import voice_for


def providers() -> set[str]:
    """The providers of voices that Vapi documents."""
    return {
        name
        for schema, its in SCHEMAS.items()
        if schema.endswith("Voice") and not schema.startswith("Fallback")
        for name in its["properties"]["provider"].get("enum", [])
    }


@pytest.mark.django_db
def test_every_provider_that_vapi_documents_has_a_voice_for_any_of_its_own() -> None:
    listed = set(VoiceMapping.objects.filter(vapi_voice="").values_list("provider", flat=True))

    assert len(providers()) > 15
    assert providers() <= listed


@pytest.mark.django_db
def test_the_voices_that_are_ours_too_stand_for_themselves() -> None:
    table = dict(VoiceMapping.objects.filter(provider="openai").values_list("vapi_voice", "voice_id"))

    for name in Voice.objects.values_list("name", flat=True):
        assert table[name] == name


@pytest.mark.django_db
def test_every_row_says_why() -> None:
    assert VoiceMapping.objects.count() > 300
    assert not VoiceMapping.objects.filter(why="").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("provider", "voice", "ours", "same"),
    [
        ("openai", "shimmer", "shimmer", True),
        ("openai", "onyx", "ash", False),
        ("11labs", "SARAH", "marin", False),
        ("11labs", "an id of somebody's own", "marin", False),
        ("vapi", "Clara", "coral", False),
        ("playht", "jennifer", "marin", False),
    ],
)
def test_a_voice_is_found_whatever_its_case(*, provider: str, voice: str, ours: str, same: bool) -> None:
    choice = voice_for(provider, voice, catalogue_read())

    assert (choice.voice, choice.same, choice.mapped) == (ours, same, True)
