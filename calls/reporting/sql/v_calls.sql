CREATE VIEW reporting.v_calls AS
SELECT
    c.id AS call_id,
    c.stack::text AS stack,
    c.direction::text AS direction,
    c.smoke_test AS smoke_test,
    EXISTS (SELECT 1 FROM calls_callhandover h WHERE h.call_id = c.id) AS handed_over,
    c.status::text AS status,
    c.created_at AS created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) AS day,
    c.started_at AS started_at,
    c.ended_at AS ended_at,
    extract(epoch FROM c.ended_at - c.started_at)::numeric(12, 3) AS duration_s,
    c.did::text AS did,
    n.label::text AS number_label,
    c.caller::text AS caller,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    v.number AS version,
    s.name::text AS squad,
    c.ended_reason::text AS ended_reason,
    CASE
        WHEN c.status IN ('scheduled', 'queued') THEN 'to come'
        WHEN c.status IN ('ringing', 'in-progress', 'forwarding') THEN 'running'
        WHEN c.status = 'refused' THEN 'not answered'
        WHEN c.ended_reason IN ('customer-did-not-answer', 'customer-busy') THEN 'not answered'
        WHEN c.ended_reason LIKE '%error%'
            OR c.ended_reason IN (
                'worker-shutdown', 'phone-call-provider-closed-websocket', 'twilio-failed-to-connect-call',
                'assistant-not-found', 'assistant-not-valid'
            ) THEN 'broke'
        WHEN c.ended_reason LIKE 'customer-ended-call%' THEN 'caller hung up'
        WHEN c.ended_reason LIKE 'assistant-forwarded-call%' THEN 'transferred'
        WHEN c.ended_reason LIKE 'assistant-ended-call%'
            OR c.ended_reason = 'assistant-said-end-call-phrase' THEN 'assistant hung up'
        WHEN c.ended_reason = 'silence-timed-out' THEN 'silence'
        WHEN c.ended_reason = 'exceeded-max-duration' THEN 'too long'
        WHEN c.ended_reason = 'voicemail' THEN 'voicemail'
        WHEN c.ended_reason = '' THEN 'unknown'
        ELSE 'other'
    END AS outcome,
    c.refused_because AS refused_because,
    c.first_sound_ms AS first_sound_ms,
    c.barge_ins AS barge_ins,
    (
        SELECT count(*)
        FROM transcripts_transcript t JOIN transcripts_utterance u ON u.transcript_id = t.id
        WHERE t.call_id = c.id
    ) AS turns_n,
    (SELECT count(*) FROM tools_toolcall x WHERE x.call_id = c.id) AS tool_calls_n,
    (SELECT count(*) FROM calls_callproblem p WHERE p.call_id = c.id AND NOT p.benign) AS problems_n,
    (SELECT count(*) FROM calls_calltransfer r WHERE r.call_id = c.id) AS transfers_n,
    (
        SELECT r.dial_status::text FROM calls_calltransfer r
        WHERE r.call_id = c.id ORDER BY r.requested_at DESC, r.id DESC LIMIT 1
    ) AS transfer_status,
    w.vapi_id::text AS vapi_call_id,
    w.cost AS vapi_cost_usd,
    CASE WHEN c.stack = 'vapi' THEN w.cost ELSE k.total_usd END AS cost_usd,
    k.unpriced_n AS cost_unknown_n,
    c.call_sid::text AS call_sid,
    '/admin/calls/call/' || c.id || '/change/' AS admin_path
FROM calls_call c
LEFT JOIN calls_phonenumber n ON n.id = c.phone_number_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
LEFT JOIN assistants_assistantversion v ON v.id = c.version_id
LEFT JOIN assistants_squad s ON s.id = c.squad_id
LEFT JOIN calls_vapicall w ON w.call_id = c.id
LEFT JOIN calls_callcost k ON k.call_id = c.id AND k.priced_at IS NOT NULL;

COMMENT ON VIEW reporting.v_calls IS 'One row for each telephone call, of both stacks, finished or not.';
COMMENT ON COLUMN reporting.v_calls.call_id IS 'The id of the call; the same in every view.';
COMMENT ON COLUMN reporting.v_calls.stack IS 'Who ran it: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_calls.direction IS 'inbound or outbound.';
COMMENT ON COLUMN reporting.v_calls.smoke_test IS 'Placed by a smoke test: nobody was on the line. The daily views leave these out.';
COMMENT ON COLUMN reporting.v_calls.handed_over IS 'It came to us and was handed to the old provider, as a canary does.';
COMMENT ON COLUMN reporting.v_calls.status IS 'ringing, in-progress, forwarding, ended, or refused: not answered by an assistant.';
COMMENT ON COLUMN reporting.v_calls.created_at IS 'When it came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_calls.day IS 'The day that it counts for, in UTC: on which it came in; one that we placed, on which its conversation began, or where none did, on which it was over. Indexed.';
COMMENT ON COLUMN reporting.v_calls.started_at IS 'When the media stream began: zero of the clock of its turns. Empty where it never did.';
COMMENT ON COLUMN reporting.v_calls.ended_at IS 'When it was over. Empty while it runs.';
COMMENT ON COLUMN reporting.v_calls.duration_s IS 'Seconds of conversation. Empty where it did not both begin and end.';
COMMENT ON COLUMN reporting.v_calls.did IS 'The number that was called, as +14155550100.';
COMMENT ON COLUMN reporting.v_calls.number_label IS 'What your team calls that number.';
COMMENT ON COLUMN reporting.v_calls.caller IS 'The number that called, as Twilio gave it; may be withheld.';
COMMENT ON COLUMN reporting.v_calls.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_calls.assistant IS 'Its name today. Empty where none answered, or a call of Vapi has no assistant here.';
COMMENT ON COLUMN reporting.v_calls.version IS 'The published version that the call ran on.';
COMMENT ON COLUMN reporting.v_calls.squad IS 'The squad whose first member took the call.';
COMMENT ON COLUMN reporting.v_calls.ended_reason IS 'Why it ended, in Vapi''s words (endedReason).';
COMMENT ON COLUMN reporting.v_calls.outcome IS 'The same in a few words: to come, running, not answered, broke, transferred, caller hung up, assistant hung up, silence, too long, voicemail, other, unknown.';
COMMENT ON COLUMN reporting.v_calls.refused_because IS 'Why no assistant answered, in plain words.';
COMMENT ON COLUMN reporting.v_calls.first_sound_ms IS 'From the start of the stream to the first sound sent, in ms. At Vapi: to the assistant''s first words.';
COMMENT ON COLUMN reporting.v_calls.barge_ins IS 'How often the caller interrupted the assistant.';
COMMENT ON COLUMN reporting.v_calls.turns_n IS 'How many turns were written down, of both sides.';
COMMENT ON COLUMN reporting.v_calls.tool_calls_n IS 'How many tool calls the model asked for.';
COMMENT ON COLUMN reporting.v_calls.problems_n IS 'How many things went wrong, without those that the caller did not notice.';
COMMENT ON COLUMN reporting.v_calls.transfers_n IS 'How many transfers were asked for.';
COMMENT ON COLUMN reporting.v_calls.transfer_status IS 'How the last of them went, in Twilio''s words: completed, busy, no-answer, failed, canceled. Empty while it is open.';
COMMENT ON COLUMN reporting.v_calls.vapi_call_id IS 'The id at Vapi, for calls that ran there.';
COMMENT ON COLUMN reporting.v_calls.vapi_cost_usd IS 'What Vapi charged for it, in US dollars, as imported. Empty for our own calls: see cost_usd.';
COMMENT ON COLUMN reporting.v_calls.cost_usd IS 'What it cost, in US dollars: at Vapi as it charged, else the sum of its lines in v_cost_lines. Empty while it runs, and where it is not known.';
COMMENT ON COLUMN reporting.v_calls.cost_unknown_n IS 'How many of its lines have no amount, so that it cost more than cost_usd. Empty at Vapi.';
COMMENT ON COLUMN reporting.v_calls.call_sid IS 'Twilio''s id of the call.';
COMMENT ON COLUMN reporting.v_calls.admin_path IS 'Where the call''s page is, behind Tandem''s address.';
