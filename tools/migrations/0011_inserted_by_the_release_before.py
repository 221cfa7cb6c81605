"""Processes of the release before, which know nothing of newer columns, go on inserting rows until they are restarted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tools", "0010_credential_hosts")]

    operations = [
        migrations.AlterField(
            model_name="credential",
            name="hosts",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the secret may go, a host in each line.",
                verbose_name="allowed hosts",
            ),
        ),
        migrations.AlterField(
            model_name="toolcall",
            name="attempts_begun",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often the request was sent, or was to be."
            ),
        ),
        migrations.AlterField(
            model_name="toolcall",
            name="variables",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text="What the call learnt from the answer, by name.",
            ),
        ),
    ]
