"""Calls that were scheduled are found by when they were dialled: what looks for calls of late must not miss them."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("calls", "0032_live_orders")]
    operations = [
        migrations.AddIndex(
            model_name="placing",
            index=models.Index(
                fields=["claimed_at"],
                condition=Q(earliest_at__isnull=False),
                name="placing_was_scheduled",
            ),
        )
    ]
