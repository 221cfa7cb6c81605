CREATE VIEW reporting.v_cost_lines AS
SELECT
    l.call_id AS call_id,
    c.stack::text AS stack,
    c.smoke_test AS smoke_test,
    c.created_at AS call_created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) AS day,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    l.provider::text AS provider,
    l.kind::text AS kind,
    l.item::text AS item,
    l.part::text AS part,
    l.quantity AS quantity,
    p.usd AS price_usd,
    p.per AS price_per,
    p.valid_from AS price_from,
    l.amount_usd AS usd,
    l.note::text AS note,
    l.written_at AS written_at
FROM calls_costline l
JOIN calls_call c ON c.id = l.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
LEFT JOIN calls_price p ON p.id = l.price_id
WHERE l.superseded_at IS NULL
UNION ALL
SELECT
    v.call_id,
    'vapi',
    FALSE,
    v.call_created_at,
    v.day,
    c.did::text,
    v.assistant_id,
    v.assistant,
    'vapi',
    'charged',
    b.item,
    'times',
    NULL,
    NULL,
    NULL,
    NULL,
    b.usd,
    '',
    w.imported_at
FROM reporting.v_vapi_costs v
JOIN calls_vapicall w ON w.call_id = v.call_id
JOIN calls_call c ON c.id = v.call_id
CROSS JOIN LATERAL (
    VALUES
    ('line', v.transport_usd), ('transcription', v.transcription_usd), ('model', v.model_usd),
    ('voice', v.voice_usd), ('platform', v.platform_usd), ('other', v.other_usd)
) b (item, usd)
WHERE v.total_usd IS NOT NULL AND b.usd <> 0;

COMMENT ON VIEW reporting.v_cost_lines IS 'What each call cost, line by line: ours with the price row that each was made with, Vapi''s in its own parts. Their sum is the call''s cost.';
COMMENT ON COLUMN reporting.v_cost_lines.call_id IS 'The call.';
COMMENT ON COLUMN reporting.v_cost_lines.stack IS 'Who ran it: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_cost_lines.smoke_test IS 'Placed by a smoke test, which costs as well.';
COMMENT ON COLUMN reporting.v_cost_lines.call_created_at IS 'When the call came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_cost_lines.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_cost_lines.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_cost_lines.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_cost_lines.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_cost_lines.provider IS 'Who charges for it: openai, twilio or vapi.';
COMMENT ON COLUMN reporting.v_cost_lines.kind IS 'What it is for: response, transcription, summary, analysis, line, stream, machine (listening for answering machines), transfer, recording, message; charged for all that Vapi charged.';
COMMENT ON COLUMN reporting.v_cost_lines.item IS 'The model, or the item of the price list; at Vapi the part of its breakdown.';
COMMENT ON COLUMN reporting.v_cost_lines.part IS 'Which part of it: text_in, text_cached, text_out, audio_in, audio_cached, audio_out, image_in, image_cached, seconds, minutes, times. Cached input is not in the input.';
COMMENT ON COLUMN reporting.v_cost_lines.quantity IS 'How much: tokens, seconds, started minutes, times.';
COMMENT ON COLUMN reporting.v_cost_lines.price_usd IS 'The price that it was made with, in US dollars. Empty where Twilio told what it charged, where there is no price, and at Vapi.';
COMMENT ON COLUMN reporting.v_cost_lines.price_per IS 'For how much that is the price.';
COMMENT ON COLUMN reporting.v_cost_lines.price_from IS 'From when on that price is in force.';
COMMENT ON COLUMN reporting.v_cost_lines.usd IS 'What it cost, in US dollars. Empty where it is not known: see note.';
COMMENT ON COLUMN reporting.v_cost_lines.note IS 'Why it is not known, or what was assumed.';
COMMENT ON COLUMN reporting.v_cost_lines.written_at IS 'When it was reckoned, or imported.';
