"""Where a credential's secret may go. What is in use is filled in by calls/migrations, which know every user of one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tools", "0009_api_writes")]

    operations = [
        migrations.AddField(
            model_name="credential",
            name="hosts",
            field=models.TextField(
                blank=True,
                help_text="Where the secret may go, a host in each line.",
                verbose_name="allowed hosts",
            ),
        ),
    ]
