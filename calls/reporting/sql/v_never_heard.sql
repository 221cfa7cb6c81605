CREATE VIEW reporting.v_never_heard AS
SELECT
    t.turn_id,
    t.call_id,
    t.call_created_at,
    t.day,
    t.did,
    t.assistant_id,
    t.assistant,
    t.smoke_test,
    t.began_at,
    t.generated_text,
    t.heard_text,
    CASE
        WHEN starts_with(t.generated_text, t.heard_text) THEN ltrim(substr(t.generated_text, length(t.heard_text) + 1))
        ELSE t.generated_text
    END AS unheard_text,
    CASE
        WHEN starts_with(t.generated_text, t.heard_text) THEN substr(t.generated_text, length(t.heard_text) + 1)
        ELSE t.generated_text
    END ~ '[[:digit:]]' AS unheard_figure,
    t.generated_ms - t.heard_ms AS unheard_ms,
    t.interrupted_by
FROM reporting.v_turns t
WHERE t.speaker = 'assistant' AND t.interrupted AND t.heard_ms < t.generated_ms AND t.heard_text <> t.generated_text;

COMMENT ON VIEW reporting.v_never_heard IS 'Generated but never heard: what the assistant was about to say when it was interrupted. The model knows only what was heard; a price or a date in here was never told.';
COMMENT ON COLUMN reporting.v_never_heard.turn_id IS 'The turn, as in v_turns.';
COMMENT ON COLUMN reporting.v_never_heard.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_never_heard.call_created_at IS 'When the call came in, or was ordered. Indexed: filter by it, or by day.';
COMMENT ON COLUMN reporting.v_never_heard.day IS 'The day that the call counts for, in UTC, as in v_calls. Indexed.';
COMMENT ON COLUMN reporting.v_never_heard.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_never_heard.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_never_heard.assistant IS 'Who spoke.';
COMMENT ON COLUMN reporting.v_never_heard.smoke_test IS 'Whether the call was placed by a smoke test.';
COMMENT ON COLUMN reporting.v_never_heard.began_at IS 'When the turn began to be heard.';
COMMENT ON COLUMN reporting.v_never_heard.generated_text IS 'All that the model generated in the turn.';
COMMENT ON COLUMN reporting.v_never_heard.heard_text IS 'The part that the caller heard; whole words, rounded down.';
COMMENT ON COLUMN reporting.v_never_heard.unheard_text IS 'The rest.';
COMMENT ON COLUMN reporting.v_never_heard.unheard_figure IS 'Whether the rest has a digit in it: perhaps a price, a date or a time.';
COMMENT ON COLUMN reporting.v_never_heard.unheard_ms IS 'How much audio of it was not heard, in ms.';
COMMENT ON COLUMN reporting.v_never_heard.interrupted_by IS 'caller, end of call, or other, as in v_turns.';
