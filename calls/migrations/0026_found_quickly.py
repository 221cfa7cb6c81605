"""Indices by which callers are found by part of their number, and by which reports find what went wrong. Calls go on meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("calls", "0025_daily_figures")]
    operations = [
        # Left behind, and of no use, where it was being built when that failed: then all of this is done again.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_by_caller", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(fields=["caller"], name="call_by_caller", opclasses=["varchar_pattern_ops"]),
        ),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_by_caller_end", migrations.RunSQL.noop),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY call_by_caller_end ON calls_call (reverse(caller::text) text_pattern_ops)",
            "DROP INDEX CONCURRENTLY call_by_caller_end",
        ),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_by_caller_name", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(
                fields=["-created_at"],
                condition=~Q(caller__startswith="+") & ~Q(caller=""),
                name="call_by_caller_name",
            ),
        ),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_refused", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(fields=["-created_at"], condition=Q(status="refused"), name="call_refused"),
        ),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS transfer_failed", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="calltransfer",
            index=models.Index(
                fields=["requested_at"],
                condition=~Q(error="") | Q(dial_status__in=["busy", "no-answer", "failed", "canceled"]),
                name="transfer_failed",
            ),
        ),
    ]
