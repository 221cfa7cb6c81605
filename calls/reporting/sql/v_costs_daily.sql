CREATE VIEW reporting.v_costs_daily AS
SELECT
    r.day,
    r.stack::text AS stack,
    r.assistant_id,
    coalesce(a.name, r.vapi_name)::text AS assistant,
    r.did::text AS did,
    r.provider::text AS provider,
    r.kind::text AS kind,
    r.item::text AS item,
    r.calls_n,
    trim_scale(r.usd) AS usd,
    r.unknown_n
FROM calls_costday r
LEFT JOIN assistants_assistant a ON a.id = r.assistant_id
WHERE r.day <= (SELECT k.until FROM calls_dayskept k) AND r.day NOT IN (SELECT q.day FROM calls_daychanged q)
UNION ALL
SELECT d.day, x.*
FROM calls_days_live() d (day)
CROSS JOIN LATERAL (
    SELECT
        l.stack,
        l.assistant_id,
        l.assistant,
        l.did,
        l.provider,
        l.kind,
        l.item,
        count(DISTINCT l.call_id) AS calls_n,
        coalesce(sum(l.usd), 0) AS usd,
        count(*) FILTER (WHERE l.usd IS NULL) AS unknown_n
    FROM calls_call c
    -- Call by call: the planner would rather read the lines of all years than those of a few thousand calls.
    CROSS JOIN LATERAL (SELECT v.* FROM reporting.v_cost_lines v WHERE v.call_id = c.id OFFSET 0) l
    WHERE calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) = d.day AND NOT c.smoke_test
    GROUP BY l.stack, l.assistant_id, l.assistant, l.did, l.provider, l.kind, l.item
) x;

COMMENT ON VIEW reporting.v_costs_daily IS 'What calls cost by day, stack, assistant, number, provider and model. Without smoke tests. Minutes are in v_minutes_daily.';
COMMENT ON COLUMN reporting.v_costs_daily.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_costs_daily.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_costs_daily.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_costs_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_costs_daily.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_costs_daily.provider IS 'Who charges for it: openai, twilio or vapi.';
COMMENT ON COLUMN reporting.v_costs_daily.kind IS 'What it is for, as in v_cost_lines.';
COMMENT ON COLUMN reporting.v_costs_daily.item IS 'The model, or the item of the price list; at Vapi the part of its breakdown.';
COMMENT ON COLUMN reporting.v_costs_daily.calls_n IS 'In how many calls.';
COMMENT ON COLUMN reporting.v_costs_daily.usd IS 'What it cost, in US dollars, as far as it is known.';
COMMENT ON COLUMN reporting.v_costs_daily.unknown_n IS 'How many lines have no amount, so that it cost more.';
