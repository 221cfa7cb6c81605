"""What was imported from Vapi, as OpenAI gets it: judged by the strict simulator, which shares no code with us."""

from pathlib import Path

import pytest
from django.core.management import call_command

from assistants.models import Assistant, ImportFinding
from assistants.snapshots import snapshot_take
from calls.told import draft_session_update
from simulator import settings, validation

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "vapi"
NAMES = ["assistant-clinic.json", "assistant-restaurant.json", "assistant-squad.json", "tools.json"]


@pytest.fixture
def imported(db: None, tmp_path: Path) -> list[Assistant]:
    """All that the fixtures hold, imported by the command as a customer would."""
    for name in NAMES:
        (tmp_path / name).write_bytes((FIXTURES / name).read_bytes())
    with pytest.raises(SystemExit) as needing_decisions:
        call_command("import_vapi", str(tmp_path))
    assert needing_decisions.value.code == 3
    return list(Assistant.objects.order_by("name"))


def test_openai_would_take_every_session_that_the_fixtures_give(imported: list[Assistant]) -> None:
    assert len(imported) >= 5

    for assistant in imported:
        update = validation.client_event(draft_session_update(assistant))["session"]
        model = snapshot_take(assistant).model
        validation.session_update(update, settings.defaults(model, "sess_1"), voice_locked=False)


def test_the_fixtures_leave_nothing_unclassified(imported: list[Assistant]) -> None:
    assert not ImportFinding.objects.filter(code="unknown_field").exists()
    assert ImportFinding.objects.count() > 300


def test_importing_the_fixtures_again_makes_nothing_twice(imported: list[Assistant], tmp_path: Path) -> None:
    names = [assistant.name for assistant in imported]
    rows = ImportFinding.objects.count()

    with pytest.raises(SystemExit):
        call_command("import_vapi", str(tmp_path))

    assert [assistant.name for assistant in Assistant.objects.order_by("name")] == names
    assert ImportFinding.objects.count() == rows
