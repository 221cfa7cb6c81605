CREATE VIEW reporting.v_cutover_events AS
SELECT
    e.id AS event_id,
    e.at AS at,
    (e.at AT TIME ZONE 'UTC')::date AS day,
    n.did::text AS did,
    n.label::text AS number_label,
    e.kind::text AS kind,
    e.from_state::text AS from_state,
    e.to_state::text AS to_state,
    o.percent AS percent,
    e.actor_label::text AS who,
    e.reason AS reason,
    (
        SELECT string_agg(d.value ->> 'field', ', ' ORDER BY d.value ->> 'field')
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(e.differences) = 'array' THEN e.differences ELSE '[]'::jsonb END) d
    ) AS changed_fields,
    (
        SELECT string_agg(g.value ->> 'gate', ', ' ORDER BY g.value ->> 'gate')
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(e.overrides) = 'array' THEN e.overrides ELSE '[]'::jsonb END) g
    ) AS overridden_gates,
    e.operation_id AS operation_id
FROM calls_cutoverevent e
JOIN calls_phonenumber n ON n.id = e.number_id
LEFT JOIN calls_cutoveroperation o ON o.id = e.operation_id;

COMMENT ON VIEW reporting.v_cutover_events IS 'Everything that happened to a number on its way from Vapi to us: who, when, why. The configurations themselves are left out: their addresses may hold secrets.';
COMMENT ON COLUMN reporting.v_cutover_events.event_id IS 'The id of the event.';
COMMENT ON COLUMN reporting.v_cutover_events.at IS 'When. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_cutover_events.day IS 'The day of it in UTC.';
COMMENT ON COLUMN reporting.v_cutover_events.did IS 'The number.';
COMMENT ON COLUMN reporting.v_cutover_events.number_label IS 'What your team calls it.';
COMMENT ON COLUMN reporting.v_cutover_events.kind IS 'What happened: found, seen, vanished, returned, assigned, cutover, canary, rollback, restore, refused, failed, undone, changed, changed_back, accepted, fought, schedule.';
COMMENT ON COLUMN reporting.v_cutover_events.from_state IS 'Where the number stood before: unknown, on_vapi, canary, ours, rolled_back, changed.';
COMMENT ON COLUMN reporting.v_cutover_events.to_state IS 'Where it stood after.';
COMMENT ON COLUMN reporting.v_cutover_events.percent IS 'The share of calls that our assistant was to answer. Empty where nothing was to be written.';
COMMENT ON COLUMN reporting.v_cutover_events.who IS 'A user, or watch, budget, command line.';
COMMENT ON COLUMN reporting.v_cutover_events.reason IS 'Why.';
COMMENT ON COLUMN reporting.v_cutover_events.changed_fields IS 'Which fields at Twilio differed.';
COMMENT ON COLUMN reporting.v_cutover_events.overridden_gates IS 'Which gates somebody overrode.';
COMMENT ON COLUMN reporting.v_cutover_events.operation_id IS 'The operation that it was part of.';
