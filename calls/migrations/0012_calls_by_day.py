"""An index of calls by their day in UTC, which the reporting views group and filter by."""

import datetime

from django.db import migrations, models
from django.db.models.functions import TruncDate


class Migration(migrations.Migration):
    dependencies = [("calls", "0011_cutover_screen")]
    operations = [
        migrations.AddIndex(
            model_name="call",
            index=models.Index(TruncDate("created_at", tzinfo=datetime.UTC), name="call_by_day"),
        )
    ]
