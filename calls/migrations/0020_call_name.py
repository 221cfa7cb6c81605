from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0019_live"),
    ]

    operations = [
        migrations.AddField(
            model_name="call",
            name="name",
            field=models.CharField(
                blank=True, default="", help_text="What a program calls it, for its own lists.", max_length=40
            ),
            preserve_default=False,
        ),
    ]
