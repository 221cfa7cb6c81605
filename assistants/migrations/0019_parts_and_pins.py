"""Documents that stood in others know which, and members of squads may be pinned to a version."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("assistants", "0018_server_messages_move")]

    operations = [
        migrations.AddField(
            model_name="transient",
            name="part_of",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                help_text="The document in which it stood.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="assistants.transient",
            ),
        ),
        migrations.AlterField(
            model_name="transient",
            name="kind",
            field=models.CharField(
                choices=[
                    ("assistant", "Assistant"),
                    ("overrides", "Overrides"),
                    ("squad", "Squad"),
                    ("member", "Part of a squad or of a destination"),
                    ("emptied", "Deleted with its calls"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="squadmember",
            name="version",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                help_text="The one that it runs on in this squad, where that is not the one in force.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="assistants.assistantversion",
            ),
        ),
    ]
