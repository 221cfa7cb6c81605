"""An index of tool calls by when they were asked for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tools", "0005_api_keys")]
    operations = [
        migrations.AddIndex(
            model_name="toolcall",
            index=models.Index(fields=["requested_at"], name="tool_call_by_moment"),
        )
    ]
