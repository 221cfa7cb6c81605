CREATE VIEW reporting.v_calls_daily AS
SELECT
    r.day,
    r.stack::text AS stack,
    r.assistant_id,
    a.name::text AS assistant,
    r.did::text AS did,
    r.outcome::text AS outcome,
    r.ended_reason::text AS ended_reason,
    r.calls_n,
    r.answered_n,
    r.timed_n,
    r.seconds,
    r.begun_minutes,
    r.longest_s,
    r.barge_ins_n,
    r.tool_calls_n,
    r.tool_errors_n,
    trim_scale(r.vapi_cost_usd) AS vapi_cost_usd,
    r.vapi_costed_s,
    trim_scale(r.cost_usd) AS cost_usd,
    r.costed_s
FROM calls_callday r
LEFT JOIN assistants_assistant a ON a.id = r.assistant_id
WHERE r.day <= (SELECT k.until FROM calls_dayskept k) AND r.day NOT IN (SELECT q.day FROM calls_daychanged q)
UNION ALL
SELECT d.day, x.*
FROM calls_days_live() d (day)
CROSS JOIN LATERAL (
    SELECT
        c.stack,
        c.assistant_id,
        c.assistant,
        c.did,
        c.outcome,
        c.ended_reason,
        count(*) AS calls_n,
        count(*) FILTER (WHERE c.started_at IS NOT NULL) AS answered_n,
        count(c.duration_s) AS timed_n,
        coalesce(sum(c.duration_s), 0) AS seconds,
        coalesce(sum(ceil(c.duration_s / 60)), 0)::bigint AS begun_minutes,
        max(c.duration_s) AS longest_s,
        sum(c.barge_ins)::bigint AS barge_ins_n,
        sum(c.tool_calls_n)::bigint AS tool_calls_n,
        sum(
            (
                SELECT count(*) FROM tools_toolcall x
                WHERE x.call_id = c.call_id AND x.status IN ('failed', 'timed_out', 'refused')
            )
        )::bigint AS tool_errors_n,
        sum(c.vapi_cost_usd) AS vapi_cost_usd,
        sum(c.duration_s) FILTER (WHERE c.vapi_cost_usd IS NOT NULL) AS vapi_costed_s,
        sum(c.cost_usd) AS cost_usd,
        sum(c.duration_s) FILTER (WHERE c.cost_usd IS NOT NULL) AS costed_s
    FROM reporting.v_calls c
    WHERE c.day = d.day AND NOT c.smoke_test
    GROUP BY c.stack, c.assistant_id, c.assistant, c.did, c.outcome, c.ended_reason
) x;

COMMENT ON VIEW reporting.v_calls_daily IS 'Calls by day, stack, assistant, number and end: what the other daily views are made of. Days that are over are kept reckoned. Without smoke tests.';
COMMENT ON COLUMN reporting.v_calls_daily.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_calls_daily.stack IS 'Who ran them: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_calls_daily.assistant_id IS 'The assistant that took them.';
COMMENT ON COLUMN reporting.v_calls_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_calls_daily.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_calls_daily.outcome IS 'How they ended, in a few words, as in v_calls.';
COMMENT ON COLUMN reporting.v_calls_daily.ended_reason IS 'Why they ended, in Vapi''s words.';
COMMENT ON COLUMN reporting.v_calls_daily.calls_n IS 'How many calls.';
COMMENT ON COLUMN reporting.v_calls_daily.answered_n IS 'How many of them had a conversation.';
COMMENT ON COLUMN reporting.v_calls_daily.timed_n IS 'How many of them have both a beginning and an end, so that they count in seconds.';
COMMENT ON COLUMN reporting.v_calls_daily.seconds IS 'Seconds of conversation.';
COMMENT ON COLUMN reporting.v_calls_daily.begun_minutes IS 'Minutes with each begun one counted whole, as telephone companies do.';
COMMENT ON COLUMN reporting.v_calls_daily.longest_s IS 'The longest conversation, in seconds.';
COMMENT ON COLUMN reporting.v_calls_daily.barge_ins_n IS 'How often callers interrupted.';
COMMENT ON COLUMN reporting.v_calls_daily.tool_calls_n IS 'How many tool calls were asked for.';
COMMENT ON COLUMN reporting.v_calls_daily.tool_errors_n IS 'How many of those failed, timed out or were refused.';
COMMENT ON COLUMN reporting.v_calls_daily.vapi_cost_usd IS 'What Vapi charged, in US dollars. Empty where none of the calls has such a figure.';
COMMENT ON COLUMN reporting.v_calls_daily.vapi_costed_s IS 'Seconds of the calls that have one.';
COMMENT ON COLUMN reporting.v_calls_daily.cost_usd IS 'What they cost, in US dollars, as far as it is known: as Vapi charged, or as our lines sum up to.';
COMMENT ON COLUMN reporting.v_calls_daily.costed_s IS 'Seconds of the calls of which it is known.';
