CREATE VIEW reporting.v_outcomes_daily AS
SELECT
    c.day,
    c.stack,
    c.assistant_id,
    c.assistant,
    c.outcome,
    c.ended_reason,
    sum(c.calls_n)::bigint AS calls_n
FROM reporting.v_calls_daily c
GROUP BY c.day, c.stack, c.assistant_id, c.assistant, c.outcome, c.ended_reason;

COMMENT ON VIEW reporting.v_outcomes_daily IS 'How calls ended, by day, stack and assistant. Without smoke tests.';
COMMENT ON COLUMN reporting.v_outcomes_daily.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_outcomes_daily.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_outcomes_daily.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_outcomes_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_outcomes_daily.outcome IS 'How they ended, in a few words, as in v_calls.';
COMMENT ON COLUMN reporting.v_outcomes_daily.ended_reason IS 'The same in Vapi''s words.';
COMMENT ON COLUMN reporting.v_outcomes_daily.calls_n IS 'How many calls.';
