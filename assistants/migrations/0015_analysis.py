import tools.ordered_json
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assistants", "0014_records"),
    ]

    operations = [
        migrations.AddField(
            model_name="assistant",
            name="analysis_enabled",
            field=models.BooleanField(
                default=False,
                help_text="A text model of OpenAI's reads the transcript of every call, at your expense, and answers what is asked below.",
                verbose_name="analyse finished calls",
            ),
        ),
        migrations.AlterField(
            model_name="assistant",
            name="analysis_plan",
            field=tools.ordered_json.OrderedJSONField(
                blank=True,
                default=dict,
                help_text="What is asked about a finished call, in Vapi's form (analysisPlan). Empty: a summary, and whether it was a success, as at Vapi.",
                verbose_name="analysis after the call",
            ),
        ),
    ]
