"""The database itself refuses to change a price or a line: a new price is a new row, and so is a new reckoning."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION calls_price_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a price is not changed: enter a new row, with the moment from which it is in force'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER calls_price_stays BEFORE UPDATE ON calls_price
    FOR EACH ROW EXECUTE FUNCTION calls_price_stays();

CREATE FUNCTION calls_cost_line_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.superseded_at IS NULL AND NEW.superseded_at IS NOT NULL
        AND (to_jsonb(NEW) - 'superseded_at') = (to_jsonb(OLD) - 'superseded_at') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a cost line is not changed: what is reckoned anew is written anew'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER calls_cost_line_stays BEFORE UPDATE ON calls_costline
    FOR EACH ROW EXECUTE FUNCTION calls_cost_line_stays();
"""
BACKWARD = """
DROP TRIGGER calls_cost_line_stays ON calls_costline;
DROP FUNCTION calls_cost_line_stays();
DROP TRIGGER calls_price_stays ON calls_price;
DROP FUNCTION calls_price_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("calls", "0013_costs")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
