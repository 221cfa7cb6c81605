"""Utterances name the assistant that spoke, where several shared a call."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transcripts", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="utterance",
            name="assistant",
            field=models.CharField(
                blank=True, help_text="Which of several assistants of the call spoke, by name.", max_length=80
            ),
        )
    ]
