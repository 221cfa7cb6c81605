"""The database itself refuses to change or delete what happened to a number, and what it was before we wrote to it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION calls_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A user who leaves is forgotten; actor_label still tells who it was.
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) ? 'actor_id' THEN
        IF NEW.actor_id IS NULL AND (to_jsonb(NEW) - 'actor_id') = (to_jsonb(OLD) - 'actor_id') THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: what happened to a number is not changed or deleted afterwards', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER calls_event_is_append_only BEFORE UPDATE OR DELETE ON calls_cutoverevent
    FOR EACH ROW EXECUTE FUNCTION calls_history_is_append_only();
CREATE TRIGGER calls_snapshot_is_append_only BEFORE UPDATE OR DELETE ON calls_numbersnapshot
    FOR EACH ROW EXECUTE FUNCTION calls_history_is_append_only();
"""
BACKWARD = """
DROP TRIGGER calls_event_is_append_only ON calls_cutoverevent;
DROP TRIGGER calls_snapshot_is_append_only ON calls_numbersnapshot;
DROP FUNCTION calls_history_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("calls", "0003_cutover")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
