CREATE VIEW reporting.v_errors AS
SELECT
    e.at AS at,
    (e.at AT TIME ZONE 'UTC')::date AS day,
    e.call_id AS call_id,
    c.stack::text AS stack,
    coalesce(c.smoke_test, false) AS smoke_test,
    coalesce(c.did, e.did)::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    e.source AS source,
    e.code AS code,
    e.message AS message,
    e.benign AS benign
FROM (
    SELECT p.at, p.call_id, p.source::text AS source, p.code::text AS code, p.message, p.benign, NULL::text AS did
    FROM calls_callproblem p
    WHERE p.source <> 'tool' OR p.code NOT IN ('tool_timed_out')
    UNION ALL
    SELECT x.requested_at, x.call_id, 'tool', 'tool_' || x.status, x.name || ': ' || x.error, false, NULL
    FROM tools_toolcall x
    WHERE x.status IN ('failed', 'timed_out', 'refused')
    UNION ALL
    SELECT r.created_at, r.id, 'call', 'not_answered', r.refused_because, false, NULL
    FROM calls_call r
    WHERE r.status = 'refused'
    UNION ALL
    SELECT f.requested_at, f.call_id, 'transfer',
        CASE WHEN f.error <> '' THEN 'transfer_not_dialled' ELSE 'transfer_' || f.dial_status END,
        f.error, false, NULL
    FROM calls_calltransfer f
    WHERE f.error <> '' OR f.dial_status IN ('busy', 'no-answer', 'failed', 'canceled')
    UNION ALL
    SELECT b.at, NULL, 'twilio', 'took_the_way_back', btrim(b.kind || ' ' || b.error_code), false, b.did
    FROM calls_fallbackcall b
) e
LEFT JOIN calls_call c ON c.id = e.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id;

COMMENT ON VIEW reporting.v_errors IS 'Everything that went wrong, from all sources: problems of calls, tool calls without an answer, calls that nobody answered, transfers that did not come about, calls that took the way back.';
COMMENT ON COLUMN reporting.v_errors.at IS 'When. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_errors.day IS 'The day of it in UTC.';
COMMENT ON COLUMN reporting.v_errors.call_id IS 'Its call. Empty for a call that took the way back without us.';
COMMENT ON COLUMN reporting.v_errors.stack IS 'Who ran the call: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_errors.smoke_test IS 'Whether the call was placed by a smoke test.';
COMMENT ON COLUMN reporting.v_errors.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_errors.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_errors.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_errors.source IS 'Whose it is: openai, twilio, tool, tandem, call, transfer.';
COMMENT ON COLUMN reporting.v_errors.code IS 'What it is, for grouping.';
COMMENT ON COLUMN reporting.v_errors.message IS 'What happened, in plain words.';
COMMENT ON COLUMN reporting.v_errors.benign IS 'Expected now and then; the caller noticed nothing.';
