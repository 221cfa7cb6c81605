CREATE VIEW reporting.v_answer_times AS
SELECT
    r.day,
    r.stack::text AS stack,
    r.assistant_id,
    a.name::text AS assistant,
    l.latency_ms
FROM calls_speedday r
LEFT JOIN assistants_assistant a ON a.id = r.assistant_id
CROSS JOIN LATERAL unnest(r.latencies) l (latency_ms)
WHERE r.day <= (SELECT k.until FROM calls_dayskept k) AND r.day NOT IN (SELECT q.day FROM calls_daychanged q)
UNION ALL
SELECT d.day, x.*
FROM calls_days_live() d (day)
CROSS JOIN LATERAL (
    SELECT c.stack::text, c.assistant_id, a.name::text AS assistant, u.latency_ms
    FROM calls_call c
    JOIN transcripts_transcript t ON t.call_id = c.id
    JOIN transcripts_utterance u ON u.transcript_id = t.id AND u.latency_ms IS NOT NULL
    LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
    WHERE calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) = d.day AND NOT c.smoke_test
) x;

COMMENT ON VIEW reporting.v_answer_times IS 'How long the caller waited for each answer, one row for each, so that p50, p95 and p99 of any days and assistants can be taken: percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms). Without smoke tests.';
COMMENT ON COLUMN reporting.v_answer_times.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_answer_times.stack IS 'Who ran the call: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_answer_times.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_answer_times.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_answer_times.latency_ms IS 'From the end of the caller''s speech to the first sound, in ms, as in v_turns.';
