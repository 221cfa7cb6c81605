CREATE VIEW reporting.v_latency_daily AS
SELECT
    (c.created_at AT TIME ZONE 'UTC')::date AS day,
    c.stack::text AS stack,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    count(*) AS turns_n,
    count(DISTINCT c.id) AS calls_n,
    round(percentile_cont(0.50) WITHIN GROUP (ORDER BY u.latency_ms))::int AS p50_ms,
    round(percentile_cont(0.95) WITHIN GROUP (ORDER BY u.latency_ms))::int AS p95_ms,
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY u.latency_ms))::int AS p99_ms
FROM calls_call c
JOIN transcripts_transcript t ON t.call_id = c.id
JOIN transcripts_utterance u ON u.transcript_id = t.id AND u.latency_ms IS NOT NULL
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
WHERE NOT c.smoke_test
GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW reporting.v_latency_daily IS 'How long callers waited for an answer, by day, stack and assistant. Without smoke tests. Percentiles of days cannot be averaged: for a longer period take them from v_turns.';
COMMENT ON COLUMN reporting.v_latency_daily.day IS 'The day on which the call came in, in UTC. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_latency_daily.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_latency_daily.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_latency_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_latency_daily.turns_n IS 'How many answers it is made of.';
COMMENT ON COLUMN reporting.v_latency_daily.calls_n IS 'In how many calls.';
COMMENT ON COLUMN reporting.v_latency_daily.p50_ms IS 'Half of the answers came within this many ms (latency_ms of v_turns).';
COMMENT ON COLUMN reporting.v_latency_daily.p95_ms IS '95 of 100 did.';
COMMENT ON COLUMN reporting.v_latency_daily.p99_ms IS '99 of 100 did.';
