CREATE VIEW reporting.v_vapi_costs AS
SELECT
    w.call_id AS call_id,
    c.created_at AS call_created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) AS day,
    c.assistant_id AS assistant_id,
    coalesce(a.name, nullif(w.assistant_name, ''))::text AS assistant,
    round(extract(epoch FROM c.ended_at - c.started_at)::numeric / 60, 3) AS minutes,
    w.cost AS total_usd,
    b.transport AS transport_usd,
    b.stt AS transcription_usd,
    b.llm AS model_usd,
    b.tts AS voice_usd,
    b.vapi AS platform_usd,
    w.cost - (
        coalesce(b.transport, 0) + coalesce(b.stt, 0) + coalesce(b.llm, 0) + coalesce(b.tts, 0) + coalesce(b.vapi, 0)
    ) AS other_usd
FROM calls_vapicall w
JOIN calls_call c ON c.id = w.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN jsonb_typeof(w.cost_breakdown -> 'transport') = 'number' THEN (w.cost_breakdown ->> 'transport')::numeric END AS transport,
        CASE WHEN jsonb_typeof(w.cost_breakdown -> 'stt') = 'number' THEN (w.cost_breakdown ->> 'stt')::numeric END AS stt,
        CASE WHEN jsonb_typeof(w.cost_breakdown -> 'llm') = 'number' THEN (w.cost_breakdown ->> 'llm')::numeric END AS llm,
        CASE WHEN jsonb_typeof(w.cost_breakdown -> 'tts') = 'number' THEN (w.cost_breakdown ->> 'tts')::numeric END AS tts,
        CASE WHEN jsonb_typeof(w.cost_breakdown -> 'vapi') = 'number' THEN (w.cost_breakdown ->> 'vapi')::numeric END AS vapi
) b;

COMMENT ON VIEW reporting.v_vapi_costs IS 'What Vapi charged for each call that ran there, in its own parts, as imported.';
COMMENT ON COLUMN reporting.v_vapi_costs.call_id IS 'The call.';
COMMENT ON COLUMN reporting.v_vapi_costs.call_created_at IS 'When it came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_vapi_costs.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_vapi_costs.assistant_id IS 'Our assistant that came of Vapi''s.';
COMMENT ON COLUMN reporting.v_vapi_costs.assistant IS 'Its name, or the name at Vapi.';
COMMENT ON COLUMN reporting.v_vapi_costs.minutes IS 'Minutes of conversation.';
COMMENT ON COLUMN reporting.v_vapi_costs.total_usd IS 'What was charged in all, in US dollars. Empty where Vapi told none.';
COMMENT ON COLUMN reporting.v_vapi_costs.transport_usd IS 'For the telephone line.';
COMMENT ON COLUMN reporting.v_vapi_costs.transcription_usd IS 'For speech to text.';
COMMENT ON COLUMN reporting.v_vapi_costs.model_usd IS 'For the language model.';
COMMENT ON COLUMN reporting.v_vapi_costs.voice_usd IS 'For text to speech.';
COMMENT ON COLUMN reporting.v_vapi_costs.platform_usd IS 'Vapi''s own fee.';
COMMENT ON COLUMN reporting.v_vapi_costs.other_usd IS 'The rest of the total: analysis, chat, knowledge base, or what has no part named.';
