"""The models and voices of the Realtime API as of November 2026. Ops staff edit them in the admin from then on."""

from datetime import date

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MODELS = [
    ("gpt-realtime-2.1", True, None),
    ("gpt-realtime-2.1-mini", True, None),
    ("gpt-realtime-2", True, None),
    ("gpt-realtime-1.5", False, None),
    ("gpt-realtime", False, date(2027, 1, 20)),
    ("gpt-realtime-mini", False, date(2027, 1, 20)),
]
TRANSCRIPTION_MODELS = [
    ("gpt-transcribe", True, None),
    ("gpt-4o-transcribe", False, date(2027, 2, 26)),
    ("gpt-4o-mini-transcribe", False, date(2027, 2, 26)),
    ("whisper-1", False, date(2027, 2, 26)),
]
VOICES = [
    ("marin", "Recommended by OpenAI."),
    ("cedar", "Recommended by OpenAI."),
    *((name, "") for name in ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse")),
]


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for name, reasoning, retires_on in MODELS:
        apps.get_model("assistants", "RealtimeModel").objects.get_or_create(
            name=name, defaults={"reasoning": reasoning, "retires_on": retires_on}
        )
    for name, takes_languages, retires_on in TRANSCRIPTION_MODELS:
        apps.get_model("assistants", "TranscriptionModel").objects.get_or_create(
            name=name, defaults={"takes_languages": takes_languages, "retires_on": retires_on}
        )
    for name, note in VOICES:
        apps.get_model("assistants", "Voice").objects.get_or_create(name=name, defaults={"note": note})


class Migration(migrations.Migration):
    dependencies = [("assistants", "0002_versions_are_immutable")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
