CREATE VIEW reporting.v_analyses AS
SELECT
    y.call_id AS call_id,
    c.stack::text AS stack,
    c.created_at AS call_created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) AS day,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    v.number AS version,
    y.state::text AS state,
    y.why::text AS why,
    nullif(y.summary, '') AS summary,
    y.structured_data AS structured_data,
    y.structured_data_multi AS structured_data_multi,
    nullif(y.success_evaluation, '') AS success_evaluation,
    nullif(y.rubric, '')::text AS rubric,
    y.success AS success,
    y.score_percent AS score_percent,
    nullif(y.model, '')::text AS model,
    y.requests_n::int AS requests_n,
    y.finished_at AS finished_at
FROM calls_callanalysis y
JOIN calls_call c ON c.id = y.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
LEFT JOIN assistants_assistantversion v ON v.id = c.version_id
WHERE NOT c.smoke_test
UNION ALL
SELECT
    w.call_id,
    c.stack::text,
    c.created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at),
    c.did::text,
    c.assistant_id,
    a.name::text,
    NULL::integer,
    'done',
    '',
    nullif(w.analysis ->> 'summary', ''),
    w.analysis -> 'structuredData',
    coalesce(w.analysis -> 'structuredDataMulti', '[]'::jsonb),
    nullif(w.analysis ->> 'successEvaluation', ''),
    NULL::text,
    CASE lower(w.analysis ->> 'successEvaluation') WHEN 'true' THEN true WHEN 'false' THEN false END,
    NULL::numeric,
    NULL::text,
    NULL::integer,
    w.imported_at
FROM calls_vapicall w
JOIN calls_call c ON c.id = w.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
WHERE w.analysis <> '{}'::jsonb;

COMMENT ON VIEW reporting.v_analyses IS 'One row for each call that was analysed after its end, of both stacks: summary, facts, and whether it went well. Without smoke tests.';
COMMENT ON COLUMN reporting.v_analyses.call_id IS 'The call.';
COMMENT ON COLUMN reporting.v_analyses.stack IS 'Who ran the call and analysed it: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_analyses.call_created_at IS 'When the call came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_analyses.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_analyses.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_analyses.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_analyses.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_analyses.version IS 'The published version that the call ran on, with the plan that was carried out. Empty at Vapi.';
COMMENT ON COLUMN reporting.v_analyses.state IS 'waiting, done, partly, skipped or failed.';
COMMENT ON COLUMN reporting.v_analyses.why IS 'Why it was not needed, or what failed.';
COMMENT ON COLUMN reporting.v_analyses.summary IS 'The summary.';
COMMENT ON COLUMN reporting.v_analyses.structured_data IS 'The facts, as JSON in the form of the plan''s schema.';
COMMENT ON COLUMN reporting.v_analyses.structured_data_multi IS 'Further facts, as a JSON list of key and result.';
COMMENT ON COLUMN reporting.v_analyses.success_evaluation IS 'The verdict as Vapi writes it, always a text: true, 8, Good, 85% and so on.';
COMMENT ON COLUMN reporting.v_analyses.rubric IS 'By which rubric it was judged. Empty where a question of your own ruled, and at Vapi.';
COMMENT ON COLUMN reporting.v_analyses.success IS 'The verdict where it is true or false.';
COMMENT ON COLUMN reporting.v_analyses.score_percent IS 'The verdict on a scale from 0 to 100, where it is on one.';
COMMENT ON COLUMN reporting.v_analyses.model IS 'The text model that was asked.';
COMMENT ON COLUMN reporting.v_analyses.requests_n IS 'How many answers it was asked for and paid for.';
COMMENT ON COLUMN reporting.v_analyses.finished_at IS 'When it was done. At Vapi: when it was imported.';
