"""An index of how long callers waited, by transcript."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transcripts", "0002_who_of_several_spoke")]
    operations = [
        migrations.AddIndex(
            model_name="utterance",
            index=models.Index(
                fields=["transcript"],
                include=["latency_ms"],
                condition=models.Q(latency_ms__isnull=False),
                name="utterance_latency",
            ),
        )
    ]
