"""An index of tool calls that went wrong, for the reports. Calls go on meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tools", "0007_transient")]
    operations = [
        # Left behind, and of no use, where it was being built when that failed: then all of this is done again.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS tool_call_failed", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="toolcall",
            index=models.Index(
                fields=["requested_at"],
                condition=models.Q(status__in=["failed", "timed_out", "refused"]),
                name="tool_call_failed",
            ),
        ),
    ]
