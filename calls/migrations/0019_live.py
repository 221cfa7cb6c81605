from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("calls", "0018_unwritten")]

    operations = [
        migrations.CreateModel(
            name="LiveCall",
            fields=[],
            options={
                "verbose_name": "live call",
                "permissions": (("control_call", "Can speak in, mute, transfer and end running calls"),),
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("calls.call",),
        ),
    ]
