"""An index of the calls that ran at Vapi, by which a call's page finds what they cost. Calls go on meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("calls", "0027_websocket_calls")]
    operations = [
        # Left behind, and of no use, where it was being built when that failed: then all of this is done again.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS call_of_vapi", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(
                fields=["assistant", "-created_at"], condition=models.Q(stack="vapi"), name="call_of_vapi"
            ),
        ),
    ]
