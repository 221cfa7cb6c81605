from django.db import migrations

import tools.ordered_json


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0011_fill_voice_mappings"),
    ]

    operations = [
        migrations.AddField(
            model_name="assistant",
            name="server_encrypted_paths",
            field=tools.ordered_json.OrderedJSONField(
                blank=True,
                default=list,
                help_text="Arguments that are encrypted before they go to the server URL above: a list of paths.",
            ),
        ),
    ]
