"""Processes of the release before, which know nothing of newer columns, go on inserting utterances until they are restarted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transcripts", "0004_search")]

    operations = [
        migrations.AlterField(
            model_name="utterance",
            name="assistant",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Which of several assistants of the call spoke, by name.",
                max_length=80,
            ),
        ),
    ]
