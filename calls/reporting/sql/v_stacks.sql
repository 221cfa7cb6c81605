CREATE VIEW reporting.v_stacks AS
SELECT
    c.day,
    c.assistant_id,
    c.assistant,
    c.stack,
    sum(c.calls_n)::bigint AS calls_n,
    coalesce(sum(c.calls_n) FILTER (WHERE c.outcome = 'not answered'), 0)::bigint AS not_answered_n,
    coalesce(sum(c.calls_n) FILTER (WHERE c.outcome = 'broke'), 0)::bigint AS broke_n,
    coalesce(sum(c.calls_n) FILTER (WHERE c.outcome = 'transferred'), 0)::bigint AS transferred_n,
    round(sum(c.seconds) / 60, 2) AS minutes,
    round(sum(c.seconds) / nullif(sum(c.timed_n), 0), 1) AS average_s,
    (
        SELECT max(s.first_sound_p50_ms) FROM reporting.v_latency_daily s
        WHERE s.day = c.day AND s.stack = c.stack AND s.assistant_id IS NOT DISTINCT FROM c.assistant_id
    ) AS first_sound_p50_ms,
    sum(c.barge_ins_n)::bigint AS barge_ins_n,
    sum(c.tool_calls_n)::bigint AS tool_calls_n,
    sum(c.tool_errors_n)::bigint AS tool_errors_n,
    sum(c.vapi_cost_usd) AS vapi_cost_usd,
    round(sum(c.vapi_costed_s) / 60, 2) AS vapi_costed_minutes,
    sum(c.cost_usd) AS cost_usd,
    round(sum(c.costed_s) / 60, 2) AS costed_minutes
FROM reporting.v_calls_daily c
GROUP BY c.day, c.assistant_id, c.assistant, c.stack;

COMMENT ON VIEW reporting.v_stacks IS 'Both stacks side by side: the same figures of an assistant''s day for direct (Tandem) and for vapi. Without smoke tests.';
COMMENT ON COLUMN reporting.v_stacks.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed: filter by it.';
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
