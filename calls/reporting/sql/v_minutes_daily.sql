CREATE VIEW reporting.v_minutes_daily AS
SELECT
    c.day,
    c.stack,
    c.assistant_id,
    c.assistant,
    c.did,
    sum(c.calls_n)::bigint AS calls_n,
    sum(c.answered_n)::bigint AS answered_n,
    round(sum(c.seconds) / 60, 2) AS minutes,
    sum(c.begun_minutes)::bigint AS begun_minutes,
    round(max(c.longest_s) / 60, 2) AS longest_minutes
FROM reporting.v_calls_daily c
GROUP BY c.day, c.stack, c.assistant_id, c.assistant, c.did;

COMMENT ON VIEW reporting.v_minutes_daily IS 'Calls and minutes by day, stack, assistant and number. Without smoke tests.';
COMMENT ON COLUMN reporting.v_minutes_daily.day IS 'The day that the calls count for, in UTC, as in v_calls. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_minutes_daily.stack IS 'direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_minutes_daily.assistant_id IS 'The assistant that took the calls.';
COMMENT ON COLUMN reporting.v_minutes_daily.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_minutes_daily.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_minutes_daily.calls_n IS 'How many calls came in.';
COMMENT ON COLUMN reporting.v_minutes_daily.answered_n IS 'In how many of them a conversation began.';
COMMENT ON COLUMN reporting.v_minutes_daily.minutes IS 'Minutes of conversation, to the second.';
COMMENT ON COLUMN reporting.v_minutes_daily.begun_minutes IS 'The same with each call rounded up to whole minutes, as telephone companies count.';
COMMENT ON COLUMN reporting.v_minutes_daily.longest_minutes IS 'The longest conversation.';
