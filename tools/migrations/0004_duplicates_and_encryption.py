import tools.ordered_json
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tools", "0003_attempts_and_captures"),
    ]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="encryption_key",
            field=models.TextField(
                blank=True,
                help_text="RSA, in PEM form. Tools that have arguments encrypted encrypt them with it, so that only your server reads them.",
                verbose_name="public key",
            ),
        ),
        migrations.AddField(
            model_name="tool",
            name="duplicates",
            field=models.CharField(
                choices=[("once", "One request answers both"), ("each", "Each is sent")],
                default="once",
                help_text="Models at times ask twice for the same, with the same arguments, in one breath. One request answers both, so that nothing is booked twice; or each is sent, where the same twice is meant, such as rolling dice.",
                max_length=10,
                verbose_name="same request twice",
            ),
        ),
        migrations.AddField(
            model_name="tool",
            name="encrypted_paths",
            field=tools.ordered_json.OrderedJSONField(
                blank=True,
                default=list,
                help_text="Arguments that are encrypted before they are sent: a list of paths.",
            ),
        ),
    ]
