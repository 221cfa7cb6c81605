CREATE VIEW reporting.v_orders AS
SELECT
    o.order_id::text AS order_id,
    o.call_id AS call_id,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    o.kind::text AS kind,
    o.by::text AS ordered_by,
    o.asked_at AS asked_at,
    (o.asked_at AT TIME ZONE 'UTC')::date AS day,
    round(extract(epoch FROM o.asked_at - c.started_at)::numeric, 3) AS seconds_from_start,
    o.result::text AS result,
    o.done_at IS NOT NULL AS done,
    round(extract(epoch FROM o.taken_at - o.asked_at) * 1000)::int AS taken_ms,
    round(extract(epoch FROM o.done_at - o.asked_at) * 1000)::int AS done_ms,
    o.at_once AS at_once,
    o.ends_call AS ends_call
FROM calls_liveorder o
JOIN calls_call c ON c.id = o.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id;

COMMENT ON VIEW reporting.v_orders IS 'One row for each order that was given to a running call from outside: by staff, by a program, or by Tandem itself. What was to be said and who it was by name are left out.';
COMMENT ON COLUMN reporting.v_orders.order_id IS 'The id of the order.';
COMMENT ON COLUMN reporting.v_orders.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_orders.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_orders.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_orders.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_orders.kind IS 'What: say, say-first-message, add-message, mute-assistant, unmute-assistant, mute-customer, unmute-customer, end-call, transfer, handoff.';
COMMENT ON COLUMN reporting.v_orders.ordered_by IS 'Whose: user (in the admin), key (a program), address (the call''s own address), tandem (a spending limit, an answering machine).';
COMMENT ON COLUMN reporting.v_orders.asked_at IS 'When it was given. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_orders.day IS 'The day of it in UTC.';
COMMENT ON COLUMN reporting.v_orders.seconds_from_start IS 'How far into the call that was.';
COMMENT ON COLUMN reporting.v_orders.result IS 'taken, refused (by the call), nobody (had the call), unknown (whether it arrived).';
COMMENT ON COLUMN reporting.v_orders.done IS 'Whether it was done: what was to be said was heard to its end.';
COMMENT ON COLUMN reporting.v_orders.taken_ms IS 'Until the call''s process had taken it.';
COMMENT ON COLUMN reporting.v_orders.done_ms IS 'Until it was done.';
COMMENT ON COLUMN reporting.v_orders.at_once IS 'Whether it was to come in the place of what the assistant was saying.';
COMMENT ON COLUMN reporting.v_orders.ends_call IS 'Whether the call was to end when it was heard.';
