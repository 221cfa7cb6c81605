CREATE VIEW reporting.v_latency_daily AS
SELECT
    r.day,
    r.stack::text AS stack,
    r.assistant_id,
    a.name::text AS assistant,
    r.turns_n,
    r.calls_n,
    r.p50_ms,
    r.p95_ms,
    r.p99_ms,
    r.silence_ms,
    r.tools_ms,
    r.model_ms,
    r.first_sound_p50_ms
FROM calls_speedday r
LEFT JOIN assistants_assistant a ON a.id = r.assistant_id
WHERE r.day <= (SELECT k.until FROM calls_dayskept k) AND r.day NOT IN (SELECT q.day FROM calls_daychanged q)
UNION ALL
SELECT d.day, x.*
FROM calls_days_live() d (day)
CROSS JOIN LATERAL (
    SELECT
        g.stack::text,
        g.assistant_id,
        a.name::text AS assistant,
        coalesce(s.turns_n, 0) AS turns_n,
        coalesce(s.calls_n, 0) AS calls_n,
        s.p50_ms,
        s.p95_ms,
        s.p99_ms,
        coalesce(s.silence_ms, 0) AS silence_ms,
        coalesce(s.tools_ms, 0) AS tools_ms,
        coalesce(s.model_ms, 0) AS model_ms,
        g.first_sound_p50_ms
    FROM (
        SELECT
            c.stack,
            c.assistant_id,
            coalesce(c.assistant_id, '00000000-0000-0000-0000-000000000000') AS who,
            round(percentile_cont(0.50) WITHIN GROUP (ORDER BY c.first_sound_ms))::int AS first_sound_p50_ms
        FROM calls_call c
        WHERE calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) = d.day AND NOT c.smoke_test
        GROUP BY c.stack, c.assistant_id
    ) g
    LEFT JOIN (
        SELECT
            t.stack,
            coalesce(t.assistant_id, '00000000-0000-0000-0000-000000000000') AS who,
            count(*) AS turns_n,
            count(DISTINCT t.call_id) AS calls_n,
            round(percentile_cont(0.50) WITHIN GROUP (ORDER BY t.latency_ms))::int AS p50_ms,
            round(percentile_cont(0.95) WITHIN GROUP (ORDER BY t.latency_ms))::int AS p95_ms,
            round(percentile_cont(0.99) WITHIN GROUP (ORDER BY t.latency_ms))::int AS p99_ms,
            sum(t.silence_ms)::bigint AS silence_ms,
            sum(t.tool_ms)::bigint AS tools_ms,
            sum(greatest(t.latency_ms - t.silence_ms - t.tool_ms, 0))::bigint AS model_ms
        FROM (
            SELECT
                t.call_id,
                t.stack,
                t.assistant_id,
                t.latency_ms,
                coalesce(t.endpointing_ms, 0) AS silence_ms,
                coalesce(t.tool_ms, 0) AS tool_ms
            FROM reporting.v_turns t
            WHERE t.day = d.day AND NOT t.smoke_test AND t.latency_ms IS NOT NULL
            OFFSET 0 -- so that each is looked up once
        ) t
        GROUP BY t.stack, coalesce(t.assistant_id, '00000000-0000-0000-0000-000000000000')
    ) s ON s.stack = g.stack AND s.who = g.who
    LEFT JOIN assistants_assistant a ON a.id = g.assistant_id
) x;

COMMENT ON VIEW reporting.v_latency_daily IS 'How long callers waited for an answer, by day, stack and assistant. Without smoke tests. Percentiles of days cannot be averaged: for a longer period take them from v_turns.';
COMMENT ON COLUMN reporting.v_latency_daily.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_latency_daily.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_latency_daily.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_latency_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_latency_daily.turns_n IS 'How many answers it is made of.';
COMMENT ON COLUMN reporting.v_latency_daily.calls_n IS 'In how many calls.';
COMMENT ON COLUMN reporting.v_latency_daily.p50_ms IS 'Half of the answers came within this many ms (latency_ms of v_turns).';
COMMENT ON COLUMN reporting.v_latency_daily.p95_ms IS '95 of 100 did.';
COMMENT ON COLUMN reporting.v_latency_daily.p99_ms IS '99 of 100 did.';
COMMENT ON COLUMN reporting.v_latency_daily.silence_ms IS 'Of all those waits together, how much was the silence that ends a turn, as far as it is known. Divide by turns_n.';
COMMENT ON COLUMN reporting.v_latency_daily.tools_ms IS 'How much of them tools were awaited.';
COMMENT ON COLUMN reporting.v_latency_daily.model_ms IS 'The rest of them: the model and the line.';
COMMENT ON COLUMN reporting.v_latency_daily.first_sound_p50_ms IS 'In half of the calls the first sound was sent within this many ms of the start of the stream.';
