CREATE VIEW reporting.v_drift AS
SELECT
    r.id AS run_id,
    r.purpose::text AS purpose,
    r.did::text AS did,
    r.assistant_id AS assistant_id,
    a.name::text AS assistant,
    v.number AS version,
    r.line::text AS line,
    r.simulated_model AS simulated_model,
    r.created_at AS run_created_at,
    r.finished_at AS run_finished_at,
    (r.created_at AT TIME ZONE 'UTC')::date AS day,
    r.status::text AS run_status,
    r.outcome::text AS run_outcome,
    r.verdict ->> 'sentence' AS verdict,
    CASE WHEN jsonb_typeof(r.verdict -> 'rate') = 'number' THEN (r.verdict ->> 'rate')::numeric END AS rate,
    CASE WHEN jsonb_typeof(r.verdict -> 'lower') = 'number' THEN (r.verdict ->> 'lower')::numeric END AS rate_lower,
    CASE WHEN jsonb_typeof(r.verdict -> 'upper') = 'number' THEN (r.verdict ->> 'upper')::numeric END AS rate_upper,
    p.id AS pair_id,
    p.position AS pair_n,
    p.title::text AS scenario,
    p.status::text AS pair_status,
    p.outcome::text AS pair_outcome,
    p.strictly_same AS strictly_same,
    (
        SELECT string_agg(DISTINCT k.value ->> 'kind', ', ' ORDER BY k.value ->> 'kind')
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(p.causes) = 'array' THEN p.causes ELSE '[]'::jsonb END) k
    ) AS causes,
    (
        SELECT string_agg(DISTINCT k.value ->> 'tool', ', ' ORDER BY k.value ->> 'tool')
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(p.causes) = 'array' THEN p.causes ELSE '[]'::jsonb END) k
    ) AS tools,
    p.why AS why,
    p.call_id AS call_id,
    p.reference_id AS reference_call_id,
    p.latency_ms AS latency_ms,
    p.reference_latency_ms AS reference_latency_ms,
    p.reference_usd AS vapi_cost_usd
FROM calls_smokerun r
JOIN assistants_assistant a ON a.id = r.assistant_id
LEFT JOIN assistants_assistantversion v ON v.id = r.assistant_version_id
LEFT JOIN calls_smokepair p ON p.run_id = r.id;

COMMENT ON VIEW reporting.v_drift IS 'One row for each comparison of a smoke test with a call at Vapi; a test without any has one row with empty pair columns.';
COMMENT ON COLUMN reporting.v_drift.run_id IS 'The smoke test.';
COMMENT ON COLUMN reporting.v_drift.purpose IS 'smoke, or publish: the check of a draft.';
COMMENT ON COLUMN reporting.v_drift.did IS 'The number it was made for.';
COMMENT ON COLUMN reporting.v_drift.assistant_id IS 'The assistant that was tested.';
COMMENT ON COLUMN reporting.v_drift.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_drift.version IS 'Its published version. Empty for a draft.';
COMMENT ON COLUMN reporting.v_drift.line IS 'simulator, loopback (our own line) or telephone.';
COMMENT ON COLUMN reporting.v_drift.simulated_model IS 'The model was a simulated one: this proves nothing about the real one.';
COMMENT ON COLUMN reporting.v_drift.run_created_at IS 'When the test was asked for. Indexed.';
COMMENT ON COLUMN reporting.v_drift.run_finished_at IS 'When it was over.';
COMMENT ON COLUMN reporting.v_drift.day IS 'The day of run_created_at in UTC.';
COMMENT ON COLUMN reporting.v_drift.run_status IS 'planned, running, done, cancelled or stopped.';
COMMENT ON COLUMN reporting.v_drift.run_outcome IS 'pass, fail, inconclusive or errored; empty until there is a verdict.';
COMMENT ON COLUMN reporting.v_drift.verdict IS 'The verdict in one sentence.';
COMMENT ON COLUMN reporting.v_drift.rate IS 'The share of comparisons that differ, 0 to 1.';
COMMENT ON COLUMN reporting.v_drift.rate_lower IS 'The lower end of its 95 % interval.';
COMMENT ON COLUMN reporting.v_drift.rate_upper IS 'The upper end of its 95 % interval.';
COMMENT ON COLUMN reporting.v_drift.pair_id IS 'The comparison.';
COMMENT ON COLUMN reporting.v_drift.pair_n IS 'Its place in the test, 1 for the first.';
COMMENT ON COLUMN reporting.v_drift.scenario IS 'What was played.';
COMMENT ON COLUMN reporting.v_drift.pair_status IS 'waiting, placed, connected or judged.';
COMMENT ON COLUMN reporting.v_drift.pair_outcome IS 'same, reordered (another lawful order), drifted or errored; empty until it is judged.';
COMMENT ON COLUMN reporting.v_drift.strictly_same IS 'Whether the tools were the same in the very same order.';
COMMENT ON COLUMN reporting.v_drift.causes IS 'What differed: skipped, said_instead, extra, swapped, timed_out, arguments (never counted as drift).';
COMMENT ON COLUMN reporting.v_drift.tools IS 'The tools in which it did.';
COMMENT ON COLUMN reporting.v_drift.why IS 'Why the comparison broke, in plain words.';
COMMENT ON COLUMN reporting.v_drift.call_id IS 'Our call.';
COMMENT ON COLUMN reporting.v_drift.reference_call_id IS 'The call at Vapi that it is compared with.';
COMMENT ON COLUMN reporting.v_drift.latency_ms IS 'Median time of our answers in it, in ms.';
COMMENT ON COLUMN reporting.v_drift.reference_latency_ms IS 'The same of Vapi''s answers.';
COMMENT ON COLUMN reporting.v_drift.vapi_cost_usd IS 'What Vapi charged for the call at Vapi, in US dollars.';
