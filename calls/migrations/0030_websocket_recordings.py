"""Calls on programs' sockets are recorded by ourselves: one more source of recordings. Nothing is changed in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0028_calls_of_vapi")]
    operations = [
        migrations.AlterField(
            model_name="recording",
            name="source",
            field=models.CharField(
                choices=[("twilio", "Twilio"), ("vapi", "Vapi"), ("tandem", "Tandem")],
                default="twilio",
                max_length=10,
            ),
        )
    ]
