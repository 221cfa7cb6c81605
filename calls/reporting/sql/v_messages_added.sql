CREATE VIEW reporting.v_messages_added AS
SELECT
    o.order_id::text AS order_id,
    o.call_id AS call_id,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    o.role::text AS role,
    o.words AS text,
    o.by::text AS added_by,
    o.done_at AS added_at,
    (o.done_at AT TIME ZONE 'UTC')::date AS day,
    round(extract(epoch FROM o.done_at - c.started_at)::numeric, 3) AS seconds_from_start
FROM calls_liveorder o
JOIN calls_call c ON c.id = o.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
WHERE o.kind = 'add-message' AND o.done_at IS NOT NULL;

COMMENT ON VIEW reporting.v_messages_added IS 'One row for each message that was put into a conversation from outside. Nobody has said it, so it is no turn; the assistant has read it.';
COMMENT ON COLUMN reporting.v_messages_added.order_id IS 'The order that it came with, as in v_orders.';
COMMENT ON COLUMN reporting.v_messages_added.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_messages_added.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_messages_added.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_messages_added.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_messages_added.role IS 'As whose it was added: system, user or assistant.';
COMMENT ON COLUMN reporting.v_messages_added.text IS 'The message, as far as it may be kept: redacted as speech is, and empty where nothing is kept or the call was erased.';
COMMENT ON COLUMN reporting.v_messages_added.added_by IS 'Whose: user (in the admin), key (a program), address (the call''s own address), tandem.';
COMMENT ON COLUMN reporting.v_messages_added.added_at IS 'When it was put in.';
COMMENT ON COLUMN reporting.v_messages_added.day IS 'The day of it in UTC.';
COMMENT ON COLUMN reporting.v_messages_added.seconds_from_start IS 'How far into the call that was.';
