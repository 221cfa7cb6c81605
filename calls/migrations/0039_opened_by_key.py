"""Keys are revoked and stay: which of them has opened a call is neither checked for each call of a page, nor indexed."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("calls", "0038_inserted_by_the_release_before"),
        ("tools", "0005_api_keys"),
    ]

    operations = [
        migrations.AlterField(
            model_name="callopened",
            name="key",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="tools.apikey",
            ),
        ),
    ]
