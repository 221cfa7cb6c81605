"""The database itself refuses to change or delete a published version: calls point to it as the truth of what they ran on."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION assistants_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published assistant version cannot be changed or deleted; publish a new one'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER assistants_version_is_immutable BEFORE UPDATE OR DELETE ON assistants_assistantversion
    FOR EACH ROW EXECUTE FUNCTION assistants_version_is_immutable();
"""
BACKWARD = """
DROP TRIGGER assistants_version_is_immutable ON assistants_assistantversion;
DROP FUNCTION assistants_version_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("assistants", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
