from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tools", "0006_tool_calls_by_moment")]

    operations = [
        migrations.AddField(
            model_name="tool",
            name="transient",
            field=models.UUIDField(
                blank=True,
                db_index=True,
                editable=False,
                help_text="What it came with, where it exists for the calls of a program alone.",
                null=True,
            ),
        ),
    ]
