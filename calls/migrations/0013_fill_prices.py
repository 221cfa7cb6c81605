"""The price list as published in November 2026. Whoever has negotiated other prices enters rows of their own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import migrations

MILLION = 1_000_000
PARTS = (
    "text_in",
    "text_cached",
    "text_out",
    "audio_in",
    "audio_cached",
    "audio_out",
    "image_in",
    "image_cached",
)
OPENAI = "OpenAI's price list, November 2026."
TWILIO = "Twilio's US list, November 2026."
# Model: since when, and US dollars for a million tokens, in the order of PARTS.
REALTIME = {
    "gpt-realtime-2.1": ("2026-07-06", "4 0.40 24 32 0.40 64 5 0.50"),
    "gpt-realtime-2.1-mini": ("2026-07-06", "0.60 0.06 2.40 10 0.30 20 0.80 0.08"),
    "gpt-realtime-2": ("2026-05-07", "4 0.40 24 32 0.40 64 5 0.50"),
    "gpt-realtime-1.5": ("2026-02-23", "4 0.40 16 32 0.40 64 5 0.50"),
    "gpt-realtime": ("2025-08-28", "4 0.40 16 32 0.40 64 5 0.50"),
    "gpt-realtime-2025-08-28": ("2025-08-28", "4 0.40 16 32 0.40 64 5 0.50"),
    "gpt-realtime-mini": ("2025-08-28", "0.60 0.06 2.40 10 0.30 20 0.80 0.08"),
    "gpt-realtime-mini-2025-12-15": ("2025-12-15", "0.60 0.06 2.40 10 0.30 20 0.80 0.08"),
}
PER_MINUTE = {
    "gpt-transcribe": "0.0045",
    "gpt-live-transcribe": "0.017",
    "gpt-realtime-whisper": "0.017",
    "whisper-1": "0.006",
}
BY_TOKEN = {
    "gpt-4o-transcribe": ("2.50", "10"),
    "gpt-4o-transcribe-diarize": ("2.50", "10"),
    "gpt-4o-mini-transcribe": ("1.25", "5"),
    "gpt-4o-mini-transcribe-2025-12-15": ("1.25", "5"),
}
LINE = {
    ("inbound local, US", "minutes"): "0.0085",
    ("inbound toll-free, US", "minutes"): "0.022",
    ("outbound, US", "minutes"): "0.014",
    ("media streams", "minutes"): "0.004",
    ("recording", "minutes"): "0.0025",
    ("recording storage", "months"): "0.0005",
    ("SIP interface", "minutes"): "0.004",
    ("answering-machine detection", "times"): "0.0075",
    ("local number, US", "months"): "1.15",
}
VAPI = {
    ("platform fee", "minutes"): (
        "0.05",
        "Vapi's published fee, to the second; model, voice, transcriber and line come on top.",
    ),
    ("everything", "minutes"): (
        "0.12",
        "The lower end of the $0.12 to $0.33 a minute that users report, everything included.",
    ),
}
EVER = "2025-01-01"


def rows() -> Iterator[tuple[str, str, str, str, int, str, str]]:
    """Provider, item, part, dollars, for how many, since when, and where it is from."""
    for model, (since, figures) in REALTIME.items():
        for part, usd in zip(PARTS, figures.split(), strict=True):
            yield "openai", model, part, usd, MILLION, since, OPENAI
    for model, usd in PER_MINUTE.items():
        yield "openai", model, "seconds", usd, 60, EVER, OPENAI
    for model, (heard, written) in BY_TOKEN.items():
        for part, usd in (("audio_in", heard), ("text_in", heard), ("text_out", written)):
            yield "openai", model, part, usd, MILLION, EVER, OPENAI
    for (item, part), usd in LINE.items():
        yield "twilio", item, part, usd, 1, EVER, TWILIO
    for (item, part), (usd, source) in VAPI.items():
        yield "vapi", item, part, usd, 1, EVER, source


def fill(apps: Any, schema_editor: Any) -> None:
    price = apps.get_model("calls", "Price")
    price.objects.bulk_create(
        price(
            provider=provider,
            item=item,
            part=part,
            usd=Decimal(usd),
            per=per,
            valid_from=datetime.fromisoformat(since).replace(tzinfo=UTC),
            source=source,
        )
        for provider, item, part, usd, per, since, source in rows()
    )


def empty(apps: Any, schema_editor: Any) -> None:
    """Going back drops the table; lines that were made with these prices would stop it."""


class Migration(migrations.Migration):
    dependencies = [("calls", "0013_costs_are_lasting")]
    operations = [migrations.RunPython(fill, empty)]
