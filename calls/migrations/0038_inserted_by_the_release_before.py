"""Processes of the release before, which know nothing of newer columns, go on inserting calls until they are restarted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0037_number_server_timeout")]

    operations = [
        migrations.AlterField(
            model_name="call",
            name="smoke_test",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Placed by a smoke test: nobody was on the line, and its tools were answered by the scenario.",
            ),
        ),
        migrations.AlterField(
            model_name="call",
            name="name",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What a program calls it, for its own lists.",
                max_length=40,
            ),
        ),
    ]
