CREATE VIEW reporting.v_tool_calls AS
SELECT
    x.id AS tool_call_id,
    x.call_id AS call_id,
    c.stack::text AS stack,
    c.smoke_test AS smoke_test,
    c.did::text AS did,
    c.assistant_id AS assistant_id,
    a.name::text AS assistant,
    x.item_id::text AS item_id,
    x.name::text AS tool,
    k.kind::text AS tool_kind,
    x.status::text AS status,
    x.status IN ('failed', 'timed_out', 'refused') AS went_wrong,
    x.error AS error,
    x.http_status AS http_status,
    x.requested_at AS requested_at,
    (x.requested_at AT TIME ZONE 'UTC')::date AS day,
    x.sent_at AS sent_at,
    x.answered_at AS answered_at,
    x.told_at AS told_at,
    round(extract(epoch FROM x.answered_at - x.sent_at) * 1000)::int AS server_ms,
    round(extract(epoch FROM x.told_at - x.requested_at) * 1000)::int AS waited_ms,
    x.attempts_begun AS attempts_n,
    coalesce(x.answered_at > x.told_at, false) AS came_late,
    x.orphaned AS orphaned
FROM tools_toolcall x
LEFT JOIN calls_call c ON c.id = x.call_id
LEFT JOIN assistants_assistant a ON a.id = c.assistant_id
LEFT JOIN tools_tool k ON k.id = x.tool_id;

COMMENT ON VIEW reporting.v_tool_calls IS 'One row for each tool call, from asked to answered. Arguments and answers are left out: they may hold what only your servers and the admin should show.';
COMMENT ON COLUMN reporting.v_tool_calls.tool_call_id IS 'The id of the tool call.';
COMMENT ON COLUMN reporting.v_tool_calls.call_id IS 'Its call.';
COMMENT ON COLUMN reporting.v_tool_calls.stack IS 'Who ran the call: direct (Tandem) or vapi.';
COMMENT ON COLUMN reporting.v_tool_calls.smoke_test IS 'Whether a smoke test placed the call: its tools were answered by the scenario.';
COMMENT ON COLUMN reporting.v_tool_calls.did IS 'The number that was called.';
COMMENT ON COLUMN reporting.v_tool_calls.assistant_id IS 'The assistant that took the call.';
COMMENT ON COLUMN reporting.v_tool_calls.assistant IS 'Its name.';
COMMENT ON COLUMN reporting.v_tool_calls.item_id IS 'The id in the conversation: OpenAI''s call_id, Vapi''s toolCallId.';
COMMENT ON COLUMN reporting.v_tool_calls.tool IS 'The name that the model called.';
COMMENT ON COLUMN reporting.v_tool_calls.tool_kind IS 'What it does: function is a webhook. Empty where the tool is not ours, as for calls at Vapi.';
COMMENT ON COLUMN reporting.v_tool_calls.status IS 'requested, sent, answered, failed, timed_out (outcome unknown), refused (never sent).';
COMMENT ON COLUMN reporting.v_tool_calls.went_wrong IS 'Whether it failed, timed out or was refused.';
COMMENT ON COLUMN reporting.v_tool_calls.error IS 'Why, in plain words.';
COMMENT ON COLUMN reporting.v_tool_calls.http_status IS 'The status of the server''s last answer.';
COMMENT ON COLUMN reporting.v_tool_calls.requested_at IS 'When the model asked for it. Indexed: filter by it.';
COMMENT ON COLUMN reporting.v_tool_calls.day IS 'The day of requested_at in UTC. Not indexed.';
COMMENT ON COLUMN reporting.v_tool_calls.sent_at IS 'When the request left.';
COMMENT ON COLUMN reporting.v_tool_calls.answered_at IS 'When the answer was complete.';
COMMENT ON COLUMN reporting.v_tool_calls.told_at IS 'When the model was told the outcome.';
COMMENT ON COLUMN reporting.v_tool_calls.server_ms IS 'From sent to answered, in ms: the time of your server.';
COMMENT ON COLUMN reporting.v_tool_calls.waited_ms IS 'From asked for to told, in ms: the time that the caller waited.';
COMMENT ON COLUMN reporting.v_tool_calls.attempts_n IS 'How often the request was sent, or was to be.';
COMMENT ON COLUMN reporting.v_tool_calls.came_late IS 'The answer came after the model had been told that there was none.';
COMMENT ON COLUMN reporting.v_tool_calls.orphaned IS 'The call ended before the model could be told.';
