CREATE VIEW reporting.v_stacks AS
SELECT
    c.day,
    c.assistant_id,
    c.assistant,
    c.stack,
    count(*) AS calls_n,
    count(*) FILTER (WHERE c.outcome = 'not answered') AS not_answered_n,
    count(*) FILTER (WHERE c.outcome = 'broke') AS broke_n,
    count(*) FILTER (WHERE c.outcome = 'transferred') AS transferred_n,
    round(coalesce(sum(c.duration_s), 0) / 60, 2) AS minutes,
    round(avg(c.duration_s), 1) AS average_s,
    round(percentile_cont(0.50) WITHIN GROUP (ORDER BY c.first_sound_ms))::int AS first_sound_p50_ms,
    sum(c.barge_ins) AS barge_ins_n,
    sum(c.tool_calls_n)::bigint AS tool_calls_n,
    sum(
        (
            SELECT count(*) FROM tools_toolcall x
            WHERE x.call_id = c.call_id AND x.status IN ('failed', 'timed_out', 'refused')
        )
    )::bigint AS tool_errors_n,
    sum(c.vapi_cost_usd) AS vapi_cost_usd,
    round(sum(c.duration_s) FILTER (WHERE c.vapi_cost_usd IS NOT NULL) / 60, 2) AS vapi_costed_minutes,
    sum(c.cost_usd) AS cost_usd,
    round(sum(c.duration_s) FILTER (WHERE c.cost_usd IS NOT NULL) / 60, 2) AS costed_minutes
FROM reporting.v_calls c
WHERE NOT c.smoke_test
GROUP BY c.day, c.assistant_id, c.assistant, c.stack;

COMMENT ON VIEW reporting.v_stacks IS 'Both stacks side by side: the same figures of an assistant''s day for direct (Tandem) and for vapi. Without smoke tests.';
COMMENT ON COLUMN reporting.v_stacks.day IS 'The day on which the calls came in, in UTC. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_stacks.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_stacks.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_stacks.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_stacks.calls_n IS 'How many calls.';
COMMENT ON COLUMN reporting.v_stacks.not_answered_n IS 'Of them, those that no assistant answered.';
COMMENT ON COLUMN reporting.v_stacks.broke_n IS 'Of them, those that ended with an error.';
COMMENT ON COLUMN reporting.v_stacks.transferred_n IS 'Of them, those that were transferred to somebody.';
COMMENT ON COLUMN reporting.v_stacks.minutes IS 'Minutes of conversation.';
COMMENT ON COLUMN reporting.v_stacks.average_s IS 'Seconds of an average conversation.';
COMMENT ON COLUMN reporting.v_stacks.first_sound_p50_ms IS 'In half of the calls the first sound came within this many ms.';
COMMENT ON COLUMN reporting.v_stacks.barge_ins_n IS 'How often callers interrupted.';
COMMENT ON COLUMN reporting.v_stacks.tool_calls_n IS 'How many tool calls were asked for.';
COMMENT ON COLUMN reporting.v_stacks.tool_errors_n IS 'Of them, those that failed, timed out or were refused.';
COMMENT ON COLUMN reporting.v_stacks.vapi_cost_usd IS 'What Vapi charged for its calls, in US dollars, as imported. Empty for direct.';
COMMENT ON COLUMN reporting.v_stacks.vapi_costed_minutes IS 'The minutes of those calls whose cost is known: divide by these.';
COMMENT ON COLUMN reporting.v_stacks.cost_usd IS 'What its calls cost, in US dollars, on either stack: as Vapi charged, or as our lines sum up to.';
COMMENT ON COLUMN reporting.v_stacks.costed_minutes IS 'The minutes of those calls whose cost is known: divide by these.';
