CREATE VIEW reporting.v_turns AS
SELECT
    u.id AS turn_id,
    t.call_id AS call_id,
    c.stack::text AS stack,
    c.smoke_test AS smoke_test,
    c.created_at AS call_created_at,
    calls_day_of(c.direction, c.created_at, c.started_at, c.ended_at) AS day,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    coalesce(nullif(u.assistant, ''), a.name)::text AS assistant,
    (
        SELECT count(*) FROM transcripts_utterance o
        WHERE o.transcript_id = u.transcript_id AND (o.began_ms, o.id) <= (u.began_ms, u.id)
    ) AS turn_n,
    u.speaker::text AS speaker,
    u.text AS generated_text,
    u.heard_text AS heard_text,
    u.transcribed AS transcribed,
    t.started_at + u.began_ms * interval '1 millisecond' AS began_at,
    t.started_at + u.ended_ms * interval '1 millisecond' AS ended_at,
    u.began_ms AS began_ms,
    u.ended_ms AS ended_ms,
    CASE WHEN u.speaker = 'assistant' THEN u.generated_ms END AS generated_ms,
    CASE WHEN u.speaker = 'assistant' THEN u.heard_ms END AS heard_ms,
    u.interrupted AS interrupted,
    CASE WHEN u.interrupted THEN (
        SELECT o.id FROM transcripts_utterance o
        WHERE o.transcript_id = u.transcript_id AND o.speaker = 'caller'
            AND o.began_ms BETWEEN u.began_ms AND u.ended_ms + 1000
        ORDER BY o.began_ms, o.id LIMIT 1
    ) END AS interrupted_by_turn_id,
    CASE
        WHEN NOT u.interrupted THEN NULL
        WHEN EXISTS (
            SELECT 1 FROM transcripts_utterance o
            WHERE o.transcript_id = u.transcript_id AND o.speaker = 'caller'
                AND o.began_ms BETWEEN u.began_ms AND u.ended_ms + 1000
        ) THEN 'caller'
        WHEN NOT EXISTS (
            SELECT 1 FROM transcripts_utterance o
            WHERE o.transcript_id = u.transcript_id AND o.began_ms > u.began_ms
        ) THEN 'end of call'
        ELSE 'other'
    END AS interrupted_by,
    u.latency_ms AS latency_ms,
    CASE
        WHEN u.latency_ms IS NOT NULL AND c.stack = 'direct' THEN (
            SELECT (v.snapshot ->> 'vad_silence_ms')::int FROM assistants_assistantversion v
            WHERE v.id = c.version_id AND coalesce(v.snapshot ->> 'turn_detection', 'server_vad') = 'server_vad'
        )
    END AS endpointing_ms,
    CASE
        WHEN u.latency_ms IS NOT NULL THEN (
            SELECT round(
                extract(
                    epoch FROM max(
                        least(coalesce(x.told_at, x.answered_at), t.started_at + u.began_ms * interval '1 millisecond')
                    ) - min(x.requested_at)
                ) * 1000
            )::int
            FROM tools_toolcall x
            WHERE x.call_id = t.call_id
                AND x.requested_at >= t.started_at + (u.began_ms - u.latency_ms) * interval '1 millisecond'
                AND x.requested_at <= t.started_at + u.began_ms * interval '1 millisecond'
                AND coalesce(x.told_at, x.answered_at) IS NOT NULL
        )
    END AS tool_ms
FROM transcripts_utterance u
JOIN transcripts_transcript t ON t.id = u.transcript_id
JOIN calls_call c ON c.id = t.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id;

COMMENT ON VIEW reporting.v_turns IS 'One row for each side''s words in one turn, by the clock of speech: when it was heard, not when its text arrived.';
COMMENT ON COLUMN reporting.v_turns.turn_id IS 'The id of the turn.';
COMMENT ON COLUMN reporting.v_turns.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_turns.stack IS 'Who ran the call: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_turns.smoke_test IS 'Whether the call was placed by a smoke test.';
COMMENT ON COLUMN reporting.v_turns.call_created_at IS 'When the call came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_turns.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_turns.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_turns.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_turns.assistant IS 'Who spoke or was spoken to, by name, where several assistants shared the call; else the one that took it.';
COMMENT ON COLUMN reporting.v_turns.turn_n IS '1 for the first turn of the call. Counted for each row: leave it out of queries over many calls.';
COMMENT ON COLUMN reporting.v_turns.speaker IS 'caller or assistant.';
COMMENT ON COLUMN reporting.v_turns.generated_text IS 'What the model generated, or what the caller was understood to say.';
COMMENT ON COLUMN reporting.v_turns.heard_text IS 'The part of it that was really heard: shorter where the assistant was interrupted. At Vapi: the same text.';
COMMENT ON COLUMN reporting.v_turns.transcribed IS 'False: there was speech, but no text could be made of it.';
COMMENT ON COLUMN reporting.v_turns.began_at IS 'When it began to be heard.';
COMMENT ON COLUMN reporting.v_turns.ended_at IS 'When it ceased to be heard.';
COMMENT ON COLUMN reporting.v_turns.began_ms IS 'The same in ms of the call.';
COMMENT ON COLUMN reporting.v_turns.ended_ms IS 'The same in ms of the call.';
COMMENT ON COLUMN reporting.v_turns.generated_ms IS 'Audio that the model made, in ms. Empty for the caller. At Vapi: the length of the turn.';
COMMENT ON COLUMN reporting.v_turns.heard_ms IS 'Audio that the caller heard, in ms, by Twilio''s receipts. Empty for the caller.';
COMMENT ON COLUMN reporting.v_turns.interrupted IS 'The caller did not hear all of it.';
COMMENT ON COLUMN reporting.v_turns.interrupted_by_turn_id IS 'The turn of the caller that cut it short, where one began while it was heard or within a second.';
COMMENT ON COLUMN reporting.v_turns.interrupted_by IS 'caller, end of call (nothing was said after it), or other. Empty where it was not interrupted.';
COMMENT ON COLUMN reporting.v_turns.latency_ms IS 'From the end of the caller''s speech to the first sound sent back, in ms, with the silence that ends a turn. At Vapi: from the caller''s last word to the assistant''s first. Empty where nobody waited.';
COMMENT ON COLUMN reporting.v_turns.endpointing_ms IS 'The part of latency_ms that is the silence after which a turn counts as over, by the version''s setting. Empty at Vapi, and where turns end by what was said.';
COMMENT ON COLUMN reporting.v_turns.tool_ms IS 'The part of latency_ms between the first tool call asked for in it and the last answer told to the model. Empty where there was none. What remains is the model and the line.';
