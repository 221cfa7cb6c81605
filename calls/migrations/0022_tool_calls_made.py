from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0021_call_variables")]

    operations = [
        migrations.AddField(
            model_name="call",
            name="tool_calls_made",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Tool calls that the media process has seen. Its workers have written all of them once there are as many rows.",
                null=True,
            ),
        ),
    ]
